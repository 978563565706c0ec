/*
 * remote: one repository of one registry, spoken to by the OCI distribution API.
 *
 * GET /v2/ (the ping), /v2/NAME/manifests/TAG-OR-DIGEST, /v2/NAME/blobs/DIGEST, and the token
 * server in between. Follows the OCI distribution specification. Explained in book/08-registry.md.
 */
#ifndef BOXSTEP_REMOTE_H
#define BOXSTEP_REMOTE_H

#include <stddef.h>
#include "step07-runtime/registry/auth.h"
#include "step07-runtime/registry/fetch.h"
#include "step07-runtime/registry/reference.h"

#define REMOTE_MANIFEST_MAX (4 << 20) /* bytes of a manifest or index: the specification's limit \
				       */

struct remote_options {
	const char *authfile; /* --authfile; NULL: the usual places */
};
extern const struct option_row remote_options[];

struct remote {
	struct fetch_client client; /* first: the callback's way back to its remote */
	const struct remote_options *options;
	const struct reference *reference;
	char origin[REFERENCE_NAME_MAX + 16];
};

/* Pings the registry, and finds out whether one on this machine speaks TLS. 0 or −1. */
int remote_open(struct remote *remote, const struct remote_options *options,
		const struct reference *reference);
void remote_close(struct remote *remote);

/*
 * Gets a manifest or an index into DOCUMENT (text freed by the caller) and its media type, without
 * parameters, into TYPE. SELECTOR is a tag or a digest; a digest is verified here. DIGEST gets the
 * digest of what came, computed here, never the one that a header claims.
 */
int remote_manifest(struct remote *remote, const char *selector, struct fetch_document *document,
		    char type[static 128], char digest[static 72]);

/* The URL of a blob; freed by the caller, NULL with ENOMEM. */
char *remote_blob_url(const struct remote *remote, const char *digest);

#endif

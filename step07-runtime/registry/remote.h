/*
 * remote: one repository of one registry, spoken to by the OCI distribution API.
 *
 * GET /v2/ (the ping), /v2/NAME/manifests/TAG-OR-DIGEST, /v2/NAME/blobs/DIGEST, and the token
 * server in between. Follows the OCI distribution specification and the distribution project's
 * token specification. Explained in book/08-registry.md.
 */
#ifndef BOXSTEP_REMOTE_H
#define BOXSTEP_REMOTE_H

#include <stddef.h>
#include "step01-unshare/options.h"
#include "step05-overlay/image.h"
#include "step05-overlay/reference.h"
#include "step07-runtime/registry/fetch.h"

struct remote_options {
	const char *authfile; /* --authfile FILE; NULL: the usual places */
};
extern const struct option_row remote_options[];

struct remote {
	struct fetch_client client; /* first, so that its callback finds the way back */
	const struct remote_options *options;
	const struct reference *reference;
	char base[320]; /* "https://registry-1.docker.io/v2/" */
};

/*
 * Finds the registry of REFERENCE: https, and on this machine http if that is what it speaks.
 * 0, or −1: nobody there, no registry, no TLS. Both structs must outlive REMOTE.
 */
int remote_open(struct remote *remote, const struct remote_options *options,
		const struct reference *reference);
void remote_close(struct remote *remote);

/*
 * Gets the manifest or index that SELECTOR (a tag or a digest) names: TEXT is to be freed, WHAT has
 * its media type (without parameters), its size, and its digest, computed from the bytes and never
 * taken from a header. EBADMSG when SELECTOR is a digest and they have another; EFBIG above 4 MiB.
 */
int remote_manifest(struct remote *remote, const char *selector, char **text,
		    struct descriptor *what);

/* The URL of a blob; to be freed, NULL with ENOMEM recorded. */
char *remote_blob_url(const struct remote *remote, const char *digest);

#endif

/*
 * reference: the name of an image, as people type it and as a registry wants it.
 *
 * `nginx` is short for docker.io/library/nginx:latest. Follows the OCI distribution specification
 * ("Pulling manifests") and the rules that docker made usual. Explained in book/08-registry.md.
 */
#ifndef BOXSTEP_REFERENCE_H
#define BOXSTEP_REFERENCE_H

#include <stdbool.h>

#define REFERENCE_NAME_MAX 255 /* characters of host and repository together */
#define REFERENCE_TEXT_MAX 480 /* with tag and digest, and the zero byte */

struct reference {
	char registry[REFERENCE_NAME_MAX + 1];	 /* "docker.io", "localhost:5000", "[::1]:5000" */
	char repository[REFERENCE_NAME_MAX + 1]; /* "library/nginx" */
	char tag[129];				 /* "latest"; empty with a digest and no tag */
	char digest[72];			 /* "sha256:" and 64 hex digits, or empty */
};

/*
 * Takes TEXT apart: [HOST[:PORT]/]REPOSITORY[:TAG][@DIGEST]. The first part is a host if it has a
 * dot or a colon, or is `localhost`; without a host it is docker.io, whose one-part names are in
 * library/. Without tag and digest the tag is latest. With both, the digest decides.
 * Gives 0, or −1 with EINVAL and the rule that TEXT breaks.
 */
int reference_parse(const char *text, struct reference *reference);

/* The whole name, "docker.io/library/nginx:latest"; TEXT has room for REFERENCE_TEXT_MAX. */
void reference_text(const struct reference *reference, char *text);

/* What stands after /manifests/ in the URL: the digest if there is one, else the tag. */
const char *reference_selector(const struct reference *reference);

/* The host to connect to: docker.io's registry is registry-1.docker.io. */
const char *reference_host(const struct reference *reference);

/* Whether HOST[:PORT] is this machine: localhost, 127.0.0.0/8, ::1. Names are not resolved. */
bool reference_loopback(const char *host);

#endif

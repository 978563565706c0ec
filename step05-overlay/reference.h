/*
 * reference: the name of an image, as people type it and as it is written down.
 *
 * `nginx` is docker.io/library/nginx:latest. Follows the grammar of the distribution project's
 * "reference" package, which every engine shares. Explained in book/05-overlay.md.
 */
#ifndef BOXSTEP_REFERENCE_H
#define BOXSTEP_REFERENCE_H

#include "step05-overlay/image.h"

struct reference {
	char domain[256];	  /* "docker.io", "localhost:5000" */
	char path[256];		  /* "library/nginx" */
	char tag[129];		  /* "latest"; "" when only a digest was given */
	char digest[DIGEST_TEXT]; /* "" when there is none */
};
enum { REFERENCE_TEXT = 768 };

/* Strict: at most 255 bytes of domain and path in full, lower-case path components, a tag of
 * [A-Za-z0-9_.-] up to 128, a valid digest. 0, or −1 with EINVAL recorded. */
int reference_parse(const char *text, struct reference *reference);

/* "docker.io/library/nginx:latest" or "…/nginx@sha256:…": the form in which the store keeps it. */
void reference_format(const struct reference *reference, char text[REFERENCE_TEXT]);

/* What `images` shows as REPOSITORY: "nginx", "localhost:5000/demo". */
void reference_familiar(const struct reference *reference, char text[REFERENCE_TEXT]);

#endif

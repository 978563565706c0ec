/*
 * digest: a name that cannot lie. SHA-256 of the bytes, written `sha256:` and 64 hex digits.
 *
 * Follows the OCI image specification (descriptor.md, "Digests"; config.md, "Layer ChainID"). Only
 * the programs that bring images in link it. Explained in book/05-overlay.md.
 */
#ifndef BOXSTEP_DIGEST_H
#define BOXSTEP_DIGEST_H

#include <stddef.h>
#include "step05-overlay/image.h"

struct digest {
	void *context; /* libcrypto's */
};

/* 0, or −1 with ENOMEM (not recorded: a thread of its own may call these). */
int digest_begin(struct digest *digest);
void digest_add(struct digest *digest, const void *data, size_t length);
/* Gives the text and ends the digest; TEXT may be NULL, to end it only. */
void digest_end(struct digest *digest, char *text);

/* Of a piece of memory. */
void digest_of(const void *data, size_t length, char text[DIGEST_TEXT]);

/* The name of a layer together with all below it: its diff id when it is the lowest (PARENT NULL),
 * else the digest of "PARENT DIFF_ID". */
void digest_chain(const char *parent, const char *diff_id, char chain[DIGEST_TEXT]);

#endif

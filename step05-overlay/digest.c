/*
 * digest: a name that cannot lie. SHA-256 of the bytes, written `sha256:` and 64 hex digits.
 *
 * Follows EVP_DigestInit(3ssl); OCI image specification, descriptor.md and config.md.
 * Explained in book/05-overlay.md.
 */
#include "step05-overlay/digest.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <openssl/evp.h>

int
digest_begin(struct digest *digest)
{
	digest->context = EVP_MD_CTX_new();
	if (digest->context && EVP_DigestInit_ex(digest->context, EVP_sha256(), NULL))
		return 0;
	EVP_MD_CTX_free(digest->context);
	errno = ENOMEM;
	return -1;
}

void
digest_add(struct digest *digest, const void *data, size_t length)
{
	EVP_DigestUpdate(digest->context, data, length);
}

void
digest_end(struct digest *digest, char *text)
{
	unsigned char bytes[EVP_MAX_MD_SIZE];

	EVP_DigestFinal_ex(digest->context, bytes, NULL);
	EVP_MD_CTX_free(digest->context);
	digest->context = NULL;
	if (!text)
		return;
	strcpy(text, "sha256:");
	for (size_t i = 0; i < 32; i++)
		sprintf(text + 7 + 2 * i, "%02x", bytes[i]);
}

void
digest_of(const void *data, size_t length, char text[DIGEST_TEXT])
{
	struct digest digest;

	text[0] = '\0';
	if (digest_begin(&digest) < 0)
		return;
	digest_add(&digest, data, length);
	digest_end(&digest, text);
}

void
digest_chain(const char *parent, const char *diff_id, char chain[DIGEST_TEXT])
{
	char pair[2 * DIGEST_TEXT];

	if (!parent) {
		snprintf(chain, DIGEST_TEXT, "%s", diff_id);
		return;
	}
	snprintf(pair, sizeof(pair), "%s %s", parent, diff_id);
	digest_of(pair, strlen(pair), chain);
}

/*
 * image: what an image is. An index names manifests, a manifest names a config and layers, and
 * everything is named by the digest of its bytes.
 *
 * Follows the OCI image specification (descriptor, image-index, manifest, config) and docker's
 * schema 2, which it came from. Nothing here opens a file. Explained in book/05-overlay.md.
 */
#ifndef BOXSTEP_IMAGE_H
#define BOXSTEP_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DIGEST_TEXT 72		 /* "sha256:", 64 hex digits, NUL */
enum { IMAGE_LAYERS_MAX = 500 }; /* overlayfs stacks no more */

/* "sha256:" and 64 lower-case hex digits, nothing else. */
bool digest_valid(const char *text);
/* The 64 hex digits. */
const char *digest_hex(const char *digest);

struct descriptor { /* a pointer to a blob */
	char media_type[128];
	char digest[DIGEST_TEXT];
	int64_t size; /* bytes */
};

enum image_kind { IMAGE_UNKNOWN, IMAGE_INDEX, IMAGE_MANIFEST };
/* By media type; OCI's and docker's names. Parameters (`; charset=…`) are not accepted. */
enum image_kind image_kind(const char *media_type);

struct platform {
	char os[32], architecture[32], variant[32]; /* "linux", "amd64", "" */
};
/* "linux/arm64/v8". 0, or −1 with EINVAL recorded. NULL: this machine's. */
int platform_parse(const char *text, struct platform *platform);

/*
 * Chooses an entry of an image index (or of a layout's index.json, which is one): with TAG the
 * entry whose annotation org.opencontainers.image.ref.name is TAG (or ends in ":TAG"), and of the
 * candidates the one for PLATFORM; entries without a platform fit any, and are looked at last.
 * Refused (EINVAL): a text that has members of a manifest too (CVE-2021-41190), a mediaType field
 * that differs from MEDIA_TYPE (NULL: not known), no entry that fits (ENOENT; what there is, is
 * said).
 */
int image_index_choose(const char *text, size_t length, const char *media_type, const char *tag,
		       const struct platform *platform, struct descriptor *chosen);

struct image_manifest {
	struct descriptor config;
	struct descriptor *layer; /* bottom first */
	size_t layers;
};
/* Parses a manifest, OCI or docker schema 2; schema 1 is refused with a sentence, and so is a text
 * that is an index too. The caller frees it with image_manifest_free. */
int image_manifest_parse(const char *text, size_t length, const char *media_type,
			 struct image_manifest *manifest);
void image_manifest_free(struct image_manifest *manifest);

#endif

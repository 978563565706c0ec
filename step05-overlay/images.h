/*
 * images: what the store calls an image. A record from a manifest's digest to its names and layers.
 *
 * The records are one small file, because `run` reads it at every start.
 * Explained in book/05-overlay.md.
 */
#ifndef BOXSTEP_IMAGES_H
#define BOXSTEP_IMAGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "step05-overlay/image.h"
#include "step05-overlay/reference.h"

struct store;

struct image_record {
	char manifest[DIGEST_TEXT]; /* key of the record */
	char target[DIGEST_TEXT];   /* what was asked for: an index, or the manifest itself */
	char config[DIGEST_TEXT];   /* the image id that people see */
	char **names;		    /* formatted references; NULL-terminated; may be empty */
	char **chain;		    /* chain ids of the layers, bottom first; NULL-terminated */
	char created[40];	    /* RFC 3339, from the config; may be empty */
	int64_t size;		    /* bytes of the unpacked layers */
	char *source;		    /* the archive it came from (device, inode, times), or NULL */
};
void image_record_free(struct image_record *record);

/*
 * Registers an image whose blobs and layers are here: writes the record, or updates it, and gives
 * it NAME (NULL: none), which is taken from whatever image had it. RECORD->names is not used.
 */
int store_image_add(const struct store *store, const struct image_record *record, const char *name);
/* Gives one more name to an image that is here. ENOENT. */
int store_tag(const struct store *store, const char *name, const char *manifest);

/*
 * By name ("nginx", "localhost:5000/demo:1", "nginx@sha256:…"), by digest of manifest, target or
 * config, or by at least 4 digits of an image id, if they fit one image only (EEXIST otherwise).
 * ENOENT is recorded.
 */
int store_image_find(const struct store *store, const char *word, struct image_record *record);
/* The image that came from this archive; −1 with ENOENT, not recorded. */
int store_image_from(const struct store *store, const char *source, struct image_record *record);

struct image_list {
	struct image_record *item;
	size_t count;
};
int store_images(const struct store *store, struct image_list *list);
void image_list_free(struct image_list *list);

/* ---- for collect.c: a list that is being changed, under the lock ---- */

int images_save(const struct store *store, const struct image_list *list);
/* The record that WORD means, as for store_image_find; NULL with the error recorded. */
struct image_record *images_find(const struct image_list *list, const char *word);
/* Whether WORD is one of the record's names; FULL gets it as it is written there. */
bool image_named(const struct image_record *record, const char *word, char full[REFERENCE_TEXT]);
bool image_drop_name(struct image_record *record, const char *name);

#endif

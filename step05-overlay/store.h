/*
 * store: what has been brought in, once, for every container after it. Blobs and layers named by
 * digest, images named by people.
 *
 *	ROOT/                        /var/lib/boxstep; without root $XDG_DATA_HOME/boxstep; mode
 *0711 lock                       flock: exclusive while images.json changes or something is removed
 *	  images.json                the image records (below), replaced by rename
 *	  blobs/sha256/HEX           complete and verified: indexes, manifests, configs, layer
 *tarballs layers/HEX/                an unpacked layer, HEX of its chain id, complete when it is
 *here diff/                  its files: a lower directory of overlayfs layer.json             diff
 *id, parent, bytes, entries flat/HEX/                  the same for a single-id user namespace:
 *every owner is the caller pins/NAME                  an image in use by something that stands
 *still (a stopped container) scratch/NAME/              upper, work and volumes of a run, gone
 *afterwards partial/HEX                a blob on its way in; kept a week, so that a pull can go on
 *	  aside/HEX/                 a layer on its way in, renamed to layers/HEX when whole
 *
 * Nothing is ever changed in place: it is made aside and renamed. Whoever makes something holds an
 * flock(2) on it, which the kernel drops with its holder; store_open sweeps what nobody holds.
 * A layer in use is held by a shared flock on its directory, and is not removed.
 * Follows flock(2), rename(2), the OCI image specification ("ChainID").
 * Explained in book/05-overlay.md.
 */
#ifndef BOXSTEP_STORE_H
#define BOXSTEP_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include "step01-unshare/options.h"
#include "step05-overlay/image.h"

struct store {
	int fd;		    /* ROOT, close-on-exec */
	const char *path;   /* for messages, and for paths that must be strings; absolute */
	const char *layers; /* "layers", or "flat" when owners cannot be kept */
};

struct store_options {
	const char *root; /* --root DIR; NULL: $BOXSTEP_ROOT, then the default */
	bool flat;	  /* layers for a single-id user namespace */
};
extern const struct option_row store_options[]; /* --root */

/* Opens the store, makes what is missing of it, sweeps what a crash left. store_close frees it.
 * EROFS, EACCES, ENOSPC: the hint names --root. */
int store_open(const struct store_options *options, struct store *store);
void store_close(struct store *store);

/* ---- blobs ---- */

/* A descriptor (read-only) of a blob; −1 with ENOENT (not recorded) when it is not here. */
int store_blob_open(const struct store *store, const char *digest);
/* Here, and SIZE bytes long (SIZE < 0: any). */
bool store_has_blob(const struct store *store, const char *digest, int64_t size);
/* All of a blob, NUL-terminated, to be freed; EFBIG above LIMIT. */
char *store_blob_read(const struct store *store, const char *digest, size_t limit, size_t *length);

/*
 * A blob taken in piece by piece: a file (O_RDWR) that nobody else writes (EWOULDBLOCK when another
 * does), whose size is what an earlier try left. The caller verifies size and digest before
 * store_ingest_commit, which gives it its name; store_ingest_drop removes it. Both close FD.
 * A close(2) alone leaves the partial file for the next try.
 */
int store_ingest_open(const struct store *store, const char *digest);
int store_ingest_commit(const struct store *store, int fd, const char *digest);
void store_ingest_drop(const struct store *store, int fd, const char *digest);

/* ---- layers ---- */

bool store_has_layer(const struct store *store, const char *chain);
/* The directory of a layer, locked shared: in use until it is closed. ENOENT is recorded. */
int store_layer_open(const struct store *store, const char *chain);

struct store_layer { /* a layer on its way in */
	char chain[DIGEST_TEXT];
	int dir;  /* aside/HEX, locked exclusively */
	int diff; /* aside/HEX/diff, empty */
};
/*
 * 1: the layer is to be made, in LAYER->diff; 0: it is here, because somebody else just made it
 * (waited for); −1. End with store_layer_commit or store_layer_drop. The commit syncs the file
 * system when SYNC, because a renamed directory whose files are lost in a power cut looks whole.
 */
int store_layer_begin(const struct store *store, const char *chain, struct store_layer *layer);
int store_layer_commit(const struct store *store, struct store_layer *layer, const char *diff_id,
		       int64_t bytes, int64_t entries, bool sync);
void store_layer_drop(const struct store *store, struct store_layer *layer);

/* ---- images ---- */

struct image_record {
	char manifest[DIGEST_TEXT]; /* key of the record */
	char target[DIGEST_TEXT];   /* what the name pointed to: an index, or the manifest itself */
	char config[DIGEST_TEXT];   /* the image id that people see */
	char **names;		    /* formatted references; NULL-terminated; may be empty */
	char **chain;		    /* chain ids, bottom first; NULL-terminated */
	char created[40];	    /* RFC 3339, from the config; may be empty */
	int64_t size;		    /* bytes of the unpacked layers */
	char *source;		    /* what archive it came from (device, inode, times), or NULL */
};
void image_record_free(struct image_record *record);

/*
 * Registers an image whose blobs are here: writes the record if it is new (read from the manifest
 * and the config; the chain ids are CHAIN), and gives it NAME (NULL: none), which is taken from
 * whatever image had it. Idempotent.
 */
int store_image_add(const struct store *store, const struct image_record *record, const char *name);
/* Gives one more name to an image that is here. */
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

/* An image that OWNER (a container's id) needs though nothing of it runs now. */
int store_pin(const struct store *store, const char *owner, const char *manifest);
int store_unpin(const struct store *store, const char *owner);

/*
 * Takes the name WORD away; with the last name (or when WORD is an id) the image goes, and with it
 * every layer and blob that no other image needs. EBUSY when it runs or is pinned: who, is said;
 * FORCE removes the record all the same and leaves what is locked to a later collection.
 * TELL is called for each thing gone: ("untagged", name), ("deleted", digest).
 */
int store_image_remove(const struct store *store, const char *word, bool force,
		       void (*tell)(const char *what, const char *name, void *with), void *with);
/* Removes what no image record needs, and partial blobs. Gives the bytes freed, or −1. */
int64_t store_collect(const struct store *store);

/* ---- scratch ---- */

/* A fresh directory scratch/NAME (NAME is filled in: 12 hex digits), mode 0700, locked; it is
 * swept once its descriptor is closed everywhere. */
int store_scratch(const struct store *store, char name[16]);
int store_scratch_remove(const struct store *store, const char *name);

/* Removes NAME below DIRFD with all it has, crossing no mount and following no link. 0 or −1. */
int tree_remove(int dirfd, const char *name);

#endif

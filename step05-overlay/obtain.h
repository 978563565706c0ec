/*
 * obtain: the image that somebody named, made ready to mount.
 *
 * What is in the store already is only looked up; what is not, the program boxstep-unpack brings
 * in, so that a run needs neither an archive nor a digest library. Explained in book/05-overlay.md.
 */
#ifndef BOXSTEP_OBTAIN_H
#define BOXSTEP_OBTAIN_H

#include <stdbool.h>
#include "step01-unshare/idmap.h"
#include "step03-mounts/mount_list.h"
#include "step05-overlay/image_config.h"
#include "step05-overlay/overlay.h"
#include "step05-overlay/store.h"

struct image_options {
	const char *platform;	/* --platform OS/ARCH[/VARIANT] */
	const char *entrypoint; /* --entrypoint WORD */
	const char *user;	/* --run-as USER[:GROUP] */
	const char *workdir;	/* --workdir DIR */
	struct text_list env;	/* --env NAME[=VALUE] */
};
extern const struct option_row image_options[];

struct image {
	struct image_record record;
	struct image_config config;
};

/*
 * WORD is a layout directory `DIR` or `DIR:TAG`, an archive, or a name in the store. Unpacks what
 * is missing, in a user namespace with MAPS when the caller is not privileged and USER_NAMESPACE
 * (MAPS may be NULL without). Holds the store (store_hold) until image_add_layers.
 * ENOENT when it is none of these.
 */
int image_obtain(struct store *store, const struct image_options *options, const char *word,
		 const struct idmap_options *maps, bool user_namespace, struct image *image);
void image_free(struct image *image);

/* Adds the image's layers to an overlay, each locked shared for as long as it is open. */
int image_add_layers(struct store *store, const struct image *image, struct overlay *overlay);

/* Each of the image's volumes that is not mounted by LIST yet: a directory in the run's scratch,
 * bound there, which begins with what the image has in it. */
int image_add_volumes(const struct store *store, const struct image *image, struct overlay *overlay,
		      struct mount_list *list);

/* Whether a run with these maps can keep no owners, so that it needs layers of its own kind: for
 * store_options.flat. */
bool image_flat(const struct idmap_options *maps, bool user_namespace);

/*
 * Runs boxstep-unpack for SOURCE: a layout `DIR[:TAG]`, an archive, or the digest of a manifest or
 * index that is in the store. Its error becomes this program's. Gives the manifest's digest.
 */
int image_unpack(const struct store *store, const char *source, const char *platform,
		 const struct idmap_options *maps, bool user_namespace, char manifest[DIGEST_TEXT]);

#endif

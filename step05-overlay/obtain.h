/*
 * obtain: the image that somebody named, made ready to mount.
 *
 * What is in the store already is only looked up; what is not, the program boxstep-unpack brings
 * in, so that a run needs neither an archive nor a digest library. Explained in book/05-overlay.md.
 */
#ifndef BOXSTEP_OBTAIN_H
#define BOXSTEP_OBTAIN_H

#include "step01-unshare/idmap.h"
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
 * is missing, in a user namespace with IDMAP's maps when USER_NAMESPACE.
 * ENOENT when it is none of these.
 */
int image_obtain(const struct store *store, const struct image_options *options, const char *word,
		 const struct idmap_options *idmap, bool user_namespace, struct image *image);
/* The same for an image that the store has by name, id or digest (its layers may be missing). */
int image_obtain_stored(const struct store *store, const char *word,
			const struct idmap_options *idmap, bool user_namespace,
			struct image *image);
void image_free(struct image *image);

/* Adds the image's layers to an overlay, each locked shared for as long as it is open. */
int image_add_layers(const struct store *store, const struct image *image, struct overlay *overlay);

/*
 * Runs boxstep-unpack (beside this program, in LIBEXECDIR or in $BOXSTEP_LIBEXEC) for SOURCE: a
 * layout `DIR[:TAG]`, an archive, or the digest of a manifest or index that is in the store.
 * Its error becomes this program's. Gives the manifest's digest.
 */
int image_unpack(const struct store *store, const char *source, const char *platform,
		 const struct idmap_options *idmap, bool user_namespace,
		 char manifest[DIGEST_TEXT]);

#endif

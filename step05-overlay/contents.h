/*
 * contents: what a container has, from an image to a mounted root, in the order of step 5: its
 * layers found and locked, an upper one made for it, all mounted, its user become; and taken away.
 *
 * A run without an image (--rootfs) passes through unchanged but for --env, --run-as and --workdir,
 * so that every program from step 5 on can do what those before it did. Explained in
 * book/05-overlay.md.
 */
#ifndef BOXSTEP_CONTENTS_H
#define BOXSTEP_CONTENTS_H

#include <stdbool.h>
#include "step01-unshare/idmap.h"
#include "step03-mounts/view.h"
#include "step05-overlay/obtain.h"
#include "step05-overlay/overlay.h"
#include "step05-overlay/store.h"
#include "step05-overlay/user.h"

struct contents {
	struct store_options place; /* the three that the tables of options set */
	struct image_options how;
	struct overlay_options parts;
	struct store store;
	struct image image;
	struct overlay overlay;
	bool layered;	    /* an image, or --lower: not --rootfs */
	char **argv, **env; /* what is to be run */
	struct user user;
};

/* Its tables of options, for the list of a program. */
#define CONTENTS_TABLES(contents)                            \
	{ "layers", overlay_options, &(contents).parts },    \
		{ "image", image_options, &(contents).how }, \
	{                                                    \
		"store", store_options, &(contents).place    \
	}

/*
 * Parent: finds what the command line means. WORDS is IMAGE COMMAND…, or COMMAND… with --rootfs or
 * --lower. Brings the image in if need be, opens its layers (locked from here on), and sets argv
 * and env. EINVAL for an option that means nothing without an image, or with --rootfs. On failure
 * nothing is left open.
 */
int contents_find(struct contents *contents, struct view *view, char **words, int kinds,
		  const struct idmap_options *maps);

/* Parent, after view_begin: the upper directory, and the image's volumes for the view's list; when
 * root makes a user namespace also the mount, which only root can make. */
int contents_prepare(struct contents *contents, struct view *view, int kinds,
		     const struct idmap_options *maps);

/* Parent, after clone3: what was made for the run stays while its first process PID lives. */
int contents_used_by(const struct contents *contents, pid_t pid);

/* Child, before view_enter: mounts the overlay, in the container's own mount namespace. */
int contents_mount(const struct contents *contents, struct view *view);

/* Child, after view_enter: the user's name looked up in the image's files, the working directory
 * made and entered, HOME set. Nothing changes for --rootfs. */
int contents_settle(struct contents *contents);
/* Child, last: becomes that user. */
int contents_become(const struct contents *contents);

/* Parent, after the wait: --diff, --keep, everything made for the run removed, the locks given up.
 * RESULT is passed through, unless this fails. */
int contents_close(struct contents *contents, int result);

#endif

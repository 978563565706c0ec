/*
 * overlay: many directories seen as one. The lower ones are shared and never change; what a
 * container writes goes to the upper one.
 *
 * Follows Documentation/filesystems/overlayfs.rst, fsopen(2), mount(8) "overlay".
 * Explained in book/05-overlay.md.
 */
#ifndef BOXSTEP_OVERLAY_H
#define BOXSTEP_OVERLAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include "step05-overlay/store.h"

struct overlay_options {
	const char *lower; /* --lower TOP:…:BOTTOM, as overlayfs writes it */
	const char *upper; /* --upper DIR; NULL: a scratch one */
	bool keep;	   /* --keep */
	bool diff;	   /* --diff */
};
extern const struct option_row overlay_options[];

struct overlay {
	int *lower; /* directories, top first, as overlayfs counts; close-on-exec */
	size_t lowers;
	int upper, work;      /* −1: a read-only overlay */
	bool user;	      /* mounted in a user namespace: userxattr */
	char scratch[16];     /* name of the scratch directory that has upper and work; or "" */
	int scratch_fd;	      /* holds its lock */
	char upper_path[256]; /* for people */
};

/* An overlay of nothing, to be filled. */
void overlay_init(struct overlay *overlay);
/* Adds a directory below those already there; DIR becomes the overlay's. */
int overlay_add_lower(struct overlay *overlay, int dir);
/* The bare overlay: the directories of --lower. A `\:` is a colon. */
int overlay_open_lower(struct overlay *overlay, const struct overlay_options *options);
/* Opens --upper and makes a work directory beside it, or makes both in the store's scratch. */
int overlay_open_upper(struct overlay *overlay, const struct overlay_options *options,
		       const struct store *store);

/*
 * Mounts it: a descriptor of a mount that has no place yet (fsmount(2)), for rootfs to move to.
 * Called in the container's own mount namespace, where it dies with it. Layers are handed over by
 * descriptor (since 6.13), else as /proc/self/fd/N (`lowerdir+`, since 6.5), else by
 * overlay_mount_old. EINVAL for an upper directory on overlayfs, EPERM in a user namespace: said in
 * the hint.
 */
int overlay_mount(const struct overlay *overlay);
/* For kernels before 6.5: mount(2) on the directory PLACE with the layers as numbers relative to
 * /proc/self/fd, because all options must fit one page. Gives an open_tree(2) descriptor. */
int overlay_mount_old(const struct overlay *overlay, const char *place);

/* What the upper directory changed: `A path`, `C path`, `D path`, one a line, as docker diff. */
int overlay_diff(const struct overlay *overlay, FILE *out);
/* After the run: --diff, then removes the scratch directory, or says where it is kept. */
int overlay_finish(struct overlay *overlay, const struct overlay_options *options,
		   const struct store *store);
/* Closes what is open. */
void overlay_close(struct overlay *overlay);

#endif

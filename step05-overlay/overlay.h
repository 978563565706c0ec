/*
 * overlay: many directories seen as one. The lower ones are shared and never change; what a
 * container writes goes to the upper one.
 *
 * Follows Documentation/filesystems/overlayfs.rst, fsopen(2), mount(8) "overlay".
 * Explained in book/05-overlay.md.
 */
#ifndef BOXSTEP_OVERLAY_H
#define BOXSTEP_OVERLAY_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include "step01-unshare/idmap.h"
#include "step05-overlay/store.h"

struct overlay_options {
	const char *lower; /* --lower TOP:…:BOTTOM, as overlayfs writes it */
	const char *upper; /* --upper DIR; NULL: one in the store's scratch */
	bool keep;	   /* --keep */
	bool diff;	   /* --diff */
};
extern const struct option_row overlay_options[];

struct overlay {
	int *lower; /* directories, top first, as overlayfs counts; close-on-exec */
	size_t lowers;
	int *held; /* with MAPPED: the directories themselves, locked; lower has copies of mounts */
	size_t helds;
	int upper, work;	   /* −1: a read-only overlay of at least two */
	int root;		   /* "/" of who opened them, by which a chroot is known */
	bool user;		   /* mounted by the root of a user namespace: userxattr */
	bool throwaway;		   /* the upper layer need not outlive anything: volatile */
	int scratch_fd;		   /* scratch directory of this run, locked; −1 */
	char scratch[16];	   /* its name, or "" */
	char upper_path[PATH_MAX]; /* for people */
	bool mapped;		   /* by root for a user namespace, see overlay_map_ids */
	uid_t uid; /* who is root in the container, seen from here: what is made for it is theirs */
	gid_t gid;
};

/* An overlay of nothing, to be filled. */
void overlay_init(struct overlay *overlay);
/* Closes what is open; the locks on the layers go with it. */
void overlay_close(struct overlay *overlay);

/* Adds a directory below those already there; DIR becomes the overlay's, also after an error. */
int overlay_add_lower(struct overlay *overlay, int dir);
/* The bare overlay: the directories of --lower. `\:` is a colon. ENOENT, ENOTDIR name the one. */
int overlay_open_lower(struct overlay *overlay, const struct overlay_options *options);
/* The scratch directory of this run, made if there is none yet. */
int overlay_scratch(struct overlay *overlay, const struct store *store);
/* Opens --upper and makes its work directory beside it (DIR.work), or makes both in the scratch
 * directory. EBUSY when another run has that upper directory, EINVAL when DIR.work holds anything
 * that overlayfs has not made: it is emptied, and removed by overlay_finish. */
int overlay_open_upper(struct overlay *overlay, const struct overlay_options *options,
		       const struct store *store);

/*
 * Parent, when the layers are added, before overlay_open_upper: who will be root in the container.
 * For a user namespace (KINDS has CLONE_NEWUSER) of a privileged caller the layers, which belong to
 * the ids of the host, appear in id-mapped copies of their mounts (mount_setattr(2)), and what is
 * made for the container belongs to its root. 0 or −1.
 */
int overlay_map_ids(struct overlay *overlay, const struct store *store, int kinds,
		    const struct idmap_options *maps);
/* Parent, before clone3: such an overlay is mounted out here, where that may be done; gives its
 * descriptor. Else ROOTFS_IN_CHILD; −1. */
int overlay_in_parent(const struct overlay *overlay);

/*
 * Mounts it: a descriptor of a mount that has no place yet (fsmount(2)), for rootfs to move to.
 * Called in the container's own mount namespace, where it dies with it. Layers are handed over by
 * descriptor (since 6.13), else as /proc/self/fd/N (`lowerdir+`, since 6.7), else by
 * mount(2). Id-mapped layers need a place in the caller's mount namespace
 * before 6.15, so they get one, in a namespace that is left again. EINVAL for an upper directory on
 * overlayfs: the hint says so.
 */
int overlay_mount(const struct overlay *overlay);

/* After the run: --diff to stderr; then removes what was made for it, or says where it is kept.
 * What could not be kept is not removed either: the hint says where it is. */
int overlay_finish(struct overlay *overlay, const struct overlay_options *options,
		   const struct store *store);

#endif

/*
 * view: all that step 3 does, in three calls, for the steps above it.
 *
 * What has been met is one line from here on: the root, what is mounted in it, its devices and what
 * is hidden. Explained in book/03-mounts.md.
 */
#ifndef BOXSTEP_VIEW_H
#define BOXSTEP_VIEW_H

#include "step03-mounts/devices.h"
#include "step03-mounts/mounts.h"
#include "step03-mounts/rootfs.h"

struct view {
	struct rootfs_options rootfs; /* the three that the tables of options set */
	struct mounts_options mounts;
	struct devices_options devices;
	struct mount_list list; /* all that is mounted, in order */
	bool later; /* no --rootfs: the child sets `tree` before view_enter, to an overlay say */
	int tree;   /* the root, opened by the parent or made by the child; see rootfs_attach */
};

/* Its tables of options, for the list of a program. */
#define VIEW_TABLES(view)                                                                         \
	{ "root", rootfs_options, &(view).rootfs }, { "mounts", mounts_options, &(view).mounts }, \
	{                                                                                         \
		"hidden paths", devices_options, &(view).devices                                  \
	}

/* Parent, first: the mounts that every container has. Others may add theirs to the list then. */
int view_begin(struct view *view);

/* Parent, before clone3: what the user wants on top, and what only the parent can open. */
int view_prepare(struct view *view, int kinds, const struct idmap_options *maps);

/* Child, after the ids: everything mounted below the root, and the root entered. */
int view_enter(struct view *view);

#endif

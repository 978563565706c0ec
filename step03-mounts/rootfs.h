/*
 * rootfs: another `/`. The root of a container is a mount, and pivot_root(2) puts it in place of
 * the host's, which is then detached: what is not there cannot be reached.
 *
 * Attach first, fill afterwards, pivot last: only so does it work on every kernel since 5.12, and
 * only while the host's /proc and /sys are still visible may a user namespace mount its own.
 * Follows pivot_root(2), mount_namespaces(7), open_tree(2), move_mount(2), mount_setattr(2).
 * Explained in book/03-mounts.md.
 */
#ifndef BOXSTEP_ROOTFS_H
#define BOXSTEP_ROOTFS_H

#include <stdbool.h>

#include "step01-unshare/options.h"

struct rootfs_options {
	const char *path; /* --rootfs: a directory; NULL when the root comes by descriptor */
	bool read_only;	  /* --read-only: the root mount itself, nothing mounted in it */
	bool no_pivot;	  /* --no-pivot: chroot(2) onto the moved root, for a host on a ramfs */
	bool nowhere;	  /* attach it nowhere: the mount namespace stays the caller's, and nothing
			   * is to be seen there. Before Linux 6.15 nothing can be mounted in it */
	bool in_place;	  /* attach it over PATH, not over `/`: for programs of the host that mount
			   * something into it by that path, before the pivot */
	unsigned long propagation; /* rootfsPropagation: MS_SHARED, MS_SLAVE, MS_PRIVATE,
				    * MS_UNBINDABLE, with MS_REC for the r… form; 0: private */
};
extern const struct option_row rootfs_options[]; /* --rootfs, --read-only, --no-pivot */

enum { ROOTFS_IN_CHILD = -2 }; /* "not opened yet: the child will" */

/*
 * Parent, before clone3: opens the root as a detached copy of its mount tree (its descriptor is
 * given, the child inherits it) if only the parent can, and the caller is privileged here: there
 * will be a user namespace (KINDS has CLONE_NEWUSER), whose root may have no way to the directory,
 * or no copy of this mount namespace (KINDS lacks CLONE_NEWNS), but one with other paths.
 * Else ROOTFS_IN_CHILD. −1 when the directory does not serve (ENOENT, ENOTDIR).
 */
int rootfs_open(const struct rootfs_options *options, int kinds);

/*
 * Child, in its own mount namespace: makes all propagation private (of the root, MS_SLAVE if the
 * options say so: what is mounted in it on the host later appears in it), and attaches the root
 * over `/` (with `nowhere` neither of these two), whence everything can be mounted into it, while
 * every path still means the host's. TREE is a detached mount (of rootfs_open, or a new overlay
 * from fsmount(2); it is the caller's, and stays open), or ROOTFS_IN_CHILD: the directory of the
 * options. Gives the root's descriptor (O_PATH; TREE itself when one was given), or −1.
 */
int rootfs_attach(const struct rootfs_options *options, int tree);

/*
 * Child, when everything is in place: the root made read-only if asked for, then
 * fchdir(ROOT), pivot_root(".", "."), umount2(".", MNT_DETACH), chdir("/"): the host's tree is
 * gone. With no_pivot chroot(".") instead, after every mount of the host has been detached that can
 * be; with `nowhere` chroot(".") alone. Then the propagation of the options. ROOT stays open (it is
 * `/` now). 0 or −1.
 */
int rootfs_pivot(const struct rootfs_options *options, int root);

#endif

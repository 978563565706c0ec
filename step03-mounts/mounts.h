/*
 * mounts: everything a container has mounted, put there by descriptor below a root that cannot be
 * left.
 *
 * The list (mount_list.h) is applied in its order: new file systems with fsopen(2), fsconfig(2),
 * fsmount(2); binds with open_tree(2); attributes with mount_setattr(2); all attached with
 * move_mount(2) to a target that inside.h found.
 * Follows the same man pages, proc(5), user_namespaces(7). Explained in book/03-mounts.md.
 */
#ifndef BOXSTEP_MOUNTS_H
#define BOXSTEP_MOUNTS_H

#include "step01-unshare/idmap.h"
#include "step03-mounts/mount_list.h"
#include "step03-mounts/rootfs.h"

/*
 * Parent, before clone3: opens the sources that only the parent can open, if the caller is
 * privileged: when there will be a user namespace (KINDS has CLONE_NEWUSER), because the host's
 * root may read what the container's cannot, and only it may map ids; and when the mount namespace
 * will be no copy of this one (KINDS lacks CLONE_NEWNS). The child inherits the descriptors. MAPS
 * are the container's, for `idmap` without maps of its own, or name a namespace that has them.
 * Without the right to it, nothing is done.
 */
int mounts_open_in_parent(struct mount_list *list, int kinds, const struct idmap_options *maps);

/*
 * Child, before rootfs_attach: opens the sources of the binds (as detached copies of their mount
 * trees) that are not open yet, but for those inside the root: their turn is later. Before, because
 * mounts still spread as on the host: so `rslave` and `rshared` mean the host's peers. Default is
 * rprivate. ENOENT names the source.
 */
int mounts_open(struct mount_list *list);

/*
 * Child, then: a new mount on `/` itself takes the root's place. It is made here, and *TREE, the
 * detached mount that rootfs_attach gets (or ROOTFS_IN_CHILD), becomes it, to be sealed by OPTIONS
 * if it is a tmpfs that was to be `ro`; what the list has before it would be covered by it, and
 * goes. Where it is not called, such a mount is refused.
 */
int mounts_take_root(struct mount_list *list, struct rootfs_options *options, int *tree);

/*
 * Child, after rootfs_attach: mounts the list in its order below ROOT. A source inside the root is
 * opened at its turn (ENOENT names it). Missing mount points are made inside. Refused: /proc, /sys
 * and /dev that are links in the image (ELOOP); anything but a procfs on /proc, or but a file
 * inside it (EPERM). In a user namespace that may not mount sysfs or mqueue (or procfs when it
 * shares the host's PIDs) the host's is bound, recursively. A bind with tmpcopyup is filled when it
 * is empty, or when its mode is 01000: a filling that did not come to its end. Of two at once the
 * second waits ten seconds (EBUSY).
 */
int mounts_apply(struct mount_list *list, int root);

/* Child, when the devices are made: new tmpfs mounts that were to be `ro` become so. */
int mounts_seal(struct mount_list *list);

#endif

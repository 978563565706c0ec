/*
 * cgroup_mount: what the container sees of its cgroup: /sys/fs/cgroup, with itself as the root.
 *
 * A cgroup2 mount shows the tree from the root of the mounter's cgroup namespace downwards. Follows
 * cgroup_namespaces(7). Explained in book/04-cgroups.md.
 */
#ifndef BOXSTEP_CGROUP_MOUNT_H
#define BOXSTEP_CGROUP_MOUNT_H

#include "step03-mounts/mounts.h"

/*
 * Appends a cgroup2 mount on /sys/fs/cgroup, unless this host has no cgroup2. Read-only, so that
 * who has no CAP_SYS_ADMIN inside does not lift the limits; writable if KINDS has CLONE_NEWUSER,
 * because then its root may write only what cgroup_delegate gave it. Comes after
 * mounts_add_defaults (below /sys) and wants CLONE_NEWCGROUP in the clone.
 */
int cgroup_mount_add(struct mount_list *list, int kinds);

#endif

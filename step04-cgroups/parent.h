/*
 * parent: the cgroup above ours. Which one it is, what it hands down, and the leaf rule.
 *
 * A cgroup gives controllers to its children, which then take processes, only if no process is in
 * itself ("no internal processes", except in the root). Follows cgroups(7),
 * Documentation/admin-guide/cgroup-v2.rst
 * ("Top-down Constraint", "No Internal Process Constraint", "Delegation").
 * Explained in book/04-cgroups.md.
 */
#ifndef BOXSTEP_PARENT_H
#define BOXSTEP_PARENT_H

#include "step04-cgroups/cgroup.h"

/*
 * The directory of the cgroup to make: the path that the options name, else "boxstep-ID" in a
 * parent: the one that they name; else the top of MOUNT for root; else the caller's own cgroup.
 * −1 with errno when this user may not make cgroups there or may not move a process into them
 * (EACCES, EROFS, EPERM; nothing recorded), or when a name is unusable (EINVAL, recorded).
 */
int parent_choose(const struct cgroup_options *options, const char *mount, const char *id,
		  char path[PATH_MAX]);

/* Makes PATH and what is missing above it with mkdir(2). Gives the length of the part that was
 * there before, or −1. EEXIST when all of it was there and FRESH asks for a new one. */
ssize_t parent_make(const char *path, bool fresh);

/* Enables the controllers NEEDED for the children of PARENT, from MOUNT downwards, and those
 * WANTED where no process has to move for it. */
int parent_enable(const char *mount, const char *parent, int needed, int wanted);

/* When the last of our cgroups below PARENT is gone: puts the processes that the leaf rule moved
 * into "boxstep-leaf" back. Does nothing when none were. */
int parent_release_leaf(const char *parent);

#define PARENT_PREFIX "boxstep-" /* the name of every cgroup of ours begins so */
#define PARENT_LEAF   PARENT_PREFIX "leaf"

#endif

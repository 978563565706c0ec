/*
 * detached: mounts that are nowhere yet.
 *
 * The calls of Linux 5.2 and later make a mount first, as a descriptor, and give it a place last:
 * its attributes are right before anybody can see it, and its place is a descriptor, not a path.
 * Follows fsopen(2), fsconfig(2), fsmount(2), open_tree(2), mount_setattr(2), move_mount(2).
 * Explained in book/03-mounts.md.
 */
#ifndef BOXSTEP_DETACHED_H
#define BOXSTEP_DETACHED_H

#include <stdbool.h>
#include <stddef.h>

#include "step03-mounts/mount_options.h"

/*
 * A new file system of TYPE: SOURCE (may be NULL), COUNT words of DATA ("size=64m", "sync"; a value
 * up to 255 bytes), ATTRIBUTES (MOUNT_ATTR_…) of its mount. Gives a descriptor, or −1 with what the
 * file system itself says of the error as the hint.
 */
int detached_new(const char *type, const char *source, char *const data[], size_t count,
		 uint64_t attributes);

/* A copy (what a bind mount is) of the mount at PATH from DIRFD ("": DIRFD itself), with what is
 * mounted below it when RECURSIVE. Gives a descriptor, or −1. */
int detached_copy(int dirfd, const char *path, bool recursive);

/* Changes a mount, attached or not: attributes, propagation (MS_SHARED …; 0: as it is), and those
 * of every mount below it when RECURSIVE. 0 or −1. */
int detached_change(int mount, struct mount_bits bits, unsigned long propagation, bool recursive);

/* The same for ids: files appear owned as the user namespace NAMESPACE_FD maps them. Before the
 * mount is attached, by CAP_SYS_ADMIN over the file system. */
int detached_map_ids(int mount, int namespace_fd, bool recursive);

/* Attaches the mount to the place that TARGET is open on (O_PATH); SHOWN is its name for the
 * narration, which nothing looks up. 0 or −1. */
int detached_attach(int mount, int target, const char *shown);

/* Changes a file system that is mounted at MOUNT: words as for detached_new. 0 or −1. */
int detached_reconfigure(int mount, char *const data[], size_t count);

#endif

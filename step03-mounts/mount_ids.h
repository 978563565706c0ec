/*
 * mount_ids: a bind mount whose files belong to others than they do on the disk.
 *
 * The kernel takes the map from a user namespace that has it. Follows mount_setattr(2) ("ID-mapped
 * mounts"), user_namespaces(7), filesystems/idmappings.rst. Explained in book/03-mounts.md.
 */
#ifndef BOXSTEP_MOUNT_IDS_H
#define BOXSTEP_MOUNT_IDS_H

#include "step01-unshare/idmap.h"
#include "step03-mounts/mount_list.h"

/* Does ENTRY ask for it, by its words or by maps of its own? */
bool mount_ids_wanted(const struct mount_entry *entry);

/*
 * Whether the maps in the option `idmap=TEXT` of ENTRY are such:
 * "uids=DISK-HOST-COUNT[#DISK-HOST-COUNT…];gids=…", both of them, in crun's form:
 * COUNT ids from DISK on, as they are in the file system, become HOST and those that follow. @
 * before DISK: HOST is an id of the container, which its own map leads outside. 0, or −1 with
 * EINVAL.
 */
int mount_ids_check(const struct mount_entry *entry);

/*
 * Parent: maps the ids of the detached tree of ENTRY, by the maps in its option, else by its own
 * (uidMappings), else by the CONTAINER's (which may name a namespace that has them; NULL: none).
 * −1: EINVAL when there are none, or no line of the container's has what an @ speaks of, or the
 * file system cannot do it; EPERM.
 */
int mount_ids_map(struct mount_entry *entry, const struct idmap_options *container);

/* A user namespace with MAPS, for detached_map_ids: a descriptor, nobody is in it. −1. */
int mount_ids_namespace(const struct idmap_options *maps);

#endif

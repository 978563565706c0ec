/*
 * cgroup_mount.c: one entry in the list of mounts.
 * Follows cgroup_namespaces(7). Explained in book/04-cgroups.md.
 */
#include <sched.h>

#include "step04-cgroups/cgroup_mount.h"
#include "step04-cgroups/hierarchy.h"

int
cgroup_mount_add(struct mount_list *list, int kinds)
{
	char mount[PATH_MAX];
	struct mount_spec spec = {
		.target = "/sys/fs/cgroup",
		.type = "cgroup2",
		.source = "cgroup",
		.options = kinds & CLONE_NEWUSER ? "nosuid,nodev,noexec,relatime"
						 : "nosuid,nodev,noexec,relatime,ro",
	};

	return hierarchy_find(mount) < 0 ? 0 : mounts_add(list, &spec);
}

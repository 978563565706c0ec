/*
 * hierarchy: where the one tree of cgroup v2 is, what it controls here, and why something is
 * missing from it.
 *
 * A host may have it whole (mounted on /sys/fs/cgroup), beside cgroup v1 without any controller
 * (/sys/fs/cgroup/unified), or not at all. Follows cgroups(7) and the kernel's
 * Documentation/admin-guide/cgroup-v2.rst. Explained in book/04-cgroups.md.
 */
#ifndef BOXSTEP_HIERARCHY_H
#define BOXSTEP_HIERARCHY_H

#include <limits.h>
#include <sys/types.h>

/* Controllers as a set, so that "needed", "available" and "enabled" can be subtracted. */
enum controller {
	CONTROLLER_CPU = 1 << 0,
	CONTROLLER_CPUSET = 1 << 1,
	CONTROLLER_IO = 1 << 2,
	CONTROLLER_MEMORY = 1 << 3,
	CONTROLLER_PIDS = 1 << 4,
	CONTROLLER_HUGETLB = 1 << 5,
	CONTROLLER_RDMA = 1 << 6,
	CONTROLLER_MISC = 1 << 7,
};

/* The set that a text such as "cpuset cpu io memory" names; unknown words are left out. */
int controllers_parse(const char *text);
/* The other way: "+cpu +memory" with SIGN '+', "cpu memory" with SIGN 0; in a static buffer. */
const char *controllers_text(int set, char sign);
/* The controller that a control file belongs to ("memory.max" → CONTROLLER_MEMORY), 0 for none. */
int controller_of_file(const char *file);

/* Where cgroup2 is mounted in this mount namespace; −1 with ENOENT (nothing recorded) if it is
 * not. The mount is asked (statfs(2)), not believed from its name. */
int hierarchy_find(char mount[PATH_MAX]);

/* The cgroup of process PID (0: the caller), a path below the mount, as /proc/PID/cgroup has it
 * after "0::"; seen from the caller's cgroup namespace. −1 with errno (nothing recorded). */
int hierarchy_path_of(pid_t pid, char path[PATH_MAX]);

/* Records in one sentence why the first controller of SET is not to be had below the cgroup at
 * PATH (NULL: there is no cgroup2 mount): it is on cgroup v1, off in the kernel, or not delegated;
 * and what to do. Gives −1 with ENOTSUP. */
int hierarchy_refuse(int set, const char *path);

#endif

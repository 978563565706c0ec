/*
 * sweep.c: removes the cgroups of programs that were killed before they could do it.
 * Follows cgroups(7). Explained in book/04-cgroups.md.
 */
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "step01-unshare/call.h"
#include "step01-unshare/options.h"
#include "step04-cgroups/parent.h"
#include "step04-cgroups/process.h"
#include "step04-cgroups/sweep.h"

const char *
sweep_run_id(void)
{
	static char id[48];
	static pid_t whose;

	if (whose == getpid()) /* asked for again */
		return id;
	whose = getpid();
	snprintf(id, sizeof id, "run-%d-%" PRIu64, getpid(), process_start_time(getpid()));
	return id;
}

/* Is the process that a run id names gone? Ids of another form are for OWNER_GONE to judge. */
static bool
gone(const char *id, bool (*owner_gone)(const char *id))
{
	char digits[24];
	uint64_t ticks;
	int64_t pid;

	if (sscanf(id, "run-%23[0-9]-%" SCNu64, digits, &ticks) != 2 ||
	    number_parse(digits, 1, 1 << 22, &pid) < 0)
		return owner_gone && owner_gone(id);
	return !ticks || process_start_time((pid_t)pid) != ticks;
}

/* Was it removed? Not when it is in use; nor when it cannot be, which is no error of the container
 * that is about to begin. */
static bool
sweep_one(const char *path, bool kill)
{
	struct call_error before = *call_error();
	struct cgroup cgroup;
	int result;

	if (cgroup_try_open(path, &cgroup) < 0)
		return false; /* somebody else has swept it */
	/* a maker in another PID namespace looks gone from here, but it still holds the lock */
	if (flock(cgroup.fd, LOCK_EX | LOCK_NB) < 0 || (cgroup_populated(&cgroup) != 0 && !kill)) {
		cgroup_close(&cgroup);
		return false;
	}
	result = cgroup_remove(&cgroup);
	cgroup_close(&cgroup);
	*call_error() = before;
	return result == 0;
}

int
sweep_cgroups(const struct cgroup_options *options, bool (*owner_gone)(const char *id), bool kill)
{
	const size_t prefix = strlen(PARENT_PREFIX);
	char mount[PATH_MAX], path[PATH_MAX];
	struct dirent *entry;
	DIR *directory;
	int removed = 0;

	if (hierarchy_find(mount) < 0 || parent_choose(options, mount, "any", path) < 0)
		return 0;
	*strrchr(path, '/') = '\0';
	directory = opendir(path);
	while (directory && (entry = readdir(directory))) {
		char one[2 * PATH_MAX];

		if (strncmp(entry->d_name, PARENT_PREFIX, prefix) != 0 ||
		    strcmp(entry->d_name, PARENT_LEAF) == 0 ||
		    !gone(entry->d_name + prefix, owner_gone))
			continue;
		snprintf(one, sizeof one, "%s/%s", path, entry->d_name);
		removed += sweep_one(one, kill);
	}
	if (directory)
		closedir(directory);
	return removed;
}

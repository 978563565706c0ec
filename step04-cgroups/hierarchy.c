/*
 * hierarchy.c: finds the tree of cgroup v2, and says why a controller is not in it.
 * Follows cgroups(7), proc(5), Documentation/admin-guide/cgroup-v2.rst. Explained in
 * book/04-cgroups.md.
 */
#include <errno.h>
#include <linux/magic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "step01-unshare/call.h"
#include "step04-cgroups/hierarchy.h"

/* In the order of the bits of enum controller. */
static const char *const names[] = { "cpu",  "cpuset",	"io",	"memory",
				     "pids", "hugetlb", "rdma", "misc" };
enum { NAMES = sizeof names / sizeof names[0] };

static int
controller_named(const char *name, size_t length)
{
	for (int i = 0; i < NAMES; i++)
		if (strlen(names[i]) == length && memcmp(names[i], name, length) == 0)
			return 1 << i;
	return 0;
}

int
controllers_parse(const char *text)
{
	int set = 0;

	while (*text) {
		size_t length = strcspn(text, " \n");
		set |= controller_named(text, length);
		text += length + strspn(text + length, " \n");
	}
	return set;
}

const char *
controllers_text(int set, char sign)
{
	static char text[96];
	size_t used = 0;

	text[0] = '\0';
	for (int i = 0; i < NAMES; i++) {
		const char before[] = { sign, '\0' };
		if (set & 1 << i)
			used += (size_t)snprintf(text + used, sizeof text - used, "%s%s%s",
						 used ? " " : "", before, names[i]);
	}
	return text;
}

int
controller_of_file(const char *file)
{
	return controller_named(file, strcspn(file, "."));
}

/* ---- where it is ---- */

static bool
is_cgroup2(const char *path)
{
	struct statfs fs;

	return statfs(path, &fs) == 0 && fs.f_type == CGROUP2_SUPER_MAGIC;
}

/* The mount point in a line of mountinfo, if its file system is cgroup2; see proc(5). */
static bool
cgroup2_line(const char *line, char mount[PATH_MAX])
{
	const char *type = strstr(line, " - ");

	return type && strncmp(type + 3, "cgroup2 ", 8) == 0 &&
	       sscanf(line, "%*s %*s %*s %*s %4095s", mount) == 1 && is_cgroup2(mount);
}

int
hierarchy_find(char mount[PATH_MAX])
{
	static const char *const usual[] = { "/sys/fs/cgroup", "/sys/fs/cgroup/unified" };
	char *line = NULL;
	size_t size = 0;
	bool found = false;
	FILE *mounts;

	for (size_t i = 0; i < 2; i++)
		if (is_cgroup2(usual[i])) {
			strcpy(mount, usual[i]);
			return 0;
		}
	mounts = fopen("/proc/self/mountinfo", "re");
	while (mounts && !found && getline(&line, &size, mounts) > 0)
		found = cgroup2_line(line, mount);
	free(line);
	if (mounts)
		fclose(mounts);
	errno = ENOENT;
	return found ? 0 : -1;
}

int
hierarchy_path_of(pid_t pid, char path[PATH_MAX])
{
	char file[32] = "/proc/self/cgroup", line[PATH_MAX + 16];
	bool found = false;
	FILE *groups;

	if (pid)
		snprintf(file, sizeof file, "/proc/%d/cgroup", pid);
	groups = fopen(file, "re");
	if (!groups)
		return -1;
	/* the hierarchy of v2 has the number 0 and no controllers between the colons */
	while (!found && fgets(line, sizeof line, groups))
		found = strncmp(line, "0::/", 4) == 0;
	fclose(groups);
	if (!found) {
		errno = ENOENT;
		return -1;
	}
	line[strcspn(line, "\n")] = '\0';
	snprintf(path, PATH_MAX, "%.4095s", line + 3);
	return 0;
}

/* ---- why something is missing ---- */

/* A line of /proc/cgroups: name, number of its v1 hierarchy (0: none), cgroups, enabled. v1 calls
 * the io controller blkio. */
static bool
proc_cgroups(const char *name, int *hierarchy, int *enabled)
{
	char line[128], word[64];
	bool found = false;
	FILE *file = fopen("/proc/cgroups", "re");

	if (strcmp(name, "io") == 0)
		name = "blkio";
	while (file && !found && fgets(line, sizeof line, file))
		found = sscanf(line, "%63s %d %*d %d", word, hierarchy, enabled) == 3 &&
			strcmp(word, name) == 0;
	if (file)
		fclose(file);
	return found;
}

int
hierarchy_refuse(int set, const char *path)
{
	const char *name = "cgroup";
	int hierarchy = 0, enabled = 0;
	bool known;

	for (int i = 0; i < NAMES; i++)
		if (set & 1 << i) {
			name = names[i];
			break;
		}
	known = proc_cgroups(name, &hierarchy, &enabled);
	if (known && hierarchy != 0)
		fail(ENOTSUP, "the %s controller is on cgroup v1 here; limits need it on v2", name);
	else if (known && !enabled)
		fail(ENOTSUP, "the %s controller is switched off in this kernel", name);
	else if (!path)
		fail(ENOTSUP, "no cgroup2 file system is mounted, so there is no %s limit", name);
	else
		fail(ENOTSUP, "the %s controller is not available below \"%s\"", name, path);
	if (known && (hierarchy != 0 || !enabled))
		return call_hint("boot with cgroup_no_v1=all (systemd: also "
				 "systemd.unified_cgroup_hierarchy=1) and without cgroup_disable, "
				 "or leave the limit out");
	if (!path)
		return call_hint("mount it: mount -t cgroup2 none /sys/fs/cgroup; or leave the "
				 "limit out");
	return call_hint("ask the cgroup's owner for it (systemd: Delegate=yes), or leave the "
			 "limit out");
}

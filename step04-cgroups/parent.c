/*
 * parent.c: a parent that has processes of its own cannot hand controllers down; they move aside.
 * Follows cgroups(7) ("Cgroups v2 'no internal processes' rule", "Cgroups v2 delegation").
 * Explained in book/04-cgroups.md.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "step01-unshare/call.h"
#include "step04-cgroups/parent.h"

/* ---- which one ---- */

/* MOUNT/RELATIVE, where each part of RELATIVE is the name of a directory: `..` would climb out, and
 * `.` is no cgroup below but the one that is there already, at worst the root of them all. Without
 * a part it is MOUNT, which serves as a parent and for nothing else. */
static int
join(const char *mount, const char *relative, char path[PATH_MAX])
{
	size_t length = (size_t)snprintf(path, PATH_MAX, "%s", mount);
	size_t part;

	for (const char *at = relative; *at; at += part) {
		at += strspn(at, "/");
		part = strcspn(at, "/");
		if ((part == 1 && at[0] == '.') || (part == 2 && strncmp(at, "..", 2) == 0) ||
		    length + part + 2 > PATH_MAX) {
			fail(EINVAL, "\"%s\" is no path of a cgroup", relative);
			return call_hint("it is made of names, without . and .., and below 4096 "
					 "bytes");
		}
		if (part)
			length += (size_t)snprintf(path + length, PATH_MAX - length, "/%.*s",
						   (int)part, at);
	}
	return 0;
}

/* May this user make a directory at or below PATH, of which the end may not exist yet? */
static int
may_make(const char *path)
{
	char existing[PATH_MAX];
	int done;

	strcpy(existing, path);
	while ((done = faccessat(AT_FDCWD, existing, W_OK, AT_EACCESS)) < 0 && errno == ENOENT &&
	       strrchr(existing, '/'))
		*strrchr(existing, '/') = '\0';
	return done;
}

/* May this process bring a child into a cgroup below PATH? The kernel wants the right to write
 * cgroup.procs of the deepest cgroup that contains both its own and that one. */
static int
may_enter(const char *mount, const char *path)
{
	char own[PATH_MAX], from[2 * PATH_MAX], common[2 * PATH_MAX + 16];
	size_t end = strlen(mount);

	/* uid 0 may write those below too: they are its own, or of those whom it gave them to */
	snprintf(common, sizeof common, "%s/cgroup.procs", mount);
	if (geteuid() == 0 && faccessat(AT_FDCWD, common, W_OK, AT_EACCESS) == 0)
		return 0;
	if (hierarchy_path_of(0, own) < 0)
		return -1;
	snprintf(from, sizeof from, "%s%s/", mount, own);
	for (size_t i = end; from[i] && (from[i] == path[i] || !path[i]); i++) {
		if (from[i] == '/')
			end = i;
		if (!path[i])
			break;
	}
	snprintf(common, sizeof common, "%.*s/cgroup.procs", (int)end, from);
	return faccessat(AT_FDCWD, common, W_OK, AT_EACCESS);
}

static int
usable(const char *mount, const char *parent)
{
	return may_make(parent) < 0 || may_enter(mount, parent) < 0 ? -1 : 0;
}

/* The parent by the options, or the first usable one of the two that may serve. */
static int
choose(const struct cgroup_options *options, const char *mount, char parent[PATH_MAX])
{
	char own[PATH_MAX];

	if (options->parent)
		return join(mount, options->parent, parent) < 0 ? -1 : usable(mount, parent);
	strcpy(parent, mount);
	if (usable(mount, parent) == 0)
		return 0;
	if (hierarchy_path_of(0, own) < 0)
		return -1;
	if (strncmp(own, "/..", 3) == 0) { /* above the root of our cgroup namespace */
		errno = EACCES;
		return -1;
	}
	return join(mount, own, parent) < 0 ? -1 : usable(mount, parent);
}

int
parent_choose(const struct cgroup_options *options, const char *mount, const char *id,
	      char path[PATH_MAX])
{
	char parent[PATH_MAX];

	if (!options->path) {
		if (choose(options, mount, parent) < 0)
			return -1;
		if (!*id || strchr(id, '/') || strlen(id) > 200 || strlen(parent) > 3800)
			return fail(EINVAL, "\"%s\" is no name for a cgroup", id);
		snprintf(path, PATH_MAX, "%.3800s/" PARENT_PREFIX "%.200s", parent, id);
		return 0;
	}
	if (join(mount, options->path, path) < 0)
		return -1;
	if (strcmp(path, mount) == 0)
		return fail(EINVAL, "\"%s\" is the root of all cgroups", options->path);
	strcpy(parent, path);
	*strrchr(parent, '/') = '\0';
	return usable(mount, parent);
}

/* ---- making it ---- */

ssize_t
parent_make(const char *path, bool fresh)
{
	char part[PATH_MAX];
	size_t length = strlen(path), there = length;

	/* from the end, where one look is nearly always enough */
	for (snprintf(part, sizeof part, "%s", path); there > 0; part[there] = '\0') {
		if (!(fresh && there == length) && faccessat(AT_FDCWD, part, F_OK, AT_EACCESS) == 0)
			break;
		there = (size_t)(strrchr(part, '/') - part);
	}
	for (size_t i = there + 1; i <= length; i++) {
		if (path[i] != '/' && path[i] != '\0')
			continue;
		snprintf(part, sizeof part, "%.*s", (int)i, path);
		/* what another process has just made is as good as made by us */
		if (call_try(mkdir(part, 0755), "mkdir(\"%s\", 0755)", part) < 0 &&
		    (errno != EEXIST || (fresh && i == length)))
			return fail(errno, "mkdir(\"%s\", 0755)", part);
	}
	return (ssize_t)there;
}

/* ---- what it hands down ---- */

/* The root has no type, and no leaf rule. */
static bool
is_root(const struct cgroup *cgroup)
{
	return faccessat(cgroup->fd, "cgroup.type", F_OK, 0) < 0;
}

static bool
has_processes(const struct cgroup *cgroup)
{
	char some[16];

	return cgroup_read(cgroup, "cgroup.procs", some, sizeof some) == 0 && some[0];
}

/* write(2) to a control file, told; a failure is for the caller to judge. */
static ssize_t
try_write(const struct cgroup *cgroup, const char *file, const char *value)
{
	int fd = openat(cgroup->fd, file, O_WRONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : write(fd, value, strlen(value));

	close_fd(fd);
	return call_try(n, "write(\"%s/%s\", \"%s\")", cgroup->path, file, value);
}

/* Moves whom LIST, an open cgroup.procs of FROM, names to TO. A process that has ended on the way
 * is no error; one outside of our PID namespace reads as 0. */
static int
move_listed(FILE *list, const struct cgroup *from, const struct cgroup *to)
{
	char pid[16];

	/* word by word: a number that a buffer had cut off would be somebody else's */
	while (fscanf(list, "%15s", pid) == 1) {
		if (strcmp(pid, "0") == 0)
			return fail(EBUSY,
				    "\"%s\" has processes that this PID namespace does not show",
				    from->path);
		if (try_write(to, "cgroup.procs", pid) < 0 && errno != ESRCH)
			return fail(errno, "write(\"%s/cgroup.procs\", \"%s\")", to->path, pid);
	}
	return 0;
}

/* Moves every process of FROM to TO, again and again until none is left: they may fork meanwhile.
 */
static int
move_all(const struct cgroup *from, const struct cgroup *to)
{
	char path[PATH_MAX + 16];
	int result = 0;

	snprintf(path, sizeof path, "%s/cgroup.procs", from->path);
	for (int round = 0; round < 100 && result == 0 && has_processes(from); round++) {
		FILE *list = fopen(path, "re");

		if (!list)
			return fail(errno, "open(\"%s\")", path);
		result = move_listed(list, from, to);
		fclose(list);
	}
	return result;
}

/* ANCHOR: leaf */
static int
make_leaf(const struct cgroup *parent)
{
	char path[PATH_MAX + 16];
	struct cgroup leaf = CGROUP_NONE;
	int result;

	snprintf(path, sizeof path, "%s/" PARENT_LEAF, parent->path);
	if (parent_make(path, false) < 0 || cgroup_open(path, &leaf) < 0)
		return -1;
	result = move_all(parent, &leaf);
	cgroup_close(&leaf);
	return result;
}
/* ANCHOR_END: leaf */

/* One cgroup on the way down. */
static int
enable_in(const struct cgroup *cgroup, int needed, int wanted)
{
	char text[256] = "";
	int on, offered;
	bool may_write;

	if (cgroup_read(cgroup, "cgroup.subtree_control", text, sizeof text) < 0)
		return fail(errno, "read(\"%s/cgroup.subtree_control\")", cgroup->path);
	on = controllers_parse(text);
	needed &= ~on;
	offered = (needed | wanted) & ~on ? cgroup_controllers(cgroup) : 0;
	wanted &= ~on & offered;
	if (!needed && !wanted)
		return 0;
	may_write = faccessat(cgroup->fd, "cgroup.subtree_control", W_OK, AT_EACCESS) == 0;
	if ((needed & ~offered) || (needed && !may_write))
		return hierarchy_refuse(needed, cgroup->path);
	if (!is_root(cgroup) && has_processes(cgroup)) {
		wanted = 0; /* counting is not worth moving somebody for */
		if (needed && make_leaf(cgroup) < 0)
			return -1;
	}
	if (!needed && (!wanted || !may_write))
		return 0;
	return cgroup_write(cgroup, "cgroup.subtree_control",
			    controllers_text(needed | wanted, '+'));
}

int
parent_enable(const char *mount, const char *parent, int needed, int wanted)
{
	size_t length = strlen(parent);
	char path[PATH_MAX];
	struct cgroup cgroup;
	int result = 0;

	for (size_t i = strlen(mount); i <= length && result == 0; i++) {
		if (parent[i] != '/' && parent[i] != '\0')
			continue;
		snprintf(path, sizeof path, "%.*s", (int)i, parent);
		if (cgroup_open(path, &cgroup) < 0)
			return -1;
		result = enable_in(&cgroup, needed, wanted);
		cgroup_close(&cgroup);
	}
	return result;
}

/* ---- the way back ---- */

/* Is a cgroup of ours, other than the leaf, in the directory? */
static bool
in_use(const char *parent)
{
	DIR *directory = opendir(parent);
	struct dirent *entry = NULL;

	while (directory && (entry = readdir(directory)))
		if (strncmp(entry->d_name, PARENT_PREFIX, strlen(PARENT_PREFIX)) == 0 &&
		    strcmp(entry->d_name, PARENT_LEAF) != 0)
			break;
	if (directory)
		closedir(directory);
	return entry != NULL;
}

int
parent_release_leaf(const char *parent)
{
	char path[PATH_MAX + 16], text[256] = "";
	struct cgroup above = CGROUP_NONE, leaf = CGROUP_NONE;
	int result = 0, on;

	snprintf(path, sizeof path, "%s/" PARENT_LEAF, parent);
	if (faccessat(AT_FDCWD, path, F_OK, AT_EACCESS) < 0 || in_use(parent))
		return 0;
	if (cgroup_open(parent, &above) < 0 || cgroup_open(path, &leaf) < 0 ||
	    cgroup_read(&above, "cgroup.subtree_control", text, sizeof text) < 0)
		result = fail(errno, "looking into \"%s\"", path);
	on = controllers_parse(text);
	/* refused while a cgroup of somebody else's needs them: then the leaf stays */
	if (result == 0 &&
	    (!on || try_write(&above, "cgroup.subtree_control", controllers_text(on, '-')) > 0)) {
		result = move_all(&leaf, &above);
		if (result == 0)
			result = call(rmdir(path), "rmdir(\"%s\")", path);
	}
	cgroup_close(&leaf);
	cgroup_close(&above);
	return result;
}

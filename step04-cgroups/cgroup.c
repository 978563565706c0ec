/*
 * cgroup.c: the life of one cgroup: made, entered, frozen, killed, removed.
 * Follows cgroups(7), Documentation/admin-guide/cgroup-v2.rst ("Core Interface Files").
 * Explained in book/04-cgroups.md.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "step01-unshare/call.h"
#include "step04-cgroups/cgroup.h"
#include "step04-cgroups/parent.h"
#include "step04-cgroups/process.h"

enum { PATIENCE_MS = 10000 }; /* for what the kernel does on its own time: exits, freezing */

/* ---- reading and writing control files ---- */

int
cgroup_read(const struct cgroup *cgroup, const char *file, char *buffer, size_t size)
{
	int fd = openat(cgroup->fd, file, O_RDONLY | O_CLOEXEC);
	size_t used = 0;
	ssize_t n = -1;

	if (fd < 0)
		return -1;
	while (used < size - 1 && (n = read(fd, buffer + used, size - 1 - used)) > 0)
		used += (size_t)n;
	close_fd(fd);
	if (n < 0)
		return -1;
	if (used > 0 && buffer[used - 1] == '\n')
		used--;
	buffer[used] = '\0';
	return 0;
}

int64_t
cgroup_read_number(const struct cgroup *cgroup, const char *file)
{
	char text[64];

	if (cgroup_read(cgroup, file, text, sizeof text) < 0)
		return -1;
	return strcmp(text, "max") == 0 ? CGROUP_MAX : strtoll(text, NULL, 10);
}

int64_t
cgroup_read_key(const struct cgroup *cgroup, const char *file, const char *key)
{
	char text[8192];
	size_t length = strlen(key);

	if (cgroup_read(cgroup, file, text, sizeof text) < 0)
		return -1;
	for (const char *line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, key, length) == 0 && line[length] == ' ')
			return strtoll(line + length, NULL, 10);
	}
	return -1;
}

int
cgroup_write(const struct cgroup *cgroup, const char *file, const char *value)
{
	char shown[PATH_MAX + 64];

	if (cgroup->fd < 0)
		return 0;
	snprintf(shown, sizeof shown, "%s/%s", cgroup->path, file);
	return call_writeat(cgroup->fd, file, shown, value);
}

/* ---- opening, entering ---- */

int
cgroup_try_open(const char *path, struct cgroup *cgroup)
{
	const char *slash;

	cgroup->fd = -1;
	if (strlen(path) >= sizeof cgroup->path) {
		errno = ENAMETOOLONG;
		return -1;
	}
	strcpy(cgroup->path, path);
	slash = strrchr(cgroup->path, '/');
	cgroup->made_from = slash ? (size_t)(slash - cgroup->path) : 0;
	cgroup->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return cgroup->fd < 0 ? -1 : 0;
}

int
cgroup_controllers(const struct cgroup *cgroup)
{
	char text[256];

	return cgroup_read(cgroup, "cgroup.controllers", text, sizeof text) < 0
		       ? 0
		       : controllers_parse(text);
}

int
cgroup_open(const char *path, struct cgroup *cgroup)
{
	if (cgroup_try_open(path, cgroup) < 0)
		return fail(errno, "open(\"%s\"), a cgroup", path);
	return 0;
}

int
cgroup_open_of(pid_t pid, struct cgroup *cgroup)
{
	char mount[PATH_MAX], below[PATH_MAX], path[2 * PATH_MAX];

	cgroup->fd = -1;
	if (hierarchy_find(mount) < 0 || hierarchy_path_of(pid, below) < 0)
		return fail(errno, "the cgroup of process %d", pid);
	snprintf(path, sizeof path, "%s%s", mount, below);
	return cgroup_open(path, cgroup);
}

void
cgroup_close(struct cgroup *cgroup)
{
	if (cgroup->fd >= 0)
		close(cgroup->fd);
	cgroup->fd = -1;
}

/* ---- delegation ---- */

static int
give(const struct cgroup *cgroup, const char *file, uid_t uid, gid_t gid)
{
	int flags = *file ? 0 : AT_EMPTY_PATH;

	if (faccessat(cgroup->fd, *file ? file : ".", F_OK, 0) < 0)
		return 0; /* listed, but this cgroup does not have it */
	return call(fchownat(cgroup->fd, file, uid, gid, flags), "fchownat(%d, \"%s\", %u, %u, %s)",
		    cgroup->fd, file, uid, gid, flags ? "AT_EMPTY_PATH" : "0");
}

int
cgroup_delegate(const struct cgroup *cgroup, uid_t uid, gid_t gid)
{
	static const char *const before_4_15[] = { "cgroup.procs", "cgroup.subtree_control",
						   "cgroup.threads" };
	char file[64];
	int result;
	FILE *list;

	if (cgroup->fd < 0)
		return 0;
	result = give(cgroup, "", uid, gid);
	list = fopen("/sys/kernel/cgroup/delegate", "re");
	for (size_t i = 0; !list && result == 0 && i < 3; i++)
		result = give(cgroup, before_4_15[i], uid, gid);
	while (list && result == 0 && fscanf(list, "%63s", file) == 1)
		result = give(cgroup, file, uid, gid);
	if (list)
		fclose(list);
	return result;
}

/* What 0 inside is outside, by /proc/PID/uid_map or gid_map; false when it is nobody. */
static bool
outside_of_root(pid_t pid, const char *map, unsigned *outside)
{
	char path[48];
	unsigned inside = 1;
	FILE *file;

	snprintf(path, sizeof path, "/proc/%d/%s", pid, map);
	file = fopen(path, "re");
	while (file && inside != 0 && fscanf(file, "%u %u %*u", &inside, outside) == 2)
		;
	if (file)
		fclose(file);
	return file && inside == 0;
}

int
cgroup_delegate_to_root_of(const struct cgroup *cgroup, pid_t pid)
{
	unsigned uid, gid;
	struct stat now;

	if (cgroup->fd < 0 || fstat(cgroup->fd, &now) < 0 ||
	    !outside_of_root(pid, "uid_map", &uid) || !outside_of_root(pid, "gid_map", &gid))
		return 0;
	if (now.st_uid == uid && now.st_gid == gid)
		return 0;
	return cgroup_delegate(cgroup, uid, gid);
}

/* ---- waiting for the kernel ---- */

/* ANCHOR: wait */
/* Waits until KEY of cgroup.events is VALUE. The kernel wakes a poll(2) for POLLPRI at each change
 * of the file, so nothing is missed between looking and sleeping. */
static int
wait_event(const struct cgroup *cgroup, const char *key, int64_t value)
{
	int64_t deadline = now_ms() + PATIENCE_MS, left;
	struct pollfd events = {
		.fd = openat(cgroup->fd, "cgroup.events", O_RDONLY | O_CLOEXEC),
		.events = POLLPRI,
	};
	char text[128];
	int result = -1;

	if (events.fd < 0)
		return fail(errno, "open(\"%s/cgroup.events\")", cgroup->path);
	while (result < 0) {
		/* a read marks what has been seen; it is this descriptor that poll compares */
		if (pread(events.fd, text, sizeof text, 0) < 0)
			break;
		if (cgroup_read_key(cgroup, "cgroup.events", key) == value)
			result = 0;
		else if ((left = deadline - now_ms()) <= 0) {
			errno = EAGAIN;
			break;
		} else
			poll(&events, 1, (int)left);
	}
	close(events.fd);
	return result;
}
/* ANCHOR_END: wait */

int
cgroup_populated(const struct cgroup *cgroup)
{
	return (int)cgroup_read_key(cgroup, "cgroup.events", "populated");
}

int
cgroup_is_frozen(const struct cgroup *cgroup)
{
	return (int)cgroup_read_key(cgroup, "cgroup.events", "frozen");
}

int
cgroup_freeze(const struct cgroup *cgroup, bool frozen)
{
	if (cgroup->fd < 0)
		return 0;
	if (cgroup_write(cgroup, "cgroup.freeze", frozen ? "1" : "0") < 0)
		return -1;
	if (wait_event(cgroup, "frozen", frozen) < 0)
		return fail(errno, "\"%s\" did not become %s", cgroup->path,
			    frozen ? "frozen" : "thawed (a parent may be frozen)");
	return 0;
}

/* ---- all of its processes ---- */

/* Adds the pids of one cgroup to the array. One outside of our PID namespace reads as 0: to kill(2)
 * that is the caller's own group, so it is left out. */
static int
collect(const char *path, pid_t **pids, size_t *count)
{
	char file[PATH_MAX + 16];
	int result = 0;
	pid_t pid, *grown;
	FILE *list;

	snprintf(file, sizeof file, "%s/cgroup.procs", path);
	list = fopen(file, "re");
	while (list && result == 0 && fscanf(list, "%d", &pid) == 1) {
		if (pid > 0 && *count % 64 == 0) {
			grown = reallocarray(*pids, *count + 64, sizeof **pids);
			result = grown ? 0 : fail(ENOMEM, "memory for %zu pids", *count);
			*pids = grown ? grown : *pids;
		}
		if (result == 0 && pid > 0)
			(*pids)[(*count)++] = pid;
	}
	if (list)
		fclose(list);
	return result;
}

int
cgroup_processes(const struct cgroup *cgroup, pid_t **pids, size_t *count)
{
	char *roots[] = { (char *)cgroup->path, NULL };
	int result = 0;
	FTSENT *entry;
	FTS *tree;

	*pids = NULL;
	*count = 0;
	if (cgroup->fd < 0)
		return 0;
	tree = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR | FTS_NOSTAT, NULL);
	if (!tree)
		return fail(errno, "reading \"%s\"", cgroup->path);
	while (result == 0 && (entry = fts_read(tree)))
		if (entry->fts_info == FTS_D)
			result = collect(entry->fts_accpath, pids, count);
	fts_close(tree);
	return result;
}

/* ---- killing ---- */

static bool
is_among(pid_t pid, const pid_t *pids, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (pids[i] == pid)
			return true;
	return false;
}

enum { AT_ONCE = 64 }; /* descriptors */

/* Gives how many of these were headless, and kills them. A number that was read may be somebody
 * else's by now: who is in the cgroup still when the descriptor is open is meant by it. */
static size_t
kill_some(const struct cgroup *cgroup, const pid_t *pids, size_t count)
{
	struct process process;
	int fd[AT_ONCE];
	pid_t *now = NULL;
	size_t held = 0, there = 0;

	for (size_t i = 0; i < count; i++) {
		fd[i] = process_look(pids[i], &process) == 0 && process.headless
				? pidfd_open(pids[i], 0)
				: -1;
		held += fd[i] >= 0;
	}
	if (held > 0 && cgroup_processes(cgroup, &now, &there) < 0)
		there = 0;
	for (size_t i = 0; i < count; i++) {
		if (fd[i] >= 0 && is_among(pids[i], now, there))
			pidfd_send_signal(fd[i], SIGKILL, NULL, 0);
		close_fd(fd[i]);
	}
	free(now);
	return held;
}

/* Gives 1 when there was one, 0, or −1. */
static int
kill_headless(const struct cgroup *cgroup)
{
	pid_t *pids = NULL;
	size_t count = 0, found = 0;
	int done = cgroup_processes(cgroup, &pids, &count);

	for (size_t i = 0; done == 0 && i < count; i += AT_ONCE)
		found += kill_some(cgroup, pids + i, count - i < AT_ONCE ? count - i : AT_ONCE);
	free(pids);
	return done < 0 ? -1 : found > 0;
}

/* cgroup.kill passes over a process whose first thread has ended while others go on: such ones are
 * killed by number, in a cgroup that is frozen, so that none of them forks meanwhile. */
int
cgroup_kill(const struct cgroup *cgroup)
{
	int64_t deadline = now_ms() + PATIENCE_MS;
	bool frozen = cgroup->fd >= 0 && cgroup_read_number(cgroup, "cgroup.freeze") == 1;
	bool ours = false;
	int found;

	if (cgroup->fd < 0)
		return 0;
	while ((found = cgroup_write(cgroup, "cgroup.kill", "1")) == 0 &&
	       (found = kill_headless(cgroup)) == 1 && now_ms() < deadline) {
		if (!frozen && !ours && cgroup_write(cgroup, "cgroup.freeze", "1") == 0)
			ours = true;
		poll(NULL, 0, 1);
	}
	if (ours && cgroup_write(cgroup, "cgroup.freeze", "0") < 0)
		return -1;
	return found < 0 ? -1 : 0;
}

int
cgroup_signal(const struct cgroup *cgroup, int number)
{
	bool frozen = cgroup_is_frozen(cgroup) == 1;
	pid_t *pids = NULL;
	size_t count = 0;
	int result;

	if (cgroup->fd < 0)
		return 0;
	if (number == SIGKILL)
		return cgroup_kill(cgroup);
	if (!frozen && cgroup_freeze(cgroup, true) < 0)
		return -1;
	result = cgroup_processes(cgroup, &pids, &count);
	for (size_t i = 0; result == 0 && i < count; i++)
		if (kill(pids[i], number) < 0 && errno != ESRCH)
			result = fail(errno, "kill(%d, %d)", pids[i], number);
	free(pids);
	if (!frozen && cgroup_freeze(cgroup, false) < 0)
		result = -1;
	return result;
}

/* ---- removing ---- */

/* The name of the first directory in the one that FD is; false when there is none. */
static bool
first_child(int fd, char name[NAME_MAX + 1])
{
	int again = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *directory = again < 0 ? NULL : fdopendir(again);
	struct dirent *entry = NULL;

	while (directory && (entry = readdir(directory)))
		if (entry->d_type == DT_DIR && strcmp(entry->d_name, ".") != 0 &&
		    strcmp(entry->d_name, "..") != 0) { /* a name may begin with a dot */
			snprintf(name, NAME_MAX + 1, "%s", entry->d_name);
			break;
		}
	if (directory)
		closedir(directory);
	return entry != NULL;
}

/* Moves *FD to the directory NAME seen from it. */
static int
step_to(int *fd, const char *name)
{
	int next = openat(*fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

	if (next < 0)
		return -1;
	close(*fd);
	*fd = next;
	return 0;
}

/* ANCHOR: nested */
/* Removes the cgroups nested in this one, deepest first. One descriptor goes down and up by "..",
 * so that no depth of nesting exhausts descriptors or the length of a path. */
static int
remove_nested(const struct cgroup *cgroup)
{
	int64_t deadline = now_ms() + PATIENCE_MS;
	int fd = openat(cgroup->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), depth = 0, result = 0;
	char name[NAME_MAX + 1];

	if (fd < 0)
		return fail(errno, "open(\"%s\")", cgroup->path);
	while (result == 0 && (first_child(fd, name) || depth > 0)) {
		bool child = first_child(fd, name);

		if (child && call_try(unlinkat(fd, name, AT_REMOVEDIR),
				      "unlinkat(%d, \"%s\", AT_REMOVEDIR)", fd, name) == 0)
			continue;
		if (child && errno == ENOENT)
			continue;
		if (now_ms() > deadline || (child && errno != EBUSY))
			result = fail(errno, "rmdir(\"%s\") below \"%s\"", name, cgroup->path);
		else if (step_to(&fd, child ? name : "..") == 0)
			depth += child ? 1 : -1;
	}
	close(fd);
	return result;
}
/* ANCHOR_END: nested */

/* A frozen process dies of it too. */
static int
kill_all(const struct cgroup *cgroup)
{
	if (cgroup_populated(cgroup) != 1)
		return 0;
	if (cgroup_kill(cgroup) < 0)
		return -1;
	return wait_event(cgroup, "populated", 0) < 0
		       ? fail(EBUSY, "\"%s\" is not empty after cgroup.kill", cgroup->path)
		       : 0;
}

/* ANCHOR: remove */
/* rmdir(2) of the cgroup, which most often is empty by now; else of what is in it before, and then
 * of the parents that were made for it and that nobody else uses. */
static int
remove_path(struct cgroup *cgroup)
{
	int64_t deadline = now_ms() + PATIENCE_MS;
	bool first = true;
	int result = 0;

	while (strlen(cgroup->path) > cgroup->made_from) {
		result = call_try(rmdir(cgroup->path), "rmdir(\"%s\")", cgroup->path);
		if (result < 0 && errno == ENOENT)
			result = 0;
		if (result < 0 && first && errno == EBUSY && now_ms() < deadline) {
			if (cgroup->fd >= 0 && (kill_all(cgroup) < 0 || remove_nested(cgroup) < 0))
				return -1;
			poll(NULL, 0, 1); /* the last process is on its way out */
			continue;
		}
		if (result < 0)
			break;
		first = false;
		*strrchr(cgroup->path, '/') = '\0';
	}
	if (first && result < 0)
		return fail(errno, "rmdir(\"%s\")", cgroup->path);
	return 0;
}
/* ANCHOR_END: remove */

/* ---- making ---- */

/* There will be no cgroup: fine if nothing was asked of it, else the sentence that says why. */
static int
without(const struct cgroup_options *options, int needed, const char *mount)
{
	int number = errno;

	if (!needed && !options->parent && (!options->path || geteuid() != 0))
		return 0;
	if (!mount && needed)
		return hierarchy_refuse(needed, NULL);
	fail(number, "no cgroup can be made below \"%s\"",
	     mount ? mount : "a cgroup2 file system, of which none is mounted");
	return mount ? call_hint("start it in a cgroup that is yours: systemd-run --user --scope "
				 "--property=Delegate=yes COMMAND")
		     : -1;
}

/* The parent is made, given its controllers, and then the cgroup. PARENT's missing part goes away
 * again when something fails. */
static int
make(const struct cgroup_options *options, const char *mount, const char *path, int needed,
     int wanted, struct cgroup *cgroup)
{
	struct cgroup above = CGROUP_NONE;
	ssize_t there;

	snprintf(above.path, sizeof above.path, "%.*s", (int)(strrchr(path, '/') - path), path);
	if ((there = parent_make(above.path, false)) < 0)
		return -1;
	above.made_from = (size_t)there;
	if (parent_enable(mount, above.path, needed, wanted) < 0 ||
	    parent_make(path, !options->path) < 0 || cgroup_open(path, cgroup) < 0) {
		int number = errno;
		parent_release_leaf(above.path);
		remove_path(&above);
		errno = number;
		return -1;
	}
	cgroup->made_from = above.made_from;
	/* held as long as its maker lives, and dropped by the kernel: see sweep.c */
	flock(cgroup->fd, LOCK_EX | LOCK_NB);
	return 0;
}

int
cgroup_plan(const struct cgroup_options *options, const char *id, struct cgroup *planned)
{
	char mount[PATH_MAX], there[PATH_MAX];

	*planned = (struct cgroup)CGROUP_NONE;
	if (hierarchy_find(mount) < 0 || parent_choose(options, mount, id, planned->path) < 0) {
		planned->path[0] = '\0';
		return errno == EINVAL ? -1 : 0; /* a name that cannot be; else there is none */
	}
	strcpy(there, planned->path);
	while (there[0] && faccessat(AT_FDCWD, there, F_OK, AT_EACCESS) < 0)
		*strrchr(there, '/') = '\0';
	planned->made_from = strlen(there);
	return 0;
}

/* ANCHOR: create */
int
cgroup_make(const struct cgroup_options *options, const char *id, int needed, int wanted,
	    struct cgroup *cgroup)
{
	char mount[PATH_MAX], path[PATH_MAX];
	struct cgroup top = CGROUP_NONE; /* CGROUP keeps its path, for a second try */
	int missing;

	strcpy(path, cgroup->path);
	cgroup->fd = -1;
	if (hierarchy_find(mount) < 0)
		return without(options, needed, NULL);
	if (needed && cgroup_open(mount, &top) < 0)
		return -1;
	missing = needed ? needed & ~cgroup_controllers(&top) : 0;
	cgroup_close(&top);
	if (missing)
		return hierarchy_refuse(missing, mount);
	if (!path[0] && parent_choose(options, mount, id, path) < 0)
		return errno == EINVAL ? -1 : without(options, needed, mount);
	stage("cgroup",
	      "A cgroup is a directory: making it is mkdir, and its files count and limit who is "
	      "in "
	      "it.",
	      "ls %s; cat %s/cgroup.procs", path, path);
	if (make(options, mount, path, needed, wanted, cgroup) < 0)
		return -1;
	if (options->path && cgroup_populated(cgroup) == 1) {
		cgroup_close(cgroup); /* somebody else's: no cleanup of ours may kill them */
		return fail(EBUSY, "\"%s\" has processes already", path);
	}
	if (options->path && cgroup_is_frozen(cgroup) == 1) {
		cgroup_close(cgroup);
		return fail(EBUSY, "\"%s\" is frozen: nothing that is put there would run", path);
	}
	return 0;
}
/* ANCHOR_END: create */

int
cgroup_create(const struct cgroup_options *options, const char *id, int needed, int wanted,
	      struct cgroup *cgroup)
{
	*cgroup = (struct cgroup)CGROUP_NONE;
	return cgroup_make(options, id, needed, wanted, cgroup);
}

int
cgroup_require(const struct cgroup *cgroup, int needed)
{
	char mount[PATH_MAX], above[PATH_MAX];

	if (cgroup->fd < 0 || !(needed & ~cgroup_controllers(cgroup)))
		return 0;
	if (hierarchy_find(mount) < 0)
		return hierarchy_refuse(needed, NULL);
	snprintf(above, sizeof above, "%.*s", (int)(strrchr(cgroup->path, '/') - cgroup->path),
		 cgroup->path);
	return parent_enable(mount, above, needed, 0);
}

int
cgroup_remove(struct cgroup *cgroup)
{
	char path[PATH_MAX];
	int result;

	if (cgroup->fd < 0)
		return 0;
	stage("remove",
	      "A cgroup is no process: it stays until it is empty and somebody removes it.",
	      "ls -d %s", cgroup->path);
	snprintf(path, sizeof path, "%.*s", (int)(strrchr(cgroup->path, '/') - cgroup->path),
		 cgroup->path);
	result = remove_path(cgroup);
	if (result == 0)
		result = parent_release_leaf(path);
	cgroup_close(cgroup);
	return result;
}

int
cgroup_remove_at(const char *path, size_t made_from)
{
	struct cgroup cgroup = CGROUP_NONE;
	bool there = cgroup_try_open(path, &cgroup) == 0;

	if (!there && (errno != ENOENT || !made_from))
		return 0;
	/* parents that were made for it go with it, unless somebody has moved in */
	if (made_from && made_from < cgroup.made_from)
		cgroup.made_from = made_from;
	return there ? cgroup_remove(&cgroup) : remove_path(&cgroup);
}

const struct option_row cgroup_options[] = {
	{ "cgroup-parent", 0, "PATH", "mkdir below cgroup2",
	  "make the container's cgroup below this one", option_text,
	  offsetof(struct cgroup_options, parent), 0 },
	{ 0 },
};

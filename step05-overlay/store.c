/*
 * store: what has been brought in, once, for every container after it.
 *
 * Follows flock(2), rename(2), file-hierarchy(7) and the XDG base directory specification.
 * Explained in book/05-overlay.md.
 */
#include "step05-overlay/store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "step01-unshare/call.h"
#include "step04-cgroups/process.h"
#include "step05-overlay/tree.h"

enum { PARTIAL_KEPT = 7 * 24 * 3600 }; /* seconds */

const struct option_row store_options[] = {
	{ .name = "root",
	  .unit = "DIR",
	  .object = "the store: layers, blobs, images",
	  .help = "where images are kept (default: $BOXSTEP_ROOT, /var/lib/boxstep)",
	  .set = option_text,
	  .offset = offsetof(struct store_options, root) },
	{ 0 }
};

/* ---- locks ---- */

int
store_lock(const struct store *store, const char *name, int operation)
{
	int fd = openat(store->fd, name, O_RDONLY | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0)
		return fail(errno, "open(\"%s/%s\")", store->path, name);
	while (flock(fd, operation) < 0) {
		int error = errno;
		if (error == EINTR)
			continue;
		close(fd);
		errno = error;
		return error == EWOULDBLOCK ? -1 : fail(error, "flock(\"%s\")", name);
	}
	return fd;
}

/* ANCHOR: lock */
/* Between the open and the lock somebody may have renamed or removed what was opened: then the
 * lock is on something else by now, and the name is tried again. */
int
store_lock_own(int dirfd, const char *name, bool directory, int operation)
{
	int flags = directory ? O_RDONLY | O_DIRECTORY : O_RDWR | O_CREAT, fd;

	do {
		if (directory && mkdirat(dirfd, name, 0700) < 0 && errno != EEXIST)
			return -1;
		fd = tree_lock(dirfd, name, flags, operation);
		/* ENOENT: a directory was removed since; a file's own folder is gone for good */
	} while (fd < 0 && (errno == EIDRM || (directory && errno == ENOENT)));
	return fd;
}
/* ANCHOR_END: lock */

int
store_hold(struct store *store)
{
	if (store->held < 0)
		store->held = store_lock(store, "collect", LOCK_SH);
	return store->held < 0 ? -1 : 0;
}

void
store_release(struct store *store)
{
	if (store->held >= 0)
		close(store->held);
	store->held = -1;
}

/* ---- sweeping ---- */

/* The name of a link whose text is a process: its number, and the moment when it began. */
#define USER "user"

static bool
in_use(int fd)
{
	char text[64];
	ssize_t length = readlinkat(fd, USER, text, sizeof(text) - 1);
	uint64_t began;
	pid_t pid;

	text[length > 0 ? length : 0] = '\0';
	return sscanf(text, "%d-%" SCNu64, &pid, &began) == 2 && began &&
	       process_start_time(pid) == began;
}

/* Removes NAME, unless somebody holds its lock, or it is not what was locked any more, or it is
 * what a process lives in. Errors are left to the next time: they are not what the caller came for.
 */
static void
sweep_one(int directory, const char *name, bool is_directory)
{
	int fd = tree_lock(directory, name, O_RDONLY | (is_directory ? O_DIRECTORY : 0),
			   LOCK_EX | LOCK_NB);
	struct call_error before = *call_error();

	if (fd >= 0 && !in_use(fd))
		tree_remove(directory, name);
	*call_error() = before;
	close_fd(fd);
}

/* What is in FOLDER, is locked by nobody, and is older than AGE seconds; IS_OURS, unless NULL,
 * knows it by its name. */
static void
sweep(const struct store *store, const char *folder, bool directories, time_t age,
      bool (*is_ours)(const char *name))
{
	int fd = openat(store->fd, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *list = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	struct stat st;

	while (list && (entry = readdir(list)))
		if ((is_ours ? is_ours(entry->d_name) : entry->d_name[0] != '.') &&
		    fstatat(fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    st.st_mtime <= time(NULL) - age)
			sweep_one(fd, entry->d_name, directories);
	if (list)
		closedir(list);
}

/* ---- opening ---- */

static int
default_path(char path[PATH_MAX])
{
	const char *given = getenv("BOXSTEP_ROOT"), *data = getenv("XDG_DATA_HOME");
	const char *home = getenv("HOME");

	if (given && given[0])
		snprintf(path, PATH_MAX, "%s", given);
	else if (geteuid() == 0)
		strcpy(path, "/var/lib/boxstep");
	else if (data && data[0] == '/')
		snprintf(path, PATH_MAX, "%s/boxstep", data);
	else if (home && home[0] == '/')
		snprintf(path, PATH_MAX, "%s/.local/share/boxstep", home);
	else
		return fail(EINVAL, "no place for the store: HOME is not set; give --root DIR");
	return 0;
}

static int
make_directories(const struct store *store)
{
	static const char *const names[] = { "blobs", "blobs/sha256", "partial", "layers",
					     "flat",  "aside",	      "scratch", "pins" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (mkdirat(store->fd, names[i], 0700) < 0 && errno != EEXIST)
			return -1;
	return 0;
}

int
store_open(const struct store_options *options, struct store *store)
{
	char path[PATH_MAX], absolute[PATH_MAX];

	*store =
		(struct store){ .fd = -1, .held = -1, .layers = options->flat ? "flat" : "layers" };
	if (options->root)
		snprintf(path, sizeof(path), "%s", options->root);
	else if (default_path(path) < 0)
		return -1;
	if (tree_make(path, 0700) < 0 || !realpath(path, absolute) ||
	    (store->fd = open(absolute, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0 ||
	    make_directories(store) < 0 || !(store->path = strdup(absolute))) {
		fail(errno, "the store \"%s\" cannot be opened", path);
		call_hint("choose a directory for it with --root or $BOXSTEP_ROOT");
		store_close(store);
		return -1;
	}
	sweep(store, "aside", true, 0, NULL);
	sweep(store, "scratch", true, 0, NULL);
	sweep(store, "partial", false, PARTIAL_KEPT, NULL);
	sweep(store, ".", false, 0, tree_is_aside);
	sweep(store, "pins", false, 0, tree_is_aside);
	return 0;
}

void
store_close(struct store *store)
{
	store_release(store);
	if (store->fd >= 0)
		close(store->fd);
	free(store->path);
	*store = (struct store){ .fd = -1, .held = -1 };
}

/* ---- scratch ---- */

int
store_scratch(const struct store *store, char name[16])
{
	unsigned char random[6];
	int parent = openat(store->fd, "scratch", O_RDONLY | O_DIRECTORY | O_CLOEXEC), fd = -1;

	if (parent < 0 || getrandom(random, sizeof(random), 0) != sizeof(random))
		goto bad;
	for (int i = 0; i < 6; i++)
		sprintf(name + 2 * i, "%02x", random[i]);
	fd = store_lock_own(parent, name, true, LOCK_EX);
bad:
	if (fd < 0)
		fail(errno, "mkdir(\"%s/scratch/%s\")", store->path, name);
	if (parent >= 0)
		close(parent);
	return fd;
}

int
store_scratch_used_by(int scratch, pid_t pid)
{
	char text[48];

	snprintf(text, sizeof(text), "%d-%" PRIu64, pid, process_start_time(pid));
	return symlinkat(text, scratch, USER) < 0
		       ? fail(errno, "symlink(\"%s\", \"" USER "\")", text)
		       : 0;
}

int
store_scratch_remove(const struct store *store, const char *name)
{
	int parent = openat(store->fd, "scratch", O_RDONLY | O_DIRECTORY | O_CLOEXEC), result;

	if (parent < 0)
		return fail(errno, "open(\"%s/scratch\")", store->path);
	result = tree_remove(parent, name);
	close(parent);
	return result;
}

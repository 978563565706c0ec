/*
 * tree: a directory removed with all that it has, however deep somebody made it.
 *
 * It descends a few levels; what is deeper is moved up to the top, and removed in its turn, so that
 * no depth exhausts stack or descriptors. Follows unlinkat(2), renameat(2), openat2(2). Explained
 * in book/05-overlay.md.
 */
#include "step05-overlay/tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <sched.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "step01-unshare/call.h"
#include "step01-unshare/idmap.h"
#include "step02-pidns/handshake.h"
#include "step02-pidns/spawn.h"

enum { LEVELS = 16 };

static DIR *
open_directory(int dirfd, const char *name)
{
	struct open_how how = {
		.flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC,
		.resolve = RESOLVE_NO_XDEV | RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS,
	};
	int fd = (int)syscall(SYS_openat2, dirfd, name, &how, sizeof(how));

	/* overlayfs leaves a directory of mode 000 in its work directory */
	if (fd < 0 && errno == EACCES && fchmodat(dirfd, name, 0700, 0) == 0)
		fd = (int)syscall(SYS_openat2, dirfd, name, &how, sizeof(how));
	return fd < 0 ? NULL : fdopendir(fd);
}

struct removal {
	int top;       /* the directory to which deep ones are moved up */
	unsigned gone; /* how many were */
};

/* Too deep to descend into: its turn comes at the top, where the next pass finds it. */
static int
move_up(struct removal *removal, int fd, const char *name)
{
	char beside[32];

	do
		snprintf(beside, sizeof(beside), ".gone.%u", removal->gone++);
	while (faccessat(removal->top, beside, F_OK, AT_SYMLINK_NOFOLLOW) == 0);
	if (renameat(fd, name, removal->top, beside) == 0)
		return 0;
	if (errno != EACCES || fchmodat(fd, name, 0700, 0) < 0) /* its `..` is written too */
		return -1;
	return renameat(fd, name, removal->top, beside);
}

static int empty(struct removal *removal, DIR *directory, int levels);

static int
remove_directory(struct removal *removal, int fd, const char *name, int levels)
{
	DIR *directory;
	int result, error;

	if (unlinkat(fd, name, AT_REMOVEDIR) == 0)
		return 0;
	if (errno != ENOTEMPTY && errno != EEXIST)
		return -1;
	if (levels == 0)
		return move_up(removal, fd, name);
	directory = open_directory(fd, name);
	if (!directory)
		return -1;
	result = empty(removal, directory, levels - 1);
	error = errno;
	closedir(directory);
	errno = error;
	return result < 0 ? -1 : unlinkat(fd, name, AT_REMOVEDIR);
}

/* Removes all that DIRECTORY has, down to LEVELS below it. */
static int
empty(struct removal *removal, DIR *directory, int levels)
{
	struct dirent *entry;
	int fd = dirfd(directory);

	while ((entry = readdir(directory))) {
		const char *name = entry->d_name;
		if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
			continue;
		if (entry->d_type != DT_DIR && unlinkat(fd, name, 0) == 0)
			continue;
		if (remove_directory(removal, fd, name, levels) == 0 || errno == ENOENT)
			continue;
		/* in a directory that its owner may not write */
		if (errno != EACCES && errno != ENOTDIR)
			return -1;
		fchmod(fd, 0700);
		if (unlinkat(fd, name, 0) < 0 &&
		    (errno != EISDIR || remove_directory(removal, fd, name, levels) < 0))
			return -1;
	}
	return 0;
}

static int
remove_here(int parent, const char *name)
{
	struct removal removal = { 0, 0 };
	unsigned before;
	DIR *top;
	int result, error;

	if (unlinkat(parent, name, 0) == 0 || unlinkat(parent, name, AT_REMOVEDIR) == 0 ||
	    errno == ENOENT)
		return 0;
	top = open_directory(parent, name);
	if (!top)
		return -1;
	removal.top = dirfd(top);
	do {
		before = removal.gone;
		rewinddir(top);
		result = empty(&removal, top, LEVELS);
	} while (result == 0 && removal.gone != before);
	error = errno;
	closedir(top);
	errno = error;
	return result < 0 ? -1 : unlinkat(parent, name, AT_REMOVEDIR);
}

/* The same as root of a user namespace that has the ids which the files may belong to. */
static int
remove_mapped(int parent, const char *name)
{
	const struct idmap_options maps = { .automatic = true };
	struct handshake shake;
	struct spawn child = { 0, -1 };
	siginfo_t info;

	if (handshake_open(&shake) < 0)
		return -1;
	if (spawn_clone(CLONE_NEWUSER, -1, &child) == 0) {
		handshake_in_child(&shake);
		if (handshake_wait_go(&shake) < 0 || idmap_become_root() < 0)
			handshake_fail(&shake);
		_exit(remove_here(parent, name) < 0);
	}
	handshake_in_parent(&shake);
	if (child.pidfd < 0 || idmap_write(&maps, child.pid) < 0 ||
	    handshake_go(&shake, child.pid) < 0) {
		handshake_close(&shake);
		return -1;
	}
	handshake_close(&shake);
	if (spawn_wait(&child, &info) < 0)
		return -1;
	errno = EACCES;
	return spawn_status(&info) == 0 ? 0 : -1;
}

int
tree_remove(int dirfd, const char *name)
{
	if (remove_here(dirfd, name) == 0)
		return 0;
	if ((errno == EACCES || errno == EPERM) && geteuid() != 0 &&
	    remove_mapped(dirfd, name) == 0)
		return 0;
	return fail(errno, "removal of \"%s\"", name);
}

int
tree_hold(int fd, int dirfd, const char *name, int operation)
{
	struct stat locked, named;

	while (flock(fd, operation) < 0)
		if (errno != EINTR)
			return -1;
	if (fstat(fd, &locked) == 0 && fstatat(dirfd, name, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
	    locked.st_ino == named.st_ino && locked.st_dev == named.st_dev)
		return 0;
	errno = EIDRM;
	return -1;
}

int
tree_lock(int dirfd, const char *name, int flags, int operation)
{
	int fd = openat(dirfd, name, flags | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd < 0 || tree_hold(fd, dirfd, name, operation) == 0)
		return fd;
	close_fd(fd);
	return -1;
}

/* The file ASIDE, new, and locked for as long as it is open (where a file system has locks): who
 * clears up after the killed finds none on theirs. */
static int
open_aside(int dirfd, const char *aside)
{
	for (;;) {
		int fd = openat(dirfd, aside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);

		if (fd >= 0 && (tree_hold(fd, dirfd, aside, LOCK_EX) == 0 || errno != EIDRM))
			return fd;
		close_fd(fd);
		/* EIDRM: cleared up before the lock was on it. EEXIST: of one that was killed here
		 * and had our number, or a trap */
		if (errno != EIDRM && (errno != EEXIST || unlinkat(dirfd, aside, 0) < 0))
			return -1;
	}
}

int
tree_write(int dirfd, const char *name, bool durable, const char *format, ...)
{
	char aside[300];
	va_list arguments;
	int fd, done;

	snprintf(aside, sizeof aside, ".%d.%.200s", getpid(), name);
	fd = open_aside(dirfd, aside);
	va_start(arguments, format);
	done = fd < 0 || vdprintf(fd, format, arguments) < 0 || (durable && fsync(fd) < 0) ||
			       renameat(dirfd, aside, dirfd, name) < 0
		       ? fail(errno, "%s cannot be written", name)
		       : 0;
	va_end(arguments);
	if (fd >= 0 && done < 0)
		unlinkat(dirfd, aside, 0);
	close_fd(fd);
	return done;
}

bool
tree_is_aside(const char *name)
{
	return name[0] == '.' && name[1] >= '1' && name[1] <= '9' &&
	       name[1 + strspn(name + 1, "0123456789")] == '.';
}

int
tree_make(const char *path, unsigned mode)
{
	char part[PATH_MAX];

	if (mkdir(path, mode) == 0 || errno == EEXIST || errno == EISDIR)
		return 0; /* mostly it is there */
	if (strlen(path) >= sizeof(part)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	for (const char *at = path; *at;) {
		at += strspn(at, "/");
		at += strcspn(at, "/");
		memcpy(part, path, (size_t)(at - path));
		part[at - path] = '\0';
		if (mkdir(part, mode) < 0 && errno != EEXIST && errno != EISDIR)
			return -1;
	}
	return 0;
}

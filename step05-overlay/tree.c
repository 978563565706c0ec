/*
 * tree: a directory removed with all that it has, however deep somebody made it.
 *
 * Instead of descending, each directory's subdirectories are moved up beside it, and removed in
 * their turn. Follows unlinkat(2), renameat(2), openat2(2). Explained in book/05-overlay.md.
 */
#include "step05-overlay/tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "step01-unshare/call.h"
#include "step01-unshare/idmap.h"
#include "step02-pidns/handshake.h"
#include "step02-pidns/spawn.h"

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

/* Empties the directory NAME of TOP: files are removed, directories moved to TOP. */
static int
flatten(int top, const char *name, unsigned *counter)
{
	DIR *directory = open_directory(top, name);
	struct dirent *entry;
	char beside[32];
	int result = 0, error;

	if (!directory)
		return -1;
	int fd = dirfd(directory);
	while (result == 0 && (entry = readdir(directory))) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		if (unlinkat(fd, entry->d_name, 0) == 0)
			continue;
		if (errno == EACCES) /* a directory that its owner may not write */
			fchmod(fd, 0700);
		if (unlinkat(fd, entry->d_name, AT_REMOVEDIR) == 0 ||
		    unlinkat(fd, entry->d_name, 0) == 0)
			continue;
		do
			snprintf(beside, sizeof(beside), ".gone.%u", (*counter)++);
		while (faccessat(top, beside, F_OK, AT_SYMLINK_NOFOLLOW) == 0);
		result = renameat(fd, entry->d_name, top, beside);
		if (result < 0 && errno == EACCES &&
		    fchmodat(fd, entry->d_name, 0700, 0) == 0) /* its `..` is written too */
			result = renameat(fd, entry->d_name, top, beside);
	}
	error = errno;
	closedir(directory);
	errno = error;
	return result;
}

/* One pass over TOP. Gives how many directories it dealt with, or −1. */
static int
pass(DIR *top, unsigned *counter)
{
	int fd = dirfd(top), dealt = 0;
	struct dirent *entry;

	rewinddir(top);
	while ((entry = readdir(top))) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		if (unlinkat(fd, entry->d_name, 0) == 0 ||
		    unlinkat(fd, entry->d_name, AT_REMOVEDIR) == 0)
			continue;
		if (errno == ENOENT)
			continue;
		if (flatten(fd, entry->d_name, counter) < 0 ||
		    unlinkat(fd, entry->d_name, AT_REMOVEDIR) < 0)
			return -1;
		dealt++;
	}
	return dealt;
}

static int
remove_here(int parent, const char *name)
{
	unsigned counter = 0;
	DIR *top;
	int more, error;

	if (unlinkat(parent, name, 0) == 0 || unlinkat(parent, name, AT_REMOVEDIR) == 0 ||
	    errno == ENOENT)
		return 0;
	top = open_directory(parent, name);
	if (!top)
		return -1;
	do
		more = pass(top, &counter);
	while (more > 0);
	error = errno;
	closedir(top);
	errno = error;
	return more < 0 ? -1 : unlinkat(parent, name, AT_REMOVEDIR);
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
tree_make(const char *path, unsigned mode)
{
	char part[PATH_MAX];

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

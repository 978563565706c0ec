/*
 * inside.c: paths of a container's root, resolved by the kernel with that root as `/`.
 * Follows openat2(2), path_resolution(7), mkdir(2). Explained in book/03-mounts.md.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "step01-unshare/call.h"
#include "step03-mounts/inside.h"

enum { MAX_LINKS = 40 }; /* the kernel's own limit, path_resolution(7) */

/* ANCHOR: open */
static int
open_resolved(int root, const char *path, int flags, uint64_t resolve)
{
	struct open_how how = { .flags = (unsigned)(flags | O_CLOEXEC),
				.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | resolve };
	int fd;

	/* EAGAIN: something was renamed while a `..` was resolved, so the kernel cannot be sure
	 * that it stayed inside; whoever renames in a loop must not be able to hold us up for ever
	 */
	for (int tries = 0; tries < 128; tries++) {
		fd = (int)syscall(SYS_openat2, root, path, &how, sizeof how);
		if (fd >= 0 || errno != EAGAIN)
			break;
	}
	return fd;
}
/* ANCHOR_END: open */

int
inside_open(int root, const char *path, int flags)
{
	return open_resolved(root, path, flags, 0);
}

int
inside_open_no_links(int root, const char *path, int flags)
{
	return open_resolved(root, path, flags, RESOLVE_NO_SYMLINKS);
}

/* ---- making what is missing ---- */

static int make(int root, char *path, mode_t mode, int links);

/* Cuts the last component off PATH, in place. NULL when it has none that can be made. */
static char *
cut_name(char *path)
{
	size_t length = strlen(path);
	char *slash;

	while (length > 0 && path[length - 1] == '/')
		path[--length] = '\0';
	slash = strrchr(path, '/');
	if (!slash || !slash[1] || strcmp(slash, "/.") == 0 || strcmp(slash, "/..") == 0)
		return NULL;
	*slash = '\0';
	return slash + 1;
}

/* NAME in DIRECTORY is a link to something missing: makes that, still with ROOT as `/`. */
static int
make_behind_link(int root, int directory, const char *directory_path, const char *name, mode_t mode,
		 int links)
{
	char target[PATH_MAX], path[PATH_MAX];
	ssize_t length = readlinkat(directory, name, target, sizeof target - 1);
	int used;

	if (length < 0)
		return -1;
	target[length] = '\0';
	if (target[0] == '/')
		used = snprintf(path, sizeof path, "%s", target);
	else
		used = snprintf(path, sizeof path, "%s/%s", directory_path, target);
	errno = links == 0 ? ELOOP : ENAMETOOLONG;
	if (links == 0 || used >= (int)sizeof path)
		return -1;
	return make(root, path, mode, links - 1);
}

static int
make_file(int directory, const char *name, mode_t mode)
{
	int fd =
		openat(directory, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);

	return fd < 0 ? -1 : close(fd);
}

/* ANCHOR: make */
/* The path begins with a slash and is cut to pieces. */
static int
make(int root, char *path, mode_t mode, int links)
{
	int fd = inside_open(root, path[0] ? path : "/", O_PATH), directory, made, number;
	mode_t mask;
	char *name;

	if (fd >= 0 || errno != ENOENT)
		return fd;
	if (!(name = cut_name(path))) {
		errno = ENOENT; /* "missing/..": nothing that could be made has that name */
		return -1;
	}
	directory = make(root, path, S_IFDIR | 0755, links);
	if (directory < 0)
		return -1;
	/* Below a directory that is held, by a name without a slash: there is nothing to resolve.
	 * What the caller denies to others on the host, users inside would not get past. */
	mask = umask(022);
	made = S_ISDIR(mode) ? mkdirat(directory, name, mode & 07777)
			     : make_file(directory, name, mode & 07777);
	number = errno;
	umask(mask);
	errno = number;
	if (made == 0 || errno == EEXIST)
		fd = openat(directory, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (made < 0 && fd >= 0) {
		int behind = make_behind_link(root, directory, path, name, mode, links);
		if (behind >= 0 || errno != EINVAL) { /* EINVAL: no link, somebody else made it */
			close_fd(fd);
			fd = behind;
		}
	}
	close_fd(directory);
	return fd;
}
/* ANCHOR_END: make */

/* PATH with a slash before it, so that it can be cut. */
static int
copy_path(char copy[PATH_MAX], const char *path)
{
	if (snprintf(copy, PATH_MAX, "/%s", path + strspn(path, "/")) < PATH_MAX)
		return 0;
	return fail(ENAMETOOLONG, "%.64s… inside the root", path);
}

/* Gives FD, or closes it if it is no directory where one is wanted, or one where none is. */
static int
check_kind(int fd, const char *path, mode_t mode)
{
	struct stat status;

	if (fstat(fd, &status) == 0 && S_ISDIR(status.st_mode) == S_ISDIR(mode))
		return fd;
	close(fd);
	return S_ISDIR(mode) ? fail(ENOTDIR, "the mount point %s inside the root", path)
			     : fail(EISDIR, "the mount point %s inside the root", path);
}

int
inside_make(int root, const char *path, mode_t mode)
{
	char copy[PATH_MAX];
	int fd;

	if (copy_path(copy, path) < 0)
		return -1;
	fd = make(root, copy, mode, MAX_LINKS);
	if (fd < 0) {
		fail(errno, "the mount point %s inside the root", path);
		return errno == EACCES ? call_hint("it is missing, and the container's root may "
						   "not make it there: make it in the image")
				       : -1;
	}
	return check_kind(fd, path, mode);
}

int
inside_make_no_links(int root, const char *path, mode_t mode)
{
	int fd = inside_open_no_links(root, path, O_PATH);

	if (fd >= 0)
		return check_kind(fd, path, mode);
	if (errno != ELOOP)
		return inside_make(root, path, mode);
	fail(ELOOP, "the mount point %s inside the root", path);
	return call_hint("it is a symbolic link in the image; such an image is not run");
}

int
inside_parent(int root, const char *path, const char **name)
{
	char copy[PATH_MAX];
	int fd;

	if (copy_path(copy, path) < 0)
		return -1;
	if (path[0] == '\0' || path[strlen(path) - 1] == '/' || !cut_name(copy))
		return fail(EINVAL, "%s: not the path of a file inside the root", path);
	*name = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
	fd = make(root, copy, S_IFDIR | 0755, MAX_LINKS);
	return fd < 0 ? fail(errno, "the directory of %s inside the root", path) : fd;
}

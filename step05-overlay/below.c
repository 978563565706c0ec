/*
 * below: paths of a layer, opened below a directory that they cannot leave.
 *
 * Follows openat2(2), xattr(7), Documentation/filesystems/overlayfs.rst.
 * Explained in book/05-overlay.md.
 */
#include "step05-overlay/below.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "step01-unshare/call.h"
#include "step03-mounts/copyup.h"
#include "step05-overlay/tree.h"

/* MOUNTS: RESOLVE_NO_XDEV where something is made; only a directory of --lower may have mounts. */
/* ANCHOR: beneath */
static int
open_beneath(int dir, const char *path, int flags, uint64_t mounts)
{
	struct open_how how = {
		.flags = (unsigned)(flags | O_NOFOLLOW | O_CLOEXEC),
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | mounts,
	};
	return (int)syscall(SYS_openat2, dir, path[0] ? path : ".", &how, sizeof(how));
}
/* ANCHOR_END: beneath */

static void
forget_parent(struct below *below)
{
	if (below->parent_fd >= 0)
		close(below->parent_fd);
	below->parent_fd = -1;
}

int
below_close(struct below *below, bool set_times)
{
	int result = 0;

	for (size_t i = below->times; i-- > 0;) {
		struct timespec times[2] = { below->time[i].when, below->time[i].when };
		int fd = -1;

		if (set_times && result == 0)
			fd = open_beneath(below->dir, below->time[i].path, O_RDONLY | O_DIRECTORY,
					  RESOLVE_NO_XDEV);
		if (fd >= 0) { /* it may have been replaced since */
			if (futimens(fd, times) < 0)
				result = fail(errno, "time of %s", below->time[i].path);
			close(fd);
		}
		free(below->time[i].path);
	}
	free(below->time);
	forget_parent(below);
	return result;
}

int
below_note_time(struct below *below, const char *path, struct timespec when)
{
	if ((below->times & (below->times - 1)) == 0) { /* room is doubled at each power of two */
		size_t room = below->times ? 2 * below->times : 1;
		struct below_time *more = realloc(below->time, room * sizeof(*more));
		if (!more)
			return fail(ENOMEM, "list of directories");
		below->time = more;
	}
	char *copy = strdup(path);
	if (!copy)
		return fail(ENOMEM, "list of directories");
	below->time[below->times++] = (struct below_time){ copy, when };
	return 0;
}

/* ---- names ---- */

int
below_clean(const struct below *below, const char *name, char path[PATH_MAX])
{
	const char *at = name;
	size_t used = 0;
	int depth = 0;

	for (;;) {
		at += strspn(at, "/");
		size_t length = strcspn(at, "/");
		if (length == 0)
			break;
		if (length == 2 && at[0] == '.' && at[1] == '.')
			return fail(EINVAL, "layer entry \"%.200s\": `..` in its name", name);
		if (length != 1 || at[0] != '.') {
			if (++depth > below->depth || used + length + 2 > PATH_MAX)
				return fail(ENAMETOOLONG, "layer entry \"%.200s…\": too deep",
					    name);
			if (used)
				path[used++] = '/';
			memcpy(path + used, at, length);
			used += length;
		}
		at += length;
	}
	path[used] = '\0';
	return 0;
}

bool
is_whiteout(const struct stat *st)
{
	return S_ISCHR(st->st_mode) && st->st_rdev == makedev(0, 0);
}

int
below_whiteout(int parent, const char *last)
{
	struct statfs on;

	if (mknodat(parent, last, S_IFCHR | 0600, makedev(0, 0)) == 0)
		return 0;
	fail(errno, "mknodat(\"%s\", S_IFCHR, makedev(0, 0))", last);
	if (fstatfs(parent, &on) == 0 && on.f_type == OVERLAYFS_SUPER_MAGIC)
		return call_hint("the store is itself on overlayfs, whose upperdir cannot be; set "
				 "--root to a directory on ext4, xfs or tmpfs");
	return -1;
}

int
below_opaque(const struct below *below, int directory)
{
	const char *name = below->user ? "user.overlay.opaque" : "trusted.overlay.opaque";

	if (fsetxattr(directory, name, "y", 1, 0) < 0) {
		fail(errno, "fsetxattr(\"%s\")", name);
		return call_hint("the store needs a file system with extended attributes, "
				 "which tmpfs has since Linux 6.6");
	}
	return 0;
}

bool
below_is_opaque(int directory)
{
	char mark = 0;

	return (fgetxattr(directory, "trusted.overlay.opaque", &mark, 1) == 1 ||
		fgetxattr(directory, "user.overlay.opaque", &mark, 1) == 1) &&
	       mark == 'y';
}

int
below_remove(int parent, const char *last)
{
	struct stat st;

	if (fstatat(parent, last, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : fail(errno, "fstatat(\"%s\")", last);
	if (!S_ISDIR(st.st_mode)) {
		if (unlinkat(parent, last, 0) < 0)
			return fail(errno, "unlinkat(\"%s\")", last);
		return is_whiteout(&st);
	}
	return tree_remove(parent, last);
}

/* ---- attributes ---- */

bool
attribute_wanted(const char *name)
{
	if (strcmp(name, "security.capability") == 0 || strncmp(name, "system.posix_acl_", 17) == 0)
		return true;
	return strncmp(name, "user.", 5) == 0 && strncmp(name, "user.overlay.", 13) != 0;
}

static int
copy_xattrs(int from, int to)
{
	char names[4096], value[65536];
	ssize_t length = flistxattr(from, names, sizeof(names)), size;

	if (length <= 0)
		return length < 0 && errno != ENOTSUP ? -1 : 0;
	for (char *name = names; name < names + length; name += strlen(name) + 1) {
		if (!attribute_wanted(name))
			continue;
		size = fgetxattr(from, name, value, sizeof(value));
		if (size < 0 || (fsetxattr(to, name, value, (size_t)size, 0) < 0 &&
				 errno != EPERM && errno != ENOTSUP))
			return -1;
	}
	return 0;
}

/* Owner, mode and extended attributes, and the times unless TIMES is false. An owner that the user
 * namespace does not have is left. */
static int
attributes_copy(int from, int to, const struct stat *st, bool times)
{
	struct timespec both[2] = { st->st_atim, st->st_mtim };

	/* owner first: chown(2) takes set-user-id bits and capabilities away */
	if ((fchown(to, st->st_uid, st->st_gid) < 0 && errno != EPERM && errno != EINVAL) ||
	    fchmod(to, st->st_mode & 07777) < 0 || copy_xattrs(from, to) < 0 ||
	    (times && futimens(to, both) < 0))
		return fail(errno, "attributes from a lower layer");
	return 0;
}

/* ---- the layers below ---- */

/* Whether LAYER, which has no PATH, has an opaque directory on the way there. */
static bool
hides(int layer, const char *path)
{
	char parent[PATH_MAX];
	bool found = false;

	for (const char *end = strchr(path, '/'); end && !found; end = strchr(end + 1, '/')) {
		snprintf(parent, sizeof(parent), "%.*s", (int)(end - path), path);
		int fd = open_beneath(layer, parent, O_RDONLY | O_DIRECTORY, 0);
		if (fd < 0)
			return false;
		found = below_is_opaque(fd);
		close(fd);
	}
	return found;
}

int
below_lower(const int *lower, size_t lowers, const char *path, int flags)
{
	struct stat st;

	for (size_t i = 0; i < lowers; i++) {
		int fd = open_beneath(lower[i], path, flags, 0);

		if (fd < 0 && errno == ENOENT && !hides(lower[i], path))
			continue;
		if (fd >= 0 && fstat(fd, &st) == 0 && !is_whiteout(&st))
			return fd;
		if (fd >= 0)
			close(fd);
		break; /* it hides what the layers below have, or has something else in the way */
	}
	errno = ENOENT;
	return -1;
}

/* ---- parents ---- */

/* A directory that the tarball does not mention: as the layers below have it, else root's. */
static int
adopt(struct below *below, const char *path, int directory)
{
	int seen = below_lower(below->lower, below->lowers, path, O_PATH), fd = -1, result = -1;
	struct stat st;

	if (seen < 0 || fstat(seen, &st) < 0 || !S_ISDIR(st.st_mode)) {
		result = fchmod(directory, 0755);
		goto out;
	}
	fd = openat(seen, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0 && attributes_copy(fd, directory, &st, false) == 0)
		result = below_note_time(below, path, st.st_mtim);
out:
	if (fd >= 0)
		close(fd);
	if (seen >= 0)
		close(seen);
	return result;
}

int
below_open(struct below *below)
{
	below->parent_fd = -1;
	below->parent[0] = '\0';
	below->time = NULL;
	below->times = 0;
	return adopt(below, "", below->dir);
}

/* Opens or makes NAME in DIRECTORY; PREFIX is its path in the layer. */
static int
step_into(struct below *below, int directory, const char *name, const char *prefix)
{
	const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
	int fd = openat(directory, name, flags);
	bool was_whiteout = false;
	struct stat st;

	if (fd >= 0)
		return fd;
	if (errno == ENOTDIR && fstatat(directory, name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
		was_whiteout = is_whiteout(&st);
		if (!was_whiteout)
			return fail(EINVAL, "layer entry below \"%.200s\", which is %s", prefix,
				    S_ISLNK(st.st_mode) ? "a link" : "no directory");
		unlinkat(directory, name, 0);
	} else if (errno != ENOENT) {
		return fail(errno, "layer entry below \"%.200s\"", prefix);
	}
	if (mkdirat(directory, name, 0700) < 0 || (fd = openat(directory, name, flags)) < 0)
		return fail(errno, "mkdirat(\"%.200s\")", prefix);
	if ((was_whiteout && below_opaque(below, fd) < 0) ||
	    (was_whiteout ? fchmod(fd, 0755) : adopt(below, prefix, fd)) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

static int
make_parents(struct below *below, const char *parent)
{
	char prefix[PATH_MAX];
	int fd = fcntl(below->dir, F_DUPFD_CLOEXEC, 0);
	size_t length = 0, start;

	while (fd >= 0 && parent[length]) {
		start = length + (parent[length] == '/');
		length = start + strcspn(parent + start, "/");
		memcpy(prefix, parent, length);
		prefix[length] = '\0';
		int next = step_into(below, fd, prefix + start, prefix);
		close(fd);
		fd = next;
	}
	return fd;
}

/* Splits PATH; gives the length of the parent's part. */
static size_t
split(const char *path, const char **last)
{
	const char *slash = strrchr(path, '/');

	*last = slash ? slash + 1 : path;
	return slash ? (size_t)(slash - path) : 0;
}

int
below_parent(struct below *below, const char *path, const char **last)
{
	size_t length = split(path, last);

	if (below->parent_fd >= 0 && strlen(below->parent) == length &&
	    memcmp(below->parent, path, length) == 0)
		return below->parent_fd;
	forget_parent(below);
	memcpy(below->parent, path, length);
	below->parent[length] = '\0';
	below->parent_fd =
		open_beneath(below->dir, below->parent, O_RDONLY | O_DIRECTORY, RESOLVE_NO_XDEV);
	if (below->parent_fd < 0)
		below->parent_fd = make_parents(below, below->parent);
	return below->parent_fd;
}

/* ---- copy-up ---- */

static int
copy_file(int from, int parent, const char *last, const struct stat *st)
{
	int to = openat(parent, last, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	int done;

	if (to < 0)
		return fail(errno, "openat(\"%s\", O_CREAT)", last);
	if (copyup_data(from, to) < 0)
		done = fail(errno, "copy of \"%s\" from a lower layer", last);
	else
		done = attributes_copy(from, to, st, true);
	close(to);
	return done;
}

int64_t
below_copy_up(struct below *below, const char *path, int64_t most, int parent, const char *last)
{
	int seen = below_lower(below->lower, below->lowers, path, O_PATH), from = -1;
	int64_t result = -1;
	struct stat st;

	if (seen < 0)
		return -1;
	if (fstat(seen, &st) < 0 || !S_ISREG(st.st_mode))
		fail(EINVAL, "hard link to \"%.200s\" of a lower layer, which is no file", path);
	else if (st.st_size > most)
		fail(EFBIG, "hard link to \"%.200s\" of a lower layer: the layer is too large",
		     path);
	else if ((from = below_lower(below->lower, below->lowers, path, O_RDONLY)) < 0)
		fail(errno, "open(\"%.200s\") in a lower layer", path);
	else if (copy_file(from, parent, last, &st) == 0)
		result = st.st_size;
	close_fd(from);
	close_fd(seen);
	return result;
}

/*
 * copyup.c: a directory copied entry by entry, by descriptor.
 * Follows openat(2), readdir(3), lseek(2), sendfile(2), utimensat(2). Explained in
 * book/03-mounts.md.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "step01-unshare/call.h"
#include "step03-mounts/copyup.h"

enum { DEEPEST = 64 }; /* directories; each holds two descriptors open */

int
copyup_data(int from, int to)
{
	off_t size = lseek(from, 0, SEEK_END), at, end = 0;
	ssize_t n = 0;

	while (size >= 0 && (at = lseek(from, end, SEEK_DATA)) >= 0) {
		end = lseek(from, at, SEEK_HOLE); /* the end of the file counts as one */
		if (end < 0 || lseek(to, at, SEEK_SET) < 0)
			return -1;
		while (at < end && (n = sendfile(to, from, &at, (size_t)(end - at))) > 0)
			;
		if (n < 0)
			return -1;
	}
	if (size < 0 || errno != ENXIO) /* ENXIO: no data from there on */
		return -1;
	return end < size ? ftruncate(to, size) : 0;
}

static int copy_directory(int from, int to, dev_t device, int depth);

static int
copy_file(int from, int to, const char *name)
{
	int in = openat(from, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC), out = -1;
	int done = -1;

	if (in >= 0)
		out = openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (out >= 0)
		done = copyup_data(in, out);
	close_fd(in);
	close_fd(out);
	return done;
}

static int
copy_link(int from, int to, const char *name)
{
	char target[PATH_MAX];
	ssize_t length = readlinkat(from, name, target, sizeof target - 1);

	if (length < 0)
		return -1;
	target[length] = '\0';
	return symlinkat(target, to, name);
}

static int
copy_below(int from, int to, const char *name, dev_t device, int depth)
{
	int in = openat(from, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), out = -1;
	int done = -1;

	if (in >= 0 && (mkdirat(to, name, 0700) == 0 || errno == EEXIST))
		out = openat(to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (out >= 0)
		done = copy_directory(in, out, device, depth + 1);
	close_fd(in);
	close_fd(out);
	return done;
}

/* Owner first: chown(2) clears the set-user-id bit. */
static int
copy_attributes(int to, const char *name, const struct stat *status)
{
	struct timespec times[2] = { status->st_atim, status->st_mtim };

	if (fchownat(to, name, status->st_uid, status->st_gid, AT_SYMLINK_NOFOLLOW) < 0 &&
	    errno != EPERM && errno != EINVAL) /* EINVAL: an owner that is not mapped here */
		return -1;
	if (!S_ISLNK(status->st_mode) && fchmodat(to, name, status->st_mode & 07777, 0) < 0)
		return -1;
	return utimensat(to, name, times, AT_SYMLINK_NOFOLLOW);
}

static int
copy_entry(int from, int to, const char *name, dev_t device, int depth)
{
	struct stat status;
	int done = 0;

	if (fstatat(from, name, &status, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -1; /* removed meanwhile */
	if (status.st_dev != device)
		return 0; /* another mount: it is covered with the rest */
	if (!S_ISDIR(status.st_mode) && unlinkat(to, name, 0) < 0 && errno != ENOENT)
		return -1; /* a half of it, from a copy that was interrupted */
	if (S_ISREG(status.st_mode))
		done = copy_file(from, to, name);
	else if (S_ISLNK(status.st_mode))
		done = copy_link(from, to, name);
	else if (S_ISDIR(status.st_mode))
		done = copy_below(from, to, name, device, depth);
	else if (S_ISFIFO(status.st_mode))
		done = mknodat(to, name, S_IFIFO | 0600, 0);
	else
		return 0; /* sockets have no use without their process, devices none in a nodev */
	return done < 0 ? -1 : copy_attributes(to, name, &status);
}

static int
copy_directory(int from, int to, dev_t device, int depth)
{
	DIR *directory = NULL;
	struct dirent *entry;
	int again = openat(from, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), done = 0;

	if (depth > DEEPEST)
		errno = ELOOP;
	if (depth > DEEPEST || again < 0 || !(directory = fdopendir(again))) {
		if (again >= 0)
			close(again);
		return -1;
	}
	while (done == 0 && (entry = readdir(directory)))
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			done = copy_entry(from, to, entry->d_name, device, depth);
	int number = errno;
	closedir(directory);
	errno = number;
	return done;
}

int
copyup(int from, int to)
{
	struct stat status, made;

	if (fstat(from, &status) < 0 || fstat(to, &made) < 0)
		return fail(errno, "fstat of the directory to copy up");
	/* Who is not root's already is whom uid= and gid= name.
	 * EPERM, EINVAL: an owner that this user namespace does not have */
	if (made.st_uid == 0 && made.st_gid == 0 &&
	    fchownat(to, "", status.st_uid, status.st_gid, AT_EMPTY_PATH) < 0 && errno != EPERM &&
	    errno != EINVAL)
		return fail(errno, "fchownat of the new tmpfs");
	if (copy_directory(from, to, status.st_dev, 0) < 0)
		return fail(errno, "copying what the tmpfs covers");
	return 0;
}

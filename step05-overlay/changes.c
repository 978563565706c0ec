/*
 * changes: what a container changed, read from its upper directory.
 *
 * Follows Documentation/filesystems/overlayfs.rst, openat2(2). Explained in book/05-overlay.md.
 */
#include "step05-overlay/changes.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "step01-unshare/call.h"
#include "step05-overlay/below.h"
#include "step05-overlay/overlay.h"

enum { DEEPEST = 400 }; /* directories open at once, one below the other */

struct walk {
	const struct overlay *overlay;
	FILE *out;
	char path[PATH_MAX];	  /* "/a/b" */
	char shown[4 * PATH_MAX]; /* the same, for people: a byte is four characters at most */
};

/* Whether the layers below show something at PATH ("/a/b"). */
static bool
below_has(const struct overlay *overlay, const char *path)
{
	int fd = below_lower(overlay->lower, overlay->lowers, path + 1, O_PATH);

	close_fd(fd);
	return fd >= 0;
}

static int walk_directory(struct walk *walk, int fd, bool hidden, int depth);

/* HIDDEN: the directory does not let the layers below show through. */
static int
walk_entry(struct walk *walk, int parent, const char *name, bool hidden, int depth)
{
	size_t length = strlen(walk->path);
	struct stat st;
	bool old;
	int fd, result = 0;

	if (length + strlen(name) + 2 > sizeof(walk->path))
		return fail(ENAMETOOLONG, "changes below %s", walk->path);
	if (fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : fail(errno, "changes below %s", walk->path);
	sprintf(walk->path + length, "/%s", name);
	old = !hidden && below_has(walk->overlay, walk->path);
	call_line(walk->shown, sizeof(walk->shown), walk->path); /* the container chose the names */
	fprintf(walk->out, "%c %s\n", is_whiteout(&st) ? 'D' : old ? 'C' : 'A', walk->shown);
	if (S_ISDIR(st.st_mode) && depth < DEEPEST) {
		fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (fd >= 0) /* one that belongs to another id of the container cannot be read */
			result = walk_directory(walk, fd, hidden || !old || below_is_opaque(fd),
						depth + 1);
	}
	walk->path[length] = '\0';
	return result;
}

/* Takes FD. */
static int
walk_directory(struct walk *walk, int fd, bool hidden, int depth)
{
	struct dirent **entry = NULL;
	int count = scandirat(fd, ".", &entry, NULL, alphasort), result = 0;

	if (count < 0 && errno != EACCES)
		result = fail(errno, "changes below %s", walk->path);
	for (int i = 0; i < count; i++) {
		const char *name = entry[i]->d_name;
		if (result == 0 && strcmp(name, ".") != 0 && strcmp(name, "..") != 0)
			result = walk_entry(walk, fd, name, hidden, depth);
		free(entry[i]);
	}
	free(entry);
	close(fd);
	return result;
}

int
overlay_diff(const struct overlay *overlay, FILE *out)
{
	struct walk walk = { .overlay = overlay, .out = out };
	int fd = fcntl(overlay->upper, F_DUPFD_CLOEXEC, 0);

	if (fd < 0)
		return fail(errno, "the upper directory");
	return walk_directory(&walk, fd, false, 0);
}

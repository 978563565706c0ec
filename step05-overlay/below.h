/*
 * below: paths of a layer, opened below a directory that they cannot leave.
 *
 * A tarball is a list of names from a stranger. Each is taken apart here, its directory is opened
 * by openat2(2) with RESOLVE_BENEATH|RESOLVE_NO_SYMLINKS and everything is done with the last
 * component in that directory: no link is followed, not even one that an earlier entry made.
 * Directories that the tarball does not mention look as the layers below have them.
 * Follows openat2(2), overlayfs.rst. Explained in book/05-overlay.md.
 */
#ifndef BOXSTEP_BELOW_H
#define BOXSTEP_BELOW_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

struct below_time { /* a directory's time is set last: each file made in it changes it */
	char *path;
	struct timespec when;
};

struct below {
	int dir;	  /* the layer; the caller's */
	const int *lower; /* the layers below it, top first; the caller's */
	size_t lowers;
	bool user; /* in a user namespace: user.overlay.*, and owners may be refused */
	int depth; /* components that a path may have */
	/* the last parent, because a tarball goes directory by directory */
	char parent[PATH_MAX];
	int parent_fd;
	struct below_time *time;
	size_t times;
};

/* The caller has filled in dir, lower, lowers, user, depth. The layer's root looks as the root of
 * the layer below, until the tarball says otherwise. 0 or −1. */
int below_open(struct below *below);
/* Closes, after setting the directories' times. 0 or −1. */
int below_close(struct below *below, bool set_times);

/* NAME of an entry as a path below the layer: "./a//b/" and "/a/b" are "a/b", the root is "".
 * −1 with EINVAL for a `..`, ENAMETOOLONG for too many components or bytes; recorded. */
int below_clean(const struct below *below, const char *name, char path[PATH_MAX]);

/* The directory that PATH's last component is in, made if missing; *LAST is that component. The
 * descriptor is lent. −1: a link or a file is in the way (EINVAL), recorded. */
int below_parent(struct below *below, const char *path, const char **last);

/* Removes LAST in PARENT, with all it has, because an entry takes its place. 1 when what was there
 * was a whiteout, 0 for anything else, −1. */
int below_remove(int parent, const char *last);

/* Marks a directory as opaque: nothing of the layers below shows through it. */
int below_opaque(const struct below *below, int directory);
bool below_is_opaque(int directory);
/* Makes LAST in PARENT a whiteout (a character device 0:0). */
int below_whiteout(int parent, const char *last);
bool is_whiteout(const struct stat *st);

/* PATH ("a/b") as the LOWERS layers show it together, the topmost first: opened with FLAGS, never
 * through a link. −1 with ENOENT, not recorded: none has it, or a whiteout, an opaque directory or
 * something else in the way hides it. */
int below_lower(const int *lower, size_t lowers, const char *path, int flags);

/* Notes the time that the directory PATH shall have. */
int below_note_time(struct below *below, const char *path, struct timespec when);

/* ---- attributes ---- */

/* Which extended attributes of an image are taken: security.capability, user.*, POSIX ACLs; never
 * overlayfs's own, with which an image could point into other layers. */
bool attribute_wanted(const char *name);

/* Copies the regular file PATH of the layers below to LAST in PARENT, for a hard link to it. Gives
 * its size; −1: ENOENT when no layer has it (not recorded), EINVAL when it is of another kind,
 * EFBIG when it is larger than MOST bytes. */
int64_t below_copy_up(struct below *below, const char *path, int64_t most, int parent,
		      const char *last);

#endif

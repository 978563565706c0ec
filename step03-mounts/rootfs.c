/*
 * rootfs.c: the container's root attached over `/`, then made `/` by pivot_root.
 * Follows pivot_root(2), mount_namespaces(7), open_tree(2), proc(5). Explained in
 * book/03-mounts.md.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "step01-unshare/call.h"
#include "step01-unshare/namespaces.h"
#include "step03-mounts/detached.h"
#include "step03-mounts/rootfs.h"

const struct option_row rootfs_options[] = {
	{ "rootfs", 0, "DIR", "pivot_root(2)", "the directory that becomes /", option_text,
	  offsetof(struct rootfs_options, path), 0 },
	{ "read-only", 0, NULL, "MOUNT_ATTR_RDONLY",
	  "nothing can be written in /, but in what is mounted there", option_flag,
	  offsetof(struct rootfs_options, read_only), 0 },
	{ "no-pivot", 0, NULL, "chroot(2)",
	  "chroot instead of pivot_root: for a host whose own / is its initial ramfs", option_flag,
	  offsetof(struct rootfs_options, no_pivot), 0 },
	{ 0 },
};

/* ---- opening ---- */

static int
check_directory(const char *path)
{
	struct stat status;

	if (!path) {
		fail(EINVAL, "no root: --rootfs DIR is missing");
		return call_hint("a directory with a program in it; `make rootfs` makes one, "
				 "build/rootfs");
	}
	if (stat(path, &status) < 0) {
		fail(errno, "stat(\"%s\") for the root", path);
		return errno == EACCES ? call_hint("every directory above it has to be enterable "
						   "(x) for uid %u",
						   geteuid())
				       : call_hint("make rootfs builds one: build/rootfs");
	}
	return S_ISDIR(status.st_mode) ? 0 : fail(ENOTDIR, "stat(\"%s\") for the root", path);
}

int
rootfs_open(const struct rootfs_options *options, int kinds)
{
	int tree;

	if (check_directory(options->path) < 0)
		return -1;
	if ((kinds & (CLONE_NEWUSER | CLONE_NEWNS)) == CLONE_NEWNS || geteuid() != 0)
		return ROOTFS_IN_CHILD;
	tree = call_try(open_tree(AT_FDCWD, options->path,
				  OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE),
			"open_tree(AT_FDCWD, \"%s\", "
			"OPEN_TREE_CLONE|OPEN_TREE_CLOEXEC|AT_RECURSIVE)",
			options->path);
	/* root in name only, inside somebody's user namespace: its child may do it */
	return tree < 0 ? ROOTFS_IN_CHILD : tree;
}

/* What is attached nowhere can be copied since the kernel in which it can be mounted in. */
static int
check_nowhere(int root)
{
	int copy = detached_copy(root, "", false);

	if (copy < 0 && errno == EINVAL)
		call_hint("before Linux 6.15 nothing can be mounted in a root that is attached "
			  "nowhere: it needs a mount namespace of its own");
	close_fd(copy);
	return copy < 0 ? -1 : 0;
}

/* ANCHOR: attach */
static int
put_in_place(const struct rootfs_options *options, int root)
{
	bool on_itself = options->in_place && !options->no_pivot; /* by a path that may be a link */
	const char *place = on_itself ? options->path : "/";
	unsigned flags = MOVE_MOUNT_F_EMPTY_PATH | (on_itself ? MOVE_MOUNT_T_SYMLINKS : 0U);

	if (options->nowhere)
		return check_nowhere(root);
	return call(move_mount(root, "", AT_FDCWD, place, flags),
		    "move_mount(%d, \"\", AT_FDCWD, \"%s\", MOVE_MOUNT_F_EMPTY_PATH%s)", root,
		    place, on_itself ? "|MOVE_MOUNT_T_SYMLINKS" : "");
}

int
rootfs_attach(const struct rootfs_options *options, int tree)
{
	/* a copy is a peer of its original: it is cut off from that, or made its slave */
	unsigned long spread = options->propagation & MS_SLAVE ? MS_SLAVE : MS_PRIVATE;
	int root = tree;

	stage("root", "The root becomes a mount of this namespace, over the / that everybody has.",
	      "cat /proc/%d/mountinfo", call_pid());
	if (root < 0 && check_directory(options->path) < 0)
		return -1;
	if (root < 0 && (root = detached_copy(AT_FDCWD, options->path, true)) < 0)
		return options->nowhere ? ns_hint_rights(0) : -1;
	if ((options->nowhere || ns_private_mounts() == 0) &&
	    detached_change(root, (struct mount_bits){ 0 }, spread, true) == 0 &&
	    put_in_place(options, root) == 0)
		return root;
	if (tree < 0)
		close_fd(root);
	return -1;
}
/* ANCHOR_END: attach */

/* ---- leaving the host's tree ---- */

/* ANCHOR: pivot */
/*
 * The old root lands where the new one stands, on top of it: no directory is needed to hold it.
 * Both `.` and `/` are the new one at once; only umount2 goes on to what lies on top of it, and so
 * takes the old one.
 */
static int
pivot(void)
{
	if (call((int)syscall(SYS_pivot_root, ".", "."), "pivot_root(\".\", \".\")") < 0)
		return errno == EINVAL
			       ? call_hint("on a host whose / is its initial ramfs use --no-pivot")
			       : -1;
	return call(umount2(".", MNT_DETACH), "umount2(\".\", MNT_DETACH)");
}
/* ANCHOR_END: pivot */

/* What would end a word of mountinfo, as a blank of a path, is three octal digits behind a
 * backslash there, proc(5). */
static void
undo_octal(char *text)
{
	char *to = text;
	unsigned byte;

	for (; *text; text++)
		if (sscanf(text, "\\%3o", &byte) == 1) {
			*to++ = (char)byte;
			text += 3;
		} else
			*to++ = *text;
	*to = '\0';
}

/* Reads the next mount of mountinfo; false at its end. */
static bool
next_mount(FILE *mountinfo, int *id, int *parent, char point[4096])
{
	char line[8192];

	while (fgets(line, sizeof line, mountinfo))
		if (sscanf(line, "%d %d %*s %*s %4095s", id, parent, point) == 3) {
			undo_octal(point);
			return true;
		}
	return false;
}

static int
add_copy(struct text_list *list, const char *text)
{
	char *copy = strdup(text);

	if (copy && text_list_add(list, copy) == 0)
		return 0;
	free(copy);
	return fail(ENOMEM, "memory for the host's mounts");
}

/* What is mounted directly on the host's `/`, which is the parent of the container's root. */
static int
host_mounts(int root, struct text_list *points)
{
	FILE *mountinfo = fopen("/proc/self/mountinfo", "re");
	char point[4096];
	struct statx own;
	int id, parent, host = 0, done = 0;

	if (!mountinfo)
		return fail(errno, "open(\"/proc/self/mountinfo\")");
	if (statx(root, "", AT_EMPTY_PATH, STATX_MNT_ID, &own) < 0)
		done = fail(errno, "statx(%d) for the number of the root's mount", root);
	while (done == 0 && next_mount(mountinfo, &id, &parent, point))
		if ((uint64_t)id == own.stx_mnt_id)
			host = parent;
	rewind(mountinfo);
	while (done == 0 && next_mount(mountinfo, &id, &parent, point))
		if (parent == host && strcmp(point, "/") != 0)
			done = add_copy(points, point);
	fclose(mountinfo);
	return done;
}

/* A chroot can be left by who may chroot again: what lies below must be empty by then. */
static int
change_root(int root)
{
	struct text_list points = { 0 };
	int done = host_mounts(root, &points);

	while (points.count > 0) {
		char *point = (char *)points.item[--points.count];
		/* until EINVAL: one mount can lie on the other; and what a user namespace has
		 * inherited is locked: it stays, out of sight */
		while (done == 0 && call_try(umount2(point, MNT_DETACH),
					     "umount2(\"%s\", MNT_DETACH)", point) == 0)
			;
		free(point);
	}
	free(points.item);
	return done < 0 ? -1 : call(chroot("."), "chroot(\".\")");
}

int
rootfs_pivot(const struct rootfs_options *options, int root)
{
	struct mount_bits read_only = { .set = options->read_only ? MOUNT_ATTR_RDONLY : 0 };
	bool recursive = options->propagation & MS_REC;

	stage("pivot",
	      "The root takes the place of the host's, which is cut off: no way leads back.",
	      "ls /proc/%d/root", call_pid());
	if (detached_change(root, read_only, 0, false) < 0)
		return -1;
	if (fchdir(root) < 0)
		return fail(errno, "fchdir(%d) into the root", root);
	if (options->nowhere ? call(chroot("."), "chroot(\".\")") < 0
			     : (options->no_pivot ? change_root(root) : pivot()) < 0)
		return -1;
	if (chdir("/") < 0)
		return fail(errno, "chdir(\"/\")");
	return detached_change(root, (struct mount_bits){ 0 }, options->propagation, recursive);
}

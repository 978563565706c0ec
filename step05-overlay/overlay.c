/*
 * overlay: many directories seen as one.
 *
 * Follows Documentation/filesystems/overlayfs.rst, fsopen(2), fsconfig(2), mount_setattr(2).
 * Explained in book/05-overlay.md.
 */
#include "step05-overlay/overlay.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "step01-unshare/call.h"
#include "step03-mounts/detached.h"
#include "step03-mounts/mount_ids.h"
#include "step03-mounts/rootfs.h"
#include "step05-overlay/changes.h"
#include "step05-overlay/rights.h"
#include "step05-overlay/tree.h"

enum { NOT_HERE = -2 }; /* this kernel does not have that way */

const struct option_row overlay_options[] = {
	{ .name = "lower",
	  .unit = "DIR[:DIR...]",
	  .object = "lowerdir",
	  .help = "directories instead of an image, the topmost first",
	  .set = option_text,
	  .offset = offsetof(struct overlay_options, lower) },
	{ .name = "upper",
	  .unit = "DIR",
	  .object = "upperdir",
	  .help = "where changes go (DIR.work beside it is the workdir)",
	  .set = option_text,
	  .offset = offsetof(struct overlay_options, upper) },
	{ .name = "keep",
	  .object = "upperdir",
	  .help = "keep the changes, and say where they are",
	  .set = option_flag,
	  .offset = offsetof(struct overlay_options, keep) },
	{ .name = "diff",
	  .object = "upperdir",
	  .help = "list the changes at the end: A added, C changed, D deleted",
	  .set = option_flag,
	  .offset = offsetof(struct overlay_options, diff) },
	{ 0 }
};

void
overlay_init(struct overlay *overlay)
{
	*overlay = (struct overlay){ .root = open("/", O_PATH | O_CLOEXEC),
				     .upper = -1,
				     .work = -1,
				     .scratch_fd = -1,
				     .uid = geteuid(),
				     .gid = getegid() };
}

static void
close_one(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void
overlay_close(struct overlay *overlay)
{
	for (size_t i = 0; i < overlay->lowers; i++)
		close_one(&overlay->lower[i]);
	for (size_t i = 0; i < overlay->helds; i++)
		close_one(&overlay->held[i]);
	free(overlay->lower);
	free(overlay->held);
	close_one(&overlay->root);
	close_one(&overlay->upper);
	close_one(&overlay->work);
	close_one(&overlay->scratch_fd);
	overlay->lower = overlay->held = NULL;
	overlay->lowers = overlay->helds = 0;
}

/* ---- what it is made of ---- */

int
overlay_add_lower(struct overlay *overlay, int dir)
{
	int *more = NULL;

	if (dir < 0)
		return -1;
	if (overlay->lowers == IMAGE_LAYERS_MAX)
		fail(E2BIG, "more than %d lower directories", IMAGE_LAYERS_MAX);
	else if (!(more = realloc(overlay->lower, (overlay->lowers + 1) * sizeof(*more))))
		fail(ENOMEM, "lower directories");
	if (!more) {
		close(dir);
		return -1;
	}
	overlay->lower = more;
	overlay->lower[overlay->lowers++] = dir;
	return 0;
}

int
overlay_open_lower(struct overlay *overlay, const struct overlay_options *options)
{
	char path[PATH_MAX];
	size_t length = 0;

	for (const char *at = options->lower;; at++) {
		if (at[0] == '\\' && at[1] == ':')
			at++;
		else if (*at == ':' || *at == '\0') {
			path[length] = '\0';
			int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
			if (fd < 0)
				return fail(errno, "--lower: open(\"%s\")", path);
			if (overlay_add_lower(overlay, fd) < 0)
				return -1;
			length = 0;
			if (*at == '\0')
				return 0;
			continue;
		}
		if (length + 1 >= sizeof(path))
			return fail(ENAMETOOLONG, "--lower");
		path[length++] = *at;
	}
}

int
overlay_scratch(struct overlay *overlay, const struct store *store)
{
	if (overlay->scratch_fd < 0)
		overlay->scratch_fd = store_scratch(store, overlay->scratch);
	return overlay->scratch_fd < 0 ? -1 : 0;
}

/* A directory NAME of the run, empty and the container root's. */
static int
make_directory(const struct overlay *overlay, int parent, const char *name)
{
	int fd;

	if (mkdirat(parent, name, 0755) < 0 && errno != EEXIST)
		return fail(errno, "mkdir(\"%s\")", name);
	fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return fail(errno, "open(\"%s\")", name);
	if (overlay->mapped && fchown(fd, overlay->uid, overlay->gid) < 0) {
		fail(errno, "chown(\"%s\", %u)", name, overlay->uid);
		close_one(&fd);
	}
	return fd;
}

/* The root of the merged tree has the owner and mode of the upper directory: those of the image. */
static void
look_like_lower(const struct overlay *overlay)
{
	struct stat st;

	if (overlay->lowers == 0 || fstat(overlay->lower[0], &st) < 0)
		return;
	if (!overlay->mapped && fchown(overlay->upper, st.st_uid, st.st_gid) < 0 && errno != EPERM)
		return;
	fchmod(overlay->upper, st.st_mode & 07777);
}

static void
work_path(const struct overlay *overlay, char path[PATH_MAX])
{
	snprintf(path, PATH_MAX, "%.4000s.work", overlay->upper_path);
}

/* overlayfs makes `work` and `index` there, of mode 000, and a run that was killed leaves them. */
static bool
is_workdir(int directory)
{
	int fd = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *list = fd < 0 ? NULL : fdopendir(fd);
	bool only = list != NULL;
	struct dirent *entry;
	struct stat st;

	while (only && (entry = readdir(list))) {
		const char *name = entry->d_name;
		if (strcmp(name, ".") != 0 && strcmp(name, "..") != 0)
			only = (strcmp(name, "work") == 0 || strcmp(name, "index") == 0) &&
			       fstatat(directory, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
			       S_ISDIR(st.st_mode) && (st.st_mode & 07777) == 0;
	}
	if (list)
		closedir(list);
	return only;
}

/* DIR.work, made or taken over. The kernel empties it, and the end of the run removes it: so it is
 * locked against a second run, and what has anything of the user's in it is left alone. */
static int
open_given_work(struct overlay *overlay, const char *upper, const char *work)
{
	overlay->work = store_lock_own(AT_FDCWD, work, true, LOCK_EX | LOCK_NB);
	if (overlay->work < 0 && errno == EWOULDBLOCK) {
		fail(EBUSY, "--upper: \"%s\"", upper);
		return call_hint("another run has it as its upper directory");
	}
	if (overlay->work < 0) {
		fail(errno, "mkdir(\"%s\")", work);
		return call_hint("overlayfs works in DIR.work: the directory above both has to be "
				 "writable for uid %u",
				 geteuid());
	}
	if (is_workdir(overlay->work))
		return 0;
	close_one(&overlay->work); /* nor is it to be removed */
	fail(EINVAL, "--upper: \"%s\" holds more than what overlayfs makes there", work);
	return call_hint("overlayfs empties that directory: move it away, or give another upper "
			 "directory");
}

static int
open_given_upper(struct overlay *overlay, const char *path)
{
	char work[PATH_MAX];

	if (!realpath(path, overlay->upper_path) ||
	    (overlay->upper = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0) {
		fail(errno, "--upper: open(\"%s\")", path);
		return call_hint("make an empty directory for it");
	}
	if (strlen(overlay->upper_path) + sizeof(".work") > sizeof(work))
		return fail(ENAMETOOLONG, "--upper: \"%s\"", path);
	work_path(overlay, work);
	if (open_given_work(overlay, path, work) < 0)
		return -1;
	if (overlay->mapped && (fchown(overlay->upper, overlay->uid, overlay->gid) < 0 ||
				fchown(overlay->work, overlay->uid, overlay->gid) < 0))
		return fail(errno, "chown(\"%s\", %u)", path, overlay->uid);
	return 0;
}

int
overlay_open_upper(struct overlay *overlay, const struct overlay_options *options,
		   const struct store *store)
{
	if (options->upper)
		return open_given_upper(overlay, options->upper);
	if (overlay_scratch(overlay, store) < 0)
		return -1;
	overlay->throwaway = !options->keep;
	snprintf(overlay->upper_path, sizeof(overlay->upper_path), "%s/scratch/%s/upper",
		 store->path, overlay->scratch);
	overlay->upper = make_directory(overlay, overlay->scratch_fd, "upper");
	if (overlay->upper < 0)
		return -1;
	look_like_lower(overlay);
	overlay->work = make_directory(overlay, overlay->scratch_fd, "work");
	if (overlay->work < 0)
		return -1;
	if (overlay->lowers == 0) /* an image without layers is an empty directory */
		return overlay_add_lower(overlay,
					 make_directory(overlay, overlay->scratch_fd, "empty"));
	return 0;
}

/* ---- mounting ---- */

static bool
kernel_at_least(int major, int minor)
{
	struct utsname host;
	int have_major = 0, have_minor = 0;

	return uname(&host) == 0 && sscanf(host.release, "%d.%d", &have_major, &have_minor) == 2 &&
	       (have_major > major || (have_major == major && have_minor >= minor));
}

/* What the kernel thinks of it, in its own words; then what is known to be behind it. */
static int
explain_failure(const struct overlay *overlay, int fs)
{
	int error = errno;
	struct statfs on;
	char words[256];
	ssize_t length = read(fs, words, sizeof(words) - 1);

	errno = error;
	if (overlay->upper >= 0 && fstatfs(overlay->upper, &on) == 0 &&
	    on.f_type == OVERLAYFS_SUPER_MAGIC)
		return call_hint("upperdir is itself on overlayfs; set --root to a directory on "
				 "ext4, xfs or tmpfs");
	if (error == ELOOP)
		return call_hint("of the directories that are put on top of each other one lies "
				 "inside another");
	if (overlay->user && error == EPERM)
		return call_hint("overlayfs in a user namespace needs Linux 5.11, and ids that "
				 "are mapped");
	if (overlay->mapped && error == EINVAL && !kernel_at_least(5, 19))
		return call_hint("overlayfs takes id-mapped layers since Linux 5.19: leave --user "
				 "out, or start it as the ordinary user whose ids they are");
	if (length > 2) {
		words[length] = '\0';
		words[strcspn(words, "\n")] = '\0';
		return call_hint("%s", words + 2);
	}
	return -1;
}

static int
set_fd(int fs, const char *key, int fd)
{
	return call(fsconfig(fs, FSCONFIG_SET_FD, key, NULL, fd),
		    "fsconfig(%d, FSCONFIG_SET_FD, \"%s\", NULL, %d)", fs, key, fd);
}

static int
set_flag(int fs, const char *key)
{
	return call(fsconfig(fs, FSCONFIG_SET_FLAG, key, NULL, 0),
		    "fsconfig(%d, FSCONFIG_SET_FLAG, \"%s\", NULL, 0)", fs, key);
}

static int
set_path(int fs, const char *key, int fd)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return call(fsconfig(fs, FSCONFIG_SET_STRING, key, path, 0),
		    "fsconfig(%d, FSCONFIG_SET_STRING, \"%s\", \"%s\", 0)", fs, key, path);
}

/* Whether this kernel takes layers by descriptor is asked with the first of them. */
static int
set_lower(const struct overlay *overlay, int fs, bool by_descriptor)
{
	int first = overlay->lower[0];

	if (by_descriptor &&
	    call_try(fsconfig(fs, FSCONFIG_SET_FD, "lowerdir+", NULL, first),
		     "fsconfig(%d, FSCONFIG_SET_FD, \"lowerdir+\", NULL, %d)", fs, first) < 0)
		return NOT_HERE;
	for (size_t i = by_descriptor; i < overlay->lowers; i++)
		if ((by_descriptor ? set_fd : set_path)(fs, "lowerdir+", overlay->lower[i]) < 0)
			return -1;
	return 0;
}

/* ANCHOR: mount */
static int
configure(const struct overlay *overlay, int fs, bool by_descriptor)
{
	int (*set)(int, const char *, int) = by_descriptor ? set_fd : set_path;
	int lower = set_lower(overlay, fs, by_descriptor);

	if (lower < 0)
		return lower;
	if (call(fsconfig(fs, FSCONFIG_SET_STRING, "source", "overlay", 0),
		 "fsconfig(%d, FSCONFIG_SET_STRING, \"source\", \"overlay\", 0)", fs) < 0)
		return -1;
	if (overlay->upper >= 0 &&
	    (set(fs, "upperdir", overlay->upper) < 0 || set(fs, "workdir", overlay->work) < 0))
		return -1;
	/* trusted.* attributes are not for a user namespace: marks are kept in user.* there */
	if (overlay->user && set_flag(fs, "userxattr") < 0)
		return -1;
	/* unmounting would sync the whole file system below, for changes that nobody keeps */
	if (overlay->throwaway && overlay->upper >= 0 && set_flag(fs, "volatile") < 0)
		return -1;
	return call(fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0),
		    "fsconfig(%d, FSCONFIG_CMD_CREATE, NULL, NULL, 0)", fs);
}
/* ANCHOR_END: mount */

static int
mount_new(const struct overlay *overlay, bool by_descriptor)
{
	int fs = call(fsopen("overlay", FSOPEN_CLOEXEC), "fsopen(\"overlay\", FSOPEN_CLOEXEC)");
	int mount, error;

	if (fs < 0) {
		if (errno == ENODEV)
			call_hint("this kernel has no overlayfs: modprobe overlay");
		return -1;
	}
	mount = configure(overlay, fs, by_descriptor);
	if (mount == -1)
		explain_failure(overlay, fs);
	else if (mount == 0)
		/* device nodes of an image are its author's wish: they are data here */
		mount = call(fsmount(fs, FSMOUNT_CLOEXEC, MOUNT_ATTR_NODEV),
			     "fsmount(%d, FSMOUNT_CLOEXEC, MOUNT_ATTR_NODEV)", fs);
	error = errno;
	close(fs);
	errno = error;
	return mount;
}

/* The path of a descriptor, as its link in /proc says it. −1 with the error recorded. */
static ssize_t
path_of(int fd, char *path, size_t size)
{
	char link[32];
	ssize_t length;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	length = readlink(link, path, size - 1);
	if (length < 0)
		return fail(errno, "readlink(\"%s\")", link);
	path[length] = '\0';
	return length;
}

/* ANCHOR: reopen */
/*
 * A descriptor stands for a directory in a mount, and the mounts of this namespace are copies of
 * those in which the parent opened it: overlayfs takes only what is mounted here. So it is opened
 * again by the path that it has, and must be the same directory then.
 */
static int
open_again(int fd)
{
	char path[PATH_MAX];
	struct stat old, new;
	int again;

	if (path_of(fd, path, sizeof(path)) < 0)
		return -1;
	again = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (again < 0)
		return fail(errno, "open(\"%s\")", path);
	if (fstat(fd, &old) == 0 && fstat(again, &new) == 0 && old.st_ino == new.st_ino &&
	    old.st_dev == new.st_dev)
		return again;
	close(again);
	return fail(ESTALE, "\"%s\" has been replaced meanwhile", path);
}
/* ANCHOR_END: reopen */

/* ANCHOR: chrooted */
/*
 * The kernel writes the path of a mount that is not below our root from the top of that mount's
 * namespace: "/" for the parent's root, unless the parent is in a chroot. There pivot_root fails,
 * or swaps the chroot's directory only, if that is a mount. The mounts above stay in the
 * container's namespace, and whoever enters it by setns(2) gets the top for a root: `exec` would
 * run on the host.
 */
static int
refuse_chroot(const struct overlay *overlay)
{
	char top[PATH_MAX];

	if (path_of(overlay->root, top, sizeof(top)) < 0)
		return -1;
	if (strcmp(top, "/") == 0)
		return 0;
	fail(ENOTSUP, "this is a chroot: / is %s of its mount namespace", top);
	return call_hint("who enters the container later would come out above it; make that "
			 "directory the root by `unshare -m` and pivot_root(8)");
}
/* ANCHOR_END: chrooted */

static int
open_all_again(const struct overlay *overlay, struct overlay *here)
{
	*here = *overlay;
	here->lower = here->held = NULL;
	here->lowers = here->helds = 0;
	here->root = here->upper = here->work = here->scratch_fd = -1;
	if (refuse_chroot(overlay) < 0)
		return -1;
	for (size_t i = 0; i < overlay->lowers; i++)
		if (overlay_add_lower(here, open_again(overlay->lower[i])) < 0)
			return -1;
	if (overlay->upper >= 0 && ((here->upper = open_again(overlay->upper)) < 0 ||
				    (here->work = open_again(overlay->work)) < 0))
		return -1;
	return 0;
}

/* "lowerdir=12:13,upperdir=7,workdir=8": relative to /proc/self/fd a layer takes four bytes. */
static int
old_options(const struct overlay *overlay, char *text, size_t size)
{
	size_t used = (size_t)snprintf(text, size, "lowerdir=");

	for (size_t i = 0; i < overlay->lowers && used < size; i++)
		used += (size_t)snprintf(text + used, size - used, "%s%d", i ? ":" : "",
					 overlay->lower[i]);
	if (overlay->upper >= 0 && used < size)
		used += (size_t)snprintf(text + used, size - used, ",upperdir=%d,workdir=%d",
					 overlay->upper, overlay->work);
	if (overlay->user && used < size)
		used += (size_t)snprintf(text + used, size - used, ",userxattr");
	if (overlay->throwaway && overlay->upper >= 0 && used < size)
		used += (size_t)snprintf(text + used, size - used, ",volatile");
	return used < size ? 0 : fail(E2BIG, "%zu layers: too many for one page", overlay->lowers);
}

/* A path, from /proc/self/fd, to the directory FD and on to what is mounted there: the link of
 * FD alone always leads to the directory below the mount. */
static int
path_over(int fd, char *path, size_t size)
{
	char target[PATH_MAX];

	if (path_of(fd, target, sizeof(target)) < 0)
		return -1;
	snprintf(path, size, "%d/../%s", fd, strrchr(target, '/') + 1);
	return 0;
}

/* For kernels before 6.7: mount(2) with the layers as numbers relative to /proc/self/fd, because
 * all options must fit into one page. Needs a mount namespace of one's own. */
static int
mount_old(const struct overlay *overlay)
{
	char options[4000], place[NAME_MAX + 32];
	int here = open(".", O_PATH | O_CLOEXEC), mounted = -1, copy = -1;

	/* mount(2) wants a place: over a lower directory, until the mount has been taken hold of */
	if (path_over(overlay->lower[overlay->lowers - 1], place, sizeof(place)) < 0 ||
	    old_options(overlay, options, sizeof(options)) < 0)
		goto out;
	if (here < 0 || chdir("/proc/self/fd") < 0) {
		fail(errno, "chdir(\"/proc/self/fd\")");
		goto out;
	}
	mounted = call(mount("overlay", place, "overlay", MS_NODEV, options),
		       "mount(\"overlay\", \"%s\", \"overlay\", MS_NODEV, \"%s\")", place, options);
	if (mounted < 0)
		explain_failure(overlay, -1);
	else
		copy = call(open_tree(AT_FDCWD, place, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC),
			    "open_tree(AT_FDCWD, \"%s\", OPEN_TREE_CLONE|OPEN_TREE_CLOEXEC)",
			    place);
	if (mounted == 0)
		call(umount2(place, MNT_DETACH), "umount2(\"%s\", MNT_DETACH)", place);
	if (fchdir(here) < 0 && copy >= 0) {
		fail(errno, "fchdir");
		close_one(&copy);
	}
out:
	close_one(&here);
	return copy;
}

static int
mount_here(const struct overlay *overlay)
{
	int mount = mount_new(overlay, true);

	if (mount == NOT_HERE && kernel_at_least(6, 7))
		return mount_new(overlay, false);
	return mount == NOT_HERE ? mount_old(overlay) : mount;
}

/* The id-mapped copies get a place, each over the directory that it shows. */
static int
attach_lower(const struct overlay *overlay)
{
	for (size_t i = 0; i < overlay->lowers; i++) {
		int place = open_again(overlay->held[i]), attached;
		if (place < 0)
			return -1;
		attached = detached_attach(overlay->lower[i], place, "the layer's directory");
		close(place);
		if (attached < 0)
			return -1;
	}
	return 0;
}

/* ANCHOR: apart */
/*
 * Before 6.15 overlayfs takes only layers that are mounted in the caller's mount namespace. So the
 * copies are mounted, in a namespace that is left again: nobody else sees them, and it ends with
 * the step back. The overlay keeps its layers.
 */
static int
mount_apart(const struct overlay *overlay)
{
	struct overlay inside = *overlay;
	int home = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
	int here = open(".", O_PATH | O_CLOEXEC), mounted = -1;

	inside.upper = inside.work = -1;
	if (home < 0 || here < 0) {
		fail(errno, "open(\"/proc/self/ns/mnt\")");
		goto out;
	}
	if (call(unshare(CLONE_NEWNS), "unshare(CLONE_NEWNS)") < 0)
		goto out;
	if (call(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL),
		 "mount(NULL, \"/\", NULL, MS_REC|MS_PRIVATE, NULL)") == 0 &&
	    attach_lower(overlay) == 0 &&
	    (overlay->upper < 0 || ((inside.upper = open_again(overlay->upper)) >= 0 &&
				    (inside.work = open_again(overlay->work)) >= 0)))
		mounted = mount_here(&inside);
	if (call(setns(home, CLONE_NEWNS), "setns(%d, CLONE_NEWNS)", home) < 0 ||
	    fchdir(here) < 0) /* setns(2) has gone to the root directory */
		close_one(&mounted);
out:
	close_one(&inside.upper);
	close_one(&inside.work);
	close_one(&home);
	close_one(&here);
	return mounted;
}
/* ANCHOR_END: apart */

int
overlay_mount(const struct overlay *overlay)
{
	struct overlay here;
	int mount = -1, error;

	stage("overlay",
	      "The layers become one tree: shared ones below, this container's changes on top.",
	      "grep overlay /proc/%d/mountinfo", call_pid());
	if (overlay->mapped) /* made of detached mounts, which are in no namespace */
		return kernel_at_least(6, 15) ? mount_here(overlay) : mount_apart(overlay);
	if (open_all_again(overlay, &here) == 0)
		mount = mount_here(&here);
	error = errno;
	overlay_close(&here);
	errno = error;
	return mount;
}

/* ---- a user namespace made by root ---- */

/* ANCHOR: idmap */
/* Each layer in a copy of its mount in which the host's 0 is the container's 0. */
static int
map_lower(struct overlay *overlay, int user_namespace)
{
	overlay->held = calloc(overlay->lowers + 1, sizeof(*overlay->held));
	if (!overlay->held)
		return fail(ENOMEM, "lower directories");
	for (size_t i = 0; i < overlay->lowers; i++) {
		int copy = detached_copy(overlay->lower[i], "", false);
		if (copy < 0 || detached_map_ids(copy, user_namespace, false) < 0) {
			close_one(&copy);
			return -1;
		}
		overlay->held[overlay->helds++] = overlay->lower[i]; /* it has the lock */
		overlay->lower[i] = copy;
	}
	return 0;
}
/* ANCHOR_END: idmap */

/* Who the root of that namespace is: the owner of something of ours, seen through its map. */
static int
find_root(struct overlay *overlay, const struct store *store, int user_namespace)
{
	int copy = -1, result = -1;
	struct stat st;

	if (overlay_scratch(overlay, store) < 0)
		return -1;
	copy = detached_copy(overlay->scratch_fd, "", false);
	if (copy >= 0 && detached_map_ids(copy, user_namespace, false) == 0 &&
	    fstat(copy, &st) == 0) {
		overlay->uid = st.st_uid;
		overlay->gid = st.st_gid;
		result = 0;
	}
	close_one(&copy);
	return result;
}

int
overlay_map_ids(struct overlay *overlay, const struct store *store, int kinds,
		const struct idmap_options *maps)
{
	bool inside, single;
	int user_namespace, result = -1;

	rights_look(&inside, &single);
	overlay->user = inside || (kinds & CLONE_NEWUSER);
	if (inside || !(kinds & CLONE_NEWUSER) || geteuid() != 0)
		return 0;
	user_namespace = mount_ids_namespace(maps);
	if (user_namespace < 0)
		return -1;
	if (map_lower(overlay, user_namespace) == 0 &&
	    find_root(overlay, store, user_namespace) == 0)
		result = 0;
	overlay->mapped = true;
	overlay->user = false;
	close_one(&user_namespace);
	return result;
}

int
overlay_in_parent(const struct overlay *overlay)
{
	return overlay->mapped ? overlay_mount(overlay) : ROOTFS_IN_CHILD;
}

/* ---- afterwards ---- */

static int
keep(struct overlay *overlay, const struct store *store)
{
	char from[64], to[64];

	snprintf(from, sizeof(from), "scratch/%s/upper", overlay->scratch);
	snprintf(to, sizeof(to), "kept/%s", overlay->scratch);
	if ((mkdirat(store->fd, "kept", 0700) < 0 && errno != EEXIST) ||
	    renameat(store->fd, from, store->fd, to) < 0)
		return fail(errno, "rename(\"%s/%s\", \"%s\")", store->path, from, to);
	snprintf(overlay->upper_path, sizeof(overlay->upper_path), "%s/%s", store->path, to);
	return 0;
}

/* Of DIR.work goes what overlayfs made, and then the directory, unless somebody else has put
 * something there. */
static int
remove_work(const struct overlay *overlay)
{
	char path[PATH_MAX];

	work_path(overlay, path);
	if (tree_remove(overlay->work, "work") < 0 || tree_remove(overlay->work, "index") < 0)
		return -1;
	return rmdir(path) < 0 ? fail(errno, "rmdir(\"%s\")", path) : 0;
}

/* What overlayfs itself has left, and an upper directory that nobody wrote to. These names are
 * known, and go without the walk that would open each of them; what else is there is left to that
 * walk. */
static void
remove_known(const struct overlay *overlay)
{
	static const struct {
		const char *path;
		int flag;
	} left[] = {
		{ "work/work/incompat/volatile/dirty", 0 },
		{ "work/work/incompat/volatile", AT_REMOVEDIR },
		{ "work/work/incompat", AT_REMOVEDIR },
		{ "work/work", AT_REMOVEDIR },
		{ "work", AT_REMOVEDIR },
		{ "upper", AT_REMOVEDIR },
		{ "user", 0 },
	};

	for (size_t i = 0; i < sizeof(left) / sizeof(left[0]); i++)
		unlinkat(overlay->scratch_fd, left[i].path, left[i].flag);
}

int
overlay_finish(struct overlay *overlay, const struct overlay_options *options,
	       const struct store *store)
{
	int result = 0;

	if (options->diff && overlay->upper >= 0)
		result = overlay_diff(overlay, stderr);
	if (options->upper && overlay->work >= 0) {
		if (remove_work(overlay) < 0)
			result = -1;
	} else if (options->keep && overlay->upper >= 0 && keep(overlay, store) < 0) {
		/* not removed as well: there is time to copy them */
		call_hint("the changes are in %s until the next run", overlay->upper_path);
		overlay_close(overlay);
		return -1;
	}
	if (options->keep && result == 0)
		fprintf(stderr, "%s: the changes are in %s\n", program_invocation_short_name,
			overlay->upper_path);
	if (overlay->scratch[0]) {
		remove_known(overlay);
		if (store_scratch_remove(store, overlay->scratch) < 0)
			result = -1;
	}
	overlay_close(overlay);
	return result;
}

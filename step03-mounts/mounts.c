/*
 * mounts.c: sources opened, file systems made, and all of it put in place by descriptor.
 * Follows open_tree(2), move_mount(2), proc(5), user_namespaces(7). Explained in book/03-mounts.md.
 */
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
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include "step01-unshare/call.h"
#include "step03-mounts/copyup.h"
#include "step03-mounts/detached.h"
#include "step03-mounts/inside.h"
#include "step03-mounts/mount_ids.h"
#include "step03-mounts/mounts.h"

/* ---- sources ---- */

static int
open_source(struct mount_entry *entry)
{
	const char *source = entry->spec.source;

	entry->tree = detached_copy(AT_FDCWD, source, entry->flags.recursive);
	if (entry->tree >= 0)
		return 0;
	if (errno == ENOENT || errno == EACCES)
		call_hint("the source of the bind mount on %s", entry->spec.target);
	if (errno == EINVAL && !entry->flags.recursive)
		call_hint("in a user namespace a directory with mounts below it can be bound only "
			  "with "
			  "them (rbind), or it would show what they cover");
	return -1;
}

/* ANCHOR: inside */
/* Ids are mapped by the parent, and a root is opened, before there is a root to look in: then the
 * source is what it is now. */
static bool
is_inside(const struct mount_entry *entry)
{
	return entry->spec.inside && !mount_ids_wanted(entry) && !mount_is_on(entry, "/");
}

static int
open_inside(struct mount_entry *entry, int root)
{
	const char *path = entry->spec.source + entry->spec.inside;
	int source = inside_open(root, path, O_PATH);

	if (source < 0) {
		fail(errno, "open(\"%s\") inside the root", path);
		return call_hint("the source of the bind mount on %s", entry->spec.target);
	}
	entry->tree = detached_copy(source, "", entry->flags.recursive);
	close_fd(source);
	return entry->tree < 0 ? -1 : 0;
}
/* ANCHOR_END: inside */

static bool
is_to_open(const struct mount_entry *entry)
{
	return mount_is_bind(entry) && entry->tree < 0 && !is_inside(entry);
}

int
mounts_open_in_parent(struct mount_list *list, int kinds, const struct idmap_options *maps)
{
	bool privileged = ((kinds & CLONE_NEWUSER) || !(kinds & CLONE_NEWNS)) && geteuid() == 0;

	for (size_t i = 0; i < list->count; i++) {
		struct mount_entry *entry = &list->entry[i];
		if (!is_to_open(entry) || !(mount_ids_wanted(entry) || privileged))
			continue;
		if (open_source(entry) < 0) {
			if (errno == EPERM && mount_ids_wanted(entry))
				return call_hint("ids of a mount are mapped by the host's root");
			if (errno != EPERM)
				return -1;
			call_forget(); /* root in name only: the child will do it */
		} else if (mount_ids_wanted(entry) && mount_ids_map(entry, maps) < 0)
			return -1;
	}
	return 0;
}

int
mounts_open(struct mount_list *list)
{
	for (size_t i = 0; i < list->count; i++) {
		struct mount_entry *entry = &list->entry[i];
		if (!is_to_open(entry))
			continue;
		if (mount_ids_wanted(entry))
			return fail(EPERM, "idmap on %s: only the parent can map ids",
				    entry->spec.target);
		if (open_source(entry) < 0)
			return -1;
	}
	return 0;
}

/* ---- targets ---- */

static bool
same_file(int one, int other)
{
	struct stat a, b;

	return fstat(one, &a) == 0 && fstat(other, &b) == 0 && a.st_ino == b.st_ino &&
	       a.st_dev == b.st_dev;
}

static bool
is_procfs(int fd)
{
	struct statfs fs;

	return fstatfs(fd, &fs) == 0 && fs.f_type == PROC_SUPER_MAGIC;
}

/* The root of a procfs, and not a part of one: its inode is 1 (PROC_ROOT_INO). */
static bool
is_procfs_root(int fd)
{
	struct stat status;

	return is_procfs(fd) && fstat(fd, &status) == 0 && status.st_ino == 1;
}

/* Files of /proc that tell what a container has, which some hosts give another content. */
static bool
may_be_covered(int root, int target)
{
	static const char *const files[] = {
		"/proc/cpuinfo", "/proc/meminfo",   "/proc/stat",	 "/proc/uptime",
		"/proc/loadavg", "/proc/diskstats", "/proc/swaps",	 "/proc/slabinfo",
		"/proc/net/dev", "/proc/version",   "/proc/pressure/cpu"
	};
	bool found = false;

	for (size_t i = 0; i < sizeof files / sizeof files[0] && !found; i++) {
		int fd = inside_open_no_links(root, files[i], O_PATH);
		found = fd >= 0 && same_file(fd, target);
		close_fd(fd);
	}
	return found;
}

/* Where everything goes. */
struct place {
	int root;
	bool has_proc; /* a procfs is on /proc, which is no link: nothing else will be */
};

/* ANCHOR: proc */
/*
 * Whoever chooses what /proc says chooses what this program and every later one believes: which
 * label is set by a write to /proc/self/attr, which file is /proc/self/fd/3.
 */
static int
check_proc(const struct mount_entry *entry, const struct place *place, int target)
{
	int proc, root = place->root;
	bool on_proc, refused = false;

	if (place->has_proc && !is_procfs(target)) /* so it is not /proc */
		return 0;
	proc = inside_open(root, "/proc", O_PATH);
	on_proc = proc >= 0 && same_file(proc, target);
	if (on_proc)
		refused = !mount_is_type(entry, "proc") &&
			  !(mount_is_bind(entry) && is_procfs_root(entry->tree));
	else if (is_procfs(target))
		refused = !mount_is_bind(entry) || !may_be_covered(root, target);
	close_fd(proc);
	if (!refused)
		return 0;
	fail(EPERM, "mount on %s inside the root", entry->spec.target);
	return call_hint("nothing but a procfs goes on /proc, and nothing but a few of its own "
			 "files (cpuinfo, meminfo …) can be covered in it");
}
/* ANCHOR_END: proc */

/* What the whole container looks up is not left to a link in the image. */
static bool
is_no_link(const struct mount_entry *entry)
{
	return mount_is_type(entry, "proc") || mount_is_type(entry, "sysfs") ||
	       mount_is_on(entry, "/proc") || mount_is_on(entry, "/sys") ||
	       mount_is_on(entry, "/dev");
}

/* The place of a new mount, O_PATH; made if it is missing. */
static int
open_target(const struct mount_entry *entry, const struct place *place)
{
	const char *path = entry->spec.target;
	int root = place->root;
	struct stat status = { .st_mode = S_IFDIR };
	int target;

	if (mount_is_bind(entry) && fstat(entry->tree, &status) < 0)
		return fail(errno, "fstat of the source of %s", path);
	target = (is_no_link(entry) ? inside_make_no_links : inside_make)(
		root, path, S_ISDIR(status.st_mode) ? S_IFDIR | 0755 : S_IFREG | 0644);
	if (target >= 0 && same_file(target, root)) {
		close(target);
		return fail(EINVAL, "mount on %s: that is the root itself", path);
	}
	if (target >= 0 && check_proc(entry, place, target) < 0) {
		close_fd(target);
		return -1;
	}
	return target;
}

/* ---- what goes there ---- */

/* A user namespace inherits mounts with their restrictions locked, and what they remember of being
 * read: then it stays. */
static int
set_bits(int mount, struct mount_bits bits, bool recursive)
{
	const uint64_t atimes = MOUNT_ATTR__ATIME | MOUNT_ATTR_NODIRATIME;

	if (detached_change(mount, bits, 0, recursive) == 0)
		return 0;
	if (errno != EPERM || !(bits.clear | (bits.set & atimes)))
		return -1;
	call_forget();
	bits.set &= ~atimes;
	bits.clear = 0;
	return detached_change(mount, bits, 0, recursive);
}

static int
set_spread(int mount, const struct mount_flags *flags)
{
	for (size_t i = 0; i < flags->spread_count; i++)
		if (detached_change(mount, (struct mount_bits){ 0 }, flags->spread[i],
				    flags->spread[i] & MS_REC) < 0)
			return -1;
	return 0;
}

/* Since Linux 6.8 mountinfo is in the order in which mounts were made, and a source is opened
 * before its turn: so the copy is copied. Before 6.15, and when another namespace has made it, what
 * is attached nowhere cannot be (EINVAL), and the first copy will do. */
static void
copy_at_its_turn(struct mount_entry *entry)
{
	int copy = detached_copy(entry->tree, "", entry->flags.recursive);

	if (copy < 0) {
		call_forget();
		return;
	}
	close_fd(entry->tree);
	entry->tree = copy;
}

/* A copy of the host's mount is its peer, so what is not asked to be shared is cut off first. */
static int
finish_bind(struct mount_entry *entry)
{
	const struct mount_flags *flags = &entry->flags;
	unsigned long first = flags->spread_count ? MS_SLAVE : MS_PRIVATE;

	for (size_t i = 0; i < flags->spread_count; i++)
		if (flags->spread[i] & MS_SHARED)
			first = 0;
	copy_at_its_turn(entry);
	if (detached_change(entry->tree, (struct mount_bits){ 0 }, first, true) < 0 ||
	    set_spread(entry->tree, flags) < 0 || set_bits(entry->tree, flags->one, false) < 0)
		return -1;
	return set_bits(entry->tree, flags->all, true);
}

/*
 * Where a user namespace may not have a file system of its own (sysfs without its own network
 * namespace, mqueue without its own IPC, procfs without its own PIDs, cgroup2 without its own
 * cgroup namespace), it may keep what it has inherited. With everything below, or it would see what
 * other mounts cover.
 */
static int
host_instead(const struct mount_entry *entry)
{
	const char *path = mount_is_type(entry, "sysfs")     ? "/sys"
			   : mount_is_type(entry, "mqueue")  ? "/dev/mqueue"
			   : mount_is_type(entry, "cgroup2") ? "/sys/fs/cgroup"
							     : "/proc";
	struct mount_bits bits = { .set = entry->flags.one.set & ~(uint64_t)MOUNT_ATTR__ATIME };
	int tree = detached_copy(AT_FDCWD, path, true);

	if (tree >= 0 && set_bits(tree, bits, true) < 0) {
		close_fd(tree);
		return -1;
	}
	return tree;
}

/* procfs is refused while nothing but a partly covered one can be seen, user_namespaces(7). */
static int
refused_in_user_namespace(const struct mount_entry *entry)
{
	bool proc = mount_is_type(entry, "proc");

	if (errno != EPERM || !(proc || mount_is_type(entry, "sysfs") ||
				mount_is_type(entry, "mqueue") || mount_is_type(entry, "cgroup2")))
		return -1;
	if (proc && getpid() == 1) {
		call_error()->hint[0] = '\0'; /* the kernel's own is "Mount too revealing" */
		return call_hint("a user namespace may mount procfs only where a whole one is "
				 "visible; here parts of the host's /proc are covered");
	}
	call_forget();
	return host_instead(entry);
}

/* Is GROUP mapped in this user namespace? */
static bool
group_is_mapped(unsigned group)
{
	FILE *file = fopen("/proc/self/gid_map", "re");
	unsigned inside, outside, count;
	bool found = false;

	while (file && fscanf(file, "%u %u %u", &inside, &outside, &count) == 3)
		found |= group >= inside && group - inside < count;
	if (file)
		fclose(file);
	return found;
}

static bool
drop_unmapped_group(char **data, size_t *count)
{
	for (size_t i = 0; i < *count; i++)
		if (strncmp(data[i], "gid=", 4) == 0 &&
		    !group_is_mapped((unsigned)atoi(data[i] + 4))) {
			data[i] = data[--*count];
			return true;
		}
	return false;
}

/* Sealed later: in a tmpfs that is read-only at once, no mount point and no device could be made;
 * so too where the devices are to be, if that is what a remount asks for. */
static bool
is_sealed_later(const struct mount_entry *entry)
{
	const struct mount_flags *flags = &entry->flags;

	if (mount_is_change(entry))
		return mount_is_on(entry, "/dev") && (flags->one.set & MOUNT_ATTR_RDONLY);
	return mount_is_type(entry, "tmpfs") &&
	       ((flags->one.set | flags->all.set) & MOUNT_ATTR_RDONLY);
}

/* A directory that was there keeps its mode under a tmpfs that is not told another. */
static bool
wants_mode(const struct mount_entry *entry)
{
	bool wanted = mount_is_type(entry, "tmpfs");

	for (size_t i = 0; i < entry->flags.data_count; i++)
		wanted &= strncmp(entry->flags.data[i], "mode=", 5) != 0;
	return wanted;
}

/* The mode of the directory at the target as a word of data; empty when there is none. */
static void
covered_mode(const struct mount_entry *entry, int root, char word[16])
{
	struct stat status;
	int there = wants_mode(entry) ? inside_open(root, entry->spec.target, O_PATH) : -1;

	word[0] = '\0';
	if (there >= 0 && fstat(there, &status) == 0)
		snprintf(word, 16, "mode=%04o", status.st_mode & 07777U);
	close_fd(there);
}

/* ANCHOR: new */
/* A new file system, with what only now can be known of its options. Gives its mount, or −1. */
static int
make_new(const struct mount_entry *entry, char *mode)
{
	const struct mount_flags *flags = &entry->flags;
	const char *source = entry->spec.source;
	uint64_t attributes = flags->one.set | flags->all.set;
	char **data = calloc(flags->data_count + 2, sizeof *data);
	size_t count = 0;
	int mount;

	if (!data)
		return fail(ENOMEM, "memory for mount options");
	if (is_sealed_later(entry))
		attributes &= ~(uint64_t)MOUNT_ATTR_RDONLY;
	/* a device may be one that cannot be written; others share their super block with the host
	 */
	else if ((attributes & MOUNT_ATTR_RDONLY) && source && source[0] == '/')
		data[count++] = "ro";
	if (mode[0])
		data[count++] = mode;
	for (size_t i = 0; i < flags->data_count; i++)
		data[count++] = flags->data[i];
	mount = detached_new(entry->spec.type, source, data, count, attributes);
	/* a devpts owned by a group that has no number in this user namespace is refused */
	if (mount < 0 && call_error()->number == EINVAL && mount_is_type(entry, "devpts") &&
	    drop_unmapped_group(data, &count)) {
		call_forget();
		mount = detached_new(entry->spec.type, source, data, count, attributes);
	}
	free(data);
	if (mount < 0)
		mount = refused_in_user_namespace(entry);
	if (mount >= 0 && set_spread(mount, flags) < 0) {
		close_fd(mount);
		return -1;
	}
	return mount;
}
/* ANCHOR_END: new */

/* ---- what only mount(2) can say ---- */

/* i_version, and a value above the 255 bytes that fsconfig(2) takes. */
static bool
is_classic(const struct mount_flags *flags)
{
	bool found = flags->classic;

	for (size_t i = 0; i < flags->data_count; i++)
		found |= strlen(flags->data[i]) > 255;
	return found;
}

/* By the magic link of the target, which leads where the descriptor is open, and nowhere else. */
static int
mount_classic(const struct mount_entry *entry, int root, int target)
{
	const struct mount_flags *flags = &entry->flags;
	char path[32], *data = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&data, &size);
	int mounted = -1;

	if (!out)
		return fail(ENOMEM, "memory for mount options");
	for (size_t i = 0; i < flags->data_count; i++)
		fprintf(out, "%s%s", i ? "," : "", flags->data[i]);
	if (fclose(out) != 0)
		return fail(ENOMEM, "memory for mount options");
	snprintf(path, sizeof path, "/proc/self/fd/%d", target);
	if (call(mount(entry->spec.source, path, entry->spec.type, flags->classic, data),
		 "mount(\"%s\", \"%s\", \"%s\", %s, \"%s\")",
		 entry->spec.source ? entry->spec.source : "", path, entry->spec.type,
		 flags->classic ? "MS_I_VERSION" : "0", data) == 0)
		mounted = inside_open(root, entry->spec.target, O_PATH);
	else if (errno == EINVAL)
		call_hint("for %s: an option that the kernel does not take, or a root that is "
			  "attached nowhere, in which mount(2) mounts nothing",
			  entry->spec.target);
	free(data);
	if (mounted < 0)
		return -1;
	struct mount_bits bits = { .set = flags->one.set | flags->all.set };
	int done = set_bits(mounted, bits, false) < 0 ? -1 : set_spread(mounted, flags);
	close_fd(mounted);
	return done;
}

/* ---- on `/` ---- */

/* ANCHOR: take_root */
int
mounts_take_root(struct mount_list *list, struct rootfs_options *options, int *tree)
{
	struct mount_entry *entry = (struct mount_entry *)mounts_last_on(list, "/");
	char mode[] = "mode=0755"; /* of a root, where a new tmpfs would have 1777 */
	int root;

	if (!entry || is_classic(&entry->flags) || entry->flags.copy_up)
		return 0; /* mounts_apply refuses it */
	if (mount_is_bind(entry)) {
		root = finish_bind(entry) < 0 ? -1 : entry->tree;
		entry->tree = -1;
	} else
		root = make_new(entry, wants_mode(entry) ? mode : "");
	if (root < 0)
		return call_hint("it was to be mounted on %s", entry->spec.target);
	close_fd(*tree);
	*tree = root;
	options->read_only |= is_sealed_later(entry);
	mounts_drop(list, (size_t)(entry - list->entry) + 1);
	return 0;
}
/* ANCHOR_END: take_root */

/* ---- in order ---- */

static bool
is_mount(int fd)
{
	struct statx status;

	return statx(fd, "", AT_EMPTY_PATH, 0, &status) == 0 &&
	       (status.stx_attributes & STATX_ATTR_MOUNT_ROOT);
}

static int
change_flags(int mount, const struct mount_flags *flags)
{
	return set_bits(mount, flags->one, false) < 0 || set_bits(mount, flags->all, true) < 0
		       ? -1
		       : set_spread(mount, flags);
}

/* ANCHOR: cover */
/* mount_setattr(2) takes a mount of the caller's namespace or a detached one; what is mounted below
 * a root that is attached nowhere is neither (EINVAL). There a copy is changed, and covers it. */
static int
change_or_cover(int mount, const struct mount_flags *flags, const char *shown)
{
	int copy, done = change_flags(mount, flags);

	if (done == 0 || errno != EINVAL || !is_mount(mount))
		return done;
	call_forget();
	if ((copy = detached_copy(mount, "", true)) < 0)
		return -1;
	done = change_flags(copy, flags) < 0 ? -1 : detached_attach(copy, mount, shown);
	close_fd(copy);
	return done;
}
/* ANCHOR_END: cover */

/* `remount`, or propagation alone: what is mounted at the target already. */
static int
apply_change(struct mount_entry *entry, int root)
{
	struct mount_flags flags = entry->flags;
	int target = inside_open(root, entry->spec.target, O_PATH), done = 0;

	if (target < 0)
		return fail(errno, "remount of %s inside the root", entry->spec.target);
	if (is_sealed_later(entry))
		flags.one.set &= ~(uint64_t)MOUNT_ATTR_RDONLY;
	if (flags.remount && !flags.bind && flags.data_count)
		done = detached_reconfigure(target, flags.data, flags.data_count);
	if (done == 0)
		done = change_or_cover(target, &flags, entry->spec.target);
	if (done == 0 && is_sealed_later(entry))
		entry->tree = target;
	else
		close_fd(target);
	return done < 0 ? call_hint("it was to change the mount on %s", entry->spec.target) : 0;
}

static bool
is_empty(int directory)
{
	int fd = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *entries = fd < 0 ? NULL : fdopendir(fd);
	size_t count = 0;

	if (!entries)
		return false;
	while (readdir(entries))
		count++;
	closedir(entries);
	return count <= 2; /* . and .. */
}

enum {
	FILLING = S_ISVTX, /* the mode of a directory from the first file to the last */
	PATIENCE = 10	   /* seconds for who fills it */
};

/* Into a bind mount is copied only while it is empty: what it has is what an earlier container left
 * there. Or what a copy left that was killed, or whose disk was full: its mode tells. */
static bool
is_to_fill(int directory)
{
	struct stat status;

	return is_empty(directory) ||
	       (fstat(directory, &status) == 0 && (status.st_mode & 07777) == FILLING);
}

/*
 * Of two at once the second waits, and then has nothing to do. A kill gives the lock back; but what
 * has the directory in a container can hold it too, so nobody waits for ever. NFS has no lock on a
 * directory: there they are two all the same. 1: *LOCK is to be filled.
 */
static int
lock_to_fill(const struct mount_entry *entry, int *lock)
{
	const struct timespec while_waiting = { .tv_nsec = 50 * 1000 * 1000 };
	int waits = PATIENCE * 20, fd;

	*lock = fd = openat(entry->tree, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || !is_to_fill(fd))
		return 0;
	while (flock(fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK) {
		if (waits-- == 0)
			return fail(EBUSY,
				    "what covers %s: another container has been filling it for "
				    "%d seconds",
				    entry->spec.target, PATIENCE);
		nanosleep(&while_waiting, NULL);
	}
	return is_to_fill(fd);
}

static int
set_mode(const struct mount_entry *entry, mode_t mode)
{
	/* somebody else's, or a disk that is read-only: it stays as it is */
	if (fchmodat(entry->tree, ".", mode & 07777, 0) < 0 && errno != EPERM && errno != EROFS &&
	    errno != EOVERFLOW)
		return fail(errno, "chmod of what covers %s", entry->spec.target);
	return 0;
}

/* `tmpcopyup`. What is bound was made before its place was known, so its mode comes now, when it
 * has everything; a tmpfs is made with it. */
static int
copy_covered(const struct mount_entry *entry, int target)
{
	struct stat covered;
	int from, done;

	from = openat(target, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (from < 0 || fstat(from, &covered) < 0)
		done = fail(errno, "opening what is to be copied from %s", entry->spec.target);
	else if (!mount_is_bind(entry))
		done = copyup(from, entry->tree);
	else if ((done = set_mode(entry, FILLING)) == 0 && (done = copyup(from, entry->tree)) == 0)
		done = set_mode(entry, covered.st_mode);
	close_fd(from);
	return done;
}

static int
copy_up(const struct mount_entry *entry, int target)
{
	int lock = -1, done = 1;

	if (!entry->flags.copy_up)
		return 0;
	if (mount_is_bind(entry))
		done = lock_to_fill(entry, &lock);
	if (done == 1)
		done = copy_covered(entry, target);
	close_fd(lock);
	return done;
}

/* ANCHOR: apply */
static int
apply_entry(struct mount_entry *entry, struct place *place)
{
	char mode[16];
	int target, root = place->root, done = -1;

	if (mount_is_change(entry))
		return apply_change(entry, root);
	covered_mode(entry, root, mode);
	if ((mount_is_bind(entry) && is_inside(entry) && open_inside(entry, root) < 0) ||
	    (target = open_target(entry, place)) < 0)
		return -1;
	if (!mount_is_bind(entry) && is_classic(&entry->flags)) {
		done = mount_classic(entry, root, target);
		goto out;
	}
	/* a bind mount is filled before its restrictions come, `ro` among them */
	if (mount_is_bind(entry)
		    ? copy_up(entry, target) < 0 || finish_bind(entry) < 0
		    : (entry->tree = make_new(entry, mode)) < 0 || copy_up(entry, target) < 0)
		goto out;
	done = detached_attach(entry->tree, target, entry->spec.target);
	place->has_proc |= done == 0 && mount_is_on(entry, "/proc");
out:
	close_fd(target);
	if (entry->tree >= 0 && !is_sealed_later(entry)) {
		close_fd(entry->tree);
		entry->tree = -1;
	}
	return done < 0 ? call_hint("it was to be mounted on %s", entry->spec.target) : 0;
}
/* ANCHOR_END: apply */

/* A later change may have covered what is still to be sealed with a copy of itself: that is meant.
 */
static void
find_again(struct mount_entry *entry, int root)
{
	int top = entry->tree < 0 ? -1 : inside_open(root, entry->spec.target, O_PATH);

	if (top < 0 || !same_file(top, entry->tree)) {
		close_fd(top);
		return;
	}
	close_fd(entry->tree);
	entry->tree = top;
}

int
mounts_apply(struct mount_list *list, int root)
{
	struct place place = { root, false };

	stage("mounts", "Everything is mounted by descriptor, below a root that no path can leave.",
	      "cat /proc/%d/mountinfo", call_pid());
	for (size_t i = 0; i < list->count; i++)
		if (apply_entry(&list->entry[i], &place) < 0)
			return -1;
	for (size_t i = 0; i < list->count; i++)
		find_again(&list->entry[i], root);
	return 0;
}

int
mounts_seal(struct mount_list *list)
{
	const struct mount_flags read_only = { .one = { .set = MOUNT_ATTR_RDONLY } };
	int done = 0;

	/* from the innermost on: a cover is a copy of all that is mounted below it */
	for (size_t i = list->count; i-- > 0;) {
		struct mount_entry *entry = &list->entry[i];
		if (entry->tree < 0)
			continue;
		if (done == 0)
			done = change_or_cover(entry->tree, &read_only, entry->spec.target);
		close_fd(entry->tree);
		entry->tree = -1;
	}
	return done;
}

/*
 * devices.c: the nodes of /dev, terminals, and what a container must not see or change.
 * Follows mknod(2), pty(7), ioctl_tty(2), the runtime-spec's config-linux.md. Explained in
 * book/03-mounts.md.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "step01-unshare/call.h"
#include "step03-mounts/detached.h"
#include "step03-mounts/devices.h"
#include "step03-mounts/inside.h"

const struct option_row devices_options[] = {
	{ "mask", 0, "PATH", "move_mount(2)", "PATH inside appears empty", option_list,
	  offsetof(struct devices_options, mask), 0 },
	{ 0 },
};

/* ANCHOR: lists */
static const struct device_node usual_nodes[] = {
	{ "/dev/null", 'c', 1, 3, 0666, 0, 0, 0 },    { "/dev/zero", 'c', 1, 5, 0666, 0, 0, 0 },
	{ "/dev/full", 'c', 1, 7, 0666, 0, 0, 0 },    { "/dev/random", 'c', 1, 8, 0666, 0, 0, 0 },
	{ "/dev/urandom", 'c', 1, 9, 0666, 0, 0, 0 }, { "/dev/tty", 'c', 5, 0, 0666, 0, 0, 0 },
};

static const char *const usual_links[][2] = {
	{ "ptmx", "pts/ptmx" },		 { "fd", "/proc/self/fd" },
	{ "stdin", "/proc/self/fd/0" },	 { "stdout", "/proc/self/fd/1" },
	{ "stderr", "/proc/self/fd/2" },
};

/* What tells of the host, its keys and its hardware … */
const char *const devices_usual_masks[] = {
	"/proc/acpi",
	"/proc/asound",
	"/proc/interrupts",
	"/proc/kcore",
	"/proc/keys",
	"/proc/latency_stats",
	"/proc/sched_debug",
	"/proc/scsi",
	"/proc/timer_list",
	"/proc/timer_stats",
	"/sys/firmware",
	"/sys/devices/virtual/powercap",
	NULL,
};

/* … and what would change it. */
const char *const devices_usual_read_only[] = {
	"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger", NULL,
};
/* ANCHOR_END: lists */

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* ---- nodes ---- */

static mode_t
kind_of(const struct device_node *node)
{
	return node->type == 'p' ? S_IFIFO : node->type == 'b' ? S_IFBLK : S_IFCHR;
}

/* Is the file that FD is open on (O_PATH) the device asked for? */
static bool
is_device(int fd, mode_t kind, unsigned major, unsigned minor)
{
	struct stat status;

	return fstat(fd, &status) == 0 && (status.st_mode & S_IFMT) == kind &&
	       (kind == S_IFIFO || status.st_rdev == makedev(major, minor));
}

/* PATH of the host as a detached mount, if it is the device of NODE. */
static int
copy_of(const char *path, const struct device_node *node)
{
	int tree = detached_copy(AT_FDCWD, path, false);

	if (tree < 0 || is_device(tree, kind_of(node), node->major, node->minor))
		return tree;
	close_fd(tree);
	return fail(ENODEV, "%s of the host: not the device %c %u:%u", path, node->type,
		    node->major, node->minor);
}

/* The host's node of the device: that of the same path, or one of those that are everywhere, or
 * the one to which udev(7) keeps a link by its number. */
static int
host_node(const struct device_node *node)
{
	const char *kind = node->type == 'b' ? "block" : "char";
	char number[64];
	int tree = copy_of(node->path, node);

	for (size_t i = 0; tree < 0 && i < COUNT(usual_nodes); i++)
		if (node->type != 'b' && usual_nodes[i].major == node->major &&
		    usual_nodes[i].minor == node->minor) {
			call_forget();
			tree = copy_of(usual_nodes[i].path, node);
		}
	if (tree >= 0)
		return tree;
	call_forget();
	snprintf(number, sizeof number, "/dev/%s/%u:%u", kind, node->major, node->minor);
	return copy_of(number, node);
}

/* Where mknod(2) is not allowed. */
static int
bind_node(const struct device_node *node, int root)
{
	/* what the host's /dev may allow, and a node has no use for */
	const struct mount_bits bits = { .set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC };
	int target = -1, done = -1, tree = node->tree ? node->tree : host_node(node);

	if (tree < 0)
		return call_hint("%s: without mknod the host's own node is bound, and it has none",
				 node->path);
	if (detached_change(tree, bits, 0, false) == 0 &&
	    (target = inside_make(root, node->path, S_IFREG | 0644)) >= 0)
		done = detached_attach(tree, target, node->path);
	close_fd(target);
	close_fd(tree);
	return done;
}

/* ID of the container as the host has it; −1: it has no such. */
static int64_t
outside_of(unsigned id, const struct id_range *map, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (id >= map[i].inside && id - map[i].inside < map[i].count)
			return (int64_t)map[i].outside + (id - map[i].inside);
	return -1;
}

/* ANCHOR: outside */
/* NODE as NAME in DIRECTORY, and a detached mount of that; −1: it cannot be made here. */
static int
make_outside(const struct device_node *node, const struct idmap_options *maps, int directory,
	     const char *name)
{
	int64_t uid = outside_of(node->uid, maps->uid, maps->uid_count);
	int64_t gid = outside_of(node->gid, maps->gid, maps->gid_count);

	if (uid < 0 || gid < 0 || node->type == 'p' || /* a FIFO the child may make */
	    mknodat(directory, name, kind_of(node) | node->mode,
		    makedev(node->major, node->minor)) < 0 ||
	    fchownat(directory, name, (uid_t)uid, (gid_t)gid, AT_SYMLINK_NOFOLLOW) < 0)
		return -1;
	return detached_copy(directory, name, false);
}

void
devices_make_outside(struct devices_options *options, const struct idmap_options *maps)
{
	char *const words[] = { "mode=700" };
	struct device_node *node = (struct device_node *)options->node;
	mode_t mask = umask(0);
	int directory =
		options->node_count ? detached_new("tmpfs", "tmpfs", words, COUNT(words), 0) : -1;

	for (size_t i = 0; directory >= 0 && i < options->node_count; i++) {
		char name[24];

		snprintf(name, sizeof name, "%zu", i);
		node[i].tree = make_outside(&node[i], maps, directory, name);
		if (node[i].tree < 0)
			node[i].tree = 0;
	}
	close_fd(directory);
	umask(mask);
	call_forget(); /* the child comes to it, and says so */
}
/* ANCHOR_END: outside */

/* ANCHOR: node */
/* NODE as NAME in DIRECTORY. What is there already is looked at, not followed. */
static int
make_node(const struct device_node *node, int root, int directory, const char *name)
{
	mode_t kind = kind_of(node);
	int there, done;

	done = call_try(
		mknodat(directory, name, kind | node->mode, makedev(node->major, node->minor)),
		"mknodat(%d, \"%s\", %s|%04o, makedev(%#x, %#x))", directory, name,
		node->type == 'b'   ? "S_IFBLK"
		: node->type == 'p' ? "S_IFIFO"
				    : "S_IFCHR",
		node->mode, node->major, node->minor);
	if (done == 0 && (node->uid || node->gid) &&
	    fchownat(directory, name, node->uid, node->gid, AT_SYMLINK_NOFOLLOW) < 0)
		return fail(errno, "fchownat of %s inside the root", node->path);
	if (done == 0)
		return 0;
	if (errno == EPERM && kind != S_IFIFO)
		return bind_node(node, root);
	if (errno != EEXIST)
		return fail(errno, "mknodat of %s inside the root", node->path);
	there = openat(directory, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (there < 0 || !is_device(there, kind, node->major, node->minor))
		done = fail(EEXIST, "%s inside the root: not the device %c %u:%u", node->path,
			    node->type, node->major, node->minor);
	else
		done = 0;
	close_fd(there);
	return done;
}
/* ANCHOR_END: node */

static int
make_node_of(const struct device_node *node, int root)
{
	const char *name;
	int directory = inside_parent(root, node->path, &name), done;

	done = directory < 0 ? -1 : make_node(node, root, directory, name);
	close_fd(directory);
	return done;
}

/* ---- links ---- */

/* A file that is mounted there goes too: podman mounts every device of the host for --privileged in
 * a user namespace. */
static int
remove_file(const char *name, int directory)
{
	char path[64];

	snprintf(path, sizeof path, "/proc/self/fd/%d/%s", directory, name);
	if (unlinkat(directory, name, 0) == 0)
		return 0;
	if (errno != EBUSY || call(umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW),
				   "umount2(\"%s\", MNT_DETACH|UMOUNT_NOFOLLOW)", path) < 0)
		return -1;
	return unlinkat(directory, name, 0);
}

/* A /dev/ptmx that is the host's multiplexer makes terminals of the host: replaced. Other files
 * that an image has in these places are left as they are. */
static int
make_link(const char *name, const char *target, int directory)
{
	int done = symlinkat(target, directory, name);

	if (done < 0 && errno == EEXIST && strcmp(name, "ptmx") != 0)
		done = 0;
	else if (done < 0 && errno == EEXIST && remove_file(name, directory) == 0)
		done = symlinkat(target, directory, name);
	return done < 0 ? fail(errno, "symlinkat(\"%s\") of /dev/%s inside the root", target, name)
			: 0;
}

/* A /dev that the host uses too: bound, or because the host's own / is the root. */
static bool
is_hosts(const struct mount_list *list, int inside)
{
	const struct mount_entry *dev = mounts_last_on(list, "/dev");
	struct stat ours, hosts;

	return (dev && mount_is_bind(dev)) ||
	       (fstat(inside, &ours) == 0 && stat("/dev", &hosts) == 0 &&
		ours.st_dev == hosts.st_dev && ours.st_ino == hosts.st_ino);
}

int
devices_make(const struct devices_options *options, const struct mount_list *list, int root)
{
	mode_t mask;
	int dev = inside_make_no_links(root, "/dev", S_IFDIR | 0755), done = 0;

	if (dev < 0)
		return -1;
	if (is_hosts(list, dev)) {
		close_fd(dev);
		return 0;
	}
	mask = umask(0); /* the modes are meant as they stand */
	stage("devices", "Programs expect a few devices: null, zero, random, a terminal.",
	      "ls -l /proc/%d/root/dev", call_pid());
	/* those first that somebody wants: one of the usual may be to have another mode or owner */
	for (size_t i = 0; i < options->node_count && done == 0; i++)
		done = make_node_of(&options->node[i], root);
	for (size_t i = 0; i < COUNT(usual_nodes) && done == 0; i++)
		done = make_node(&usual_nodes[i], root, dev, strrchr(usual_nodes[i].path, '/') + 1);
	for (size_t i = 0; i < COUNT(usual_links) && done == 0; i++)
		done = make_link(usual_links[i][0], usual_links[i][1], dev);
	umask(mask);
	close_fd(dev);
	return done;
}

/* ---- hidden paths ---- */

struct covers {
	int null;      /* for files: /dev/null */
	int empty;     /* for directories: an empty tmpfs */
	bool in_place; /* the tmpfs lies on the first of them; before 6.15 only then can it be
			  copied */
};

/* ANCHOR: null */
/* Whoever can put another file in place of /dev/null would have it mounted over /proc/sys … */
static int
open_null(int root)
{
	int null = inside_open_no_links(root, "/dev/null", O_PATH);

	if (null >= 0 && is_device(null, S_IFCHR, 1, 3))
		return null;
	fail(null < 0 ? errno : ENODEV, "/dev/null inside the root: not the device 1:3");
	close_fd(null);
	return call_hint("files are masked with it");
}
/* ANCHOR_END: null */

static int
open_covers(struct covers *covers, int root)
{
	char *const words[] = { "ro", "nr_inodes=1", "size=4k" };

	if ((covers->null = open_null(root)) < 0)
		return -1;
	covers->empty = detached_new("tmpfs", "tmpfs", words, COUNT(words),
				     MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV |
					     MOUNT_ATTR_NOEXEC);
	return covers->empty < 0 ? -1 : 0;
}

/* A path that is not there, or leads nowhere, needs no cover. */
static bool
is_missing(int number)
{
	return number == ENOENT || number == ENOTDIR || number == ELOOP;
}

/* Masked already: it is in the list twice, or leads to what is in it. */
static bool
is_covered(const struct stat *status, const struct covers *covers)
{
	struct stat empty;

	if (S_ISCHR(status->st_mode))
		return status->st_rdev == makedev(1, 3);
	return S_ISDIR(status->st_mode) && covers->in_place && fstat(covers->empty, &empty) == 0 &&
	       status->st_dev == empty.st_dev;
}

/* ANCHOR: mask */
static int
mask_path(const char *path, struct covers *covers, int root)
{
	struct stat status = { 0 };
	int target = inside_open(root, path, O_PATH), tree = -1, done = -1;

	if (target < 0)
		return is_missing(errno) ? 0 : fail(errno, "the masked path %s", path);
	if (fstat(target, &status) < 0)
		fail(errno, "fstat of the masked path %s", path);
	else if (is_covered(&status, covers))
		done = 0;
	else if (S_ISDIR(status.st_mode) && !covers->in_place) {
		done = detached_attach(covers->empty, target, path);
		covers->in_place = done == 0;
	} else if ((tree = detached_copy(S_ISDIR(status.st_mode) ? covers->empty : covers->null, "",
					 false)) >= 0)
		done = detached_attach(tree, target, path);
	close_fd(tree);
	close_fd(target);
	return done < 0 ? call_hint("masking %s", path) : 0;
}
/* ANCHOR_END: mask */

static int
make_read_only(const char *path, int root)
{
	struct mount_bits read_only = { .set = MOUNT_ATTR_RDONLY };
	int target = inside_open(root, path, O_PATH), tree, done = -1;

	if (target < 0)
		return is_missing(errno) ? 0 : fail(errno, "the read-only path %s", path);
	tree = detached_copy(target, "", true);
	if (tree >= 0 && detached_change(tree, read_only, 0, true) == 0)
		done = detached_attach(tree, target, path);
	close_fd(tree);
	close_fd(target);
	return done < 0 ? call_hint("making %s read-only", path) : 0;
}

int
devices_hide(const struct devices_options *options, int root)
{
	struct covers covers = { -1, -1, false };
	size_t usual = options->only_these ? 0 : COUNT(devices_usual_masks) - 1, i;
	int done = 0;

	stage("hide", "What tells of the host, or would change it, is covered or made read-only.",
	      "ls -l /proc/%d/root/proc/kcore", call_pid());
	if (usual + options->mask.count > 0)
		done = open_covers(&covers, root);
	for (i = 0; i < usual && done == 0; i++)
		done = mask_path(devices_usual_masks[i], &covers, root);
	for (i = 0; i < options->mask.count && done == 0; i++)
		done = mask_path(options->mask.item[i], &covers, root);
	usual = options->only_these ? 0 : COUNT(devices_usual_read_only) - 1;
	for (i = 0; i < usual && done == 0; i++)
		done = make_read_only(devices_usual_read_only[i], root);
	for (i = 0; i < options->read_only.count && done == 0; i++)
		done = make_read_only(options->read_only.item[i], root);
	close_fd(covers.null);
	close_fd(covers.empty);
	return done;
}

/* ---- terminals ---- */

static bool
is_devpts(int fd)
{
	struct statfs fs;

	return fstatfs(fd, &fs) == 0 && fs.f_type == DEVPTS_SUPER_MAGIC;
}

/* ANCHOR: pty */
int
devices_pty(int root, int *master, int *terminal)
{
	int unlocked = 0;

	*terminal = -1;
	*master = inside_open_no_links(root, "/dev/pts/ptmx", O_RDWR | O_NOCTTY);
	if (*master < 0)
		return fail(errno, "open of /dev/pts/ptmx inside the root");
	if (!is_devpts(*master) || !is_device(*master, S_IFCHR, 5, 2))
		fail(EXDEV, "/dev/pts/ptmx inside the root: not the multiplexer of a devpts");
	else if (ioctl(*master, TIOCSPTLCK, &unlocked) < 0 ||
		 (*terminal = ioctl(*master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC)) < 0)
		fail(errno, "ioctl(TIOCGPTPEER) for the container's terminal");
	else
		return 0;
	close_fd(*master);
	*master = -1;
	return -1;
}
/* ANCHOR_END: pty */

int
devices_console(int root, int terminal)
{
	struct stat status;
	int target = -1, tree = -1, done = -1;

	/* 136 to 143: the majors of the other ends of pseudoterminals */
	if (fstat(terminal, &status) < 0 || !S_ISCHR(status.st_mode) || !is_devpts(terminal) ||
	    major(status.st_rdev) < 136 || major(status.st_rdev) > 143)
		return fail(ENODEV, "descriptor %d for /dev/console: not a pseudoterminal",
			    terminal);
	/* a link could lead to a file of /proc that is still to be hidden */
	target = inside_open_no_links(root, "/dev/console", O_PATH);
	if (target < 0 && errno != ENOENT)
		return fail(errno, "/dev/console inside the root");
	if (target < 0)
		target = inside_make(root, "/dev/console", S_IFREG | 0600);
	if (target >= 0 && (tree = detached_copy(terminal, "", false)) >= 0)
		done = detached_attach(tree, target, "/dev/console");
	close_fd(tree);
	close_fd(target);
	return done;
}

/*
 * Paths that cannot leave a root, and a whole list of mounts as a runtime configuration has it, put
 * in place in a mount namespace of the test's own.
 * Tests step03-mounts/, explained in book/03-mounts.md.
 */
#include "step01-unshare/call.h"
#include "step03-mounts/copyup.h"
#include "step03-mounts/detached.h"
#include "step03-mounts/detached.h"
#include "step03-mounts/devices.h"
#include "step03-mounts/inside.h"
#include "step03-mounts/mounts.h"
#include "step03-mounts/rootfs.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

/* A fresh directory that holds `root` and, beside it, `outside`. */
static char base[64];

static void
shell(const char *format, const char *argument)
{
	char line[512];

	snprintf(line, sizeof line, format, argument);
	assert_int_equal(system(line), 0);
}

static int
make_base(void **state)
{
	(void)state;
	strcpy(base, "/var/tmp/boxstep-unit.XXXXXX");
	if (!mkdtemp(base))
		return -1;
	shell("cd %s && mkdir -p root/a/b root/dev root/proc root/sys root/mnt outside/secret",
	      base);
	call_forget();
	return 0;
}

static int
remove_base(void **state)
{
	(void)state;
	shell("rm -rf --one-file-system %s", base);
	return 0;
}

static int
open_root(void)
{
	char path[80];
	int root;

	snprintf(path, sizeof path, "%s/root", base);
	root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	assert_true(root >= 0);
	return root;
}

static bool
exists(const char *name)
{
	char path[256];

	snprintf(path, sizeof path, "%s/%s", base, name);
	return access(path, F_OK) == 0;
}

static void
link_in_root(const char *target, const char *name)
{
	char path[256];

	snprintf(path, sizeof path, "%s/root/%s", base, name);
	assert_int_equal(symlink(target, path), 0);
}

/* ---- inside ---- */

static void
a_mount_point_is_made_with_its_parents_inside_the_root_only(void **state)
{
	static const char *const paths[] = { "/x/y/z",	    "x2",	    "//a//b//c/",
					     "/a/../a/new", "/../../../up", "/a/b/../../side" };
	int root = open_root();

	(void)state;
	for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
		int fd = inside_make(root, paths[i], S_IFDIR | 0755);
		assert_true(fd >= 0);
		close(fd);
	}
	assert_true(exists("root/x/y/z") && exists("root/x2") && exists("root/a/b/c"));
	assert_true(exists("root/up") && exists("root/side"));
	assert_false(exists("up"));
	close(root);
}

static void
links_are_followed_with_the_root_as_their_slash(void **state)
{
	char outside[80], inside[128];
	int root = open_root(), fd;

	(void)state;
	snprintf(outside, sizeof outside, "%s/outside/file", base);
	snprintf(inside, sizeof inside, "root%s", outside);
	link_in_root(outside, "away");
	link_in_root("/a", "absolute");
	link_in_root("../../../outside", "up");
	link_in_root("/run/lock/dir", "dangling");
	link_in_root("dangling/more", "chain");
	fd = inside_make(root, "/absolute/in-a", S_IFREG | 0644);
	assert_true(fd >= 0 && exists("root/a/in-a"));
	close(fd);
	fd = inside_make(root, "/up/made", S_IFDIR | 0755);
	assert_true(fd >= 0 && exists("root/outside/made") && !exists("outside/made"));
	close(fd);
	fd = inside_make(root, "/away", S_IFREG | 0644); /* where the host has a directory for it */
	assert_true(fd >= 0 && exists(inside) && !exists("outside/file"));
	close(fd);
	fd = inside_make(root, "/chain/end", S_IFDIR | 0755);
	assert_true(fd >= 0 && exists("root/run/lock/dir/more/end"));
	close(fd);
	close(root);
}

static void
what_cannot_be_a_mount_point_is_refused(void **state)
{
	char longest[5000];
	int root = open_root();
	const struct {
		const char *path;
		mode_t mode;
		int number;
	} bad[] = {
		{ "/loop/x", S_IFDIR, ELOOP },	    { "/loop", S_IFREG, ELOOP },
		{ "/file", S_IFDIR, ENOTDIR },	    { "/file/x", S_IFDIR, ENOTDIR },
		{ "/a", S_IFREG, EISDIR },	    { "/missing/..", S_IFDIR, ENOENT },
		{ longest, S_IFDIR, ENAMETOOLONG },
	};

	(void)state;
	memset(longest, 'x', sizeof longest - 1);
	longest[sizeof longest - 1] = '\0';
	link_in_root("loop", "loop");
	close(inside_make(root, "/file", S_IFREG | 0600));
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		assert_int_equal(inside_make(root, bad[i].path, bad[i].mode | 0755), -1);
		assert_int_equal(call_error()->number, bad[i].number);
		call_forget();
	}
	close(root);
}

static void
magic_links_and_links_at_all_are_refused_where_told(void **state)
{
	int root = open_root();

	(void)state;
	link_in_root("a", "link");
	assert_int_equal(inside_open_no_links(root, "/link/b", O_PATH), -1);
	assert_int_equal(errno, ELOOP);
	close(root);
	root = open("/", O_PATH | O_CLOEXEC);
	assert_int_equal(inside_open(root, "/proc/self/root/etc", O_PATH), -1);
	assert_int_equal(errno, ELOOP);
	close(root);
}

static void
the_parent_of_a_name_is_opened_and_the_name_given(void **state)
{
	static const char *const bad[] = { "", "/", "/a/", "/a/..", "/a/.", ".." };
	const char *name;
	int root = open_root(), fd = inside_parent(root, "/new/dir/node", &name);

	(void)state;
	assert_true(fd >= 0 && exists("root/new/dir"));
	assert_string_equal(name, "node");
	close(fd);
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		assert_int_equal(inside_parent(root, bad[i], &name), -1);
		assert_int_equal(call_error()->number, EINVAL);
		call_forget();
	}
	close(root);
}

/* None may be there after an exec: whoever has one is out of the container (CVE-2024-21626). */
static void
every_descriptor_of_a_root_closes_itself_at_exec(void **state)
{
	const char *name;
	int root = open_root();
	const int fds[] = { inside_open(root, "/a", O_RDONLY),
			    inside_open_no_links(root, "/a", O_PATH),
			    inside_make(root, "/a", S_IFDIR | 0755),
			    inside_make(root, "/new", S_IFDIR | 0755),
			    inside_make_no_links(root, "/new2", S_IFREG | 0644),
			    inside_parent(root, "/new/file", &name) };

	(void)state;
	for (size_t i = 0; i < sizeof fds / sizeof fds[0]; i++) {
		assert_int_equal(fcntl(fds[i], F_GETFD), FD_CLOEXEC);
		close(fds[i]);
	}
	close(root);
}

/* ---- copyup ---- */

static void
a_directory_is_copied_with_modes_links_and_times(void **state)
{
	struct stat before, after;
	char path[128];
	int from, to;

	(void)state;
	shell("cd %s && mkdir -p from/deep/er to && echo text > from/deep/file &&"
	      " chmod 4751 from/deep/file && ln -s nowhere from/link && mkfifo from/fifo &&"
	      " touch -d '2001-02-03 04:05:06' from/deep/file from/link && chmod 700 from/deep",
	      base);
	snprintf(path, sizeof path, "%s/from", base);
	from = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	snprintf(path, sizeof path, "%s/to", base);
	to = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(copyup(from, to), 0);
	assert_int_equal(fstatat(from, "deep/file", &before, 0), 0);
	assert_int_equal(fstatat(to, "deep/file", &after, 0), 0);
	assert_int_equal(after.st_mode, before.st_mode);
	assert_int_equal(after.st_size, 5);
	assert_int_equal(after.st_mtim.tv_sec, before.st_mtim.tv_sec);
	assert_int_equal(fstatat(to, "link", &after, AT_SYMLINK_NOFOLLOW), 0);
	assert_true(S_ISLNK(after.st_mode));
	assert_int_equal(fstatat(to, "fifo", &after, 0), 0);
	assert_true(S_ISFIFO(after.st_mode));
	/* what an interrupted copy left is made anew; a directory is not taken away for a file */
	shell("cd %s/to/deep && rm -r er && truncate -s 2 file && chmod 600 .", base);
	assert_int_equal(copyup(from, to), 0);
	assert_int_equal(fstatat(to, "deep/file", &after, 0), 0);
	assert_int_equal(after.st_mode, before.st_mode);
	assert_int_equal(after.st_size, 5);
	assert_int_equal(fstatat(to, "deep/er", &after, 0), 0);
	assert_int_equal(fstatat(to, "deep", &after, 0), 0);
	assert_int_equal(after.st_mode, S_IFDIR | 0700);
	shell("cd %s/to/deep && rm file && mkdir file", base);
	assert_int_equal(copyup(from, to), -1);
	assert_int_equal(call_error()->number, EISDIR);
	close(from);
	close(to);
}

/* ---- a whole root, in a child with a mount namespace of its own ---- */

#define want(condition)                                                             \
	do {                                                                        \
		if (!(condition)) {                                                 \
			fprintf(stderr, "line %d: %s (%s)\n", __LINE__, #condition, \
				strerror(errno));                                   \
			call_report("test");                                        \
			_exit(1);                                                   \
		}                                                                   \
	} while (0)

/* Runs BODY in a child that may mount what it likes; its mounts end with it. */
static void
in_namespace(void (*body)(int root, struct rootfs_options *options))
{
	int status;
	pid_t child;

	if (geteuid() != 0)
		skip();
	child = fork();
	if (child == 0) {
		char path[80];
		struct rootfs_options options = { .path = path };
		int root;

		snprintf(path, sizeof path, "%s/root", base);
		want(unshare(CLONE_NEWNS | CLONE_NEWIPC) == 0);
		root = rootfs_attach(&options, ROOTFS_IN_CHILD);
		want(root >= 0 && fcntl(root, F_GETFD) == FD_CLOEXEC);
		body(root, &options);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

static const char *
options_of(const char *point)
{
	static char options[256];
	char line[1024], place[256], root_of[256];
	FILE *file = fopen("/proc/self/mountinfo", "re");

	options[0] = '\0';
	while (file && fgets(line, sizeof line, file))
		if (sscanf(line, "%*d %*d %*s %255s %255s", root_of, place) == 2 &&
		    strcmp(place, point) == 0)
			sscanf(line, "%*d %*d %*s %*s %*s %255[^\n]", options);
	if (file)
		fclose(file);
	return options;
}

static int
stat_inside(int root, const char *path, struct stat *status)
{
	int fd = inside_open(root, path, O_PATH), done = fstat(fd, status);

	close(fd);
	return done;
}

static void
list_body(int root, struct rootfs_options *options)
{
	char outside[80];
	const struct mount_spec specs[] = {
		{ .target = "/proc", .type = "proc", .source = "proc" },
		{ .target = "/dev", .type = "tmpfs", .source = "tmpfs", .options = "mode=755,ro" },
		{ .target = "mnt", .type = "tmpfs", .options = "size=1m" },
		{ .target = "/mnt", .type = "tmpfs", .options = "remount,size=2m,noatime" },
		{ .target = "/mnt/in", .source = outside, .options = "rbind,nosuid" },
		{ .target = "/mnt/in", .options = "remount,bind,ro,rnoexec" },
		{ .target = "/mnt", .options = "shared" },
		{ .target = "/classic",
		  .type = "tmpfs",
		  .source = "tmpfs",
		  .options = "iversion,nodev" },
		{ .target = "/synced", .type = "tmpfs", .options = "sync,rprivate" },
		{ .target = "/tree", .type = "tmpfs" },
		{ .target = "/tree/below", .type = "tmpfs" },
	};
	struct mount_list list = { 0 };
	const struct device_node nodes[] = { { "/dev/fuse", 'c', 10, 229, 0600, 7, 8, 0 },
					     { "/dev/null", 'c', 1, 3, 0666, 0, 0, 0 },
					     { "/node/disk", 'b', 7, 250, 0640, 0, 0, 0 },
					     { "/node/pipe", 'p', 0, 0, 0622, 0, 0, 0 } };
	struct devices_options devices = { .node = nodes, .node_count = 4, .only_these = true };
	struct stat status;

	want(fcntl(detached_copy(AT_FDCWD, "/", false), F_GETFD) == FD_CLOEXEC);
	want(fcntl(detached_new("tmpfs", "", NULL, 0, 0), F_GETFD) == FD_CLOEXEC);
	snprintf(outside, sizeof outside, "%s/outside", base);
	for (size_t i = 0; i < sizeof specs / sizeof specs[0]; i++)
		want(mounts_add(&list, &specs[i]) == 0);
	want(mounts_open(&list) == 0 && mounts_apply(&list, root) == 0);
	want(devices_make(&devices, &list, root) == 0);
	want(mounts_seal(&list) == 0);
	want(symlinkat("loop", root, "loop") == 0);
	want(close(inside_make(root, "/tree/below/file", S_IFREG | 0644)) == 0);
	want(text_list_add(&devices.mask, "/mnt/in/secret") == 0);
	want(text_list_add(&devices.mask, "/classic") == 0);
	want(text_list_add(&devices.mask, "/proc/cpuinfo") == 0);
	want(text_list_add(&devices.mask, "/not/there") == 0);
	want(text_list_add(&devices.mask, "/proc/cpuinfo/x") == 0);
	want(text_list_add(&devices.mask, "/loop/x") == 0);
	want(text_list_add(&devices.mask, "/dev/fuse") == 0);
	want(text_list_add(&devices.read_only, "/tree") == 0);
	want(text_list_add(&devices.read_only, "/proc/sys") == 0);
	want(text_list_add(&devices.read_only, "/not/there") == 0);
	want(stat_inside(root, "/dev/fuse", &status) == 0);
	want(status.st_rdev == makedev(10, 229) && status.st_uid == 7 && status.st_gid == 8);
	want((status.st_mode & 0777) == 0600);
	want(devices_hide(&devices, root) == 0);
	options->read_only = true;
	options->propagation = MS_SLAVE | MS_REC;
	want(rootfs_pivot(options, root) == 0);
	mounts_free(&list);

	want(strncmp(options_of("/"), "ro", 2) == 0);
	want(strncmp(options_of("/dev"), "ro", 2) == 0);
	want(strstr(options_of("/mnt"), "noatime") && strstr(options_of("/mnt"), "size=2048k"));
	want(strstr(options_of("/mnt/in"), "ro,nosuid,noexec"));
	want(strstr(options_of("/synced"), "sync"));
	want(strncmp(options_of("/proc/sys"), "ro", 2) == 0);
	want(stat("/dev/fuse", &status) == 0 && status.st_rdev == makedev(1, 3)); /* masked */
	want(mkdir("/tree/x", 0700) < 0 && errno == EROFS);
	want(mkdir("/tree/below/x", 0700) < 0 && errno == EROFS); /* what is mounted below too … */
	want(access("/tree/below/file", F_OK) == 0);		  /* … which is still there */
	want(stat("/node/disk", &status) == 0 && S_ISBLK(status.st_mode));
	want(stat("/node/pipe", &status) == 0 && (status.st_mode & 0777) == 0622);
	want(stat("/proc/cpuinfo", &status) == 0 && status.st_rdev == makedev(1, 3));
	want(mkdir("/mnt/in/secret/x", 0700) < 0 && errno == EROFS);
	want(access("/outside", F_OK) < 0);
}

static void
a_list_of_mounts_and_devices_is_in_place_after_the_pivot(void **state)
{
	(void)state;
	in_namespace(list_body);
	assert_true(exists("root/node/disk"));
	assert_false(exists("root/dev/null")); /* it was made in the tmpfs */
}

static void
refused_body(int root, struct rootfs_options *options)
{
	const struct {
		struct mount_spec spec;
		int number;
	} bad[] = {
		{ { .target = "/proc", .type = "tmpfs" }, EPERM },
		{ { .target = "/mnt", .type = "nosuchfs" }, ENODEV },
		{ { .target = "/mnt", .type = "tmpfs", .options = "size=9z" }, EINVAL },
		{ { .target = "/mnt", .source = "/nosuch", .options = "bind" }, ENOENT },
		{ { .target = "/..", .type = "tmpfs" }, EINVAL },
		{ { .target = "/nosuch", .options = "remount,ro" }, ENOENT },
		{ { .target = "/a", .options = "remount,ro" }, EINVAL },
		{ { .target = "/mnt", .source = "/", .options = "rbind,idmap" }, EPERM },
	};
	const struct device_node other = { "/mnt/node", 'c', 1, 3, 0666, 0, 0, 0 };
	struct devices_options devices = { .node = &other, .node_count = 1, .only_these = true };
	const struct mount_list none = { 0 };
	char longest[5000];

	(void)options;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		struct mount_list list = { 0 };
		want(mounts_add(&list, &bad[i].spec) == 0);
		want(mounts_open(&list) < 0 || mounts_apply(&list, root) < 0);
		if (call_error()->number != bad[i].number)
			call_report("test");
		want(call_error()->number == bad[i].number);
		call_forget();
		mounts_free(&list);
	}
	/* a file that is there, and is another device, is not taken for the one asked for */
	want(mknodat(root, "mnt/node", S_IFCHR | 0600, makedev(1, 5)) == 0);
	want(devices_make(&devices, &none, root) < 0 && call_error()->number == EEXIST);
	call_forget();
	/* a path that cannot be looked up is not one that is not there */
	memset(longest, 'x', sizeof longest - 1);
	longest[sizeof longest - 1] = '\0';
	want(text_list_add(&devices.read_only, longest) == 0);
	want(devices_hide(&devices, root) < 0 && call_error()->number == ENAMETOOLONG);
	call_forget();
	want(mknodat(root, "dev/null", S_IFCHR | 0600, makedev(1, 3)) == 0);
	want(text_list_add(&devices.mask, longest) == 0);
	devices.read_only.count = 0;
	want(devices_hide(&devices, root) < 0 && call_error()->number == ENAMETOOLONG);
	call_forget();
	devices.mask.count = 0;
	want(unlinkat(root, "dev/null", 0) == 0);
	/* nothing is masked with what is not the null device */
	want(mknodat(root, "dev/null", S_IFCHR | 0600, makedev(1, 5)) == 0);
	want(text_list_add(&devices.mask, "/a") == 0);
	want(devices_hide(&devices, root) < 0 && call_error()->number == ENODEV);
}

static void
what_cannot_be_mounted_or_made_is_an_error_with_its_number(void **state)
{
	(void)state;
	in_namespace(refused_body);
}

static void
terminal_body(int root, struct rootfs_options *options)
{
	const struct mount_spec dev = { .target = "/dev", .type = "tmpfs", .options = "mode=755" };
	const struct mount_spec pts = { .target = "/dev/pts",
					.type = "devpts",
					.options = "newinstance,ptmxmode=0666" };
	struct mount_list list = { 0 };
	int master, terminal, null;
	struct stat status;
	char letter;

	want(devices_pty(root, &master, &terminal) < 0); /* there is none yet */
	call_forget();
	want(mounts_add(&list, &dev) == 0 && mounts_add(&list, &pts) == 0);
	want(mounts_apply(&list, root) == 0);
	mounts_free(&list);
	want(devices_pty(root, &master, &terminal) == 0);
	want(fcntl(master, F_GETFD) == FD_CLOEXEC && fcntl(terminal, F_GETFD) == FD_CLOEXEC);
	want(write(terminal, "x", 1) == 1 && read(master, &letter, 1) == 1 && letter == 'x');
	want(devices_console(root, terminal) == 0);
	/* a descriptor that is no terminal would be bound over /dev/console by the host's rights */
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	want(devices_console(root, null) < 0 && call_error()->number == ENODEV);
	call_forget();
	/* nor is the multiplexer one, or a node that only has a terminal's number */
	want(devices_console(root, master) < 0 && call_error()->number == ENODEV);
	call_forget();
	want(mknodat(root, "tty", S_IFCHR | 0600, makedev(136, 0)) == 0);
	want(devices_console(root, openat(root, "tty", O_PATH | O_CLOEXEC)) < 0);
	want(call_error()->number == ENODEV);
	call_forget();
	want(rootfs_pivot(options, root) == 0);
	want(stat("/dev/console", &status) == 0 && major(status.st_rdev) == 136);
}

/* The kernel takes any node of that number for the multiplexer of the `pts` beside it. */
static void
multiplexer_body(int root, struct rootfs_options *options)
{
	const struct mount_spec specs[] = {
		{ .target = "/dev/pts", .type = "tmpfs" },
		{ .target = "/dev/pts/pts", .type = "devpts", .options = "newinstance" },
	};
	struct mount_list list = { 0 };
	int master, terminal, pts;

	(void)options;
	for (size_t i = 0; i < 2; i++)
		want(mounts_add(&list, &specs[i]) == 0);
	want(mounts_apply(&list, root) == 0);
	mounts_free(&list);
	want((pts = inside_open(root, "/dev/pts", O_PATH)) >= 0);
	want(mknodat(pts, "ptmx", S_IFCHR | 0666, makedev(5, 2)) == 0);
	want(devices_pty(root, &master, &terminal) < 0 && call_error()->number == EXDEV);
}

static void
a_terminal_comes_from_the_containers_devpts_and_becomes_its_console(void **state)
{
	(void)state;
	in_namespace(terminal_body);
	in_namespace(multiplexer_body);
}

static void
chroot_body(int root, struct rootfs_options *options)
{
	options->no_pivot = true;
	want(rootfs_pivot(options, root) == 0);
	want(access("/a/b", F_OK) == 0 && access("/outside", F_OK) < 0);
	/* what could be reached by leaving the chroot has nothing mounted any more */
	want(mkdir("/hole", 0700) == 0 && chroot("/hole") == 0);
	for (int i = 0; i < 64; i++)
		want(chdir("..") == 0);
	want(chroot(".") == 0);
	want(access("/proc/self", F_OK) < 0);
}

static void
without_pivot_the_hosts_mounts_are_detached_all_the_same(void **state)
{
	(void)state;
	in_namespace(chroot_body);
}

static void
a_root_that_is_none_is_refused(void **state)
{
	struct rootfs_options none = { 0 }, missing = { .path = "/nosuch" },
			      file = { .path = "/etc/passwd" }, fine = { .path = "/" };

	(void)state;
	assert_int_equal(rootfs_open(&none, 0), -1);
	assert_int_equal(call_error()->number, EINVAL);
	call_forget();
	assert_int_equal(rootfs_open(&missing, 0), -1);
	assert_int_equal(call_error()->number, ENOENT);
	call_forget();
	assert_int_equal(rootfs_open(&file, 0), -1);
	assert_int_equal(call_error()->number, ENOTDIR);
	call_forget();
	assert_int_equal(rootfs_open(&fine, CLONE_NEWNS), ROOTFS_IN_CHILD);
}

int
main(void)
{
#define in_base(test) cmocka_unit_test_setup_teardown(test, make_base, remove_base)
	const struct CMUnitTest tests[] = {
		in_base(a_mount_point_is_made_with_its_parents_inside_the_root_only),
		in_base(links_are_followed_with_the_root_as_their_slash),
		in_base(what_cannot_be_a_mount_point_is_refused),
		in_base(magic_links_and_links_at_all_are_refused_where_told),
		in_base(the_parent_of_a_name_is_opened_and_the_name_given),
		in_base(every_descriptor_of_a_root_closes_itself_at_exec),
		in_base(a_directory_is_copied_with_modes_links_and_times),
		in_base(a_list_of_mounts_and_devices_is_in_place_after_the_pivot),
		in_base(what_cannot_be_mounted_or_made_is_an_error_with_its_number),
		in_base(a_terminal_comes_from_the_containers_devpts_and_becomes_its_console),
		in_base(without_pivot_the_hosts_mounts_are_detached_all_the_same),
		cmocka_unit_test(a_root_that_is_none_is_refused),
	};

	return cmocka_run_group_tests_name("mounts", tests, NULL, NULL);
}

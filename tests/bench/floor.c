/*
 * floor: what a start costs at least. For each step, the system calls that its job needs and no
 * others: no options, no messages, no error but "it failed". The steps are measured against it.
 *
 *	floor STEP ROOTFS SCRATCH COMMAND [ARG…]
 *
 * From step 5 on ROOTFS may be several, as lowerdir takes them. $CGROUP is where a cgroup is made.
 * SCRATCH is an empty directory on a real disk. Follows the man pages of the calls.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#define USUAL 0xa80425fbULL /* the capabilities that engines leave by default */

/* What a runtime has to do, and the same with a filter that allows everything. */
enum { RUNTIME = 8, FILTERED };

static int step;
static const char *root, *scratch;

/* What the steps from FIRST on do, and a runtime leaves to its caller. */
static int
beyond(int first)
{
	return step >= first && step < RUNTIME;
}

static void
need(long result, const char *what)
{
	if (result < 0) {
		perror(what);
		_exit(125);
	}
}

/* ---- step 3 ---- */

static void
mount_all(void)
{
	need(mount("proc", "proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL), "proc");
	need(mount("dev", "dev", "tmpfs", MS_NOSUID | MS_STRICTATIME, "mode=755,size=64k"), "dev");
	need(mkdir("dev/pts", 0755) | mkdir("dev/shm", 0755) | mkdir("dev/mqueue", 0755), "mkdir");
	need(mount("pts", "dev/pts", "devpts", MS_NOSUID | MS_NOEXEC,
		   "newinstance,ptmxmode=0666,mode=0620,gid=5"),
	     "devpts");
	need(mount("shm", "dev/shm", "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=1777"),
	     "shm");
	need(mount("mq", "dev/mqueue", "mqueue", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL), "mqueue");
	need(mount("sys", "sys", "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RDONLY, NULL),
	     "sys");
	if (step >= 4 && getenv("CGROUP"))
		need(mount("cgroup", "sys/fs/cgroup", "cgroup2",
			   MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RDONLY, NULL),
		     "cgroup");
}

static void
make_nodes(void)
{
	static const struct {
		const char *path;
		unsigned major, minor;
	} nodes[] = { { "dev/null", 1, 3 },   { "dev/zero", 1, 5 },    { "dev/full", 1, 7 },
		      { "dev/random", 1, 8 }, { "dev/urandom", 1, 9 }, { "dev/tty", 5, 0 } };

	umask(0);
	for (size_t i = 0; i < sizeof nodes / sizeof *nodes; i++)
		need(mknod(nodes[i].path, S_IFCHR | 0666, makedev(nodes[i].major, nodes[i].minor)),
		     nodes[i].path);
	umask(022);
	need(symlink("pts/ptmx", "dev/ptmx") | symlink("/proc/self/fd", "dev/fd") |
		     symlink("/proc/self/fd/0", "dev/stdin") |
		     symlink("/proc/self/fd/1", "dev/stdout") |
		     symlink("/proc/self/fd/2", "dev/stderr"),
	     "symlink");
}

/* Which of them a kernel has is found out by trying: a file is covered by a node, a directory by an
 * empty file system. */
static void
hide(void)
{
	static const char *const masked[] = { "proc/acpi",	  "proc/asound",
					      "proc/interrupts",  "proc/kcore",
					      "proc/keys",	  "proc/latency_stats",
					      "proc/sched_debug", "proc/scsi",
					      "proc/timer_list",  "proc/timer_stats",
					      "sys/firmware",	  "sys/devices/virtual/powercap" };
	static const char *const fixed[] = { "proc/bus", "proc/fs", "proc/irq", "proc/sys",
					     "proc/sysrq-trigger" };
	const unsigned long again =
		MS_BIND | MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC;

	for (size_t i = 0; i < sizeof masked / sizeof *masked; i++)
		if (mount("dev/null", masked[i], NULL, MS_BIND, NULL) < 0 && errno != ENOENT)
			need(mount("none", masked[i], "tmpfs", MS_RDONLY, "size=4k"), masked[i]);
	for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++) {
		if (mount(fixed[i], fixed[i], NULL, MS_BIND | MS_REC, NULL) == 0)
			need(mount(NULL, fixed[i], NULL, again, NULL), fixed[i]);
		else if (errno != ENOENT)
			need(-1, fixed[i]);
	}
}

/* ---- step 5 ---- */

static void
mount_root(char *mounted)
{
	char data[4096], upper[1024], work[1024];

	if (!beyond(5)) {
		snprintf(mounted, 1024, "%s", root);
		need(mount(root, root, NULL, MS_BIND | MS_REC, NULL), root);
		return;
	}
	snprintf(upper, sizeof upper, "%s/upper", scratch);
	snprintf(work, sizeof work, "%s/work", scratch);
	snprintf(mounted, 1024, "%s/merged", scratch);
	need(mkdir(upper, 0755) | mkdir(work, 0755) | mkdir(mounted, 0755), scratch);
	snprintf(data, sizeof data, "lowerdir=%s,upperdir=%s,workdir=%s,volatile", root, upper,
		 work);
	need(mount("overlay", mounted, "overlay", 0, data), "overlay");
}

static void
remove_scratch(void)
{
	static const char *const names[] = { "work/work/incompat/volatile/dirty",
					     "work/work/incompat/volatile",
					     "work/work/incompat",
					     "work/work",
					     "work",
					     "upper",
					     "merged" };
	char path[1024];

	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		snprintf(path, sizeof path, "%s/%s", scratch, names[i]);
		need(i == 0 ? unlink(path) : rmdir(path), path);
	}
}

/* ---- step 6 ---- */

static const char *const files[] = { "resolv.conf", "hosts", "hostname" };
enum { FILES = sizeof files / sizeof *files };

static void
write_files(void)
{
	char path[1024];

	for (size_t i = 0; i < FILES; i++) {
		snprintf(path, sizeof path, "%s/%s", scratch, files[i]);
		int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
		need(fd < 0 ? fd : write(fd, "127.0.0.1 localhost\n", 20), path);
		close(fd);
	}
}

static void
bind_files(void)
{
	char from[1024], to[64];

	for (size_t i = 0; i < FILES; i++) {
		snprintf(from, sizeof from, "%s/%s", scratch, files[i]);
		snprintf(to, sizeof to, "etc/%s", files[i]);
		int fd = open(to, O_RDONLY | O_CREAT | O_CLOEXEC, 0644);
		need(fd, to);
		close(fd);
		need(mount(from, to, NULL, MS_BIND, NULL), to);
	}
}

static void
remove_files(void)
{
	char path[1024];

	for (size_t i = 0; i < FILES; i++) {
		snprintf(path, sizeof path, "%s/%s", scratch, files[i]);
		unlink(path);
		snprintf(path, sizeof path, "%s/upper/etc/%s", scratch, files[i]);
		unlink(path);
	}
	snprintf(path, sizeof path, "%s/upper/etc", scratch);
	rmdir(path);
}

static void
loopback_up(void)
{
	struct ifreq lo = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	need(fd < 0 ? fd : ioctl(fd, SIOCSIFFLAGS, &lo), "lo");
	close(fd);
}

/* ---- step 7 ---- */

/* Which devices may be opened: the kernel asks a program of the cgroup. This one says yes. */
static void
device_program(int cgroup)
{
	struct bpf_insn code[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = 1 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	union bpf_attr attr = { .prog_type = BPF_PROG_TYPE_CGROUP_DEVICE,
				.insns = (__u64)(uintptr_t)code,
				.insn_cnt = sizeof code / sizeof *code,
				.license = (__u64)(uintptr_t) "" };
	long program = syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof attr);

	need(program, "BPF_PROG_LOAD");
	attr = (union bpf_attr){ .target_fd = (__u32)cgroup,
				 .attach_bpf_fd = (__u32)program,
				 .attach_type = BPF_CGROUP_DEVICE };
	need(syscall(SYS_bpf, BPF_PROG_ATTACH, &attr, sizeof attr), "BPF_PROG_ATTACH");
	close((int)program);
}

static void
put_on(struct sock_filter *code, unsigned short count)
{
	struct sock_fprog filter = { count, code };

	need(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "PR_SET_NO_NEW_PRIVS");
	need(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filter), "seccomp");
}

static void
drop_rights(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct sets[2] = { { (uint32_t)USUAL, (uint32_t)USUAL, 0 } };
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 1024, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};

	for (int cap = 0; cap <= CAP_LAST_CAP; cap++)
		if (!(USUAL >> cap & 1))
			need(prctl(PR_CAPBSET_DROP, cap, 0, 0, 0), "PR_CAPBSET_DROP");
	need(syscall(SYS_capset, &head, sets), "capset");
	put_on(code, sizeof code / sizeof *code);
}

/* ---- all ---- */

static void
child(char **argv)
{
	char mounted[1024];

	need(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), "private");
	if (step == 2)
		need(mount("proc", "/proc", "proc", 0, NULL), "proc");
	if (step >= 3) {
		mount_root(mounted);
		need(chdir(mounted), mounted);
		mount_all();
		if (beyond(6))
			bind_files();
		make_nodes();
		hide();
		need(syscall(SYS_pivot_root, ".", "."), "pivot_root");
		need(umount2(".", MNT_DETACH), "umount2");
		need(chdir("/"), "chdir");
	}
	if (beyond(6))
		loopback_up();
	if (step == 7)
		drop_rights();
	if (step == FILTERED)
		put_on(&(struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW), 1);
	execv(argv[0], argv);
	need(-1, argv[0]);
}

static int
cgroup_make(char *path)
{
	int fd;

	snprintf(path, 256, "%s/floor-%d", getenv("CGROUP"), getpid());
	need(mkdir(path, 0755), path);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	need(fd, path);
	return fd;
}

/* Step 7 is out of reach of what it starts: it runs from a mount of its file that is read-only. */
static void
seal(char **argv)
{
	struct mount_attr read_only = { .attr_set = MOUNT_ATTR_RDONLY };
	int view;

	if (faccessat(AT_FDCWD, "/proc/self/exe", W_OK, AT_EACCESS) < 0)
		return;
	view = open_tree(AT_FDCWD, "/proc/self/exe", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	need(view, "open_tree");
	need(mount_setattr(view, "", AT_EMPTY_PATH, &read_only, sizeof read_only), "mount_setattr");
	need(syscall(SYS_execveat, view, "", argv, environ, AT_EMPTY_PATH), "execveat");
}

int
main(int argc, char **argv)
{
	struct clone_args args = { .flags = CLONE_NEWPID | CLONE_NEWNS, .exit_signal = SIGCHLD };
	char cgroup[256] = "";
	int status = 0;

	if (argc < 5)
		return 125;
	step = atoi(argv[1]);
	if (step == 7)
		seal(argv);
	root = argv[2];
	scratch = argv[3];
	if (step == 1) {
		need(unshare(CLONE_NEWUTS), "unshare");
		execv(argv[4], argv + 4);
		need(-1, argv[4]);
	}
	if (step >= 3)
		args.flags |= CLONE_NEWUTS | CLONE_NEWIPC;
	if (step >= 6)
		args.flags |= CLONE_NEWNET;
	if (step >= 4 && getenv("CGROUP")) {
		args.flags |= CLONE_INTO_CGROUP | CLONE_NEWCGROUP;
		args.cgroup = (__u64)cgroup_make(cgroup);
		if (step == 7)
			device_program((int)args.cgroup);
	}
	if (beyond(6))
		write_files();
	pid_t pid = (pid_t)syscall(SYS_clone3, &args, sizeof args);
	need(pid, "clone3");
	if (pid == 0)
		child(argv + 4);
	need(waitpid(pid, &status, 0), "waitpid");
	if (cgroup[0])
		rmdir(cgroup);
	if (beyond(6))
		remove_files();
	if (beyond(5))
		remove_scratch();
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

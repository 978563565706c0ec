/*
 * namespaces.c: the eight kinds created with unshare, joined with setns, shown from /proc.
 * Follows namespaces(7), setns(2), ioctl_ns(2), time_namespaces(7). Explained in
 * book/01-unshare.md.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "step01-unshare/call.h"
#include "step01-unshare/namespaces.h"

/* ANCHOR: kinds */
const struct ns_kind ns_kinds[NS_KINDS] = {
	{ "user", CLONE_NEWUSER, "CLONE_NEWUSER", "user" },
	{ "cgroup", CLONE_NEWCGROUP, "CLONE_NEWCGROUP", "cgroup" },
	{ "ipc", CLONE_NEWIPC, "CLONE_NEWIPC", "ipc" },
	{ "uts", CLONE_NEWUTS, "CLONE_NEWUTS", "uts" },
	{ "net", CLONE_NEWNET, "CLONE_NEWNET", "network" },
	{ "pid", CLONE_NEWPID, "CLONE_NEWPID", "pid" },
	{ "time", CLONE_NEWTIME, "CLONE_NEWTIME", "time" },
	{ "mnt", CLONE_NEWNS, "CLONE_NEWNS", "mount" },
};
/* ANCHOR_END: kinds */

#define ALL_KINDS                                                                       \
	(CLONE_NEWUSER | CLONE_NEWCGROUP | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNET | \
	 CLONE_NEWPID | CLONE_NEWTIME | CLONE_NEWNS)

#define KIND(name, flag, help)                                                                    \
	{                                                                                         \
		name, 0, NULL, #flag, help, option_bits, offsetof(struct ns_options, kinds), flag \
	}

const struct option_row ns_options[] = {
	KIND("user", CLONE_NEWUSER, "own user and group ids, and rights over what follows"),
	KIND("mount", CLONE_NEWNS,
	     "an own list of mounts, private: nothing done in it is seen outside"),
	KIND("uts", CLONE_NEWUTS, "an own host name"),
	KIND("ipc", CLONE_NEWIPC, "own System V IPC and POSIX message queues"),
	KIND("pid", CLONE_NEWPID, "own process numbers, from the next child on"),
	KIND("net", CLONE_NEWNET, "own interfaces, routes, rules and sockets"),
	KIND("cgroup", CLONE_NEWCGROUP, "the present cgroup becomes the root of what is seen"),
	KIND("time", CLONE_NEWTIME, "own offsets of the monotonic and boot clocks"),
	{ "all", 0, NULL, "all eight", "all of the above", option_bits,
	  offsetof(struct ns_options, kinds), ALL_KINDS },
	{ "hostname", 0, "NAME", "sethostname(2)", "the host name in the new UTS namespace",
	  option_text, offsetof(struct ns_options, hostname), 0 },
	{ "monotonic", 0, "SECONDS", "/proc/self/timens_offsets",
	  "add to CLOCK_MONOTONIC (with --time)", option_seconds,
	  offsetof(struct ns_options, monotonic), 0 },
	{ "boottime", 0, "SECONDS", "/proc/self/timens_offsets",
	  "add to CLOCK_BOOTTIME (with --time)", option_seconds,
	  offsetof(struct ns_options, boottime), 0 },
	{ 0 },
};

static int
set_show(const struct option_row *row, const char *value, void *into)
{
	struct ns_options *options = into;

	options->show = -1;
	return value ? option_pid(row, value, into) : 0;
}

const struct option_row ns_view_options[] = {
	{ "show", 0, "[=PID]", "/proc/PID/ns", "show the namespaces of a process, else one's own",
	  set_show, offsetof(struct ns_options, show), 0 },
	{ "join", 0, "PID", "setns(2)", "join the kinds given (or all that differ) of process PID",
	  option_pid, offsetof(struct ns_options, join), 0 },
	{ 0 },
};

const char *
ns_word(size_t n)
{
	return n < NS_KINDS ? ns_kinds[n].word : NULL;
}

int
ns_flag(const char *word)
{
	for (size_t k = 0; k < NS_KINDS; k++)
		if (strcmp(word, ns_kinds[k].word) == 0)
			return ns_kinds[k].flag;
	return 0;
}

const char *
ns_flag_names(int flags)
{
	static char text[160];
	size_t used = 0;

	snprintf(text, sizeof text, "0");
	/* strace's order: that of the bits in <linux/sched.h> */
	static const int order[NS_KINDS] = { CLONE_NEWTIME, CLONE_NEWNS,  CLONE_NEWCGROUP,
					     CLONE_NEWUTS,  CLONE_NEWIPC, CLONE_NEWUSER,
					     CLONE_NEWPID,  CLONE_NEWNET };
	for (size_t i = 0; i < NS_KINDS; i++)
		for (size_t k = 0; k < NS_KINDS; k++)
			if (ns_kinds[k].flag == order[i] && (flags & order[i]))
				used += (size_t)snprintf(text + used, sizeof text - used, "%s%s",
							 used ? "|" : "", ns_kinds[k].flag_name);
	return text;
}

/* ---- creating ---- */

static int
read_number(const char *path)
{
	int number = -1;
	FILE *file = fopen(path, "re");

	if (!file)
		return -1;
	if (fscanf(file, "%d", &number) != 1)
		number = -1;
	fclose(file);
	return number;
}

/* The AppArmor profile that this process is held to, or NULL: apparmor(7), "NAME (enforce)". The
 * label of another security module has no such end. */
static const char *
apparmor_profile(void)
{
	static char name[128];
	char mode[16] = "";
	FILE *file = fopen("/proc/self/attr/current", "re");

	if (file && fscanf(file, "%127s %15s", name, mode) != 2)
		mode[0] = '\0';
	if (file)
		fclose(file);
	return strcmp(mode, "(enforce)") == 0 ? name : NULL;
}

/* The inode number of the first user namespace, the same in every kernel; linux/nsfs.h names it
 * since Linux 6.18. */
#define FIRST_USER_NAMESPACE 0xEFFFFFFDU

bool
ns_root_of_host(void)
{
	struct stat own;

	return geteuid() == 0 && stat("/proc/self/ns/user", &own) == 0 &&
	       own.st_ino == FIRST_USER_NAMESPACE;
}

const char *
ns_user_refusal(void)
{
	static char sentence[256];
	const char *profile;

	if (read_number("/proc/sys/user/max_user_namespaces") == 0)
		return "this host allows no user namespaces: sysctl -w "
		       "user.max_user_namespaces=10000";
	if (geteuid() == 0)
		return NULL;
	if (read_number("/proc/sys/kernel/unprivileged_userns_clone") == 0)
		return "this host keeps user namespaces to root: sysctl -w "
		       "kernel.unprivileged_userns_clone=1";
	if (read_number("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == 1)
		return "AppArmor on this host takes the rights from a user namespace: write a "
		       "profile with "
		       "`userns,` for this program, or sysctl -w "
		       "kernel.apparmor_restrict_unprivileged_userns=0";
	if ((profile = apparmor_profile())) {
		snprintf(sentence, sizeof sentence,
			 "AppArmor holds this program to the profile %s: it needs `userns,` and "
			 "`capability,` in it, or no profile",
			 profile);
		return sentence;
	}
	return NULL;
}

/*
 * The root of a process that chroot(2) put into a directory is no mount point, so the list of its
 * mounts has no "/". True is certain; false is not: a chroot into a mount looks like any root.
 */
static bool
in_chroot(void)
{
	int number = errno;
	FILE *file = fopen("/proc/self/mountinfo", "re");
	char place[8]; /* the fifth word of a line is where the mount is */
	bool any = false, root = false;

	while (file && !root && fscanf(file, "%*s %*s %*s %*s %7s%*[^\n]", place) == 1) {
		any = true;
		root = strcmp(place, "/") == 0;
	}
	if (file)
		fclose(file);
	errno = number;
	return any && !root;
}

int
ns_hint_rights(int kinds)
{
	int number = errno;
	const char *refusal = ns_user_refusal();

	errno = number; /* looking for the cause has made errors of its own */
	if (errno == ENOSPC && refusal)
		return call_hint("%s", refusal);
	if (errno == ENOSPC)
		return call_hint(
			"a limit in /proc/sys/user/max_*_namespaces, or 32 levels, is reached");
	if (errno != EPERM && errno != EACCES)
		return -1;
	if (!refusal && in_chroot())
		refusal = "in a chroot the kernel makes no user namespace: pivot_root instead";
	if (refusal && ((kinds & CLONE_NEWUSER) || geteuid() != 0))
		return call_hint("%s", refusal);
	if (!(kinds & CLONE_NEWUSER))
		return call_hint("needs root, or a user namespace first: add --user --map-root");
	return -1;
}

/* ANCHOR: unshare */
int
ns_unshare(int kinds)
{
	stage("namespaces", "A namespace is a view; unshare gives this process a view of its own.",
	      "ls -l /proc/%d/ns", call_pid());
	if (kinds && call(unshare(kinds), "unshare(%s)", ns_flag_names(kinds)) < 0)
		return ns_hint_rights(kinds);
	return 0;
}
/* ANCHOR_END: unshare */

int
ns_prepare_time(const struct ns_options *options)
{
	char offsets[96];

	if (!(options->kinds & CLONE_NEWTIME)) {
		if (options->monotonic || options->boottime)
			return fail(EINVAL, "--monotonic and --boottime need --time");
		return 0;
	}
	if (call(unshare(CLONE_NEWTIME), "unshare(CLONE_NEWTIME)") < 0)
		return ns_hint_rights(options->kinds);
	if (!options->monotonic && !options->boottime && !options->monotonic_ns &&
	    !options->boottime_ns)
		return 0;
	snprintf(offsets, sizeof offsets, "monotonic %" PRId64 " %u\nboottime %" PRId64 " %u\n",
		 options->monotonic, options->monotonic_ns, options->boottime,
		 options->boottime_ns);
	if (call_write("/proc/self/timens_offsets", offsets) < 0)
		return call_hint("the clock plus its offset has to stay between 0 and 146 years");
	return 0;
}

int
ns_enter_time(const struct ns_options *options)
{
	if (ns_prepare_time(options) < 0)
		return -1;
	return options->kinds & CLONE_NEWTIME
		       ? ns_join_path("/proc/self/ns/time_for_children", CLONE_NEWTIME)
		       : 0;
}

int
ns_private_mounts(void)
{
	stage("private",
	      "Mounts spread to their peers in other namespaces; private ones have no peers.",
	      "grep -c shared: /proc/%d/mountinfo", call_pid());
	if (call(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL),
		 "mount(\"none\", \"/\", NULL, MS_REC|MS_PRIVATE, NULL)") < 0)
		return errno == EINVAL && in_chroot()
			       ? call_hint("/ is no mount in a chroot: pivot_root instead")
			       : ns_hint_rights(CLONE_NEWUSER);
	return 0;
}

int
ns_set_hostname(const struct ns_options *options)
{
	const char *name = options->hostname;

	if (!name)
		return 0;
	if (!(options->kinds & CLONE_NEWUTS))
		return fail(EINVAL, "--hostname %s: needs --uts, or it would rename the host",
			    name);
	return call(sethostname(name, strlen(name)), "sethostname(\"%s\", %zu)", name,
		    strlen(name));
}

/* ---- joining ---- */

static bool
same_namespace(const char *one, const char *other)
{
	struct stat a, b;

	return stat(one, &a) == 0 && stat(other, &b) == 0 && a.st_ino == b.st_ino &&
	       a.st_dev == b.st_dev;
}

int
ns_different_kinds(pid_t pid)
{
	int kinds = 0;

	for (size_t i = 0; i < NS_KINDS; i++) {
		char theirs[64], ours[64];
		snprintf(theirs, sizeof theirs, "/proc/%d/ns/%s", pid, ns_kinds[i].name);
		snprintf(ours, sizeof ours, "/proc/self/ns/%s", ns_kinds[i].name);
		/* one that may not be looked at must not pass for one's own: the link says whether
		 * this kernel has the kind */
		if (faccessat(AT_FDCWD, theirs, F_OK, AT_SYMLINK_NOFOLLOW) == 0 &&
		    !same_namespace(theirs, ours))
			kinds |= ns_kinds[i].flag;
	}
	return kinds;
}

/* What is at PATH may be no namespace at all, but a FIFO, whose other end would be waited for. */
static int
open_path(const char *path)
{
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	return fd < 0 ? fail(errno, "open(\"%s\") to join a namespace", path) : fd;
}

int
ns_open_other(const char *path, int flag)
{
	int fd = open_path(path);
	char opened[64];

	/* what is open is compared, not what the path leads to by now */
	snprintf(opened, sizeof opened, "/proc/self/fd/%d", fd);
	if (fd < 0 || ns_other_kinds(&(struct ns_at){ flag, opened }, 1))
		return fd;
	close(fd);
	return fail(EINVAL, "%s: that namespace is this program's own", path);
}

int
ns_join_fd(int fd, int flag, const char *path)
{
	int done = call(setns(fd, flag), "setns(%d, %s)", fd, ns_flag_names(flag));

	if (done < 0 && errno == EINVAL && flag == CLONE_NEWUSER &&
	    same_namespace(path, "/proc/self/ns/user"))
		call_hint(
			"this process is in that user namespace already: there is nothing to join");
	else if (done < 0)
		call_hint("%s is not a namespace of that kind, or belongs to a user namespace in "
			  "which "
			  "this process has no rights",
			  path);
	return done;
}

int
ns_join_path(const char *path, int flag)
{
	int fd = open_path(path), done;

	if (fd < 0)
		return -1;
	done = ns_join_fd(fd, flag, path);
	close_fd(fd);
	return done;
}

int
ns_other_kinds(const struct ns_at *at, size_t count)
{
	int kinds = 0;

	for (size_t k = 0; count && k < NS_KINDS; k++) {
		char ours[64];
		snprintf(ours, sizeof ours, "/proc/self/ns/%s", ns_kinds[k].name);
		for (size_t i = 0; i < count; i++)
			if (at[i].flag == ns_kinds[k].flag && !same_namespace(at[i].path, ours))
				kinds |= at[i].flag;
	}
	return kinds;
}

/* Rights over a namespace come from the user namespace that owns it, ioctl_ns(2). */
static bool
is_owned_by(int fd, int user)
{
	int owner = ioctl(fd, NS_GET_USERNS);
	struct stat a, b;
	bool is = owner >= 0 && fstat(owner, &a) == 0 && fstat(user, &b) == 0 &&
		  a.st_ino == b.st_ino && a.st_dev == b.st_dev;

	close_fd(owner);
	return is;
}

int
ns_join_paths(const struct ns_at *at, size_t count)
{
	enum { AS_CALLER, USER, AS_ITS_ROOT, TURNS };
	int fd[NS_KINDS], user = -1, done = 0;
	size_t opened = 0;

	/* all before the first is joined: from within a user namespace no path may lead there */
	for (; opened < count && done == 0; opened++) {
		if ((fd[opened] = open_path(at[opened].path)) < 0)
			done = -1;
		if (at[opened].flag == CLONE_NEWUSER)
			user = fd[opened];
	}
	for (int turn = AS_CALLER; turn < TURNS; turn++)
		for (size_t i = 0; i < count && done == 0; i++)
			if (turn == (at[i].flag == CLONE_NEWUSER ? USER
				     : is_owned_by(fd[i], user)	 ? AS_ITS_ROOT
								 : AS_CALLER))
				done = ns_join_fd(fd[i], at[i].flag, at[i].path);
	while (opened-- > 0)
		close_fd(fd[opened]);
	return done;
}

/* One that may not be looked at is nobody's to join, and counts as no other. */
static bool
is_in_other_user_namespace(pid_t pid)
{
	char theirs[64];

	snprintf(theirs, sizeof theirs, "/proc/%d/ns/user", pid);
	return access(theirs, F_OK) == 0 && !same_namespace(theirs, "/proc/self/ns/user");
}

/* Before Linux 5.8 setns takes no pidfd: one file of /proc/PID/ns after the other. */
static int
join_by_paths(pid_t pid, int kinds)
{
	for (size_t i = 0; i < NS_KINDS; i++) {
		char path[64];
		snprintf(path, sizeof path, "/proc/%d/ns/%s", pid, ns_kinds[i].name);
		if ((kinds & ns_kinds[i].flag) && ns_join_path(path, ns_kinds[i].flag) < 0)
			return -1;
	}
	return 0;
}

/* ANCHOR: join */
int
ns_join(pid_t pid, int kinds)
{
	int pidfd = pidfd_open(pid, 0), different, done;

	if (pidfd < 0)
		return fail(errno, "pidfd_open(%d, 0)", pid);
	different = ns_different_kinds(pid);
	if (!kinds)
		kinds = different;
	/* while the process is there, its number is nobody else's: so what was just looked up by
	 * number was its own */
	if (pidfd_send_signal(pidfd, 0, NULL, 0) < 0 && errno == ESRCH) {
		close(pidfd);
		return fail(ESRCH, "process %d has ended", pid);
	}
	stage("join",
	      "setns puts this process into namespaces that exist; a pidfd names all of one "
	      "process.",
	      "ls -l /proc/%d/ns /proc/%d/ns", pid, getpid());
	done = !kinds ? 0
		      : call_try(setns(pidfd, kinds), "setns(%d, %s)", pidfd, ns_flag_names(kinds));
	if (done < 0 && errno == EINVAL)
		done = join_by_paths(pid, kinds);
	else if (done < 0) {
		fail(errno, "setns(%d, %s) into process %d", pidfd, ns_flag_names(kinds), pid);
		call_hint(
			"joining needs CAP_SYS_ADMIN in the user namespace that owns the target%s",
			!(kinds & CLONE_NEWUSER) && is_in_other_user_namespace(pid)
				? "; add --user to join that one first"
				: ": be root there, or who made it");
	}
	close_fd(pidfd);
	return done < 0 ? -1 : kinds & different;
}
/* ANCHOR_END: join */

int
ns_fork_into(void)
{
	int status;
	pid_t child = fork();

	if (child < 0)
		return fail(errno, "fork for the first process in the joined namespace");
	/* whoever ends this program means the command, which must not go on alone, prctl(2) */
	if (child == 0)
		return prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0
			       ? fail(errno, "prctl(PR_SET_PDEATHSIG, SIGKILL)")
			       : 0;
	/* the keys of a terminal reach the command too, and what they do is its affair, system(3)
	 */
	signal(SIGINT, SIG_IGN);
	signal(SIGQUIT, SIG_IGN);
	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			return fail(errno, "waitpid(%d)", child);
	_exit(WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status));
}

/* ---- showing ---- */

/* Inode of a namespace of PID, and of the user namespace that owns it (0: not visible from here).
 */
static int
look(pid_t pid, const char *name, unsigned long *inode, unsigned long *owner)
{
	char path[64];
	struct stat status;
	int fd, owner_fd;

	*inode = *owner = 0;
	snprintf(path, sizeof path, "/proc/%d/ns/%s", pid, name);
	if ((fd = open(path, O_RDONLY | O_CLOEXEC)) < 0)
		return -1;
	if (fstat(fd, &status) == 0)
		*inode = status.st_ino;
	/* EPERM: the owner lies outside the caller's own user namespace, ioctl_ns(2) */
	if ((owner_fd = ioctl(fd, NS_GET_USERNS)) >= 0) {
		if (fstat(owner_fd, &status) == 0)
			*owner = status.st_ino;
		close(owner_fd);
	}
	close(fd);
	return 0;
}

static const char *
compare(unsigned long inode, unsigned long other)
{
	return !other ? "not readable" : inode == other ? "same" : "different";
}

int
ns_show(pid_t pid)
{
	bool any = false;

	for (size_t i = 0; i < NS_KINDS; i++) {
		unsigned long inode, mine, first, owner, ignored;
		char owned[32];

		if (look(pid, ns_kinds[i].name, &inode, &owner) < 0) {
			if (errno == ENOENT && any)
				continue; /* a kernel without this kind */
			fail(errno, "open(\"/proc/%d/ns/%s\")", pid, ns_kinds[i].name);
			return call_hint(errno == ENOENT ? "there is no process %d"
							 : "process %d is another user's",
					 pid);
		}
		if (!any)
			printf("%-7s %-12s %-14s %-14s %s\n", "kind", "inode", "beside mine",
			       "beside PID 1", "owner (user namespace)");
		look(getpid(), ns_kinds[i].name, &mine, &ignored);
		look(1, ns_kinds[i].name, &first, &ignored);
		snprintf(owned, sizeof owned,
			 owner				 ? "%lu"
			 : inode == FIRST_USER_NAMESPACE ? "none, it is the first"
							 : "outside, not visible",
			 owner);
		printf("%-7s %-12lu %-14s %-14s %s\n", ns_kinds[i].name, inode,
		       compare(inode, mine), compare(inode, first), owned);
		any = true;
	}
	return 0;
}

int
ns_show_words(pid_t pid, char *const words[])
{
	int64_t number = pid > 0 ? pid : getpid();

	if (words[0] && (pid > 0 || number_parse(words[0], 1, 1 << 22, &number) < 0 || words[1]))
		return fail(EINVAL, "--show %s: not the number of one process", words[0]);
	return ns_show((pid_t)number);
}

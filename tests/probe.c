/*
 * probe: the one program that tests run inside a container, and question.
 *
 * Static, so that it runs in any root, and without /proc where a system call can answer. It takes
 * one command after the other, each with its own number of words:
 *
 *	probe ids caps stat /etc/motd sleep 1 exit 3
 *
 * An answer is a line `NAME VALUE…`; a try is `NAME = 0` or `NAME = -1 EPERM`, and does not end the
 * program. Sizes take k, m, g. `probe help` lists the commands.
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <linux/capability.h>
#include <linux/keyctl.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

static char **all; /* argv, for `args` */

/* ---- answers ---- */

static void
tried(const char *name, long value)
{
	if (value < 0)
		printf("%s = %ld %s\n", name, value, strerrorname_np(errno));
	else
		printf("%s = %ld\n", name, value);
}

static size_t
size_of(const char *text)
{
	char *end;
	size_t n = strtoul(text, &end, 10);

	switch (*end) {
	case 'g':
		n <<= 10;
		/* fall through */
	case 'm':
		n <<= 10;
		/* fall through */
	case 'k':
		n <<= 10;
	}
	return n;
}

static void
copy_out(const char *path)
{
	char text[4096];
	ssize_t n;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0) {
		tried("read", -1);
		return;
	}
	fflush(stdout);
	while ((n = read(fd, text, sizeof text)) > 0)
		if (write(STDOUT_FILENO, text, (size_t)n) != n)
			break;
	if (n < 0)
		tried("read", -1);
	close(fd);
}

/* ---- who am I ---- */

static void
ids(char **arg)
{
	uid_t r, e, s;
	gid_t list[1024];
	int n;

	(void)arg;
	printf("pid %d\nppid %d\npgid %d\nsid %d\n", getpid(), getppid(), getpgid(0), getsid(0));
	getresuid(&r, &e, &s);
	printf("uid %u %u %u\n", r, e, s);
	getresgid(&r, &e, &s);
	printf("gid %u %u %u\ngroups", r, e, s);
	n = getgroups(1024, list);
	for (int i = 0; i < n; i++)
		printf(" %u", list[i]);
	putchar('\n');
}

static void
cap_set(const char *name, uint64_t set)
{
	printf("%s %016llx\n", name, (unsigned long long)set);
}

static void
caps(char **arg)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct half[2] = { 0 };
	uint64_t bounding = 0, ambient = 0;

	(void)arg;
	if (syscall(SYS_capget, &head, half) < 0)
		tried("capget", -1);
	for (unsigned c = 0; c < 64; c++) {
		bounding |= (uint64_t)(prctl(PR_CAPBSET_READ, c) == 1) << c;
		ambient |= (uint64_t)(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, c, 0, 0) == 1)
			   << c;
	}
	cap_set("effective", half[0].effective | (uint64_t)half[1].effective << 32);
	cap_set("permitted", half[0].permitted | (uint64_t)half[1].permitted << 32);
	cap_set("inheritable", half[0].inheritable | (uint64_t)half[1].inheritable << 32);
	cap_set("bounding", bounding);
	cap_set("ambient", ambient);
	printf("no_new_privs %d\nseccomp %d\ndumpable %d\nsecurebits %d\n",
	       prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), prctl(PR_GET_SECCOMP),
	       prctl(PR_GET_DUMPABLE), prctl(PR_GET_SECUREBITS));
}

static void
ns(char **arg)
{
	static const char *const kinds[] = { "cgroup", "ipc",  "mnt",  "net",
					     "pid",    "time", "user", "uts" };
	char path[64], link[64];

	(void)arg;
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
		snprintf(path, sizeof path, "/proc/self/ns/%s", kinds[i]);
		ssize_t n = readlink(path, link, sizeof link - 1);
		link[n < 0 ? 0 : n] = '\0';
		printf("ns_%s %s\n", kinds[i], n < 0 ? strerrorname_np(errno) : link);
	}
}

static void
host(char **arg)
{
	struct utsname u;

	(void)arg;
	uname(&u);
	printf("hostname %s\ndomainname %s\n", u.nodename, u.domainname);
}

static void
args(char **arg)
{
	(void)arg;
	for (int i = 0; all[i]; i++)
		printf("arg %d %s\n", i, all[i]);
}

static void
env(char **arg)
{
	(void)arg;
	for (char **e = environ; *e; e++)
		printf("env %s\n", *e);
}

static void
cwd(char **arg)
{
	char path[4096];

	(void)arg;
	if (syscall(SYS_getcwd, path, sizeof path) < 0)
		tried("getcwd", -1);
	else
		printf("cwd %s\n", path); /* "(unreachable)/…" when it is outside of the root */
}

/* Every open descriptor, found without /proc, and where it leads, if /proc says. */
static void
fds(char **arg)
{
	char path[64], target[4096];

	(void)arg;
	for (int fd = 0; fd < 4096; fd++) {
		int flags = fcntl(fd, F_GETFD);
		if (flags < 0)
			continue;
		snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
		ssize_t n = readlink(path, target, sizeof target - 1);
		target[n < 0 ? 0 : n] = '\0';
		printf("fd %d %s%s\n", fd, n < 0 ? "?" : target,
		       flags & FD_CLOEXEC ? " cloexec" : "");
	}
}

static void
limits(char **arg)
{
	static const char *const names[] = { "cpu",	 "fsize", "data",   "stack",
					     "core",	 "rss",	  "nproc",  "nofile",
					     "memlock",	 "as",	  "locks",  "sigpending",
					     "msgqueue", "nice",  "rtprio", "rttime" };
	struct rlimit limit;

	(void)arg;
	for (unsigned i = 0; i < sizeof names / sizeof *names; i++)
		if (getrlimit((__rlimit_resource_t)i, &limit) == 0)
			printf("limit %s %lld %lld\n", names[i], (long long)limit.rlim_cur,
			       (long long)limit.rlim_max);
}

static void
signals(char **arg)
{
	struct sigaction action;
	sigset_t blocked;

	(void)arg;
	sigprocmask(SIG_SETMASK, NULL, &blocked);
	printf("blocked");
	for (int n = 1; n < 65; n++)
		if (sigismember(&blocked, n) == 1)
			printf(" %d", n);
	printf("\nignored");
	for (int n = 1; n < 65; n++)
		if (sigaction(n, NULL, &action) == 0 && action.sa_handler == SIG_IGN)
			printf(" %d", n);
	putchar('\n');
}

static void
tty(char **arg)
{
	struct winsize size = { 0 };
	char name[128];

	(void)arg;
	for (int fd = 0; fd < 3; fd++)
		printf("tty %d %s\n", fd, ttyname_r(fd, name, sizeof name) == 0 ? name : "no");
	if (ioctl(0, TIOCGWINSZ, &size) == 0)
		printf("size %u %u\nforeground %d\n", size.ws_row, size.ws_col, tcgetpgrp(0));
	int fd = open("/dev/tty", O_RDWR | O_CLOEXEC);
	tried("controlling", fd < 0 ? -1 : 0);
	if (fd >= 0)
		close(fd);
}

static void
clocks(char **arg)
{
	struct timespec t;

	(void)arg;
	clock_gettime(CLOCK_MONOTONIC, &t);
	printf("monotonic %lld\n", (long long)t.tv_sec);
	clock_gettime(CLOCK_BOOTTIME, &t);
	printf("boottime %lld\n", (long long)t.tv_sec);
}

static void
cpus(char **arg)
{
	cpu_set_t set;

	(void)arg;
	sched_getaffinity(0, sizeof set, &set);
	printf("cpus %d online %ld oom_score_adj ", CPU_COUNT(&set), sysconf(_SC_NPROCESSORS_ONLN));
	copy_out("/proc/self/oom_score_adj");
}

static void
pids(char **arg)
{
	DIR *proc = opendir("/proc");
	char path[300], line[256];

	(void)arg;
	if (!proc) {
		tried("opendir", -1);
		return;
	}
	for (struct dirent *d; (d = readdir(proc));) {
		if (d->d_name[0] < '1' || d->d_name[0] > '9')
			continue;
		snprintf(path, sizeof path, "/proc/%s/stat", d->d_name);
		FILE *file = fopen(path, "re");
		if (file && fgets(line, sizeof line, file)) {
			line[strcspn(line, ")") + 3] = '\0'; /* up to the state */
			printf("process %s\n", line);
		}
		if (file)
			fclose(file);
	}
	closedir(proc);
}

static void
net(char **arg)
{
	struct ifaddrs *list, *a;
	char text[INET6_ADDRSTRLEN];

	(void)arg;
	if (getifaddrs(&list) < 0) {
		tried("getifaddrs", -1);
		return;
	}
	for (a = list; a; a = a->ifa_next) {
		const char *up = a->ifa_flags & IFF_UP ? "up" : "down";
		if (!a->ifa_addr || a->ifa_addr->sa_family == AF_PACKET)
			printf("interface %s %s\n", a->ifa_name, up);
		else if (getnameinfo(a->ifa_addr,
				     a->ifa_addr->sa_family == AF_INET
					     ? sizeof(struct sockaddr_in)
					     : sizeof(struct sockaddr_in6),
				     text, sizeof text, NULL, 0, NI_NUMERICHOST) == 0)
			printf("address %s %s\n", a->ifa_name, text);
	}
	freeifaddrs(list);
}

/* ---- files ---- */

static void
mounts(char **arg)
{
	(void)arg;
	copy_out("/proc/self/mountinfo");
}

static void
read_file(char **arg)
{
	copy_out(arg[0]);
}

static void
write_file(char **arg)
{
	int fd = open(arg[0], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	long n = fd < 0 ? -1 : write(fd, arg[1], strlen(arg[1]));

	tried("write", n);
	if (fd >= 0)
		close(fd);
}

static void
list(char **arg)
{
	struct dirent **entry;
	int n = scandir(arg[0], &entry, NULL, alphasort);

	if (n < 0)
		tried("list", n);
	for (int i = 0; i < n; i++) {
		if (strcmp(entry[i]->d_name, ".") && strcmp(entry[i]->d_name, ".."))
			printf("entry %s\n", entry[i]->d_name);
		free(entry[i]);
	}
	if (n >= 0)
		free(entry);
}

static void
stat_file(char **arg)
{
	struct stat s;
	const char *type;

	if (lstat(arg[0], &s) < 0) {
		tried("stat", -1);
		return;
	}
	type = S_ISREG(s.st_mode)    ? "file"
	       : S_ISDIR(s.st_mode)  ? "directory"
	       : S_ISLNK(s.st_mode)  ? "link"
	       : S_ISCHR(s.st_mode)  ? "char"
	       : S_ISBLK(s.st_mode)  ? "block"
	       : S_ISFIFO(s.st_mode) ? "fifo"
				     : "socket";
	printf("stat %s %04o %u:%u size %lld links %lu device %u:%u\n", type, s.st_mode & 07777,
	       s.st_uid, s.st_gid, (long long)s.st_size, (unsigned long)s.st_nlink,
	       major(s.st_rdev), minor(s.st_rdev));
}

static void
statfs_file(char **arg)
{
	struct statfs s;

	if (statfs(arg[0], &s) < 0)
		tried("statfs", -1);
	else
		printf("statfs type %lx size %llu flags %lx\n", (unsigned long)s.f_type,
		       (unsigned long long)s.f_blocks * (unsigned long long)s.f_bsize,
		       (unsigned long)s.f_flags);
}

static void
xattr(char **arg)
{
	char value[256];
	ssize_t n = lgetxattr(arg[0], arg[1], value, sizeof value);

	if (n < 0)
		tried("xattr", -1);
	else
		printf("xattr %.*s\n", (int)n, value);
}

static void
make_dir(char **arg)
{
	tried("mkdir", mkdir(arg[0], 0755));
}

static void
make_node(char **arg)
{
	mode_t type = arg[1][0] == 'b' ? S_IFBLK : S_IFCHR;

	tried("mknod",
	      mknod(arg[0], type | 0666, makedev((unsigned)atoi(arg[2]), (unsigned)atoi(arg[3]))));
}

static void
remove_file(char **arg)
{
	tried("remove", remove(arg[0]));
}

static void
notify(char **arg)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	const char *path = getenv("NOTIFY_SOCKET");
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof address.sun_path, "%s", path ? path : "");
	tried("notify", (int)sendto(fd, arg[0], strlen(arg[0]), 0, (struct sockaddr *)&address,
				    sizeof address) < 0
				? -1
				: 0);
	close(fd);
}

static void
mount_tmpfs(char **arg)
{
	tried("mount", mount("probe", arg[0], "tmpfs", 0, NULL));
}

static void
unmount(char **arg)
{
	tried("umount2", umount2(arg[0], MNT_DETACH));
}

/* ---- using things up ---- */

static void
hog(char **arg)
{
	size_t size = size_of(arg[0]);
	char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED) {
		tried("hog", -1);
		return;
	}
	for (size_t at = 0; at < size; at += 4096)
		memory[at] = 1;
	printf("hog %zu\n", size);
}

static void
cache(char **arg)
{
	static char block[65536];
	size_t left = size_of(arg[1]);
	int fd = open(arg[0], O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	for (; fd >= 0 && left >= sizeof block; left -= sizeof block)
		if (write(fd, block, sizeof block) < 0)
			break;
	tried("cache", fd < 0 || left >= sizeof block ? -1 : 0);
	if (fd >= 0)
		close(fd);
}

static void
fork_many(char **arg)
{
	size_t made = 0, want = size_of(arg[0]);

	fflush(stdout);
	for (pid_t pid = 1; made < want && pid > 0; made += pid > 0) {
		pid = fork();
		if (pid == 0)
			for (;;)
				pause();
		if (pid < 0)
			tried("fork", -1);
	}
	printf("forked %zu\n", made);
}

static void
burn(char **arg)
{
	double seconds = strtod(arg[0], NULL);
	struct timespec used; /* of CPU, not of the clock: a throttled second is longer */

	do
		clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
	while ((double)used.tv_sec + (double)used.tv_nsec / 1e9 < seconds);
	puts("burnt");
}

/* ---- processes ---- */

static void
sleep_for(char **arg)
{
	double seconds = strtod(arg[0], NULL);
	struct timespec t = { (time_t)seconds, 0 };

	t.tv_nsec = (long)((seconds - (double)t.tv_sec) * 1e9);
	while (nanosleep(&t, &t) < 0 && errno == EINTR)
		;
}

static void *
go_on(void *seconds)
{
	puts("headless");
	fflush(stdout);
	sleep_for((char *[]){ seconds, NULL });
	_exit(0);
}

static void
headless(char **arg)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, go_on, arg[0]) == 0)
		syscall(SYS_exit, 0); /* of this thread alone */
	puts("pthread_create failed");
}

static void
write_line(const char *text, int number)
{
	char line[64];
	int n = snprintf(line, sizeof line, "%s %d\n", text, number);

	if (write(STDOUT_FILENO, line, (size_t)n) < 0)
		_exit(2);
}

static volatile sig_atomic_t caught;

static void
handler(int number)
{
	write_line("signal", number);
	caught++;
}

/* Prints the signals that come, ends after N of them. */
static void
catch_signals(char **arg)
{
	struct sigaction action = { .sa_handler = handler };
	sigset_t none, every;

	sigfillset(&every);
	sigdelset(&every, SIGCHLD);
	sigemptyset(&none);
	sigprocmask(SIG_BLOCK, &every, NULL);
	for (int n = 1; n < 65; n++)
		if (n != SIGCHLD)
			sigaction(n, &action, NULL);
	write_line("ready", getpid());
	while (caught < atoi(arg[0]))
		sigsuspend(&none);
}

static void
exit_now(char **arg)
{
	fflush(stdout);
	_exit(atoi(arg[0]));
}

static void
raise_signal(char **arg)
{
	fflush(stdout);
	tried("raise", raise(atoi(arg[0])));
}

static void
kill_process(char **arg)
{
	tried("kill", kill(atoi(arg[0]), atoi(arg[1])));
}

/* A grandchild whose parent is gone says who adopted it; N of them end as somebody's zombies. */
static void
orphans(char **arg)
{
	int pipe_of[2];
	char text[256];
	ssize_t n;

	fflush(stdout);
	if (pipe2(pipe_of, O_CLOEXEC) < 0)
		return;
	for (int i = atoi(arg[0]); i > 0; i--) {
		pid_t parent = fork();
		if (parent == 0) {
			pid_t me = getpid();
			if (fork())
				_exit(0);
			while (getppid() == me)
				usleep(1000);
			dprintf(pipe_of[1], "orphan %d parent %d\n", getpid(), getppid());
			_exit(0);
		}
		waitpid(parent, NULL, 0);
	}
	close(pipe_of[1]);
	while ((n = read(pipe_of[0], text, sizeof text)) > 0)
		printf("%.*s", (int)n, text);
	close(pipe_of[0]);
}

/* The rest of the words as a command in a child; its status. */
static void
command(char **arg)
{
	int status = 0;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		execvp(arg[0], arg);
		_exit(127);
	}
	waitpid(pid, &status, 0);
	printf("status %d\n", WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
	fflush(stdout);
	exit(0);
}

static void
exec_self(char **arg)
{
	fflush(stdout);
	execvp(arg[0], arg);
	tried("exec", -1);
}

/* ---- system calls by name or number ---- */

static const struct {
	const char *name;
	long number;
} calls[] = {
	{ "acct", SYS_acct },
	{ "add_key", SYS_add_key },
	{ "bpf", SYS_bpf },
	{ "chroot", SYS_chroot },
	{ "clock_settime", SYS_clock_settime },
	{ "clone3", SYS_clone3 },
	{ "delete_module", SYS_delete_module },
	{ "fsopen", SYS_fsopen },
	{ "init_module", SYS_init_module },
	{ "io_uring_setup", SYS_io_uring_setup },
	{ "kexec_load", SYS_kexec_load },
	{ "keyctl", SYS_keyctl },
	{ "mount", SYS_mount },
	{ "mount_setattr", SYS_mount_setattr },
	{ "move_mount", SYS_move_mount },
	{ "name_to_handle_at", SYS_name_to_handle_at },
	{ "open_by_handle_at", SYS_open_by_handle_at },
	{ "open_tree", SYS_open_tree },
	{ "perf_event_open", SYS_perf_event_open },
	{ "pivot_root", SYS_pivot_root },
	{ "ptrace", SYS_ptrace },
	{ "quotactl", SYS_quotactl },
	{ "reboot", SYS_reboot },
	{ "request_key", SYS_request_key },
	{ "sethostname", SYS_sethostname },
	{ "setns", SYS_setns },
	{ "settimeofday", SYS_settimeofday },
	{ "swapon", SYS_swapon },
	{ "syslog", SYS_syslog },
	{ "umount2", SYS_umount2 },
	{ "unshare", SYS_unshare },
	{ "userfaultfd", SYS_userfaultfd },
};

/* CALL ARGS: ARGS is numbers with commas; 0 for what is missing, which most calls refuse. */
static void
system_call(char **arg)
{
	long number = strtol(arg[0], NULL, 10), value[6] = { 0 };
	char *next = arg[1];

	for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
		if (strcmp(arg[0], calls[i].name) == 0)
			number = calls[i].number;
	for (int i = 0; i < 6 && *next; i++) {
		value[i] = strtol(next, &next, 0);
		next += *next == ',';
	}
	tried(arg[0], syscall(number, value[0], value[1], value[2], value[3], value[4], value[5]));
}

/* ---- sockets ---- */

static socklen_t
address(struct sockaddr_storage *into, const char *host_text, const char *port)
{
	struct sockaddr_in *four = (struct sockaddr_in *)into;
	struct sockaddr_in6 *six = (struct sockaddr_in6 *)into;
	uint16_t number = htons((uint16_t)atoi(port));

	memset(into, 0, sizeof *into);
	if (inet_pton(AF_INET, host_text, &four->sin_addr) == 1) {
		four->sin_family = AF_INET;
		four->sin_port = number;
		return sizeof *four;
	}
	inet_pton(AF_INET6, host_text, &six->sin6_addr);
	six->sin6_family = AF_INET6;
	six->sin6_port = number;
	return sizeof *six;
}

static int
socket_of(const struct sockaddr_storage *where, const char *protocol)
{
	int type = protocol[0] == 'u' ? SOCK_DGRAM : SOCK_STREAM;
	int fd = socket(where->ss_family, type | SOCK_CLOEXEC, 0);
	struct timeval wait = { 5, 0 };
	int one = 1;

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	return fd;
}

/* connect tcp|udp ADDRESS PORT TEXT: sends TEXT, prints what comes back (waits 5 s at most). */
static void
connect_to(char **arg)
{
	struct sockaddr_storage where;
	socklen_t length = address(&where, arg[1], arg[2]);
	int fd = socket_of(&where, arg[0]);
	char answer[4096];
	ssize_t n;

	if (fd < 0 || connect(fd, (struct sockaddr *)&where, length) < 0 ||
	    send(fd, arg[3], strlen(arg[3]), MSG_NOSIGNAL) < 0) {
		tried("connect", -1);
	} else {
		tried("connect", 0);
		n = recv(fd, answer, sizeof answer, 0);
		if (n < 0)
			tried("receive", -1);
		else
			printf("answer %.*s\n", (int)n, answer);
	}
	if (fd >= 0)
		close(fd);
}

static void
say_peer(const struct sockaddr_storage *peer, socklen_t length, const char *text, ssize_t n)
{
	char name[INET6_ADDRSTRLEN] = "?";

	getnameinfo((const struct sockaddr *)peer, length, name, sizeof name, NULL, 0,
		    NI_NUMERICHOST);
	printf("from %s %.*s\n", name, (int)(n < 0 ? 0 : n), text);
	fflush(stdout);
}

/* listen tcp|udp ADDRESS PORT REPLY: for ever; says who came and with what, and answers. */
static void
listen_at(char **arg)
{
	bool stream = arg[0][0] != 'u';
	struct sockaddr_storage where, peer;
	socklen_t length = address(&where, arg[1], arg[2]);
	int fd = socket_of(&where, arg[0]);
	struct timeval for_ever = { 0, 0 };
	char text[4096];

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &for_ever, sizeof for_ever);
	if (fd < 0 || bind(fd, (struct sockaddr *)&where, length) < 0 ||
	    (stream && listen(fd, 16) < 0)) {
		tried("listen", -1);
		return;
	}
	tried("listen", 0);
	fflush(stdout);
	for (;;) {
		length = sizeof peer;
		int one =
			stream ? accept4(fd, (struct sockaddr *)&peer, &length, SOCK_CLOEXEC) : fd;
		ssize_t n =
			recvfrom(one, text, sizeof text, 0,
				 stream ? NULL : (struct sockaddr *)&peer, stream ? NULL : &length);
		say_peer(&peer, length, text, n);
		if (sendto(one, arg[3], strlen(arg[3]), MSG_NOSIGNAL,
			   stream ? NULL : (struct sockaddr *)&peer, stream ? 0 : length) < 0)
			tried("answer", -1);
		if (stream)
			close(one);
	}
}

/* An abstract unix socket belongs to the network namespace, not to any file system. */
static int
abstract_socket(const char *name, struct sockaddr_un *where, socklen_t *length)
{
	memset(where, 0, sizeof *where);
	where->sun_family = AF_UNIX;
	snprintf(where->sun_path + 1, sizeof where->sun_path - 1, "%s", name);
	*length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(name));
	return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

static void
abstract_listen(char **arg)
{
	struct sockaddr_un where;
	socklen_t length;
	int fd = abstract_socket(arg[0], &where, &length);

	tried("listen", bind(fd, (struct sockaddr *)&where, length) < 0 ? -1 : listen(fd, 4));
}

static void
abstract_connect(char **arg)
{
	struct sockaddr_un where;
	socklen_t length;
	int fd = abstract_socket(arg[0], &where, &length);

	tried("connect", connect(fd, (struct sockaddr *)&where, length));
	close(fd);
}

/* ask PATH: sends stdin to the unix socket PATH, and prints what comes back until it is closed. */
static void
ask(char **arg)
{
	struct sockaddr_un where = { .sun_family = AF_UNIX };
	struct timeval wait = { 100, 0 };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char text[4096];
	ssize_t n;

	snprintf(where.sun_path, sizeof where.sun_path, "%s", arg[0]);
	if (fd < 0 || connect(fd, (struct sockaddr *)&where, sizeof where) < 0) {
		tried("connect", -1);
		return;
	}
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
	while ((n = read(STDIN_FILENO, text, sizeof text)) > 0)
		if (send(fd, text, (size_t)n, MSG_NOSIGNAL) != n)
			break;
	while ((n = recv(fd, text, sizeof text, 0)) > 0)
		printf("%.*s", (int)n, text);
	if (n < 0)
		tried("receive", -1);
	close(fd);
}

/* shm KEY: is there a System V segment of that key; shm-make makes it, shm-remove removes it. */
static void
shm(char **arg)
{
	tried("shm", shmget(atoi(arg[0]), 0, 0) < 0 ? -1 : 0);
}

static void
shm_make(char **arg)
{
	tried("shm-make", shmget(atoi(arg[0]), 4096, IPC_CREAT | 0600) < 0 ? -1 : 0);
}

static void
shm_remove(char **arg)
{
	tried("shm-remove", shmctl(shmget(atoi(arg[0]), 0, 0), IPC_RMID, NULL));
}

/* ---- keys ---- */

/* A keyring by the name that keyctl(1) has for it: of the session, of the user; or a number. */
static long
keyring_of(const char *name)
{
	if (strcmp(name, "@s") == 0)
		return KEY_SPEC_SESSION_KEYRING;
	if (strcmp(name, "@u") == 0)
		return KEY_SPEC_USER_KEYRING;
	return strtol(name, NULL, 0);
}

static long
key_find(char **arg)
{
	return syscall(SYS_keyctl, KEYCTL_SEARCH, keyring_of(arg[0]), "user", arg[1], 0);
}

static void
key_add(char **arg)
{
	long key = syscall(SYS_add_key, "user", arg[1], arg[2], strlen(arg[2]), keyring_of(arg[0]));

	tried("key-add", key < 0 ? -1 : 0);
}

static void
key_read(char **arg)
{
	char text[256];
	long n, key = key_find(arg);

	if (key < 0) {
		tried("key-read", -1);
		return;
	}
	n = syscall(SYS_keyctl, KEYCTL_READ, key, text, sizeof text);
	if (n < 0 || (size_t)n > sizeof text)
		tried("key-read", -1);
	else
		printf("key %.*s\n", (int)n, text);
}

static void
key_remove(char **arg)
{
	long key = key_find(arg);

	tried("key-remove",
	      key < 0 ? -1 : syscall(SYS_keyctl, KEYCTL_UNLINK, key, keyring_of(arg[0])));
}

static void
key_link(char **arg)
{
	tried("key-link", syscall(SYS_keyctl, KEYCTL_LINK, keyring_of(arg[0]), keyring_of(arg[1])));
}

/* key-session NAME: a session keyring of its own, for this process and what it starts. */
static void
key_session(char **arg)
{
	long ring = syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, arg[0]);

	tried("key-session", ring < 0 ? -1 : 0);
}

/* ---- the commands ---- */

static void help(char **arg);

static const struct {
	const char *name;
	int words; /* of its own; −1: all that follow */
	void (*does)(char **arg);
	const char *text;
} commands[] = {
	{ "help", 0, help, "this list" },
	{ "ids", 0, ids, "pid ppid pgid sid uid gid groups" },
	{ "caps", 0, caps, "capability sets, no_new_privs, seccomp mode, dumpable" },
	{ "ns", 0, ns, "namespace links" },
	{ "host", 0, host, "hostname, domainname" },
	{ "args", 0, args, "argv" },
	{ "env", 0, env, "environment" },
	{ "cwd", 0, cwd, "working directory" },
	{ "fds", 0, fds, "open descriptors" },
	{ "limits", 0, limits, "resource limits, soft and hard" },
	{ "signals", 0, signals, "blocked and ignored signals" },
	{ "tty", 0, tty, "terminals on 0 1 2, size, controlling terminal" },
	{ "clocks", 0, clocks, "monotonic and boot time in seconds" },
	{ "cpus", 0, cpus, "processors allowed and online" },
	{ "pids", 0, pids, "processes in /proc: number (name) state" },
	{ "net", 0, net, "interfaces and addresses" },
	{ "mounts", 0, mounts, "/proc/self/mountinfo" },
	{ "read", 1, read_file, "PATH: its content" },
	{ "write", 2, write_file, "PATH TEXT" },
	{ "list", 1, list, "PATH: entries, sorted" },
	{ "stat", 1, stat_file, "PATH: type mode owner size links device" },
	{ "statfs", 1, statfs_file, "PATH: type (hex), size, flags (hex)" },
	{ "xattr", 2, xattr, "PATH NAME" },
	{ "mkdir", 1, make_dir, "PATH" },
	{ "mknod", 4, make_node, "PATH c|b MAJOR MINOR" },
	{ "remove", 1, remove_file, "PATH" },
	{ "notify", 1, notify, "TEXT: to NOTIFY_SOCKET" },
	{ "mount", 1, mount_tmpfs, "PATH: a tmpfs there" },
	{ "umount", 1, unmount, "PATH" },
	{ "hog", 1, hog, "SIZE: touch anonymous memory and keep it" },
	{ "cache", 2, cache, "PATH SIZE: write a file" },
	{ "fork", 1, fork_many, "N: children that stay" },
	{ "burn", 1, burn, "SECONDS of CPU" },
	{ "sleep", 1, sleep_for, "SECONDS, no handler for any signal" },
	{ "headless", 1, headless, "SECONDS in a second thread; the first one ends" },
	{ "catch", 1, catch_signals, "N: say `ready PID`, then each signal; end after N" },
	{ "exit", 1, exit_now, "STATUS" },
	{ "raise", 1, raise_signal, "SIGNAL" },
	{ "kill", 2, kill_process, "PID SIGNAL" },
	{ "orphans", 1, orphans, "N: grandchildren without parent say who adopted them" },
	{ "run", -1, command, "COMMAND ARG…: in a child; its status; the last command" },
	{ "exec", -1, exec_self, "COMMAND ARG…: instead of this program" },
	{ "call", 2, system_call, "NAME|NUMBER ARG,ARG…: a system call (\"\" for no arguments)" },
	{ "connect", 4, connect_to, "tcp|udp ADDRESS PORT TEXT" },
	{ "listen", 4, listen_at, "tcp|udp ADDRESS PORT REPLY: for ever" },
	{ "abstract-listen", 1, abstract_listen, "NAME: an abstract unix socket, kept open" },
	{ "abstract-connect", 1, abstract_connect, "NAME" },
	{ "ask", 1, ask, "PATH: stdin to that unix socket, and its answer" },
	{ "key-add", 3, key_add, "@s|@u NAME TEXT: a key of the session or the user" },
	{ "key-read", 2, key_read, "@s|@u NAME" },
	{ "key-remove", 2, key_remove, "@s|@u NAME" },
	{ "key-link", 2, key_link, "@s|@u INTO: one keyring into another" },
	{ "key-session", 1, key_session, "NAME: a session keyring of its own" },
	{ "shm", 1, shm, "KEY: is there such a System V segment" },
	{ "shm-make", 1, shm_make, "KEY" },
	{ "shm-remove", 1, shm_remove, "KEY" },
};

static void
help(char **arg)
{
	(void)arg;
	for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
		printf("%-17s %s\n", commands[i].name, commands[i].text);
}

int
main(int argc, char **argv)
{
	size_t known = sizeof commands / sizeof *commands;

	all = argv;
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (int i = 1; i < argc;) {
		size_t n = 0;
		while (n < known && strcmp(commands[n].name, argv[i]) != 0)
			n++;
		if (n == known || i + commands[n].words >= argc) {
			fprintf(stderr, "probe: %s: unknown, or words missing; probe help\n",
				argv[i]);
			return 2;
		}
		commands[n].does(argv + i + 1);
		i += commands[n].words < 0 ? argc : 1 + commands[n].words;
	}
	return 0;
}

/*
 * test_wall.c: rights taken away for real. Each test forks a child that takes them from itself and
 * then looks at what the kernel says: /proc/self/status, the errno of a call, the death of a
 * process. Follows capabilities(7), seccomp(2), proc(5). Explained in book/07a-security.md.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "step01-unshare/call.h"
#include "step01-unshare/idmap.h"
#include "step04-cgroups/attrs.h"
#include "step07-runtime/security/caps.h"
#include "step07-runtime/security/labels.h"
#include "step01-unshare/procfs.h"
#include "step07-runtime/security/profile.h"
#include "tests/profile_json.h"
#include "step07-runtime/security/seccomp.h"
#include "step01-unshare/sysctl.h"
#include "step02-pidns/unixsock.h"

#include <cmocka.h> /* last: it makes a macro of fail() */

/* ---- a child that reports ---- */

/* In the child: leaves with the line's number where something is not as expected. */
#define expect(holds)                                                                 \
	do {                                                                          \
		if (!(holds)) {                                                       \
			dprintf(2, "%s:%d: %s: %s; %s\n", __FILE__, __LINE__, #holds, \
				strerror(errno), call_error()->what);                 \
			_exit(1);                                                     \
		}                                                                     \
	} while (0)

/* Gives waitpid's status of a child that runs BODY. */
static int
in_child(void (*body)(void))
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		signal(SIGSYS, SIG_DFL); /* cmocka's handler would go on with the tests here */
		signal(SIGSEGV, SIG_DFL);
		call_forget();
		body();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void
need_root(void)
{
	if (geteuid() != 0)
		skip();
}

/* A field of /proc/self/status, in hexadecimal or decimal. */
static uint64_t
status_field(const char *name, int base)
{
	char text[4096];
	int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
	ssize_t n = read(fd, text, sizeof text - 1);

	expect(n > 0);
	close(fd);
	text[n] = 0;
	char *line = strstr(text, name);
	expect(line);
	return strtoull(line + strlen(name) + 1, NULL, base);
}

static bool
fails_with(long result, int number)
{
	return result == -1 && errno == number;
}

/* The whole wall, as step 7 puts it up. */
static void
put_up(const struct cap_options *wanted, const struct seccomp_options *filter, uid_t uid)
{
	struct cap_sets sets;
	struct seccomp seccomp;

	expect(caps_from_options(wanted, caps_available(CAPS_ALL, false), &sets) == 0);
	expect(seccomp_prepare(filter, sets.bounding, wanted->privileged, &seccomp) == 0);
	expect(caps_drop_bounding(&sets) == 0);
	expect(seccomp_install_early(&seccomp) == 0);
	expect(caps_become_user(uid, uid, NULL, 0) == 0);
	expect(caps_set(&sets) == 0);
	expect(seccomp_no_new_privs(&seccomp) == 0);
	expect(seccomp_install_last(&seccomp) == 0);
}

/* ---- capabilities and the default filter ---- */

static void
default_wall(void)
{
	put_up(&(struct cap_options){ 0 }, &(struct seccomp_options){ 0 }, 0);
	expect(status_field("CapEff:", 16) == CAPS_DEFAULT);
	expect(status_field("CapPrm:", 16) == CAPS_DEFAULT);
	expect(status_field("CapBnd:", 16) == CAPS_DEFAULT);
	expect(status_field("CapInh:", 16) == 0);
	expect(status_field("CapAmb:", 16) == 0);
	expect(status_field("Seccomp:", 10) == 2);
	expect(status_field("NoNewPrivs:", 10) == 1);
	expect(fails_with(unshare(CLONE_NEWUSER), EPERM));
	expect(fails_with(unshare(CLONE_NEWNS), EPERM));
	expect(fails_with(syscall(SYS_clone3, NULL, 0), ENOSYS));
	expect(fails_with(syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0), EPERM));
	expect(fails_with(syscall(SYS_keyctl, 0, 0), EPERM));
	expect(fails_with(mount("x", "/", "tmpfs", 0, ""), EPERM));
	expect(fails_with(syscall(SYS_io_uring_setup, 1, NULL), EPERM));
	expect(fails_with(syscall(999, 0), ENOSYS));
	expect(fails_with(socket(AF_VSOCK, SOCK_STREAM, 0), EPERM));
	expect(fails_with(socket(AF_ALG, SOCK_SEQPACKET, 0), EPERM));
	expect(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0) >= 0);
	expect(personality(0xffffffff) >= 0);
	expect(fails_with(personality(ADDR_NO_RANDOMIZE), EPERM));
	expect(ptrace(PTRACE_TRACEME) == 0);
}

static void
the_default_wall_is_the_engines(void **state)
{
	(void)state;
	need_root();
	assert_int_equal(in_child(default_wall), 0);
}

/* Every C library makes threads and processes in this. */
static void
fork_inside(void)
{
	put_up(&(struct cap_options){ 0 }, &(struct seccomp_options){ 0 }, 0);
	pid_t pid = fork();
	int status;
	expect(pid >= 0);
	if (pid == 0) {
		execl("/bin/true", "true", NULL);
		_exit(1);
	}
	expect(waitpid(pid, &status, 0) == pid && status == 0);
}

static void
a_process_forks_and_execs_behind_the_wall(void **state)
{
	(void)state;
	need_root();
	assert_int_equal(in_child(fork_inside), 0);
}

static void
one_added(void)
{
	const char *add[] = { "sys_chroot", "CAP_Net_Admin" }, *drop[] = { "ALL" };
	struct cap_options wanted = { .add = { add, 2 }, .drop = { drop, 1 } };

	put_up(&wanted, &(struct seccomp_options){ 0 }, 0);
	expect(status_field("CapEff:", 16) == (1u << 18 | 1u << 12));
	expect(status_field("CapBnd:", 16) == (1u << 18 | 1u << 12));
	expect(fails_with(chown("/", 1, 1), EPERM)); /* root without CAP_CHOWN */
}

static void
drop_all_and_add_leaves_what_was_added(void **state)
{
	(void)state;
	need_root();
	assert_int_equal(in_child(one_added), 0);
}

static void
nobody(void)
{
	put_up(&(struct cap_options){ 0 }, &(struct seccomp_options){ 0 }, 65534);
	uid_t uids[3], gids[3];

	expect(getgroups(0, NULL) == 0);
	expect(getresuid(&uids[0], &uids[1], &uids[2]) == 0);
	expect(getresgid(&gids[0], &gids[1], &gids[2]) == 0);
	for (int i = 0; i < 3; i++) /* the saved ones too: no way leads back */
		expect(uids[i] == 65534 && gids[i] == 65534);
	expect(status_field("CapEff:", 16) == CAPS_DEFAULT); /* until exec, which clears them */
}

static void
an_ordinary_user_keeps_them_until_exec(void **state)
{
	(void)state;
	need_root();
	assert_int_equal(in_child(nobody), 0);
}

static void
ambient(void)
{
	uint64_t bind = UINT64_C(1) << 10, two = bind | 1u << CAP_CHOWN;
	struct cap_sets sets = { .bounding = two,
				 .permitted = two,
				 .effective = two,
				 .inheritable = two,
				 .ambient = bind };
	struct cap_sets callers = { CAPS_ALL, CAPS_ALL, CAPS_ALL, two, two };

	caps_restrict(&callers, caps_available(CAPS_ALL, false));
	expect(caps_set(&callers) == 0);
	expect(status_field("CapAmb:", 16) == two);
	callers.ambient = bind;
	expect(caps_set(&callers) == 0);
	expect(status_field("CapAmb:", 16) == bind); /* what a caller has besides does not go on */
	expect(caps_drop_bounding(&sets) == 0);
	expect(caps_become_user(1000, 1000, (gid_t[]){ 7, 9 }, 2) == 0);
	expect(getgroups(0, NULL) == 2);
	expect(caps_set(&sets) == 0);
	execl("/bin/sh", "sh", "-c", "grep -q 'CapEff:.*00000400$' /proc/self/status", NULL);
	_exit(1);
}

static void
ambient_capabilities_outlive_exec(void **state)
{
	(void)state;
	need_root();
	assert_int_equal(in_child(ambient), 0);
}

static void
without_no_new_privs(void)
{
	struct seccomp_options filter = { .new_privileges = true };

	put_up(&(struct cap_options){ 0 }, &filter, 1000);
	expect(status_field("NoNewPrivs:", 10) == 0);
	expect(status_field("Seccomp:", 10) == 2);
	expect(fails_with(syscall(SYS_keyctl, 0, 0), EPERM));
}

static void
new_privileges_can_be_left(void **state)
{
	(void)state;
	need_root();
	assert_int_equal(in_child(without_no_new_privs), 0);
}

static void
privileged(void)
{
	uint64_t all = caps_available(CAPS_ALL, false);

	put_up(&(struct cap_options){ .privileged = true }, &(struct seccomp_options){ 0 }, 0);
	expect(status_field("CapEff:", 16) == all);
	expect(status_field("Seccomp:", 10) == 0);
	expect(status_field("NoNewPrivs:", 10) == 0);
	expect(unshare(CLONE_NEWNS) == 0);
}

static void
privileged_has_no_wall(void **state)
{
	(void)state;
	need_root();
	assert_int_equal(in_child(privileged), 0);
}

static void
bad_capabilities_are_refused(void **state)
{
	const char *good[] = { "CHOWN" }, *bad[] = { "FLY" }, *all[] = { "all" };
	const struct {
		struct cap_options options;
		uint64_t available;
		int number;
	} cases[] = {
		{ { .add = { bad, 1 } }, CAPS_ALL, EINVAL },
		{ { .drop = { bad, 1 } }, CAPS_ALL, EINVAL },
		{ { .add = { good, 1 }, .drop = { good, 1 } }, CAPS_ALL, EINVAL },
		{ { .add = { all, 1 }, .drop = { all, 1 } }, CAPS_ALL, EINVAL },
		{ { .add = { good, 1 } }, CAPS_ALL & ~UINT64_C(1), EPERM },
	};
	struct cap_sets sets;

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		call_forget();
		errno = 0;
		assert_int_equal(caps_from_options(&cases[i].options, cases[i].available, &sets),
				 -1);
		assert_int_equal(errno, cases[i].number);
	}
	call_forget();
	assert_int_equal(cap_number("CAP_"), -1);
	assert_int_equal(cap_number(""), -1);
	assert_int_equal(cap_number("cap_checkpoint_restore"), 40);
	assert_null(cap_name(41));
}

static void
sets_lose_what_is_not_to_be_had(void **state)
{
	struct cap_sets sets = { .bounding = 7, .permitted = 7, .effective = 3 };

	(void)state;
	assert_int_equal(caps_restrict(&sets, 5), 2);
	assert_int_equal(sets.bounding, 5);
	assert_int_equal(sets.effective, 1);
	sets = (struct cap_sets){ .bounding = 7, .permitted = 6, .inheritable = 3, .ambient = 7 };
	assert_int_equal(caps_restrict(&sets, 7), 5); /* ambient: permitted and inheritable */
	assert_int_equal(sets.ambient, 2);
	sets = (struct cap_sets){ .bounding = 3, .permitted = 2, .effective = 3, .inheritable = 6 };
	assert_int_equal(caps_restrict(&sets, 7),
			 5); /* effective: permitted; the other: bounding */
	assert_int_equal(sets.effective, 2);
	assert_int_equal(sets.inheritable, 2);
	assert_string_equal(caps_text(3), "CAP_CHOWN|CAP_DAC_OVERRIDE");
	assert_string_equal(caps_text(0), "0");
}

/* What of three capabilities, each of which is missing in another set, can be handed on. */
static void
lacking(void)
{
	struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct data[2];
	uint64_t unbound = 1u << CAP_MKNOD, unpermitted = 1u << CAP_AUDIT_WRITE,
		 ineffective = 1u << CAP_KILL, three = unbound | unpermitted | ineffective;

	expect(caps_available(three, false) == three);
	expect(prctl(PR_CAPBSET_DROP, CAP_MKNOD, 0, 0, 0) == 0);
	expect(syscall(SYS_capget, &header, data) == 0);
	data[0].permitted &= ~(uint32_t)unpermitted;
	data[0].effective &= ~(uint32_t)(unpermitted | ineffective);
	expect(syscall(SYS_capset, &header, data) == 0);
	expect(caps_available(three, false) == ineffective);
	expect(caps_available(three, true) == three);
}

static void
what_the_caller_has_not_to_give_is_not_available(void **state)
{
	(void)state;
	need_root();
	assert_int_equal(in_child(lacking), 0);
}

static void
groups_denied(void)
{
	static const char *const files[][2] = { { "/proc/self/setgroups", "deny" },
						{ "/proc/self/gid_map", "0 0 1" },
						{ "/proc/self/uid_map", "0 0 1" } };

	expect(unshare(CLONE_NEWUSER) == 0);
	for (int i = 0; i < 3; i++)
		expect(call_write(files[i][0], files[i][1]) == 0);
	expect(caps_become_user(0, 0, (gid_t[]){ 0, 0 }, 2) == -1 && errno == EPERM);
	expect(strstr(call_error()->hint, "--map-auto"));
	call_forget();
	expect(caps_become_user(0, 0, NULL, 0) == 0); /* it could leave none, and asks for none */
}

static void
groups_that_cannot_be_had_are_refused(void **state)
{
	(void)state;
	need_root();
	assert_int_equal(in_child(groups_denied), 0);
}

static void
ids_too_high(void)
{
	expect(caps_become_user(UINT32_C(1) << 31, 0, NULL, 0) == -1 && errno == EINVAL);
	expect(caps_become_user(0, UINT32_MAX, NULL, 0) == -1 && errno == EINVAL);
}

static void
an_id_above_int32_max_is_refused(void **state)
{
	(void)state;
	assert_int_equal(in_child(ids_too_high), 0);
}

/* ---- filters of one's own ---- */

static void
put_on(const char *text)
{
	struct profile profile;
	struct seccomp seccomp;

	expect(profile_parse(text, strlen(text), "test", CAPS_DEFAULT, &profile) == 0);
	expect(seccomp_prepare_profile(&profile, true, &seccomp) == 0);
	expect(seccomp_no_new_privs(&seccomp) == 0);
	expect(seccomp_install_last(&seccomp) == 0);
}

#define ONE(call, action)                                                              \
	"{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"architectures\":[\"SCMP_ARCH_X86\"]," \
	"\"flags\":[\"SECCOMP_FILTER_FLAG_LOG\",\"SECCOMP_FILTER_FLAG_SPEC_ALLOW\"],"  \
	"\"syscalls\":[{\"names\":[\"" call "\"],\"action\":\"SCMP_ACT_" action "\"}]}"

static void
kills_process(void)
{
	put_on(ONE("getpriority", "KILL_PROCESS"));
	getpriority(PRIO_PROCESS, 0);
}

static void
traps(void)
{
	put_on(ONE("getpriority", "TRAP"));
	getpriority(PRIO_PROCESS, 0);
}

static void
traces_nobody(void)
{
	put_on(ONE("getpriority", "TRACE"));
	errno = 0;
	expect(getpriority(PRIO_PROCESS, 0) == -1 && errno == ENOSYS);
}

static void
logs(void)
{
	put_on(ONE("getpriority", "LOG"));
	errno = 0;
	expect(getpriority(PRIO_PROCESS, 0) != -1 || errno == 0);
}

static void
each_action_does_what_it_says(void **state)
{
	(void)state;
	assert_int_equal(WTERMSIG(in_child(kills_process)), SIGSYS);
	assert_int_equal(WTERMSIG(in_child(traps)), SIGSYS);
	assert_int_equal(in_child(traces_nobody), 0);
	assert_int_equal(in_child(logs), 0);
}

#if defined(__x86_64__)
/* The other two doors into the same kernel: the number 20 is getpid here, writev on x86-64. */
static long
i386_call(long number, long first)
{
	long result;

	__asm__ volatile("int $0x80"
			 : "=a"(result)
			 : "a"(number), "b"(first)
			 : "memory", "r8", "r9", "r10", "r11");
	return result;
}

static void
i386_is_filtered_too(void)
{
	put_on("{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"architectures\":[\"SCMP_ARCH_X86\"],"
	       "\"syscalls\":[{\"names\":[\"getppid\"],\"action\":\"SCMP_ACT_ERRNO\","
	       "\"errnoRet\":77}]}");
	expect(fails_with(syscall(SYS_getppid), 77));
	expect(i386_call(64, 0) == -77);
}

static void
i386_is_not_in_the_profile(void)
{
	put_on("{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":[\"keyctl\"],"
	       "\"action\":\"SCMP_ACT_ERRNO\"}]}");
	i386_call(20, 0);
}

static void
x32_is_not_in_the_profile(void)
{
	put_on("{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":[\"keyctl\"],"
	       "\"action\":\"SCMP_ACT_ERRNO\"}]}");
	syscall(0x40000000 | SYS_getpid);
}

static void
i386_is_there(void)
{
	expect(i386_call(20, 0) == getpid());
}

static void
other_doors_into_the_kernel_are_guarded(void **state)
{
	(void)state;
	/* a kernel without IA32 emulation has only the one door: int 0x80 is a fault there */
	if (in_child(i386_is_there) == 0) {
		assert_int_equal(in_child(i386_is_filtered_too), 0);
		assert_int_equal(WTERMSIG(in_child(i386_is_not_in_the_profile)), SIGSYS);
	}
	assert_int_equal(WTERMSIG(in_child(x32_is_not_in_the_profile)), SIGSYS);
}
#endif

/* A supervisor gets the listener over a unix socket and answers for the kernel. */
static const char notify_text[] =
	"{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"listenerPath\":\"./unused\",\"syscalls\":"
	"[{\"names\":[\"mkdir\",\"mkdirat\"],\"action\":\"SCMP_ACT_NOTIFY\"}]}";

static void
supervised(const char *path)
{
	struct profile profile;
	struct seccomp seccomp;
	int door = unix_connect(path, SOCK_STREAM, "listenerPath"), listener = dup(0);

	expect(door >= 0 && listener > door);
	close(listener); /* the next descriptor that is made has this number */
	expect(profile_parse(notify_text, strlen(notify_text), "test", 0, &profile) == 0);
	expect(seccomp_prepare_profile(&profile, true, &seccomp) == 0);
	expect(seccomp_no_new_privs(&seccomp) == 0);
	seccomp.supervisor = door;
	seccomp.state = strdup("{\"state\":1}");
	expect(seccomp_install_early(&seccomp) == 0 && fcntl(listener, F_GETFD) == -1);
	expect(seccomp_install_last(&seccomp) == 0 && fcntl(listener, F_GETFD) == FD_CLOEXEC);
	expect(fails_with(mkdir("/nowhere/at/all", 0700), EXDEV));
}

static int
receive_listener(int server, char *text, size_t size)
{
	int listener, client = accept(server, NULL, NULL);
	struct iovec part = { text, size - 1 };
	char control[CMSG_SPACE(sizeof(int))];
	struct msghdr message = { .msg_iov = &part,
				  .msg_iovlen = 1,
				  .msg_control = control,
				  .msg_controllen = sizeof control };
	ssize_t n = recvmsg(client, &message, MSG_CMSG_CLOEXEC);

	assert_true(n > 0);
	text[n] = 0;
	assert_non_null(CMSG_FIRSTHDR(&message));
	memcpy(&listener, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof listener);
	close(client);
	return listener;
}

static void
a_supervisor_answers_calls(void **state)
{
	char path[] = "/tmp/boxstep-notify-XXXXXX", text[64];
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct seccomp_notif request = { 0 };
	struct seccomp_notif_resp answer = { .error = -EXDEV };
	int status, server = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)state;
	assert_non_null(mkdtemp(path));
	snprintf(address.sun_path, sizeof address.sun_path, "%s/s", path);
	assert_int_equal(bind(server, (struct sockaddr *)&address, sizeof address), 0);
	assert_int_equal(listen(server, 1), 0);
	pid_t pid = fork();
	if (pid == 0) {
		supervised(address.sun_path);
		_exit(0);
	}
	int listener = receive_listener(server, text, sizeof text);
	assert_string_equal(text, "{\"state\":1}");
	assert_int_equal(ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &request), 0);
	assert_int_equal(request.pid, pid);
	answer.id = request.id;
	assert_int_equal(ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &answer), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	close(listener);
	close(server);
	unlink(address.sun_path);
	rmdir(path);
}

/* It has been there, but has gone before it could take the listener. */
static void
supervisor_gone(void)
{
	struct profile profile;
	struct seccomp seccomp;
	int ends[2];

	expect(profile_parse(notify_text, strlen(notify_text), "test", 0, &profile) == 0);
	expect(seccomp_prepare_profile(&profile, true, &seccomp) == 0);
	expect(seccomp_no_new_privs(&seccomp) == 0);
	expect(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
	close(ends[1]);
	seccomp.supervisor = ends[0];
	seccomp.state = strdup("{}");
	expect(seccomp_install_last(&seccomp) == -1);
	expect(call_error()->number == EPIPE);
}

static void
no_supervisor_is_an_error(void **state)
{
	char long_path[200];

	(void)state;
	assert_int_equal(in_child(supervisor_gone), 0);
	assert_int_equal(unix_connect("/nowhere/socket", SOCK_STREAM, "listenerPath"), -1);
	assert_int_equal(errno, ENOENT);
	call_forget();
	memset(long_path, 'x', sizeof long_path - 1);
	long_path[sizeof((struct sockaddr_un *)0)->sun_path] = 0;
	assert_int_equal(unix_connect(long_path, SOCK_STREAM, "listenerPath"), -1);
	assert_int_equal(errno, ENAMETOOLONG);
	call_forget();
	long_path[sizeof((struct sockaddr_un *)0)->sun_path - 1] = 0;
	assert_int_equal(unix_connect(long_path, SOCK_STREAM, "listenerPath"), -1);
	assert_int_equal(errno, ENOENT);
	call_forget();
}

static void
unprivileged_early(void)
{
	const struct cap_sets fewer = { 0 };
	struct seccomp seccomp;

	expect(setuid(1000) == 0);
	expect(idmap_set_groups(0, NULL) == -1 && errno == EPERM); /* nobody has denied it */
	call_forget();
	expect(caps_drop_bounding(&fewer) == -1 && errno == EPERM);
	expect(strstr(call_error()->hint, "CAP_SETPCAP"));
	call_forget();
	expect(seccomp_prepare(&(struct seccomp_options){ .new_privileges = true }, 0, false,
			       &seccomp) == 0);
	expect(seccomp_install_early(&seccomp) == -1 && errno == EACCES);
	expect(strstr(call_error()->hint, "CAP_SYS_ADMIN"));
	/* nor does whoever waits for a listener, to carry it, wait for ever */
	seccomp.notify = true;
	seccomp.state = strdup("{}");
	expect(seccomp_install_early(&seccomp) == -1 && errno == EACCES);
}

static void
putting_up_the_wall_needs_capabilities_and_says_which(void **state)
{
	(void)state;
	need_root();
	assert_int_equal(in_child(unprivileged_early), 0);
}

static void
profile_files_are_read_or_named(void **state)
{
	char path[] = "/tmp/boxstep-profile-XXXXXX", fifo[64];
	struct profile profile;
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	dprintf(fd, "%s\n", ONE("mkdir", "KILL"));
	close(fd);
	assert_int_equal(profile_read(path, 0, &profile), 0);
	assert_int_equal(profile.count, 1);
	profile_free(&profile);
	assert_int_equal(profile_read("/nowhere.json", 0, &profile), -1);
	assert_int_equal(errno, ENOENT);
	assert_non_null(strstr(call_error()->what, "/nowhere.json"));
	call_forget();
	assert_int_equal(profile_read("/proc", 0, &profile), -1);
	call_forget();
	snprintf(fifo, sizeof fifo, "%s.fifo", path);
	assert_int_equal(mkfifo(fifo, 0600), 0);
	assert_int_equal(profile_read(fifo, 0, &profile), -1); /* and does not hang */
	call_forget();
	unlink(fifo);
	unlink(path);
}

/* ---- attributes ---- */

static void
attributes(void)
{
	struct attr_options options = {
		.has_oom_score_adj = true,
		.oom_score_adj = 500,
		.has_umask = true,
		.umask = 027,
		.cpu_affinity = "0",
		.scheduler = { .policy = "SCHED_BATCH", .nice = 5 },
		.io_priority = { "IOPRIO_CLASS_BE", 6 },
		.personality = "LINUX32",
	};
	struct rlimit64 limit;
	char text[16] = "";
	int proc = procfs_open();

	expect(proc >= 0);
	expect(attr_limit_add(&options, "RLIMIT_NOFILE", 64, 128) == 0);
	expect(attr_limit_add(&options, "core", 0, 0) == 0);
	expect(attrs_check(&options) == 0);
	expect(attrs_apply(&options, proc) == 0);
	expect(prlimit64(0, RLIMIT_NOFILE, NULL, &limit) == 0);
	expect(limit.rlim_cur == 64 && limit.rlim_max == 128);
	expect(umask(0) == 027);
	expect(sched_getscheduler(0) == SCHED_BATCH && getpriority(PRIO_PROCESS, 0) == 5);
	expect(syscall(SYS_ioprio_get, 1, 0) == (2 << 13 | 6));
	expect(personality(0xffffffff) == PER_LINUX32);
	int fd = procfs_open_file(proc, "self/oom_score_adj", O_RDONLY);
	expect(fd >= 0 && read(fd, text, sizeof text - 1) == 4 && strcmp(text, "500\n") == 0);
	cpu_set_t cpus;
	expect(sched_getaffinity(0, sizeof cpus, &cpus) == 0 && CPU_COUNT(&cpus) == 1);
}

static void
attributes_are_set(void **state)
{
	(void)state;
	assert_int_equal(in_child(attributes), 0);
}

/* With narration on, into a file; the text of each call is what strace(1) prints. */
static void
told(void)
{
	char *static_nodes[] = { "MPOL_F_STATIC_NODES", NULL };
	struct attr_options options = {
		.has_umask = true,
		.umask = 07,
		.cpu_affinity = "0",
		.memory_policy = { .mode = "MPOL_BIND", .nodes = "0", .flags = static_nodes },
	};
	struct attr_options local = { .memory_policy = { .mode = "MPOL_LOCAL" } };
	char path[] = "/tmp/boxstep-told-XXXXXX", text[4096] = "";
	int fd = mkstemp(path), proc = procfs_open();

	expect(fd >= 0 && proc >= 0 && call_tell_to(path) == 0);
	call_mode = CALL_BRIEF;
	expect(attr_limit_add(&options, "nofile", 1000, 1024) == 0);
	expect(attr_limit_add(&options, "stack", 8 << 20, UINT64_MAX) == 0);
	expect(attrs_apply(&options, proc) == 0 && attrs_apply(&local, proc) == 0);
	call_mode = CALL_SILENT;
	expect(pread(open(path, O_RDONLY | O_CLOEXEC), text, sizeof text - 1, 0) > 0);
	unlink(path);
	expect(strstr(text, "prlimit64(0, RLIMIT_NOFILE, {rlim_cur=1000, rlim_max=1024}, NULL)"));
	expect(strstr(text, "{rlim_cur=8192*1024, rlim_max=RLIM64_INFINITY}, NULL) = 0"));
	expect(strstr(text, "MPOL_BIND|MPOL_F_STATIC_NODES, [0x0000000000000001], 65) = 0"));
	expect(strstr(text, "set_mempolicy(MPOL_LOCAL, NULL, 0) = 0"));
	expect(strstr(text, "sched_setaffinity(0, 8, [0]) = 0"));
	expect(strstr(text, "umask(007) ="));
}

static void
attributes_are_told_as_strace_prints_them(void **state)
{
	(void)state;
	assert_int_equal(in_child(told), 0);
}

static void
file_is(const char *folder, const char *name, const char *wanted)
{
	char path[256], text[64] = "";

	snprintf(path, sizeof path, "%s/%s", folder, name);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_true(read(fd, text, sizeof text - 1) >= 0);
	close(fd);
	assert_string_equal(text, wanted);
}

/* The files of the security modules, in a directory that stands for /proc. */
static void
labels_are_written_where_the_modules_look(void **state)
{
	static const char *const parts[] = { "self", "self/attr", "self/attr/apparmor",
					     "self/attr/apparmor/exec", "self/attr/exec" };
	struct label_options options = { .apparmor = "box", .selinux = "a:b:c" };
	char folder[] = "/tmp/boxstep-proc-XXXXXX";

	(void)state;
	assert_non_null(mkdtemp(folder));
	int proc = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
	for (int i = 0; i < 3; i++)
		assert_int_equal(mkdirat(proc, parts[i], 0700), 0);
	assert_int_equal(labels_enter(&options, proc), -1);
	assert_int_equal(errno, ENOENT);
	call_forget();
	for (int i = 3; i < 5; i++)
		close(openat(proc, parts[i], O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	assert_int_equal(labels_enter(&options, proc), 0);
	file_is(folder, parts[3], "exec box");
	file_is(folder, parts[4], "a:b:c");
	options.selinux = "";
	for (int i = 0; i < 2; i++) {
		options.apparmor = i ? "unconfined" : "";
		assert_int_equal(labels_check(&options), 0);
		assert_int_equal(labels_enter(&options, proc), 0);
		file_is(folder, parts[3], "exec box");
		file_is(folder, parts[4], "a:b:c");
	}
	/* before 5.8 there was one file for whichever module is on */
	assert_int_equal(unlinkat(proc, parts[3], 0), 0);
	options.apparmor = "old";
	assert_int_equal(labels_enter(&options, proc), 0);
	file_is(folder, parts[4], "exec old");
	for (int i = 5; i-- > 0;)
		if (i != 3)
			assert_int_equal(unlinkat(proc, parts[i], i < 3 ? AT_REMOVEDIR : 0), 0);
	options.apparmor = "";
	assert_int_equal(labels_enter(&options, proc), 0); /* no label, and no file is asked for */
	close(proc);
	rmdir(folder);
}

static void
labels_of_a_module_that_is_not_on_are_refused(void **state)
{
	struct label_options apparmor = { .apparmor = "box" }, selinux = { .selinux = "a:b:c" };

	(void)state;
	if (access("/sys/kernel/security/apparmor", F_OK) != 0) {
		assert_int_equal(labels_check(&apparmor), -1);
		assert_int_equal(errno, EOPNOTSUPP);
	}
	if (access("/sys/fs/selinux/enforce", F_OK) != 0) {
		assert_int_equal(labels_check(&selinux), -1);
		assert_int_equal(errno, EOPNOTSUPP);
	}
	call_forget();
}

static void
limits_beyond_ones_rights(void)
{
	struct attr_options options = { .has_oom_score_adj = true, .oom_score_adj = -500 };
	struct attr_options limit = { 0 };
	int proc = procfs_open();

	expect(proc >= 0 && setuid(1000) == 0 && prctl(PR_SET_DUMPABLE, 1) == 0);
	expect(attrs_apply(&options, proc) == -1);
	expect(strstr(call_error()->hint, "CAP_SYS_RESOURCE"));
	call_forget();
	expect(attr_limit_add(&limit, "core", 0, 0) == 0 && attrs_apply(&limit, proc) == 0);
	limit.limits[0].soft = limit.limits[0].hard = 1;
	expect(attrs_apply(&limit, proc) == -1 && errno == EPERM);
	expect(strstr(call_error()->hint, "CAP_SYS_RESOURCE"));
}

static void
what_needs_a_right_says_which(void **state)
{
	(void)state;
	need_root();
	assert_int_equal(in_child(limits_beyond_ones_rights), 0);
}

static void
bad_attributes_are_refused(void **state)
{
	char *no_flag[] = { "SCHED_FLAG_RECLAIM", "SCHED_FLAG_NO", NULL };
	char *no_memory_flag[] = { "MPOL_F_STATIC_NODES", "MPOL_F_NO", NULL };
	const struct attr_options cases[] = {
		{ .has_oom_score_adj = true, .oom_score_adj = 1001 },
		{ .has_umask = true, .umask = 01000 },
		{ .cpu_affinity = "" },
		{ .cpu_affinity = "3-1" },
		{ .cpu_affinity = "0," },
		{ .cpu_affinity = "99999" },
		{ .cpu_affinity = "a" },
		{ .cpu_affinity = "-1" },
		{ .io_priority = { "IOPRIO_CLASS_BE", 8 } },
		{ .io_priority = { "BE", 1 } },
		{ .scheduler = { .policy = "SCHED_FAST" } },
		{ .scheduler = { .policy = "SCHED_OTHER", .nice = 20 } },
		{ .scheduler = { .policy = "SCHED_OTHER", .priority = 1 } },
		{ .scheduler = { .policy = "SCHED_FIFO", .priority = 100 } },
		{ .scheduler = { .policy = "SCHED_OTHER", .flags = no_flag } },
		{ .memory_policy = { .mode = "MPOL_BIND", .flags = no_memory_flag } },
		{ .memory_policy = { .mode = "MPOL_NEAR" } },
		{ .memory_policy = { .nodes = "0" } },
		{ .memory_policy = { .mode = "MPOL_BIND", .nodes = "x" } },
		{ .personality = "BSD" },
	};
	struct attr_options options = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		call_forget();
		if (attrs_check(&cases[i]) != -1)
			fail_msg("case %zu was taken", i);
		assert_int_equal(errno, EINVAL);
	}
	assert_int_equal(attr_limit_add(&options, "RLIMIT_FUN", 1, 1), -1);
	assert_int_equal(attr_limit_add(&options, "nofile", 2, 1), -1);
	assert_int_equal(attr_limit_add(&options, "nofile", 1, 1), 0);
	assert_int_equal(attr_limit_add(&options, "RLIMIT_NOFILE", 1, 1), -1);
	no_flag[1] = no_memory_flag[1] = NULL;
	options.scheduler = (struct attr_scheduler){ .policy = "SCHED_OTHER", .flags = no_flag };
	options.memory_policy =
		(struct attr_memory_policy){ .mode = "MPOL_BIND", .flags = no_memory_flag };
	assert_int_equal(attrs_check(&options), 0);
}

/* ---- options ---- */

static int
set_option(const struct option_row *rows, const char *name, const char *value, void *into)
{
	call_forget();
	for (; rows->name; rows++)
		if (strcmp(rows->name, name) == 0)
			return rows->set(rows, value, into);
	fail_msg("no option %s", name);
	return -1;
}

/* Those whose rows say what they take. */
static void
a_row_says_what_it_takes(void **state)
{
	struct {
		const char *word;
		int64_t number, ms;
	} into = { 0 };
#define ROW(name, unit, set, field, most)                                                         \
	{                                                                                         \
		name, 0, unit, "-", "-", set, (size_t)((char *)&into.field - (char *)&into), most \
	}
	const struct option_row rows[] = { ROW("word", "text|json", option_choice, word, 0),
					   ROW("number", "N", option_up_to, number, 7),
					   ROW("time", "DURATION", option_duration, ms, 0),
					   { 0 } };

	(void)state;
	assert_int_equal(set_option(rows, "word", "json", &into), 0);
	assert_string_equal(into.word, "json");
	for (const char *const *w = (const char *[]){ "", "tex", "texts", "text|json", "|", NULL };
	     *w; w++)
		assert_int_equal(set_option(rows, "word", *w, &into), -1);
	assert_int_equal(set_option(rows, "number", "7", &into), 0);
	assert_int_equal(into.number, 7);
	assert_int_equal(set_option(rows, "number", "8", &into), -1);
	assert_int_equal(set_option(rows, "number", "-1", &into), -1);
	assert_int_equal(set_option(rows, "time", "1m30s", &into), 0);
	assert_int_equal(into.ms, 90000);
	assert_int_equal(set_option(rows, "time", "500ms", &into), 0);
	assert_int_equal(into.ms, 500);
	for (const char *const *w =
		     (const char *[]){ "", "5", "0s", "-1s", "1us", "s", "nans", " 5s", "0x5s",
				       "5e3s", "+5s", "9m-1s", "1m 1s", "1.1.1s", ".s", NULL };
	     *w; w++)
		assert_int_equal(set_option(rows, "time", *w, &into), -1);
	call_forget();
#undef ROW
}

static int
open_descriptors(void)
{
	int count = 0;

	for (int fd = 0; fd < 256; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

/* A stranger may send two where one is expected. */
static void
one_descriptor_is_received_or_none(void **state)
{
	char space[CMSG_SPACE(2 * sizeof(int))] = { 0 };
	struct iovec part = { (void *)(uintptr_t) "x", 1 };
	struct msghdr message = { .msg_iov = &part,
				  .msg_iovlen = 1,
				  .msg_control = space,
				  .msg_controllen = sizeof space };
	struct cmsghdr *c = CMSG_FIRSTHDR(&message);
	int ends[2], before, fd;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(2 * sizeof(int));
	memcpy(CMSG_DATA(c), (int[]){ 0, 1 }, 2 * sizeof(int));
	before = open_descriptors();
	assert_int_equal(sendmsg(ends[0], &message, 0), 1);
	assert_int_equal(unix_receive(ends[1]), -1);
	assert_int_equal(open_descriptors(), before);
	assert_int_equal(unix_send(ends[0], "text", 0), 0);
	assert_true((fd = unix_receive(ends[1])) >= 0);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	close(fd);
	assert_int_equal(unix_send(ends[0], "text", -1), 0);
	assert_int_equal(unix_receive(ends[1]), -1);
	assert_int_equal(open_descriptors(), before);
	close(ends[0]);
	assert_int_equal(unix_receive(ends[1]), -1);
	close(ends[1]);
}

static void
a_socket_has_its_whole_name_or_none(void **state)
{
	char place[] = "/tmp/boxstep-test-XXXXXX", name[201];
	struct stat status;
	int dir, fd;

	(void)state;
	assert_non_null(mkdtemp(place));
	dir = open(place, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(dir >= 0);
	memset(name, 'x', sizeof name - 1);
	name[sizeof name - 1] = 0;
	assert_int_equal(unix_bind(dir, name, SOCK_DGRAM, "a test"), -1);
	assert_int_equal(errno, ENAMETOOLONG);
	call_forget();
	assert_true((fd = unix_bind(dir, "socket", SOCK_DGRAM, "a test")) >= 0);
	assert_int_equal(fstatat(dir, "socket", &status, AT_SYMLINK_NOFOLLOW), 0);
	assert_int_equal(status.st_mode, S_IFSOCK | 0666);
	close(fd);
	assert_int_equal(unlinkat(dir, "socket", 0), 0);
	close(dir);
	assert_int_equal(rmdir(place), 0); /* nothing else is in it */
}

static void
options_are_read_strictly(void **state)
{
	struct attr_options attrs = { 0 };
	struct cap_options caps = { 0 };
	struct seccomp_options filter = { 0 };

	(void)state;
	assert_int_equal(set_option(attr_options, "ulimit", "nofile=10:20", &attrs), 0);
	assert_int_equal(set_option(attr_options, "ulimit", "core=unlimited", &attrs), 0);
	assert_true(attrs.limits[0].soft == 10 && attrs.limits[0].hard == 20);
	assert_true(attrs.limits[1].hard == UINT64_MAX);
	assert_int_equal(set_option(attr_options, "ulimit", "nproc", &attrs), -1);
	assert_int_equal(set_option(attr_options, "ulimit", "nproc=", &attrs), -1);
	assert_int_equal(set_option(attr_options, "ulimit", "nproc=1k", &attrs), -1);
	assert_int_equal(set_option(attr_options, "ulimit", "nproc=1:", &attrs), -1);
	assert_int_equal(set_option(attr_options, "oom-score-adj", "-7", &attrs), 0);
	assert_int_equal(attrs.oom_score_adj, -7);
	assert_int_equal(set_option(attr_options, "oom-score-adj", "1001", &attrs), -1);
	assert_int_equal(set_option(attr_options, "umask", "022", &attrs), 0);
	assert_int_equal(attrs.umask, 022);
	assert_int_equal(set_option(attr_options, "umask", "8", &attrs), -1);
	assert_int_equal(set_option(attr_options, "umask", "", &attrs), -1);
	assert_int_equal(set_option(attr_options, "umask", "1777", &attrs), -1);
	assert_int_equal(set_option(cap_options, "cap-add", "all", &caps), 0);
	assert_int_equal(set_option(cap_options, "cap-drop", "CAP_MKNOD", &caps), 0);
	assert_int_equal(set_option(cap_options, "cap-drop", "CAP_MKNODE", &caps), -1);
	assert_int_equal(set_option(seccomp_options, "no-new-privileges", "false", &filter), 0);
	assert_true(filter.new_privileges);
	assert_int_equal(set_option(seccomp_options, "no-new-privileges", NULL, &filter), 0);
	assert_false(filter.new_privileges);
	filter.new_privileges = true;
	assert_int_equal(set_option(seccomp_options, "no-new-privileges", "true", &filter), 0);
	assert_false(filter.new_privileges);
	assert_int_equal(set_option(seccomp_options, "no-new-privileges", "maybe", &filter), -1);
	call_forget();
	free(caps.add.item);
	free(caps.drop.item);
}

/* ---- sysctl, procfs ---- */

static int
check_sysctl(const char *item, int kinds)
{
	struct sysctl_options options = { .set = { &item, 1 } };

	call_forget();
	return sysctl_check(&options, kinds) == 0 ? 0 : errno;
}

static void
only_settings_of_a_namespace_are_taken(void **state)
{
	const int all = CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWUSER;
	static const char *const hosts[] = { "kernel.core_pattern=|/x",
					     "kernel/core_pattern=|/x",
					     "vm.overcommit_memory=1",
					     "kernel.hostname=x",
					     "kernel.shm=1",
					     "kernel.shmmaxx=1",
					     "kernel.msgmax.x=1",
					     "fs.file-max=1",
					     "network.x=1" };
	static const char *const broken[] = { "net.ipv4.ip_forward",
					      "=1",
					      "net..x=1",
					      "net/../kernel/core_pattern=|/x",
					      "net/./x=1",
					      "net.ipv4.=1",
					      "/net/x=1",
					      ".net.x=1",
					      "net.ipv4.conf.a b=1",
					      "net.//.kernel=1" };

	(void)state;
	assert_int_equal(check_sysctl("net.ipv4.ip_forward=1", all), 0);
	assert_int_equal(check_sysctl("net/ipv4/ip_forward=1", all), 0);
	assert_int_equal(check_sysctl("net.ipv4.conf.eth0/1.forwarding=1", all), 0);
	assert_int_equal(check_sysctl("kernel.shmmax=1", all), 0);
	assert_int_equal(check_sysctl("fs.mqueue.msg_max=1", all), 0);
	assert_int_equal(check_sysctl("kernel.domainname=x", all), 0);
	assert_int_equal(check_sysctl("net.ipv4.ip_forward=1", all & ~CLONE_NEWNET), EPERM);
	assert_int_equal(check_sysctl("kernel.sem=1", all & ~CLONE_NEWIPC), EPERM);
	assert_int_equal(check_sysctl("kernel.domainname=x", all & ~CLONE_NEWUTS), EPERM);
	assert_int_equal(check_sysctl("user.max_net_namespaces=1", CLONE_NEWUSER), 0);
	assert_int_equal(check_sysctl("user.max_net_namespaces=1", all & ~CLONE_NEWUSER), EPERM);
	for (size_t i = 0; i < sizeof hosts / sizeof hosts[0]; i++)
		if (check_sysctl(hosts[i], all) != EPERM)
			fail_msg("%s: %s", hosts[i], strerror(errno));
	for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++)
		if (check_sysctl(broken[i], all) != EINVAL)
			fail_msg("%s: %s", broken[i], strerror(errno));
	call_forget();
}

static void
settings(void)
{
	struct sysctl_options options = { 0 };
	char text[16] = "";
	int proc;

	expect(unshare(CLONE_NEWNET | CLONE_NEWIPC) == 0 && (proc = procfs_open()) >= 0);
	expect(sysctl_add(&options, "net.ipv4.conf.lo.forwarding", "1") == 0);
	expect(sysctl_add(&options, "kernel.shmmni", "17") == 0);
	expect(sysctl_add(&options, "a=b", "17") == -1);
	call_forget();
	expect(sysctl_check(&options, CLONE_NEWNET | CLONE_NEWIPC) == 0);
	expect(sysctl_apply(&options, proc) == 0);
	int fd = procfs_open_file(proc, "sys/kernel/shmmni", O_RDONLY);
	expect(fd >= 0 && read(fd, text, sizeof text - 1) > 0 && atoi(text) == 17);
	struct sysctl_options two = { 0 };
	expect(sysctl_add(&two, "kernel.shmmni", "18 19") == 0); /* of which the kernel takes one */
	expect(sysctl_apply(&two, proc) == -1 && errno == EIO && call_error()->number == EIO);
	call_forget();
	expect(sysctl_add(&options, "net.no.such", "1") == 0);
	expect(sysctl_apply(&options, proc) == -1 && errno == ENOENT);
}

static void
settings_are_written_in_the_namespace(void **state)
{
	(void)state;
	need_root();
	assert_int_equal(in_child(settings), 0);
}

static void
false_proc(void)
{
	expect(unshare(CLONE_NEWNS) == 0);
	expect(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0);
	int proc = procfs_open();
	expect(proc >= 0 && fcntl(proc, F_GETFD) == FD_CLOEXEC);
	expect(fcntl(procfs_open_file(proc, "uptime", O_RDONLY), F_GETFD) == FD_CLOEXEC);
	expect(mount("/tmp", "/proc/sys", NULL, MS_BIND, NULL) == 0);
	expect(procfs_open_file(proc, "sys/kernel/shmmni", O_RDONLY) == -1 && errno == EXDEV);
	expect(procfs_open_file(proc, "../etc/passwd", O_RDONLY) == -1 && errno == EXDEV);
	expect(procfs_open_file(proc, "self/root/etc/passwd", O_RDONLY) == -1 && errno == ELOOP);
	/* a part of a procfs, no procfs, and a link to one */
	expect(mount("/proc/self", "/proc", NULL, MS_BIND, NULL) == 0);
	call_forget();
	expect(procfs_open() == -1 && errno == EINVAL);
	expect(mount("tmpfs", "/proc", "tmpfs", 0, NULL) == 0);
	call_forget();
	expect(procfs_open() == -1 && errno == EINVAL);
	expect(mount("tmpfs", "/tmp", "tmpfs", 0, NULL) == 0);
	expect(mkdir("/tmp/real", 0755) == 0 && symlink("real", "/tmp/proc") == 0);
	expect(mount("proc", "/tmp/real", "proc", 0, NULL) == 0 && chroot("/tmp") == 0);
	call_forget();
	expect(access("/proc/self", F_OK) == 0 && procfs_open() == -1 && errno == ENOTDIR);
}

static void
a_false_proc_is_seen_through(void **state)
{
	(void)state;
	need_root();
	assert_int_equal(in_child(false_proc), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_default_wall_is_the_engines),
		cmocka_unit_test(a_process_forks_and_execs_behind_the_wall),
		cmocka_unit_test(drop_all_and_add_leaves_what_was_added),
		cmocka_unit_test(an_ordinary_user_keeps_them_until_exec),
		cmocka_unit_test(ambient_capabilities_outlive_exec),
		cmocka_unit_test(new_privileges_can_be_left),
		cmocka_unit_test(privileged_has_no_wall),
		cmocka_unit_test(bad_capabilities_are_refused),
		cmocka_unit_test(sets_lose_what_is_not_to_be_had),
		cmocka_unit_test(what_the_caller_has_not_to_give_is_not_available),
		cmocka_unit_test(groups_that_cannot_be_had_are_refused),
		cmocka_unit_test(an_id_above_int32_max_is_refused),
		cmocka_unit_test(each_action_does_what_it_says),
#if defined(__x86_64__)
		cmocka_unit_test(other_doors_into_the_kernel_are_guarded),
#endif
		cmocka_unit_test(a_supervisor_answers_calls),
		cmocka_unit_test(no_supervisor_is_an_error),
		cmocka_unit_test(putting_up_the_wall_needs_capabilities_and_says_which),
		cmocka_unit_test(profile_files_are_read_or_named),
		cmocka_unit_test(attributes_are_set),
		cmocka_unit_test(attributes_are_told_as_strace_prints_them),
		cmocka_unit_test(labels_are_written_where_the_modules_look),
		cmocka_unit_test(labels_of_a_module_that_is_not_on_are_refused),
		cmocka_unit_test(what_needs_a_right_says_which),
		cmocka_unit_test(bad_attributes_are_refused),
		cmocka_unit_test(a_row_says_what_it_takes),
		cmocka_unit_test(one_descriptor_is_received_or_none),
		cmocka_unit_test(a_socket_has_its_whole_name_or_none),
		cmocka_unit_test(options_are_read_strictly),
		cmocka_unit_test(only_settings_of_a_namespace_are_taken),
		cmocka_unit_test(settings_are_written_in_the_namespace),
		cmocka_unit_test(a_false_proc_is_seen_through),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

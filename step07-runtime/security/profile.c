/*
 * profile.c: the default allow-list, as the usual engines have it, sorted by what the calls are
 * for. A call is here if an ordinary program needs it and the kernel itself asks who may do what;
 * those that only an administrator needs come with the capability that they need. Follows
 * syscalls(2), capabilities(7). Explained in book/07a-security.md.
 */
#include <errno.h>
#include <linux/capability.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/personality.h>
#include <sys/socket.h>

#include "step01-unshare/call.h"
#include "step07-runtime/security/profile.h"
#include "step07-runtime/security/sys_table.h"

#define C(name)	  SYS_ID_##name
#define CAP(name) (UINT64_C(1) << CAP_##name)

static const uint16_t files[] = {
	C(access), C(chdir), C(chmod), C(chown), C(chown32), C(close), C(close_range),
	C(copy_file_range), C(creat), C(dup), C(dup2), C(dup3), C(faccessat), C(faccessat2),
	C(fadvise64), C(fadvise64_64), C(fallocate), C(fchdir), C(fchmod), C(fchmodat),
	C(fchmodat2), C(fchown), C(fchown32), C(fchownat), C(fcntl), C(fcntl64), C(fdatasync),
	C(flock), C(fstat), C(fstat64), C(fstatat64), C(fstatfs), C(fstatfs64), C(fsync),
	C(ftruncate), C(ftruncate64), C(futimesat), C(getcwd), C(getdents), C(getdents64), C(ioctl),
	C(lchown), C(lchown32), C(link), C(linkat), C(_llseek), C(lseek), C(lstat), C(lstat64),
	C(mkdir), C(mkdirat), C(mknod), C(mknodat), C(name_to_handle_at), C(newfstatat), C(open),
	C(openat), C(openat2), C(pipe), C(pipe2), C(pread64), C(preadv), C(preadv2), C(pwrite64),
	C(pwritev), C(pwritev2), C(read), C(readahead), C(readlink), C(readlinkat), C(readv),
	C(rename), C(renameat), C(renameat2), C(rmdir), C(sendfile), C(sendfile64), C(splice),
	C(stat), C(stat64), C(statfs), C(statfs64), C(statx), C(symlink), C(symlinkat), C(sync),
	C(sync_file_range), C(syncfs), C(tee), C(truncate), C(truncate64), C(umask), C(unlink),
	C(unlinkat), C(utime), C(utimensat), C(utimensat_time64), C(utimes), C(vmsplice), C(write),
	C(writev),
	/* extended attributes */
	C(fgetxattr), C(flistxattr), C(fremovexattr), C(fsetxattr), C(getxattr), C(getxattrat),
	C(lgetxattr), C(listxattr), C(listxattrat), C(llistxattr), C(lremovexattr), C(lsetxattr),
	C(removexattr), C(removexattrat), C(setxattr), C(setxattrat),
	/* looking at mounts, and watching files */
	C(cachestat), C(fanotify_mark), C(inotify_add_watch), C(inotify_init), C(inotify_init1),
	C(inotify_rm_watch), C(listmount), C(statmount)
};

static const uint16_t waiting[] = {
	C(epoll_create), C(epoll_create1), C(epoll_ctl), C(epoll_ctl_old), C(epoll_pwait),
	C(epoll_pwait2), C(epoll_wait), C(epoll_wait_old), C(eventfd), C(eventfd2), C(_newselect),
	C(poll), C(ppoll), C(ppoll_time64), C(pselect6), C(pselect6_time64), C(select), C(signalfd),
	C(signalfd4),
	/* asynchronous input and output of the old kind; io_uring is not here */
	C(io_cancel), C(io_destroy), C(io_getevents), C(io_pgetevents), C(io_pgetevents_time64),
	C(io_setup), C(io_submit)
};

static const uint16_t memory[] = {
	/* what a process does with its own memory */
	C(brk), C(madvise), C(map_shadow_stack), C(membarrier), C(memfd_create), C(memfd_secret),
	C(mincore), C(mmap), C(mmap2), C(mprotect), C(msync), C(munmap),
	/* locked, sealed, or with a key of its own */
	C(mlock), C(mlock2), C(mlockall), C(mremap), C(mseal), C(munlock), C(munlockall),
	C(pkey_alloc), C(pkey_free), C(pkey_mprotect), C(process_mrelease), C(remap_file_pages)
};

static const uint16_t processes[] = {
	/* its own life, its children, its threads */
	C(execve), C(execveat), C(exit), C(exit_group), C(fork), C(get_robust_list),
	C(get_thread_area), C(getpgid), C(getpgrp), C(getpid), C(getppid), C(getsid), C(gettid),
	C(kill), C(pause), C(pidfd_open), C(pidfd_send_signal), C(prctl), C(restart_syscall),
	C(rseq), C(uretprobe), C(set_robust_list), C(set_thread_area), C(set_tid_address),
	C(setpgid), C(setsid), C(tgkill), C(tkill), C(vfork), C(wait4), C(waitid), C(waitpid),
	/* one process looks into another: ptrace(2) asks for the rights itself since 4.8 */
	C(process_vm_readv), C(process_vm_writev), C(ptrace),
	/* signals */
	C(rt_sigaction), C(rt_sigpending), C(rt_sigprocmask), C(rt_sigqueueinfo), C(rt_sigreturn),
	C(rt_sigsuspend), C(rt_sigtimedwait), C(rt_sigtimedwait_time64), C(rt_tgsigqueueinfo),
	C(sigaltstack), C(sigprocmask), C(sigreturn),
	/* locks */
	C(futex), C(futex_requeue), C(futex_time64), C(futex_wait), C(futex_waitv), C(futex_wake)
};

static const uint16_t identity[] = {
	/* changing it: the kernel asks by itself for what it takes */
	C(getegid), C(getegid32), C(geteuid), C(geteuid32), C(getgid), C(getgid32), C(getgroups),
	C(getgroups32), C(getresgid), C(getresgid32), C(getresuid), C(getresuid32), C(getuid),
	C(getuid32), C(setfsgid), C(setfsgid32), C(setfsuid), C(setfsuid32), C(setgid), C(setgid32),
	C(setgroups), C(setgroups32), C(setregid), C(setregid32), C(setresgid), C(setresgid32),
	C(setresuid), C(setresuid32), C(setreuid), C(setreuid32), C(setuid), C(setuid32),
	/* and giving rights up, which nobody is refused */
	C(capget), C(capset), C(landlock_add_rule), C(landlock_create_ruleset),
	C(landlock_restrict_self), C(seccomp)
};

static const uint16_t scheduling[] = {
	/* priorities and limits; raising them needs a capability */
	C(getcpu), C(getpriority), C(getrlimit), C(getrusage), C(prlimit64), C(setpriority),
	C(setrlimit), C(sysinfo), C(times), C(ugetrlimit), C(uname),
	/* the scheduler's own */
	C(ioprio_get), C(ioprio_set), C(sched_get_priority_max), C(sched_get_priority_min),
	C(sched_getaffinity), C(sched_getattr), C(sched_getparam), C(sched_getscheduler),
	C(sched_rr_get_interval), C(sched_rr_get_interval_time64), C(sched_setaffinity),
	C(sched_setattr), C(sched_setparam), C(sched_setscheduler), C(sched_yield)
};

static const uint16_t time_of_day[] = {
	/* setting the clock by adjtimex(2) needs CAP_SYS_TIME; reading needs nothing */
	C(adjtimex), C(clock_adjtime), C(clock_adjtime64), C(clock_getres), C(clock_getres_time64),
	C(clock_gettime), C(clock_gettime64), C(gettimeofday), C(time),
	/* timers */
	C(alarm), C(clock_nanosleep), C(clock_nanosleep_time64), C(getitimer), C(nanosleep),
	C(setitimer), C(timer_create), C(timer_delete), C(timer_getoverrun), C(timer_gettime),
	C(timer_gettime64), C(timer_settime), C(timer_settime64), C(timerfd_create),
	C(timerfd_gettime), C(timerfd_gettime64), C(timerfd_settime), C(timerfd_settime64)
};

static const uint16_t talking[] = {
	/* sockets, once they are there */
	C(accept), C(accept4), C(bind), C(connect), C(getpeername), C(getrandom), C(getsockname),
	C(getsockopt), C(listen), C(recv), C(recvfrom), C(recvmmsg), C(recvmmsg_time64), C(recvmsg),
	C(send), C(sendmmsg), C(sendmsg), C(sendto), C(setsockopt), C(shutdown), C(socketpair),
	/* System V and POSIX: each container has an IPC namespace */
	C(ipc), C(mq_getsetattr), C(mq_notify), C(mq_open), C(mq_timedreceive),
	C(mq_timedreceive_time64), C(mq_timedsend), C(mq_timedsend_time64), C(mq_unlink), C(msgctl),
	C(msgget), C(msgrcv), C(msgsnd), C(semctl), C(semget), C(semop), C(semtimedop),
	C(semtimedop_time64), C(shmat), C(shmctl), C(shmdt), C(shmget),
	/* the old door of 32-bit x86, behind which a filter cannot see the address family */
	C(socketcall)
};

static const uint16_t of_x86[] = { C(arch_prctl), C(modify_ldt) };
static const uint16_t of_arm[] = { C(arm_fadvise64_64), C(arm_sync_file_range), C(breakpoint),
				   C(cacheflush), C(set_tls) };

static const uint16_t namespaces[] = {
	/* the calls that this book is about */
	C(clone), C(clone3), C(fsconfig), C(fsmount), C(fsopen), C(fspick), C(mount),
	C(mount_setattr), C(move_mount), C(open_tree), C(setdomainname), C(sethostname), C(setns),
	C(umount), C(umount2), C(unshare),
	/* and what else the all-powerful one is needed for */
	C(fanotify_init), C(lookup_dcookie), C(lsm_get_self_attr), C(lsm_list_modules),
	C(lsm_set_self_attr), C(quotactl), C(quotactl_fd)
};
static const uint16_t tracing[] = { C(kcmp), C(pidfd_getfd), C(process_madvise) };
static const uint16_t modules[] = { C(delete_module), C(finit_module), C(init_module) };
static const uint16_t ports[] = { C(ioperm), C(iopl) };
static const uint16_t clocks[] = { C(clock_settime), C(clock_settime64), C(settimeofday),
				   C(stime) };
static const uint16_t numa[] = { C(get_mempolicy), C(mbind), C(set_mempolicy),
				 C(set_mempolicy_home_node) };
static const uint16_t by_handle[] = { C(open_by_handle_at) };
static const uint16_t kernel_log[] = { C(syslog) }, programs[] = { C(bpf) };
static const uint16_t performance[] = { C(perf_event_open) }, reboot_calls[] = { C(reboot) };
static const uint16_t chroot_calls[] = { C(chroot) }, acct_calls[] = { C(acct) };
static const uint16_t hangup[] = { C(vhangup) };

static const uint16_t clone_calls[] = { C(clone) }, clone3_calls[] = { C(clone3) };
static const uint16_t personality_calls[] = { C(personality) }, socket_calls[] = { C(socket) };

#define ALLOW SECCOMP_RET_ALLOW
#define X86   (SYS_ARCH_BIT(SYS_X86_64) | SYS_ARCH_BIT(SYS_X86) | SYS_ARCH_BIT(SYS_X32))
#define ARM   (SYS_ARCH_BIT(SYS_AARCH64) | SYS_ARCH_BIT(SYS_ARM))
/* clone(2) without a new namespace; a time namespace cannot be had by it */
#define NAMESPACES                                                                     \
	(CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | \
	 CLONE_NEWPID | CLONE_NEWNET)
#define EVERYBODY	0
#define LIST(calls)	calls, sizeof calls / sizeof calls[0]
#define ARG0(op, value) { 0, OP_##op, value, 0 }, true

static const struct {
	uint64_t with;	  /* any of these capabilities; EVERYBODY */
	uint64_t without; /* none of these */
	const uint16_t *calls;
	size_t count;
	uint32_t action;
	unsigned natives; /* on machines of these architectures; 0: on all */
	struct profile_arg arg;
	bool has_arg;
} defaults[] = {
	{ EVERYBODY, 0, LIST(files), ALLOW, 0, { 0 }, false },
	{ EVERYBODY, 0, LIST(waiting), ALLOW, 0, { 0 }, false },
	{ EVERYBODY, 0, LIST(memory), ALLOW, 0, { 0 }, false },
	{ EVERYBODY, 0, LIST(processes), ALLOW, 0, { 0 }, false },
	{ EVERYBODY, 0, LIST(identity), ALLOW, 0, { 0 }, false },
	{ EVERYBODY, 0, LIST(scheduling), ALLOW, 0, { 0 }, false },
	{ EVERYBODY, 0, LIST(time_of_day), ALLOW, 0, { 0 }, false },
	{ EVERYBODY, 0, LIST(talking), ALLOW, 0, { 0 }, false },
	{ EVERYBODY, 0, LIST(of_x86), ALLOW, X86, { 0 }, false },
	{ EVERYBODY, 0, LIST(of_arm), ALLOW, ARM, { 0 }, false },
	/* all address families but the two that lead out of the container: the kernel's crypto
	 * (AF_ALG, 38: CVE-2026-31431) and the machine's host (AF_VSOCK, 40) */
	{ EVERYBODY, 0, LIST(socket_calls), ALLOW, 0, ARG0(LT, AF_ALG) },
	{ EVERYBODY, 0, LIST(socket_calls), ALLOW, 0, ARG0(EQ, AF_NFC) },
	{ EVERYBODY, 0, LIST(socket_calls), ALLOW, 0, ARG0(GT, AF_VSOCK) },
	/* asking (0xffffffff), Linux, 32-bit Linux, and each with UNAME26; not the ones that switch
	 * a protection off, such as ADDR_NO_RANDOMIZE */
	{ EVERYBODY, 0, LIST(personality_calls), ALLOW, 0, ARG0(EQ, PER_LINUX) },
	{ EVERYBODY, 0, LIST(personality_calls), ALLOW, 0, ARG0(EQ, PER_LINUX32) },
	{ EVERYBODY, 0, LIST(personality_calls), ALLOW, 0, ARG0(EQ, UNAME26) },
	{ EVERYBODY, 0, LIST(personality_calls), ALLOW, 0, ARG0(EQ, UNAME26 | PER_LINUX32) },
	{ EVERYBODY, 0, LIST(personality_calls), ALLOW, 0, ARG0(EQ, 0xffffffff) },
	/* clone3(2) has its flags in memory, where no filter can look: it is not there, and the C
	 * library takes clone(2) */
	{ EVERYBODY, CAP(SYS_ADMIN), LIST(clone_calls), ALLOW, 0, ARG0(MASKED_EQ, NAMESPACES) },
	{ EVERYBODY, CAP(SYS_ADMIN), LIST(clone3_calls), SECCOMP_RET_ERRNO | ENOSYS, 0, { 0 }, 0 },
	/* what comes with a capability */
	{ CAP(SYS_ADMIN), 0, LIST(namespaces), ALLOW, 0, { 0 }, false },
	{ CAP(SYS_ADMIN) | CAP(SYSLOG), 0, LIST(kernel_log), ALLOW, 0, { 0 }, false },
	{ CAP(SYS_ADMIN) | CAP(BPF), 0, LIST(programs), ALLOW, 0, { 0 }, false },
	{ CAP(SYS_ADMIN) | CAP(PERFMON), 0, LIST(performance), ALLOW, 0, { 0 }, false },
	{ CAP(DAC_READ_SEARCH), 0, LIST(by_handle), ALLOW, 0, { 0 }, false },
	{ CAP(SYS_BOOT), 0, LIST(reboot_calls), ALLOW, 0, { 0 }, false },
	{ CAP(SYS_CHROOT), 0, LIST(chroot_calls), ALLOW, 0, { 0 }, false },
	{ CAP(SYS_MODULE), 0, LIST(modules), ALLOW, 0, { 0 }, false },
	{ CAP(SYS_PACCT), 0, LIST(acct_calls), ALLOW, 0, { 0 }, false },
	{ CAP(SYS_PTRACE), 0, LIST(tracing), ALLOW, 0, { 0 }, false },
	{ CAP(SYS_RAWIO), 0, LIST(ports), ALLOW, 0, { 0 }, false },
	{ CAP(SYS_TIME), 0, LIST(clocks), ALLOW, 0, { 0 }, false },
	{ CAP(SYS_TTY_CONFIG), 0, LIST(hangup), ALLOW, 0, { 0 }, false },
	{ CAP(SYS_NICE), 0, LIST(numa), ALLOW, 0, { 0 }, false },
};

#define DEFAULTS (sizeof defaults / sizeof defaults[0])

void
profile_free(struct profile *profile)
{
	free(profile->rules);
	free(profile->calls);
	free(profile->listener_path);
	free(profile->listener_metadata);
	*profile = (struct profile){ 0 };
}

static bool
applies(size_t i, uint64_t caps)
{
	return (!defaults[i].with || (defaults[i].with & caps)) && !(defaults[i].without & caps) &&
	       (!defaults[i].natives || (defaults[i].natives & SYS_ARCH_BIT(sys_native)));
}

int
profile_default(uint64_t caps, struct profile *profile)
{
	*profile = (struct profile){ .default_action = SECCOMP_RET_ERRNO | EPERM,
				     .bad_arch_action = SECCOMP_RET_KILL_THREAD,
				     .arches = sys_native_set,
				     .new_calls_enosys = true };
	profile->rules = calloc(DEFAULTS, sizeof *profile->rules);
	if (!profile->rules)
		return fail(ENOMEM, "memory for the seccomp profile");
	for (size_t i = 0; i < DEFAULTS; i++)
		if (applies(i, caps))
			profile->rules[profile->count++] =
				(struct profile_rule){ .action = defaults[i].action,
						       .calls = defaults[i].calls,
						       .call_count = defaults[i].count,
						       .args = { defaults[i].arg },
						       .arg_count = defaults[i].has_arg };
	return 0;
}

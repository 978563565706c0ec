/*
 * spawn.c: clone3 with a pidfd, the wait for it, and signals passed on meanwhile.
 * Follows clone(2), pidfd_send_signal(2), waitid(2), signalfd(2). Explained in book/02-pidns.md.
 */
#include <errno.h>
#include <inttypes.h>
#include <linux/capability.h>
#include <linux/sched.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "step01-unshare/call.h"
#include "step01-unshare/namespaces.h"
#include "step02-pidns/spawn.h"

const struct option_row spawn_options[] = {
	{ "pid", 0, "MODE", "CLONE_NEWPID",
	  "new (default), host, or container:PID: whose process numbers are seen", option_text,
	  offsetof(struct spawn_options, pid_mode), 0 },
	{ "no-init", 0, NULL, "PID 1", "the command itself is PID 1, no init above it", option_flag,
	  offsetof(struct spawn_options, no_init), 0 },
	{ 0 },
};

/* ---- making ---- */

/*
 * Who owns a user namespace has every right in it, and root's belong to all of root's processes:
 * those in containers too that see the host's pids, whatever their capabilities
 * (user_namespaces(7)). They could look into the child, which still has the host's root.
 * Undumpable, it asks of them CAP_SYS_PTRACE over the host, ptrace(2); of this process as well,
 * when it opens the child's namespaces, so that without it the child stays as it is.
 */
static bool
hide(void)
{
	return geteuid() == 0 && prctl(PR_CAPBSET_READ, CAP_SYS_PTRACE, 0, 0, 0) == 1 &&
	       prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 1 && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0;
}

/* ANCHOR: clone */
pid_t
spawn_clone(int kinds, int cgroup_fd, struct spawn *child)
{
	int pidfd = -1;
	struct clone_args args = {
		.flags = (uint64_t)CLONE_PIDFD | (unsigned)kinds |
			 (cgroup_fd >= 0 ? CLONE_INTO_CGROUP : 0ULL),
		.pidfd = (uintptr_t)&pidfd, /* the kernel makes it close-on-exec */
		.exit_signal = SIGCHLD,
		.cgroup = (__u64)(cgroup_fd >= 0 ? cgroup_fd : 0),
	};
	bool hidden;
	pid_t pid;

	stage("clone",
	      "A new process starts inside its new namespaces; its pidfd cannot be mistaken.",
	      "ls -l /proc/%d/ns; pstree -p %d", getpid(), getpid());
	hidden = (kinds & CLONE_NEWUSER) && hide();
	pid = (pid_t)syscall(SYS_clone3, &args, sizeof args);
	if (pid == 0)
		return 0; /* the child: told by the parent, once */
	if (hidden)
		prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
	call(pid, "clone3(CLONE_PIDFD%s%s%s)", kinds ? "|" : "", kinds ? ns_flag_names(kinds) : "",
	     cgroup_fd >= 0 ? "|CLONE_INTO_CGROUP" : "");
	if (pid < 0)
		return ns_hint_rights(kinds);
	child->pid = pid;
	child->pidfd = pidfd;
	return pid;
}
/* ANCHOR_END: clone */

int
spawn_share_pidns(const struct spawn_options *options, int *kinds)
{
	const char *mode = options->pid_mode;
	int64_t pid;

	if (!mode || strcmp(mode, "new") == 0) {
		*kinds |= CLONE_NEWPID;
		return 0;
	}
	*kinds &= ~CLONE_NEWPID;
	if (strcmp(mode, "host") == 0)
		return 0;
	if (strncmp(mode, "container:", 10) != 0 || number_parse(mode + 10, 1, 1 << 22, &pid) < 0)
		return fail(EINVAL, "--pid %s: not new, host or container:PID", mode);
	return ns_join((pid_t)pid, CLONE_NEWPID) < 0 ? -1 : 0;
}

/* ---- waiting ---- */

/* All but the faults of this program itself and the stops of job control, which act here. */
static void
passed_on(sigset_t *set)
{
	static const int kept[] = { SIGSEGV, SIGBUS, SIGFPE,  SIGILL,  SIGTRAP,
				    SIGABRT, SIGSYS, SIGTSTP, SIGTTIN, SIGTTOU };

	sigfillset(set);
	for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++)
		sigdelset(set, kept[i]);
}

int
spawn_block_signals(void)
{
	sigset_t set;

	passed_on(&set);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return fail(errno, "sigprocmask");
	return 0;
}

int
spawn_signals(void)
{
	sigset_t set;
	int fd;

	passed_on(&set);
	if ((fd = signalfd(-1, &set, SFD_CLOEXEC)) < 0)
		fail(errno, "signalfd");
	return fd;
}

static int stop_signal;

void
spawn_stop_signal(int number)
{
	stop_signal = number;
}

bool
spawn_ignores(int number)
{
	struct sigaction now;

	return sigaction(number, NULL, &now) == 0 && now.sa_handler == SIG_IGN;
}

int
spawn_pass_on(const struct spawn *child, int signals)
{
	struct signalfd_siginfo info;
	bool hangup;
	int number;

	if (read(signals, &info, sizeof info) != (ssize_t)sizeof info)
		return fail(errno, "read from the signalfd");
	number = (int)info.ssi_signo;
	/* SIGPIPE is about a write of this process, not of the command */
	if (number == SIGCHLD || number == SIGPIPE || spawn_ignores(number))
		return 0;
	/* a terminal sends to all of its foreground process group; but one that is gone only to the
	 * leader of its session */
	hangup = (number == SIGHUP || number == SIGCONT) && getsid(0) == getpid();
	if (info.ssi_code == SI_KERNEL && getpgid(child->pid) == getpgrp() && !hangup)
		return 0;
	if (number == SIGTERM && stop_signal)
		number = stop_signal;
	/* ESRCH: it has ended meanwhile, and the pidfd says so next */
	if (pidfd_send_signal(child->pidfd, number, NULL, 0) < 0 && errno != ESRCH)
		return fail(errno, "pidfd_send_signal(%d, %d)", child->pidfd, number);
	return number;
}

/* ANCHOR: wait */
int
spawn_wait(const struct spawn *child, siginfo_t *info)
{
	struct pollfd events[2] = { { child->pidfd, POLLIN, 0 }, { spawn_signals(), POLLIN, 0 } };
	int done = -1;

	if (events[1].fd < 0)
		return -1;
	for (;;) {
		if (poll(events, 2, -1) < 0 && errno != EINTR) {
			fail(errno, "poll");
			break;
		}
		if (events[0].revents) { /* a pidfd is readable when its process has ended */
			done = waitid(P_PIDFD, (id_t)child->pidfd, info, WEXITED);
			if (done < 0)
				fail(errno, "waitid(P_PIDFD, %d)", child->pidfd);
			break;
		}
		if (events[1].revents && spawn_pass_on(child, events[1].fd) < 0)
			break;
	}
	close(events[1].fd);
	return done;
}
/* ANCHOR_END: wait */

int
spawn_status(const siginfo_t *info)
{
	return info->si_code == CLD_EXITED ? info->si_status : 128 + info->si_status;
}

void
spawn_end(struct spawn *child)
{
	siginfo_t info;
	int number = errno;

	if (child->pidfd >= 0) {
		pidfd_send_signal(child->pidfd, SIGKILL, NULL, 0);
		while (waitid(P_PIDFD, (id_t)child->pidfd, &info, WEXITED) < 0 && errno == EINTR)
			;
		close(child->pidfd);
	}
	child->pidfd = -1;
	errno = number;
}

int
spawn_reap(pid_t pid, int timeout)
{
	struct pollfd event = { .fd = timeout >= 0 ? pidfd_open(pid, 0) : -1, .events = POLLIN };
	int status = 0, ready = 1;

	if (event.fd >= 0)
		while ((ready = poll(&event, 1, timeout)) < 0 && errno == EINTR)
			;
	if (ready == 0) {
		kill(-pid, SIGKILL);
		kill(pid, SIGKILL); /* it may not have come to make its group */
	}
	close_fd(event.fd);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return fail(errno, "waitpid(%d)", pid);
	return ready == 0 ? -1 : status;
}

/* ---- the child's half ---- */

int
spawn_die_with_parent(void)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
		return fail(errno, "prctl(PR_SET_PDEATHSIG, SIGKILL)");
	return 0;
}

int
spawn_fresh_proc(void)
{
	stage("proc",
	      "/proc shows the PID namespace of the process that mounted it, so it is mounted "
	      "anew.",
	      "ls /proc/%d/root/proc", call_pid());
	if (call(mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL),
		 "mount(\"proc\", \"/proc\", \"proc\", MS_NOSUID|MS_NODEV|MS_NOEXEC, NULL)") < 0) {
		if (errno == EPERM)
			call_hint("in a user namespace a new procfs needs a PID namespace of its "
				  "own, and no part "
				  "of the host's /proc may be covered");
		return -1;
	}
	return 0;
}

void
spawn_announce(const struct spawn *child, const struct spawn_options *options, const char *command)
{
	const char *mode = options->pid_mode;

	if (call_mode != CALL_SILENT || !isatty(STDERR_FILENO))
		return;
	if (mode && strcmp(mode, "new") != 0)
		fprintf(stderr, "%s shares the process numbers of %s; look: ps -fp %d\n", command,
			mode, child->pid);
	else
		fprintf(stderr, "%s is 1 inside, %d outside; look: ps -fp %d\n",
			options->no_init ? command : "init", child->pid, child->pid);
}

/*
 * spawn: a child made in its namespaces, held by a descriptor instead of a number.
 *
 * A pid can be reused between looking and acting, a pidfd cannot.
 * Follows clone(2), pidfd_open(2), pidfd_send_signal(2), waitid(2), pid_namespaces(7).
 * Explained in book/02-pidns.md.
 */
#ifndef BOXSTEP_SPAWN_H
#define BOXSTEP_SPAWN_H

#include <stdbool.h>
#include <sys/types.h>
#include <sys/wait.h>

#include "step01-unshare/options.h"

struct spawn_options {
	const char *pid_mode; /* --pid host|container:PID|new; NULL: new */
	bool no_init;	      /* --no-init */
};
extern const struct option_row spawn_options[];

struct spawn {
	pid_t pid; /* as seen from the caller */
	int pidfd; /* close-on-exec; −1 when there is none */
};

/*
 * clone3(2) with KINDS (CLONE_NEW* flags) and CLONE_PIDFD, directly into the cgroup of CGROUP_FD
 * (CLONE_INTO_CGROUP; −1: the caller's). Gives the pid in the parent, 0 in the child, −1 on error.
 * Root's child in a new user namespace is not dumpable, if root has CAP_SYS_PTRACE to give: who
 * looks into it needs that over the host.
 */
pid_t spawn_clone(int kinds, int cgroup_fd, struct spawn *child);

/* Joins the PID namespace that `--pid container:PID` names, before spawn_clone; clears
 * CLONE_NEWPID in KINDS for it and for `--pid host`. */
int spawn_share_pidns(const struct spawn_options *options, int *kinds);

/*
 * Blocks the signals that spawn_wait passes on. Comes before spawn_clone, or one that arrives early
 * would end the caller; the child inherits the mask, and exec_command lifts it for the command.
 */
int spawn_block_signals(void);

/* The two halves of that, for whoever waits for more than the child (a monitor): a signalfd(2) that
 * is readable when a signal has come, close-on-exec; and one signal read from it and passed on:
 * gives its number, 0 for one that is not, or −1. */
int spawn_signals(void);
int spawn_pass_on(const struct spawn *child, int signals);

/* Was signal NUMBER ignored when this program began, as under nohup(1)? While it is blocked it
 * comes all the same, signal(7): whoever reads it asks here. */
bool spawn_ignores(int number);

/*
 * Waits until the child has ended, and passes every signal that reaches this process on to it.
 * What a terminal sends (Ctrl-C) is not passed on to a child in the same process group, which has
 * it already; its hangup is, when this process leads the session. What the caller ignores stays
 * ignored. Fills *INFO as waitid(2) does. Gives 0 or −1.
 */
int spawn_wait(const struct spawn *child, siginfo_t *info);

/* What SIGTERM is passed on as from now on (an image may have a StopSignal); 0: as itself. */
void spawn_stop_signal(int number);

/* The exit status for a shell: the command's own, or 128 + the signal's number. */
int spawn_status(const siginfo_t *info);

/* For a run that failed: kills what is there of the child, reaps it and closes the pidfd. */
void spawn_end(struct spawn *child);

/*
 * Waits for the end of PID, a child of fork(2) that runs a program for this one. One that takes
 * more than TIMEOUT milliseconds (−1: as long as it takes) is killed with all of its process group,
 * if it leads one. Gives waitpid(2)'s status; −1 when it was killed for its time, or is no child.
 */
int spawn_reap(pid_t pid, int timeout);

/*
 * Child: asks the kernel for SIGKILL when the parent ends, prctl(2) PR_SET_PDEATHSIG. Comes after
 * the last change of ids, which clears it, as the exec of a set-user-ID file does. A parent that
 * ended before is seen by handshake_ready.
 */
int spawn_die_with_parent(void);

/* Child: a procfs of the new PID namespace over /proc; the inherited one would go on showing the
 * old namespace. Needs an own, private mount namespace. */
int spawn_fresh_proc(void);

/* On a terminal, one line to stderr: `sh is 1 inside, 48213 outside; look: ps -fp 48213`. */
void spawn_announce(const struct spawn *child, const struct spawn_options *options,
		    const char *command);

#endif

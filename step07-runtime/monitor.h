/*
 * monitor: the small process beside a container: it carries what the command says to a log and to
 * whoever looks on, and knows at the end how it ended.
 *
 * Nobody else could: the exit status of a process goes to its parent alone, and a pipe without a
 * reader kills the writer. Follows poll(2), pipe(7), pty(7). Explained in book/07-runtime.md.
 */
#ifndef BOXSTEP_MONITOR_H
#define BOXSTEP_MONITOR_H

#include "step01-unshare/options.h"
#include "step02-pidns/spawn.h"
#include "step07-runtime/log.h"

struct monitor_options {
	const char *log; /* --log FILE */
	bool detach;	 /* -d */
};
extern const struct option_row monitor_options[];

struct monitor {
	struct log *log; /* NULL: nothing is kept */
	int from[2]; /* what the command's stdout and stderr are read from; from[0] may be a pty's
			master */
	int to[2];   /* where it is shown as well; −1: nowhere */
	int input, input_to; /* bytes from INPUT go to INPUT_TO (a pty's master); −1: none */
	int control;	     /* socket of a client, see monitor_wait; −1: none */
};

/* Nothing is carried: all −1. */
void monitor_init(struct monitor *monitor);

/* Pipes for the command's stdout and stderr: FROM is set, and their other ends given, both
 * close-on-exec. 0 or −1. */
int monitor_pipes(struct monitor *monitor, int ends[2]);

/*
 * Carries until the child has ended and everything it wrote is through; passes signals on meanwhile
 * (spawn_block_signals first). A client on CONTROL may send a struct winsize, for the pty; when it
 * goes away, nothing is shown any more. A full disk or a reader that is gone stops that copy, not
 * the container. Fills *INFO. 0 or −1.
 */
int monitor_wait(struct monitor *monitor, const struct spawn *child, siginfo_t *info);

/*
 * -d: forks; gives 0 in the monitor, in a session of its own, and the pid in the caller. REPORT is
 * the monitor's end of a socket on which it says how the start went: monitor_report (call_error()
 * of the monitor; number 0: it runs). The caller waits for that with monitor_await, which gives the
 * error's status (0, or what a later report says of the end), or −1 with the error adopted.
 */
pid_t monitor_fork(int *report);
void monitor_report(int report);
int monitor_await(int report);

/* Standard input, output and error become /dev/null. 0 or −1. */
int monitor_leave_terminal(void);

#endif

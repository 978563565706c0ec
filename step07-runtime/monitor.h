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

/* Bytes that were read, and that whoever they are for has not taken yet. */
struct owed {
	char *bytes;
	size_t at, count, size; /* COUNT of them from AT on; room for SIZE */
	bool own;		/* where they go was opened by monitor_show */
	int error;		/* errno of the write that failed: nothing more is given there */
};

struct monitor {
	struct log *log; /* NULL: nothing is kept */
	int from[2]; /* what the command's stdout and stderr are read from; from[0] may be a pty's
			master */
	int to[2];   /* where it is shown as well; −1: nowhere */
	int input, input_to; /* bytes from INPUT go to INPUT_TO (a pty's master, or a pipe, which
				is closed after the last one); −1: none */
	/* for monitor_begin … monitor_end: */
	struct monitor_options options;
	int ends[2]; /* the command's ends of the pipes; −1 */
	int report;  /* of monitor_fork; −1 */
	int control; /* socket of a client, see monitor_wait; −1: none */
	int window;  /* the caller's terminal, whose size the pty follows; −1: none */
	/* of monitor_wait itself: */
	struct owed owed[3]; /* to TO[0], TO[1] and INPUT_TO */
	int left[2];	     /* bytes that were in the pipes at the end, and are not read yet */
	int dropped;	     /* how often PID 1 has dropped a SIGINT of the client */
	int log_error;	     /* errno of the last line that the log could not take; 0: it has all */
};

/* Nothing is carried: all −1. */
void monitor_init(struct monitor *monitor);

/*
 * What comes of STREAM (0 or 1) is shown on FD as well. A terminal is opened anew, so that a write
 * never waits for its reader: by a path in /proc, so before this process joins the namespaces of a
 * container, whose /proc does not know it.
 */
void monitor_show(struct monitor *monitor, int stream, int fd);

/* Pipes for the command's stdout and stderr: FROM is set, and their other ends given, both
 * close-on-exec. 0 or −1. */
int monitor_pipes(struct monitor *monitor, int ends[2]);

/*
 * Carries until the child has ended and everything it wrote is read; passes signals on meanwhile
 * (spawn_block_signals first). A client on CONTROL may send a struct winsize, for the pty; when it
 * goes away, nothing is shown any more, and the descriptors 0 to 2 are let go of. A reader that is
 * gone: a client is told, and the container goes on; without one the command's pipe is closed, as
 * if it wrote to that reader itself. A line that finds a full disk is missing in the log. A reader
 * that stalls holds the command up, but neither signals nor the end.
 * SIGINT that PID 1 has no handler for is dropped by the kernel: a client that sends it thrice has
 * the child killed. Fills *INFO. 0 or −1.
 */
int monitor_wait(struct monitor *monitor, const struct spawn *child, siginfo_t *info);

/* After monitor_wait, and after whatever else must not wait: what the readers have not taken yet is
 * given to them, until they have it, go away, or a signal says that nobody wants it. 0, or −1 with
 * the error when something was lost on the way, but not because its reader had gone (EPIPE). */
int monitor_flush(struct monitor *monitor);

/*
 * -d: forks; gives 0 in the monitor, in a session of its own, and the pid in the caller. REPORT is
 * the monitor's end of a socket on which it says how the start went: monitor_report (call_error()
 * of the monitor; number 0: it runs). The caller waits for that with monitor_await, which gives the
 * error's status (0, or what a later report says of the end), or −1 with the error adopted; WHEN is
 * for the sentence about a monitor that ended without a word ("before the container ran").
 */
pid_t monitor_fork(int *report);
void monitor_report(int report);
int monitor_await(int report, const char *when);

/*
 * The whole for step 7, around its own order of events. monitor_begin, before anything is made:
 * opens
 * --log and the pipes for it, and with -d forks.
 * True when the caller is done, with *STATUS to leave with: it stayed behind, and has printed the
 * monitor's pid (0), or something failed (−1). False in the process that goes on.
 * monitor_in_child: the pipes become 1 and 2. monitor_started: after the exec; the one behind
 * returns, and the terminal is left. monitor_end passes RESULT through; an error goes to the one
 * behind.
 */
bool monitor_begin(struct monitor *monitor, int *status);
int monitor_in_child(const struct monitor *monitor);
int monitor_started(struct monitor *monitor);
int monitor_end(struct monitor *monitor, int result);

/* Standard input, output and error become /dev/null. 0 or −1. */
int monitor_leave_terminal(void);

#endif

/*
 * monitor.c: one poll loop for pipes, a pty, signals, a client and the end of the child.
 * Follows poll(2), pidfd_open(2), pty(7). Explained in book/07-runtime.md.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/pidfd.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "step01-unshare/call.h"
#include "step07-runtime/monitor.h"

const struct option_row monitor_options[] = {
	{ "detach", 'd', NULL, "-", "print the pid and return; a monitor stays with the command",
	  option_flag, offsetof(struct monitor_options, detach), 0 },
	{ "log", 0, "FILE", "-", "keep what the command writes in FILE, a JSON object a line",
	  option_text, offsetof(struct monitor_options, log), 0 },
	{ 0 },
};

void
monitor_init(struct monitor *monitor)
{
	*monitor = (struct monitor){ .from = { -1, -1 },
				     .to = { -1, -1 },
				     .input = -1,
				     .input_to = -1,
				     .ends = { -1, -1 },
				     .report = -1,
				     .control = -1,
				     .window = -1 };
}

/*
 * The O_NONBLOCK of the caller's descriptor would be the caller's as well. poll(2) is no promise
 * for a terminal that translates: its room is counted in chunks of 256 bytes, the last of which is
 * spent when it is begun, and a line's end then waits for room of two, in a write that has been let
 * in. Who may not open it (another user's, after su) can be held up by it.
 */
void
monitor_show(struct monitor *monitor, int stream, int fd)
{
	char path[32];
	int own;

	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	own = isatty(fd) ? open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC) : -1;
	monitor->owed[stream].own = own >= 0;
	monitor->to[stream] = own >= 0 ? own : fd;
}

int
monitor_pipes(struct monitor *monitor, int ends[2])
{
	for (int i = 0; i < 2; i++) {
		int made[2];
		if (pipe2(made, O_CLOEXEC) < 0)
			return fail(errno, "pipe for the command's output");
		monitor->from[i] = made[0];
		ends[i] = made[1];
	}
	return 0;
}

/* ---- carrying ---- */

static void
stop(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

enum { OUT, ERR, IN, CLIENT, SIGNALS, END, TO_OUT, TO_ERR, TO_IN, EVENTS };

#define PART 16384	/* bytes of one read */
#define MOST (2U << 20) /* so many are kept of one stream after the end: more than a pipe holds */

/*
 * Gives TO what it can take now. What poll(2) has found room for does not block: PIPE_BUF bytes of
 * a pipe, and of a pty's master, which translates nothing, half of the 256 that it counts its room
 * in. Of any other terminal see monitor_show. True: all is gone, or nobody wants it.
 */
static bool
deliver(struct owed *owed, int *to)
{
	size_t piece = owed->count > 0 && isatty(*to) ? 128 : PIPE_BUF;

	while (*to >= 0 && owed->count > 0) {
		struct pollfd room = { *to, POLLOUT, 0 };
		ssize_t n;
		if (poll(&room, 1, 0) == 0)
			return false;
		n = write(*to, owed->bytes + owed->at, owed->count < piece ? owed->count : piece);
		if (n < 0 && errno == EAGAIN)
			return false;
		if (n < 0 && errno != EINTR) {
			owed->error = errno;
			if (owed->own)
				close(*to);
			*to = -1;
		} else if (n > 0) {
			owed->at += (size_t)n;
			owed->count -= (size_t)n;
		}
	}
	owed->at = owed->count = 0;
	return true;
}

static void
owe(struct owed *owed, int *to, const char *bytes, size_t count)
{
	if (*to < 0)
		return;
	if (owed->at + owed->count + count > owed->size) {
		size_t size = owed->at + owed->count + count;
		char *grown = realloc(owed->bytes, size);
		if (!grown) {
			*to = -1;
			return;
		}
		owed->bytes = grown;
		owed->size = size;
	}
	memcpy(owed->bytes + owed->at + owed->count, bytes, count);
	owed->count += count;
	deliver(owed, to);
}

static void
carry_output(struct monitor *monitor, int stream)
{
	char bytes[PART];
	ssize_t n = read(monitor->from[stream], bytes, sizeof bytes);

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n <= 0) { /* end of file; EIO on a pty whose last terminal is closed */
		if (monitor->input_to == monitor->from[stream])
			monitor->input = monitor->input_to = -1;
		stop(&monitor->from[stream]);
		return;
	}
	if (monitor->left[stream] > 0) /* from the end on: what comes before has no bound */
		monitor->left[stream] -= (int)n;
	owe(monitor->owed + stream, monitor->to + stream, bytes, (size_t)n);
	/* a full disk costs lines of the log, not the container, and may have room again later */
	if (monitor->log &&
	    log_write(monitor->log, (enum log_stream)stream, bytes, (size_t)n) < 0) {
		monitor->log_error = call_error()->number;
		call_forget();
	}
}

static void
carry_input(struct monitor *monitor)
{
	char bytes[4096];
	ssize_t n = read(monitor->input, bytes, sizeof bytes);

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n > 0 && monitor->input_to >= 0) {
		owe(monitor->owed + 2, &monitor->input_to, bytes, (size_t)n);
		return;
	}
	monitor->input = -1;
	if (monitor->input_to != monitor->from[0])
		stop(&monitor->input_to); /* a pipe: its reader sees the end too */
}

/* Whoever waits for the end of what the client wrote to must not wait for the container's. */
static void
leave_client(struct monitor *monitor)
{
	monitor->control = -1; /* the caller's descriptor: a number used again would lie */
	monitor->input = -1;
	monitor->owed[IN].count = 0;
	if (monitor->input_to != monitor->from[0])
		stop(&monitor->input_to); /* a pipe, whose reader waits for more */
	for (int i = 0; i < 2; i++) {
		if (monitor->owed[i].own)
			stop(monitor->to + i);
		monitor->to[i] = -1;
		monitor->owed[i].count = 0;
		monitor->owed[i].own = false;
	}
	monitor_leave_terminal();
	call_forget();
}

static void
hear_client(struct monitor *monitor)
{
	struct winsize size;
	ssize_t n = recv(monitor->control, &size, sizeof size, MSG_DONTWAIT);

	if (n == (ssize_t)sizeof size && monitor->from[0] >= 0)
		ioctl(monitor->from[0], TIOCSWINSZ, &size);
	else if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		leave_client(monitor);
}

static int
fail_lost(const struct monitor *monitor, int stream)
{
	return fail(monitor->owed[stream].error, "write to standard %s",
		    stream == 0 ? "output" : "error");
}

/* ANCHOR: lost */
/* A reader is gone, or a disk full. Who writes to that itself would be told by write(2); the client
 * is told in its place. Without one the command shall be told: by SIGPIPE, when nobody has the
 * other end of its pipe. (Not by a pty, whose end is a hangup.) */
static void
tell_lost(struct monitor *monitor)
{
	if (!monitor->owed[0].error && !monitor->owed[1].error)
		return;
	if (monitor->control >= 0) {
		fail_lost(monitor, monitor->owed[0].error ? 0 : 1);
		call_hint("the container goes on: boxstep ps, logs, stop");
		monitor_report(monitor->control);
		monitor->owed[0].error = monitor->owed[1].error = 0;
		leave_client(monitor);
		return;
	}
	for (int i = 0; i < 2; i++)
		if (monitor->owed[i].error && monitor->from[i] >= 0 && !isatty(monitor->from[i]))
			stop(monitor->from + i);
}
/* ANCHOR_END: lost */

/* True: nobody is owed anything. The input of a command that has ended is nobody's. */
static bool
deliver_all(struct monitor *monitor)
{
	bool done = deliver(monitor->owed, monitor->to);

	done &= deliver(monitor->owed + 1, monitor->to + 1);
	return deliver(monitor->owed + 2, &monitor->input_to) && done;
}

/* A handler, or a block and a signalfd(2): whether the process means to take that signal. */
static bool
takes(pid_t pid, int number)
{
	char path[32], line[128];
	bool found = false;
	FILE *file;

	snprintf(path, sizeof path, "/proc/%d/status", pid);
	if (!(file = fopen(path, "re")))
		return false;
	while (fgets(line, sizeof line, file))
		if (strncmp(line, "SigCgt:", 7) == 0 || strncmp(line, "SigBlk:", 7) == 0)
			found |= strtoull(line + 7, NULL, 16) >> (number - 1) & 1;
	fclose(file);
	return found;
}

/*
 * PID 1 of a namespace is sent no signal from outside that it has no handler for, but SIGKILL and
 * SIGSTOP: pid_namespaces(7). Who presses Ctrl-C again and again means the end, and gets it.
 */
static void
insist(struct monitor *monitor, const struct spawn *child)
{
	if (monitor->control < 0 || takes(child->pid, SIGINT))
		return;
	if (++monitor->dropped == 2)
		fprintf(stderr,
			"boxstep: PID 1 of the container has no handler for SIGINT, and is not "
			"sent "
			"it; once more kills it (run --init has a PID 1 that passes it on)\n");
	else if (monitor->dropped > 2)
		pidfd_send_signal(child->pidfd, SIGKILL, NULL, 0);
}

static void
follow_window(const struct monitor *monitor)
{
	struct winsize size;

	if (monitor->window >= 0 && monitor->from[0] >= 0 &&
	    ioctl(monitor->window, TIOCGWINSZ, &size) == 0)
		ioctl(monitor->from[0], TIOCSWINSZ, &size);
}

/* ---- the loop ---- */

/* What the loop waits for: of a stream either more of it, or that its reader can take what there
 * is. After the end nobody is held up, and all is read. */
static int
watch(const struct monitor *m, int signals, int pidfd, struct pollfd events[EVENTS], int grace)
{
	const int readers[] = { m->to[0], m->to[1], m->input_to };

	events[IN] = (struct pollfd){ m->owed[IN].count ? -1 : m->input, POLLIN, 0 };
	events[CLIENT] = (struct pollfd){ m->control, POLLIN, 0 };
	events[SIGNALS] = (struct pollfd){ signals, POLLIN, 0 };
	events[END] = (struct pollfd){ pidfd, POLLIN, 0 };
	for (int i = 0; i < 3; i++) {
		size_t most = pidfd < 0 ? MOST : 1;
		if (i != IN)
			events[i] = (struct pollfd){ m->owed[i].count < most ? m->from[i] : -1,
						     POLLIN, 0 };
		events[TO_OUT + i] =
			(struct pollfd){ m->owed[i].count ? readers[i] : -1, POLLOUT, 0 };
	}
	return poll(events, EVENTS, grace);
}

/* What the command itself has written is carried, however long that takes. */
static void
look_at_rest(struct monitor *monitor)
{
	for (int i = 0; i < 2; i++)
		if (monitor->from[i] < 0 ||
		    ioctl(monitor->from[i], FIONREAD, &monitor->left[i]) < 0)
			monitor->left[i] = 0;
}

static bool
all_read(const struct monitor *monitor)
{
	return (monitor->from[0] < 0 || monitor->left[0] <= 0) &&
	       (monitor->from[1] < 0 || monitor->left[1] <= 0);
}

/* Milliseconds, at least 0, of the GRACE that began at END. */
static int
rest_of(int grace, const struct timespec *end)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	int64_t left =
		grace - (now.tv_sec - end->tv_sec) * 1000 - (now.tv_nsec - end->tv_nsec) / 1000000;
	return left > 0 ? (int)left : 0;
}

int
monitor_wait(struct monitor *monitor, const struct spawn *child, siginfo_t *info)
{
	int signals = spawn_signals(), ended = 0;
	struct timespec end;

	if (signals < 0)
		return -1;
	/* ANCHOR: loop */
	for (;;) {
		struct pollfd events[EVENTS] = { 0 };
		int grace = ended ? rest_of(200, &end) : -1;
		int ready = watch(monitor, signals, ended ? -1 : child->pidfd, events, grace);

		if (ready < 0 && errno != EINTR)
			break;
		for (int i = 0; i < 2 && ready > 0; i++)
			if (events[i].revents)
				carry_output(monitor, i);
		if (ready > 0 && events[IN].revents)
			carry_input(monitor);
		deliver_all(monitor);
		if (ready > 0 && events[CLIENT].revents)
			hear_client(monitor);
		if (!ended)
			tell_lost(monitor);
		if (ready > 0 && events[SIGNALS].revents) {
			follow_window(monitor); /* it may be SIGWINCH */
			if (spawn_pass_on(child, signals) == SIGINT)
				insist(monitor, child);
		}
		if (ready > 0 && events[END].revents) {
			if (waitid(P_PIDFD, (id_t)child->pidfd, info, WEXITED) < 0)
				break;
			/* what is in the pipes still comes; a process that left the PID namespace's
			 * care and holds them open is not waited for, whatever it writes */
			ended = 1;
			clock_gettime(CLOCK_MONOTONIC, &end);
			look_at_rest(monitor);
		}
		if (ended && (ready == 0 || (grace == 0 && all_read(monitor)) ||
			      (monitor->from[0] < 0 && monitor->from[1] < 0)))
			break;
	}
	/* ANCHOR_END: loop */
	close(signals);
	return ended ? 0 : fail(errno, "the wait for process %d", child->pid);
}

int
monitor_flush(struct monitor *monitor)
{
	struct signalfd_siginfo signal;
	int signals = spawn_signals(), done = 0;

	for (int i = 0; i < 2; i++)
		stop(monitor->from + i);
	monitor->input = monitor->input_to = -1;
	while (signals >= 0 && !deliver_all(monitor)) {
		struct pollfd events[EVENTS] = { 0 };
		watch(monitor, signals, -1, events, -1);
		if (events[CLIENT].revents)
			hear_client(monitor);
		if (events[SIGNALS].revents && read(signals, &signal, sizeof signal) > 0 &&
		    !spawn_ignores((int)signal.ssi_signo) &&
		    (signal.ssi_signo == SIGINT || signal.ssi_signo == SIGTERM ||
		     signal.ssi_signo == SIGHUP || signal.ssi_signo == SIGQUIT))
			break;
	}
	if (signals >= 0)
		close(signals);
	for (int i = 0; i < 3; i++) {
		if (monitor->owed[i].own)
			stop(monitor->to + i);
		free(monitor->owed[i].bytes);
		if (i != IN && monitor->owed[i].error && monitor->owed[i].error != EPIPE)
			done = fail_lost(monitor, i);
	}
	memset(monitor->owed, 0, sizeof monitor->owed);
	return done;
}

/* ---- detached ---- */

pid_t
monitor_fork(int *report)
{
	int ends[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return fail(errno, "socketpair for the monitor");
	pid = fork();
	if (pid < 0) {
		fail(errno, "fork for the monitor");
		close(ends[0]);
		close(ends[1]);
		return -1;
	}
	close(ends[pid == 0 ? 0 : 1]);
	*report = ends[pid == 0 ? 1 : 0];
	if (pid == 0)
		setsid();
	return pid;
}

void
monitor_report(int report)
{
	send(report, call_error(), sizeof(struct call_error), MSG_NOSIGNAL);
}

int
monitor_await(int report, const char *when)
{
	struct call_error error;
	ssize_t n;

	do
		n = recv(report, &error, sizeof error, 0);
	while (n < 0 && errno == EINTR);
	if (n != (ssize_t)sizeof error)
		return fail(ECHILD, "the monitor ended %s", when);
	if (!error.number)
		return error.status;
	call_adopt(&error);
	return -1;
}

int
monitor_leave_terminal(void)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC), done = 0;

	if (null < 0)
		return fail(errno, "open(\"/dev/null\")");
	for (int fd = 0; fd < 3; fd++)
		if (dup2(null, fd) < 0)
			done = fail(errno, "dup2 of /dev/null");
	close(null);
	return done;
}

/* ---- the whole for step 7 ---- */

static int
open_log(struct monitor *monitor)
{
	static struct log log; /* for the one container of this process */

	if (monitor->options.log) {
		if (log_open(&log, AT_FDCWD, monitor->options.log) < 0)
			return -1;
		monitor->log = &log;
	}
	if (!monitor->options.log && !monitor->options.detach)
		return 0; /* the command writes where the caller does */
	for (int i = 0; i < 2 && !monitor->options.detach; i++)
		monitor_show(monitor, i, STDOUT_FILENO + i);
	return monitor_pipes(monitor, monitor->ends);
}

bool
monitor_begin(struct monitor *monitor, int *status)
{
	struct monitor_options options = monitor->options;
	pid_t pid = 0;

	monitor_init(monitor);
	monitor->options = options;
	*status = -1;
	if (options.detach && (pid = monitor_fork(&monitor->report)) < 0)
		return true;
	if (pid == 0)
		return open_log(monitor) < 0 && monitor_end(monitor, -1) < 0;
	if (monitor_await(monitor->report, "before the container ran") == 0)
		*status = printf("%d\n", pid) < 0 ? -1 : 0;
	return true;
}

int
monitor_in_child(const struct monitor *monitor)
{
	for (int i = 0; i < 2; i++)
		if (monitor->ends[i] >= 0 && dup2(monitor->ends[i], STDOUT_FILENO + i) < 0)
			return fail(errno, "dup2(%d, %d)", monitor->ends[i], STDOUT_FILENO + i);
	return 0;
}

int
monitor_started(struct monitor *monitor)
{
	stop(&monitor->ends[0]); /* a pipe ends when its last writer is gone: this one too */
	stop(&monitor->ends[1]);
	if (monitor->report < 0)
		return 0;
	monitor_report(monitor->report);
	stop(&monitor->report);
	return monitor_leave_terminal();
}

int
monitor_end(struct monitor *monitor, int result)
{
	if (monitor_flush(monitor) < 0)
		result = -1;
	if (monitor->log)
		log_close(monitor->log);
	if (monitor->log_error && result >= 0)
		result = fail(monitor->log_error, "lines of the log are missing");
	if (monitor->report >= 0) { /* it never started: whoever waits for that says why */
		monitor_report(monitor->report);
		_exit(EXIT_OURS);
	}
	return result;
}

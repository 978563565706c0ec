/*
 * gate.c: exec.fifo from both sides: who opens it waits for the other.
 * Follows fifo(7), poll(2). Explained in book/07-runtime.md.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "step01-unshare/call.h"
#include "step04-cgroups/process.h"
#include "step07-runtime/gate.h"

int
gate_make(int dir, unsigned uid, unsigned gid)
{
	/* whoever the container's user is writes through it; its directory keeps others out */
	if (mkfifoat(dir, "exec.fifo", 0600) < 0 || fchmodat(dir, "exec.fifo", 0622, 0) < 0 ||
	    fchownat(dir, "exec.fifo", uid, gid, AT_SYMLINK_NOFOLLOW) < 0)
		return fail(errno, "mkfifo(\"exec.fifo\")");
	return 0;
}

/* What a container's first process is called until its exec: while its world is built, and then. */
#define IN_THE_MAKING "boxstep: build"
#define AT_THE_GATE   "boxstep: gate"

void
gate_name(bool made)
{
	prctl(PR_SET_NAME, made ? AT_THE_GATE : IN_THE_MAKING, 0, 0, 0);
}

int
gate_hold(int dir)
{
	int fd = openat(dir, "exec.fifo", O_PATH | O_CLOEXEC | O_NOFOLLOW);

	return fd < 0 ? fail(errno, "open(\"exec.fifo\", O_PATH)") : fd;
}

bool
gate_is_far(pid_t pid)
{
	return process_is_fork(pid, IN_THE_MAKING);
}

bool
gate_is_closed(pid_t pid)
{
	return process_is_fork(pid, AT_THE_GATE);
}

/* ANCHOR: wait */
int
gate_wait(int proc, int fifo)
{
	char name[32];
	int fd;

	/* after pivot_root and setresuid neither a path nor a right leads to the directory: what is
	 * held by descriptor is opened anew through its magic link */
	snprintf(name, sizeof name, "self/fd/%d", fifo);
	do
		fd = openat(proc, name, O_WRONLY | O_CLOEXEC);
	while (fd < 0 && errno == EINTR);
	if (fd < 0)
		fail(errno, "open(\"exec.fifo\")");
	return fd;
}
/* ANCHOR_END: wait */

void
gate_fail(int gate)
{
	/* far below PIPE_BUF, so it arrives whole; a reader that is gone has nobody to tell */
	if (gate >= 0 && write(gate, call_error(), sizeof(struct call_error)) < 0)
		return;
}

/* Waits until the child has come and gone through the fifo. 1: it has, 0: it died before. Who went
 * through for a start that was killed may be gone from the fifo too: its name tells. */
static int
wait_passed(int fifo, pid_t pid, int pidfd)
{
	struct pollfd events[2] = { { .fd = fifo, .events = POLLIN },
				    { .fd = pidfd, .events = POLLIN } };
	int ready;

	do {
		ready = poll(events, 2, 100);
		if (ready < 0 && errno != EINTR)
			return fail(errno, "poll of exec.fifo");
	} while (ready < 0 || (ready == 0 && gate_is_closed(pid)));
	/* no writer has been there yet: no POLLHUP. So an event of the fifo is the child's. */
	return ready == 0 || events[0].revents ? 1 : 0;
}

int
gate_open(int dir, pid_t pid, int pidfd)
{
	struct call_error error;
	int fifo = openat(dir, "exec.fifo", O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW), passed;
	ssize_t n = 0;

	if (fifo < 0)
		return fail(errno == ENOENT ? EINVAL : errno,
			    "the container is not in the state created: it has no exec.fifo");
	passed = wait_passed(fifo, pid, pidfd);
	if (passed == 1)
		n = read(fifo, &error, sizeof error);
	close(fifo);
	if (passed <= 0)
		return passed < 0 ? -1
				  : fail(ESRCH, "container not running: it ended before its start");
	unlinkat(dir, "exec.fifo", 0);
	if (n == (ssize_t)sizeof error) {
		call_adopt(&error);
		return -1;
	}
	return 0;
}

/*
 * gate.c: exec.fifo from both sides: who opens it waits for the other.
 * Follows fifo(7), poll(2). Explained in book/07-runtime.md.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "step01-unshare/call.h"
#include "step07-runtime/oci/gate.h"

int
gate_make(int dir, unsigned uid, unsigned gid)
{
	/* whoever the container's user is writes through it; its directory keeps others out */
	if (mkfifoat(dir, "exec.fifo", 0600) < 0 || fchmodat(dir, "exec.fifo", 0622, 0) < 0 ||
	    fchownat(dir, "exec.fifo", uid, gid, AT_SYMLINK_NOFOLLOW) < 0)
		return fail(errno, "mkfifo(\"exec.fifo\")");
	return 0;
}

int
gate_hold(int dir)
{
	int fd = openat(dir, "exec.fifo", O_PATH | O_CLOEXEC | O_NOFOLLOW);

	return fd < 0 ? fail(errno, "open(\"exec.fifo\", O_PATH)") : fd;
}

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

void
gate_fail(int gate)
{
	/* far below PIPE_BUF, so it arrives whole; a reader that is gone has nobody to tell */
	if (gate >= 0 && write(gate, call_error(), sizeof(struct call_error)) < 0)
		return;
}

/* Waits until the child has come and gone through the fifo. 1: it has, 0: it died before. */
static int
wait_passed(int fifo, int pidfd)
{
	struct pollfd events[2] = { { .fd = fifo, .events = POLLIN },
				    { .fd = pidfd, .events = POLLIN } };

	while (poll(events, 2, -1) < 0)
		if (errno != EINTR)
			return fail(errno, "poll of exec.fifo");
	/* no writer has been there yet: no POLLHUP. So an event of the fifo is the child's. */
	return events[0].revents ? 1 : 0;
}

int
gate_open(int dir, int pidfd)
{
	struct call_error error;
	int fifo = openat(dir, "exec.fifo", O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW), passed;
	ssize_t n = 0;

	if (fifo < 0)
		return fail(errno == ENOENT ? EINVAL : errno,
			    "the container is not in the state created: it has no exec.fifo");
	passed = wait_passed(fifo, pidfd);
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

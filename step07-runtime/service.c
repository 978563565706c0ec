/*
 * service.c: descriptors counted, a socket bound, one word passed on.
 * Follows sd_listen_fds(3), sd_notify(3), sd_notify_barrier(3). Explained in book/07-runtime.md.
 */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "step01-unshare/call.h"
#include "step01-unshare/options.h"
#include "step02-pidns/spawn.h"
#include "step02-pidns/unixsock.h"
#include "step03-mounts/mounts.h"
#include "step07-runtime/service.h"

#define DIRECTORY "notify" /* below that of the state */
#define SOCKET	  "socket"
#define INSIDE	  "/run/notify"

enum { BARRIER_SECONDS = 5 }; /* for a manager that does not know it */

unsigned
service_descriptors(void)
{
	const char *pid = getenv("LISTEN_PID"), *fds = getenv("LISTEN_FDS");
	int64_t number, count;

	/* somebody else's: variables are inherited, and descriptors of those numbers may be ours */
	if (!pid || !fds || number_parse(pid, getpid(), getpid(), &number) < 0 ||
	    number_parse(fds, 0, 1024, &count) < 0)
		return 0;
	return (unsigned)count;
}

int
service_offer(int dir, const char *root, const char *id, struct mount_list *mounts, char **variable)
{
	static char inside[] = "NOTIFY_SOCKET=" INSIDE "/" SOCKET;
	char path[2 * PATH_MAX];
	const struct mount_spec spec = { .target = INSIDE,
					 .type = "bind",
					 .source = path,
					 .options = "bind,nosuid,nodev,noexec,ro" };

	*variable = NULL;
	if (!getenv("NOTIFY_SOCKET"))
		return 0;
	if (mkdirat(dir, DIRECTORY, 0755) < 0)
		return fail(errno, "mkdir(\"" DIRECTORY "\")");
	snprintf(path, sizeof path, "%s/%s/" DIRECTORY, root, id);
	*variable = inside;
	return mounts_add(mounts, &spec);
}

static void
leave(struct service *service)
{
	close_fd(service->inside);
	close_fd(service->outside);
	*service = (struct service){ -1, -1 };
}

int
service_open(int dir, struct service *service)
{
	const char *manager = getenv("NOTIFY_SOCKET");
	int below = manager ? openat(dir, DIRECTORY, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
	bool nobody;

	*service = (struct service){ -1, -1 };
	if (below < 0)
		return !manager || errno == ENOENT ? 0 : fail(errno, "open(\"" DIRECTORY "\")");
	if ((service->outside = unix_connect(manager, SOCK_DGRAM, "NOTIFY_SOCKET")) < 0) {
		/* variables are inherited, and outlive who has set them */
		nobody = errno == ENOENT || errno == ECONNREFUSED;
		close(below);
		return nobody ? 1 : -1;
	}
	service->inside = unix_bind(below, SOCKET, SOCK_DGRAM, "NOTIFY_SOCKET");
	close(below);
	if (service->inside >= 0)
		return 0;
	leave(service);
	return -1;
}

/* ANCHOR: tell */
/* The manager finds out by the sender's pid whose word it is: this process must be there until it
 * has read it, which it shows by closing what the barrier brings. */
static int
tell(int manager, pid_t pid)
{
	struct pollfd barrier = { .events = POLLIN };
	char text[64];
	int ends[2], done;

	snprintf(text, sizeof text, "MAINPID=%d\nREADY=1", pid);
	if (unix_send(manager, text, -1) < 0)
		return -1;
	if (pipe2(ends, O_CLOEXEC) < 0)
		return fail(errno, "pipe for a barrier");
	done = unix_send(manager, "BARRIER=1", ends[1]);
	close(ends[1]);
	barrier.fd = ends[0];
	if (done == 0)
		poll(&barrier, 1, BARRIER_SECONDS * 1000);
	close(ends[0]);
	return done;
}
/* ANCHOR_END: tell */

/* One datagram, whatever descriptors came with it: without room for them the kernel closes them. */
static bool
heard_ready(int inside)
{
	char text[4096], *rest = text, *line;
	ssize_t n = recv(inside, text, sizeof text - 1, MSG_DONTWAIT);

	text[n > 0 ? n : 0] = '\0';
	while ((line = strsep(&rest, "\n")))
		if (strcmp(line, "READY=1") == 0)
			return true;
	return false;
}

int
service_await(struct service *service, pid_t pid, int pidfd)
{
	struct pollfd events[2] = { { .fd = service->inside, .events = POLLIN },
				    { .fd = pidfd, .events = POLLIN } };
	int done = 0;

	while (service->inside >= 0 && !(events[1].revents && !events[0].revents)) {
		if (poll(events, 2, -1) < 0 && errno != EINTR)
			done = fail(errno, "poll of NOTIFY_SOCKET");
		else if (events[0].revents && heard_ready(service->inside))
			done = tell(service->outside, pid);
		else
			continue;
		break;
	}
	leave(service);
	return done;
}

int
service_attend(struct service *service, pid_t pid, int pidfd)
{
	pid_t helper = service->inside < 0 ? 1 : fork();

	if (helper == 0) {
		/* nothing else of this process's, such as the master of a terminal, lives on in it
		 */
		if (dup2(service->inside, 0) == 0 && dup2(service->outside, 1) == 1 &&
		    dup2(pidfd, 2) == 2 && close_range(3, ~0U, 0) == 0 &&
		    spawn_die_with_parent() == 0)
			service_await(&(struct service){ 0, 1 }, pid, 2);
		_exit(0);
	}
	leave(service);
	return helper < 0 ? fail(errno, "fork for NOTIFY_SOCKET") : 0;
}

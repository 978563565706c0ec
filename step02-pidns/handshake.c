/*
 * handshake.c: GO, READY, FAILED over a socket that closes itself at exec.
 * Follows unix(7), socketpair(2). Explained in book/02-pidns.md.
 */
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "step01-unshare/call.h"
#include "step02-pidns/handshake.h"

enum kind { GO = 1, READY, FAILED, WHO };

struct message {
	enum kind kind;
	pid_t pid;		 /* with GO: the child's number outside */
	struct call_error error; /* with FAILED */
};

static void
close_end(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

int
handshake_open(struct handshake *shake)
{
	int ends[2];

	shake->parent = shake->child = -1;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return fail(errno, "socketpair for the handshake of parent and child");
	/* every message then arrives with its sender's pid, translated by the kernel, unix(7) */
	if (setsockopt(ends[0], SOL_SOCKET, SO_PASSCRED, &(int){ 1 }, sizeof(int)) < 0) {
		fail(errno, "setsockopt(SO_PASSCRED)");
		close_fd(ends[0]);
		close_fd(ends[1]);
		return -1;
	}
	shake->parent = ends[0];
	shake->child = ends[1];
	return 0;
}

void
handshake_in_parent(struct handshake *shake)
{
	close_end(&shake->child);
}

void
handshake_in_child(struct handshake *shake)
{
	close_end(&shake->parent);
}

void
handshake_close(struct handshake *shake)
{
	close_end(&shake->parent);
	close_end(&shake->child);
}

/* MSG_NOSIGNAL: the other side may be gone, and that is an error to report, not a SIGPIPE. */
static int
say(int to, const void *message, size_t size, int fd)
{
	struct iovec part = { (void *)(uintptr_t)message, size };
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control = { .header = { CMSG_LEN(sizeof fd), SOL_SOCKET, SCM_RIGHTS } };
	struct msghdr header = { .msg_iov = &part, .msg_iovlen = 1 };

	if (fd >= 0) {
		memcpy(CMSG_DATA(&control.header), &fd, sizeof fd);
		header.msg_control = control.space;
		header.msg_controllen = sizeof control.space;
	}
	return sendmsg(to, &header, MSG_NOSIGNAL) == (ssize_t)size ? 0 : -1;
}

static int
gone(int number)
{
	return fail(number, "the other process of the handshake is gone");
}

/* What the kernel says of a message beside its text: who sent it, what descriptor came with it. */
struct beside {
	pid_t sender;
	int fd;
};

static void
look_beside(struct msghdr *header, struct beside *beside)
{
	*beside = (struct beside){ 0, -1 };
	for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c; c = CMSG_NXTHDR(header, c)) {
		if (c->cmsg_type == SCM_CREDENTIALS)
			beside->sender = ((struct ucred *)CMSG_DATA(c))->pid;
		else if (c->cmsg_type == SCM_RIGHTS)
			memcpy(&beside->fd, CMSG_DATA(c), sizeof beside->fd);
	}
}

/* Gives 1, the message and (on the parent's end) what came beside it; 0 at end of file; −1 on
 * error. A descriptor that nobody asks for is closed. */
static int
hear(int fd, struct message *message, struct beside *beside)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof(struct ucred)) + CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec part = { message, sizeof *message };
	struct msghdr header = { .msg_iov = &part,
				 .msg_iovlen = 1,
				 .msg_control = control.space,
				 .msg_controllen = sizeof control.space };
	struct beside came;
	ssize_t n;

	/* ECONNRESET comes once, when the other side has closed without reading all; what it had
	 * said before can be read after it */
	do
		n = recvmsg(fd, &header, MSG_CMSG_CLOEXEC);
	while (n < 0 && (errno == EINTR || errno == ECONNRESET));
	if (n == 0)
		return 0;
	if (n != (ssize_t)sizeof *message)
		return fail(n < 0 ? errno : EPROTO, "recvmsg in the handshake");
	look_beside(&header, &came);
	if (beside)
		*beside = came;
	else
		close_fd(came.fd);
	return 1;
}

/* ---- the parent ---- */

static int
ended_silently(void)
{
	return fail(ECHILD, "the child ended before it was ready, without a word");
}

/* To a child that may have failed meanwhile: then its last word says why. */
static int
tell(struct handshake *shake, const void *message, size_t size)
{
	struct message last = { .kind = GO };
	int number;

	if (say(shake->parent, message, size, -1) == 0)
		return 0;
	number = errno;
	if (number != EPIPE && number != ECONNRESET) /* it is there, and waits for this message */
		return fail(number, "sendmsg in the handshake");
	while (last.kind != FAILED)
		if (hear(shake->parent, &last, NULL) != 1)
			return ended_silently();
	call_adopt(&last.error);
	return -1;
}

int
handshake_go(struct handshake *shake, pid_t pid)
{
	struct message message = { .kind = GO, .pid = pid };

	return tell(shake, &message, sizeof message);
}

int
handshake_give(struct handshake *shake, const void *data, size_t size)
{
	return tell(shake, data, size);
}

/* ANCHOR: ready */
int
handshake_wait_ready_with(struct handshake *shake, int *fd)
{
	struct message message;
	struct beside beside = { 0, -1 };
	int heard = hear(shake->parent, &message, &beside);

	*fd = beside.fd;
	if (heard == 1 && message.kind == READY)
		return 0;
	if (heard == 1 && message.kind == FAILED)
		call_adopt(&message.error);
	else if (heard == 0)
		ended_silently();
	return -1;
}

int
handshake_wait_exec(struct handshake *shake)
{
	struct message message;
	struct beside beside;
	int heard = hear(shake->parent, &message, &beside);

	if (heard == 1 && message.kind == WHO) {
		if (handshake_go(shake, beside.sender) < 0)
			return -1;
		heard = hear(shake->parent, &message, NULL);
	}
	if (heard == 0) /* closed by the exec */
		return 0;
	if (heard == 1 && message.kind == FAILED)
		call_adopt(&message.error);
	return -1;
}
/* ANCHOR_END: ready */

int
handshake_wait_ready(struct handshake *shake)
{
	int none, done = handshake_wait_ready_with(shake, &none);

	close_fd(none);
	return done;
}

/* ---- the child ---- */

int
handshake_wait_go(struct handshake *shake)
{
	struct message message;
	int heard = hear(shake->child, &message, NULL);

	if (heard == 0)
		return fail(EPIPE, "the parent ended before it said GO");
	if (heard < 0)
		return -1;
	call_who(message.pid);
	return 0;
}

ssize_t
handshake_take(struct handshake *shake, void *data, size_t size)
{
	ssize_t n;

	do
		n = recv(shake->child, data, size, 0);
	while (n < 0 && errno == EINTR);
	return n > 0 ? n
		     : fail(n < 0 ? errno : EPIPE,
			    "the parent ended before it gave what it had to");
}

int
handshake_ask_who(struct handshake *shake)
{
	struct message message = { .kind = WHO };

	if (call_mode == CALL_SILENT)
		return 0;
	return say(shake->child, &message, sizeof message, -1) < 0 ? gone(errno)
								   : handshake_wait_go(shake);
}

int
handshake_ready(struct handshake *shake)
{
	return handshake_ready_with(shake, -1);
}

int
handshake_ready_with(struct handshake *shake, int fd)
{
	struct message message = { .kind = READY };

	return say(shake->child, &message, sizeof message, fd) < 0 ? gone(errno) : 0;
}

void
handshake_fail(struct handshake *shake)
{
	struct message message = { .kind = FAILED, .error = *call_error() };
	int status = message.error.status ? message.error.status : EXIT_OURS;

	send(shake->child, &message, sizeof message, MSG_NOSIGNAL);
	_exit(status);
}

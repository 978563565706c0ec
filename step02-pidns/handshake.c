/*
 * handshake.c: GO, READY, FAILED over a socket that closes itself at exec.
 * Follows unix(7), socketpair(2). Explained in book/02-pidns.md.
 */
#include <errno.h>
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
say(int fd, const struct message *message)
{
	if (send(fd, message, sizeof *message, MSG_NOSIGNAL) == (ssize_t)sizeof *message)
		return 0;
	return fail(errno, "the other process of the handshake is gone");
}

/* Gives 1, the message and (on the parent's end) who sent it; 0 at end of file; −1 on error. */
static int
hear(int fd, struct message *message, pid_t *sender)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof(struct ucred))];
	} control;
	struct iovec part = { message, sizeof *message };
	struct msghdr header = { .msg_iov = &part,
				 .msg_iovlen = 1,
				 .msg_control = control.space,
				 .msg_controllen = sizeof control.space };
	struct cmsghdr *c;
	ssize_t n;

	do
		n = recvmsg(fd, &header, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n == 0 || (n < 0 && errno == ECONNRESET))
		return 0;
	if (n != (ssize_t)sizeof *message)
		return fail(n < 0 ? errno : EPROTO, "recvmsg in the handshake");
	c = CMSG_FIRSTHDR(&header);
	if (sender && c && c->cmsg_type == SCM_CREDENTIALS)
		*sender = ((struct ucred *)CMSG_DATA(c))->pid;
	return 1;
}

/* ---- the parent ---- */

int
handshake_go(struct handshake *shake, pid_t pid)
{
	struct message message = { .kind = GO, .pid = pid };

	return say(shake->parent, &message);
}

/* ANCHOR: ready */
int
handshake_wait_ready(struct handshake *shake)
{
	struct message message;
	int heard = hear(shake->parent, &message, NULL);

	if (heard == 1 && message.kind == READY)
		return 0;
	if (heard == 1 && message.kind == FAILED)
		call_adopt(&message.error);
	else if (heard == 0)
		fail(ECHILD, "the child ended before it was ready, without a word");
	return -1;
}

int
handshake_wait_exec(struct handshake *shake)
{
	struct message message;
	pid_t sender = 0;
	int heard = hear(shake->parent, &message, &sender);

	if (heard == 1 && message.kind == WHO) {
		if (handshake_go(shake, sender) < 0)
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

int
handshake_ask_who(struct handshake *shake)
{
	struct message message = { .kind = WHO };

	if (call_mode == CALL_SILENT)
		return 0;
	return say(shake->child, &message) < 0 ? -1 : handshake_wait_go(shake);
}

int
handshake_ready(struct handshake *shake)
{
	struct message message = { .kind = READY };

	return say(shake->child, &message);
}

void
handshake_fail(struct handshake *shake)
{
	struct message message = { .kind = FAILED, .error = *call_error() };
	int status = message.error.status ? message.error.status : EXIT_OURS;

	send(shake->child, &message, sizeof message, MSG_NOSIGNAL);
	_exit(status);
}

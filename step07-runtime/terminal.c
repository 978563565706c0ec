/*
 * terminal.c: raw mode, restored on every way out; the master of a pty received.
 * Follows termios(3), unix(7) (SCM_RIGHTS). Explained in book/07-runtime.md.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>

#include "step01-unshare/call.h"
#include "step07-runtime/terminal.h"

static struct termios before;
static int raw_fd = -1;

void
terminal_restore(void)
{
	if (raw_fd >= 0)
		tcsetattr(raw_fd, TCSADRAIN, &before);
	raw_fd = -1;
}

int
terminal_raw(int fd)
{
	struct termios raw;

	if (!isatty(fd))
		return 0;
	if (tcgetattr(fd, &before) < 0)
		return fail(errno, "tcgetattr");
	raw = before;
	cfmakeraw(&raw);
	if (tcsetattr(fd, TCSADRAIN, &raw) < 0)
		return fail(errno, "tcsetattr");
	raw_fd = fd;
	atexit(terminal_restore);
	return 0;
}

struct winsize
terminal_size(int fd)
{
	struct winsize size;

	if (ioctl(fd, TIOCGWINSZ, &size) < 0 || !size.ws_row)
		size = (struct winsize){ .ws_row = 24, .ws_col = 80 };
	return size;
}

int
terminal_sockets(int ends[2])
{
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		return fail(errno, "socketpair for the terminal");
	return 0;
}

int
terminal_receive(int socket)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof(int))];
	} control;
	char name[64];
	struct iovec part = { name, sizeof name };
	struct msghdr message = { .msg_iov = &part,
				  .msg_iovlen = 1,
				  .msg_control = control.space,
				  .msg_controllen = sizeof control.space };
	struct cmsghdr *c;
	int master;

	if (recvmsg(socket, &message, MSG_CMSG_CLOEXEC) <= 0 || !(c = CMSG_FIRSTHDR(&message)) ||
	    c->cmsg_type != SCM_RIGHTS || c->cmsg_len != CMSG_LEN(sizeof master))
		return fail(EPROTO, "no terminal came from the container");
	memcpy(&master, CMSG_DATA(c), sizeof master);
	return master;
}

/*
 * terminal.c: raw mode, restored on every way out; the master of a pty received, its other end
 * taken. Follows termios(3), tty_ioctl(4). Explained in book/07-runtime.md.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "step01-unshare/call.h"
#include "step02-pidns/unixsock.h"
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
	int master = unix_receive(socket);

	return master < 0 ? fail(EPROTO, "no terminal came from the container") : master;
}

int
terminal_take(int terminal, const struct winsize *size, bool bare)
{
	struct termios modes;

	if (size->ws_row && ioctl(terminal, TIOCSWINSZ, size) < 0)
		return fail(errno, "ioctl(TIOCSWINSZ)");
	if (bare && tcgetattr(terminal, &modes) == 0) {
		modes.c_oflag &= ~(tcflag_t)ONLCR;
		if (tcsetattr(terminal, TCSANOW, &modes) < 0)
			return fail(errno, "tcsetattr of the container's terminal");
	}
	if (ioctl(terminal, TIOCSCTTY, 0) < 0)
		return fail(errno, "ioctl(TIOCSCTTY)");
	for (int fd = 0; fd < 3; fd++)
		if (dup2(terminal, fd) < 0)
			return fail(errno, "dup2 of the terminal");
	return 0;
}

int
terminal_give(bool terminal, uid_t owner, gid_t group)
{
	if (terminal)
		group = (gid_t)-1; /* that of devpts, tty: write(1) of others depends on it */
	for (int fd = 0; fd < 3; fd++) {
		struct stat status;

		/* a file, a device or the caller's terminal stays whose it is */
		if (fstat(fd, &status) < 0 || !(terminal || S_ISFIFO(status.st_mode)))
			continue;
		/* EPERM, EINVAL: its owner or the new one has no number in this user namespace */
		if (fchown(fd, owner, group) < 0 && errno != EPERM && errno != EINVAL &&
		    errno != EROFS)
			return fail(errno, "fchown(%d, %u, %d)", fd, owner, (int)group);
	}
	return 0;
}

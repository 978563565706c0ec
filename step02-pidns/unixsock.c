/*
 * unixsock.c: one connect, one message, one descriptor. Follows unix(7), cmsg(3). Explained in
 * book/02-pidns.md.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "step01-unshare/call.h"
#include "step02-pidns/unixsock.h"

int
unix_connect(const char *path, int type, const char *asked)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	size_t length = strlen(path);
	int fd;

	if (length >= sizeof address.sun_path)
		return fail(ENAMETOOLONG, "%s %s", asked, path);
	memcpy(address.sun_path, path, length);
	if (path[0] == '@') /* the name begins with a zero and ends with the length */
		address.sun_path[0] = '\0';
	else
		length++;
	if ((fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0)) < 0)
		return fail(errno, "socket(AF_UNIX, …) for %s", asked);
	if (call(connect(fd, (struct sockaddr *)&address,
			 (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length)),
		 "connect(%d, {sa_family=AF_UNIX, sun_path=\"%s\"}) for %s", fd, path, asked) == 0)
		return fd;
	close_fd(fd);
	return -1;
}

int
unix_bind(int dir, const char *name, int type, const char *asked)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return fail(errno, "socket(AF_UNIX, …) for %s", asked);
	/* its path may be longer than an address holds; that of a descriptor is not */
	if (snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/%s", dir, name) >=
	    (int)sizeof address.sun_path)
		errno = ENAMETOOLONG;
	else if ((unlinkat(dir, name, 0) == 0 || errno == ENOENT) &&
		 bind(fd, (struct sockaddr *)&address, sizeof address) == 0 &&
		 /* of no link that somebody has put there meanwhile */
		 fchmodat(dir, name, 0666, AT_SYMLINK_NOFOLLOW) == 0)
		return fd;
	fail(errno, "bind(\"%s\") for %s", address.sun_path, asked);
	close(fd);
	return -1;
}

int
unix_send(int socket, const char *text, int fd)
{
	struct iovec part = { (void *)(uintptr_t)text, strlen(text) };
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = { .header = { .cmsg_len = CMSG_LEN(sizeof fd),
				  .cmsg_level = SOL_SOCKET,
				  .cmsg_type = SCM_RIGHTS } };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };
	ssize_t sent;

	if (fd >= 0) {
		message.msg_control = &control;
		message.msg_controllen = sizeof control;
		memcpy(CMSG_DATA(&control.header), &fd, sizeof fd);
	}
	sent = call(sendmsg(socket, &message, MSG_NOSIGNAL),
		    "sendmsg(%d, {SCM_RIGHTS [%d], %zu bytes}, MSG_NOSIGNAL)", socket, fd,
		    part.iov_len);
	if (sent < 0 || (size_t)sent == part.iov_len)
		return sent < 0 ? -1 : 0;
	return fail(EMSGSIZE, "sendmsg(%d, …): %zd bytes of it were taken", socket, sent);
}

int
unix_receive(int socket)
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
				  /* not CMSG_SPACE, where a second one would fit */
				  .msg_controllen = CMSG_LEN(sizeof(int)) };
	struct cmsghdr *c;
	int fd;

	if (recvmsg(socket, &message, MSG_CMSG_CLOEXEC) <= 0 || !(c = CMSG_FIRSTHDR(&message)) ||
	    c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS ||
	    c->cmsg_len != CMSG_LEN(sizeof fd))
		return -1;
	memcpy(&fd, CMSG_DATA(c), sizeof fd);
	if (!(message.msg_flags & MSG_CTRUNC))
		return fd;
	close(fd); /* there were more, which the kernel has closed */
	return -1;
}

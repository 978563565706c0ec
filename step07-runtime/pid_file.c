/*
 * pid_file.c: folder and socket opened before there is a process, which one told when there is.
 * Follows open(2), rename(2), unix(7). Explained in book/07-runtime.md.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "step01-unshare/call.h"
#include "step02-pidns/unixsock.h"
#include "step05-overlay/tree.h"
#include "step07-runtime/pid_file.h"

static int
open_folder(const char *path)
{
	char folder[PATH_MAX];
	struct stat there;
	int dir;

	/* the rename would put a file in the place of /dev/null */
	if (stat(path, &there) == 0 && !S_ISREG(there.st_mode))
		return fail(EEXIST, "--pid-file %s: what is there is no regular file", path);
	snprintf(folder, sizeof folder, "%s%s", path[0] == '/' ? "" : "./", path);
	strrchr(folder, '/')[1] = '\0';
	dir = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return dir < 0 ? fail(errno, "open(\"%s\") for --pid-file", folder) : dir;
}

int
pid_file_open(const char *path, const char *socket, struct pid_file *file)
{
	*file = (struct pid_file){ path, -1, -1 };
	if (path && (file->dir = open_folder(path)) < 0)
		return -1;
	if (socket && (file->socket = unix_connect(socket, SOCK_STREAM, "--pidfd-socket")) < 0)
		return -1;
	return 0;
}

int
pid_file_write(struct pid_file *file, int pid, int pidfd)
{
	const char *slash = file->path ? strrchr(file->path, '/') : NULL;
	int done = 0;

	if (file->dir >= 0 &&
	    tree_write(file->dir, slash ? slash + 1 : file->path, false, "%d", pid) < 0)
		done = call_hint("it was asked for by --pid-file %s", file->path);
	else if (file->socket >= 0 && unix_send(file->socket, "pidfd", pidfd) < 0)
		done = call_hint("it was asked for by --pidfd-socket");
	close_fd(file->dir);
	close_fd(file->socket);
	file->dir = file->socket = -1;
	return done;
}

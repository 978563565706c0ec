/*
 * pid_file.c: the folder opened before there is a process, the number written when there is one.
 * Follows open(2), rename(2). Explained in book/07-runtime.md.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "step01-unshare/call.h"
#include "step05-overlay/tree.h"
#include "step07-runtime/pid_file.h"

int
pid_file_open(const char *path)
{
	char folder[PATH_MAX];
	struct stat there;
	int dir;

	if (!path)
		return -1;
	/* the rename would put a file in the place of /dev/null */
	if (stat(path, &there) == 0 && !S_ISREG(there.st_mode))
		return fail(EEXIST, "--pid-file %s: what is there is no regular file", path);
	snprintf(folder, sizeof folder, "%s%s", path[0] == '/' ? "" : "./", path);
	strrchr(folder, '/')[1] = '\0';
	dir = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return dir < 0 ? fail(errno, "open(\"%s\") for --pid-file", folder) : dir;
}

int
pid_file_write(int dir, const char *path, int pid)
{
	const char *slash = path ? strrchr(path, '/') : NULL;
	int done;

	if (dir < 0)
		return 0;
	done = tree_write(dir, slash ? slash + 1 : path, false, "%d", pid);
	close(dir);
	return done < 0 ? call_hint("it was asked for by --pid-file %s", path) : 0;
}

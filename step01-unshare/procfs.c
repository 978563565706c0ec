/*
 * procfs.c: opens /proc only if it is one, and files in it without leaving it.
 * Follows openat2(2), fstatfs(2), proc(5). Explained in book/07a-security.md.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "step01-unshare/call.h"
#include "step01-unshare/procfs.h"

#define PROC_ROOT 1 /* the inode of a procfs' root; a bind mount of /proc/1 is not one */

/* ANCHOR: open */
int
procfs_open(void)
{
	struct statfs system;
	struct stat status;
	int fd = open("/proc", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return fail(errno, "open(\"/proc\", O_PATH|O_DIRECTORY|O_NOFOLLOW|O_CLOEXEC)");
	if (fstatfs(fd, &system) == 0 && system.f_type == PROC_SUPER_MAGIC &&
	    fstat(fd, &status) == 0 && status.st_ino == PROC_ROOT)
		return fd;
	close(fd);
	return fail(EINVAL, "/proc: what is mounted there is not procfs");
}

int
procfs_open_file(int proc, const char *name, int flags)
{
	struct open_how how = { .flags = (unsigned)flags | O_CLOEXEC,
				.resolve =
					RESOLVE_BENEATH | RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS };
	int fd = (int)syscall(SYS_openat2, proc, name, &how, sizeof how);

	if (fd < 0)
		return fail(errno, "openat2(\"/proc\", \"%s\", RESOLVE_BENEATH|RESOLVE_NO_XDEV|…)",
			    name);
	return fd;
}
/* ANCHOR_END: open */

int
procfs_write(int proc, const char *name, const char *value)
{
	size_t length = strlen(value);
	int fd = procfs_open_file(proc, name, O_WRONLY);

	if (fd < 0)
		return -1;
	ssize_t n = call(write(fd, value, length), "write(\"/proc/%s\", \"%s\")", name, value);
	close_fd(fd);
	/* numbers more than a setting has are left over, with the first ones already set */
	if (n >= 0 && n != (ssize_t)length)
		return fail(EIO, "write(\"/proc/%s\", \"%s\")", name, value);
	return n < 0 ? -1 : 0;
}

/*
 * weak.c BOX PLACE SCRIPT PROBE: a cgroup namespace first, and then into the cgroup BOX; a cgroup2
 * file system on PLACE, and the script. What exercise 4.4 breaks out of. Follows
 * cgroup_namespaces(7).
 */
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mount.h>
#include <unistd.h>

int
main(int argc, char **argv)
{
	char procs[PATH_MAX];
	int fd;

	if (argc != 5)
		return 125;
	snprintf(procs, sizeof procs, "%s/cgroup.procs", argv[1]);
	fd = open(procs, O_WRONLY | O_CLOEXEC);
	/* the wrong order: this cgroup becomes the root of the namespace, not the box */
	if (fd < 0 || unshare(CLONE_NEWCGROUP | CLONE_NEWNS) < 0 || write(fd, "0", 1) != 1 ||
	    mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("cgroup", argv[2], "cgroup2", 0, NULL) < 0) {
		perror("weak");
		return 125;
	}
	execl("/bin/sh", "sh", argv[3], argv[2], argv[4], (char *)NULL);
	return 127;
}

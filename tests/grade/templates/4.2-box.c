/*
 * box.c PARENT NUMBER COMMAND…: a command in a cgroup below PARENT that has NUMBER processes at
 * most. Follows cgroups(7), cgroup-v2.rst ("PID"). Exercise 4.2: write make_box().
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* TEXT in one write into DIRECTORY/NAME. 0, or −1 after saying why. */
static int
write_file(const char *directory, const char *name, const char *text)
{
	char path[PATH_MAX];
	ssize_t length = (ssize_t)strlen(text);
	int fd, done = -1;

	snprintf(path, sizeof path, "%s/%s", directory, name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd >= 0 && write(fd, text, (size_t)length) == length)
		done = 0;
	else
		fprintf(stderr, "%s: %s\n", path, strerrorname_np(errno));
	if (fd >= 0)
		close(fd);
	return done;
}

/* Makes the cgroup BOX, which is below PARENT, with a limit of NUMBER processes. 0 or −1. */
static int
make_box(const char *parent, const char *box, const char *number)
{
	return -1;
}

int
main(int argc, char **argv)
{
	char box[PATH_MAX];
	int status = 125 << 8;
	pid_t child;

	if (argc < 4)
		return 125;
	snprintf(box, sizeof box, "%s/box-%d", argv[1], getpid());
	if (make_box(argv[1], box, argv[2]) < 0)
		return 125;
	child = fork();
	if (child == 0) {
		if (write_file(box, "cgroup.procs", "0") == 0)
			execv(argv[3], argv + 3);
		_exit(127);
	}
	waitpid(child, &status, 0);
	write_file(box, "cgroup.kill", "1");
	while (rmdir(box) < 0 && errno == EBUSY)
		usleep(1000);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

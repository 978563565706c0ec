/*
 * rootless.c: a command as root of a user namespace, started by somebody who is not root.
 * Follows user_namespaces(7). Exercise 1.3: write map_child().
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* TEXT in one write into /proc/CHILD/NAME. 0, or −1 after saying why. */
static int
write_file(pid_t child, const char *name, const char *text)
{
	char path[64];
	ssize_t length = (ssize_t)strlen(text);
	int fd, done = -1;

	snprintf(path, sizeof path, "/proc/%d/%s", child, name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd >= 0 && write(fd, text, (size_t)length) == length)
		done = 0;
	else
		fprintf(stderr, "%s: %s\n", name, strerrorname_np(errno));
	if (fd >= 0)
		close(fd);
	return done;
}

/* Lets the child go on, and waits until it is root, or has failed (−1). */
static int
let_child_go(int go)
{
	char word = 'g';

	return write(go, &word, 1) == 1 && read(go, &word, 1) == 1 ? 0 : -1;
}

/* CHILD is in a new user namespace and waits: make UID and GID, which are the caller's, its root.
 * Ends with let_child_go(GO). 0, or −1. */
static int
map_child(pid_t child, uid_t uid, gid_t gid, int go)
{
	char map[64];

	/* membership of a group can take rights away: who may not grant groups gives up leaving
	 * them */
	snprintf(map, sizeof map, "0 %u 1\n", gid);
	if (write_file(child, "setgroups", "deny") < 0 || write_file(child, "gid_map", map) < 0)
		return -1;
	snprintf(map, sizeof map, "0 %u 1\n", uid);
	if (write_file(child, "uid_map", map) < 0)
		return -1;
	return let_child_go(go);
}

static int
child_main(char **argv, int parent)
{
	char word = 'n';

	if (unshare(CLONE_NEWUSER) < 0 || write(parent, &word, 1) != 1 ||
	    read(parent, &word, 1) != 1)
		return 1;
	if (setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0) {
		fprintf(stderr, "child: becoming 0: %s\n", strerrorname_np(errno));
		return 1;
	}
	if (write(parent, &word, 1) != 1)
		return 1;
	execvp(argv[0], argv);
	perror(argv[0]);
	return 127;
}

int
main(int argc, char **argv)
{
	int ends[2], status;
	char word;
	pid_t child;

	if (argc < 2 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		return 125;
	child = fork();
	if (child == 0) {
		close(ends[0]);
		_exit(child_main(argv + 1, ends[1]));
	}
	close(ends[1]);
	if (read(ends[0], &word, 1) != 1 || map_child(child, getuid(), getgid(), ends[0]) < 0)
		fprintf(stderr, "the child was not mapped\n");
	close(ends[0]);
	waitpid(child, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/*
 * afterlife.c: a fork that fails for a reason that its errno does not tell.
 * Follows pid_namespaces(7), fork(2). Exercise 2.4: write prepare().
 */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* After this a fork of this process fails with ENOMEM, though there is memory for it. */
static void
prepare(void)
{
}

int
main(void)
{
	struct rlimit memory;
	pid_t child;

	prepare();
	getrlimit(RLIMIT_AS, &memory);
	printf("limit %s\n", memory.rlim_cur == RLIM_INFINITY ? "unlimited" : "set");
	fflush(stdout);
	child = fork();
	if (child == 0)
		_exit(0);
	printf("fork: %s\n", child < 0 ? strerrorname_np(errno) : "a child");
	return 0;
}

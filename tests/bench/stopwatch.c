/*
 * stopwatch: how long a command takes from fork to reap, in nanoseconds, and the largest process of
 * it that was waited for, in KiB, on stdout. Small and static, so that little of its own is
 * measured. Follows vfork(2), clock_gettime(2), getrusage(2).
 */
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static long long
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

int
main(int argc, char **argv)
{
	long long began = now();
	struct rusage usage;
	int status = 0;
	pid_t pid;

	if (argc < 2)
		return 2;
	pid = vfork();
	if (pid == 0) {
		execv(argv[1], argv + 1);
		_exit(127);
	}
	if (wait4(pid, &status, 0, &usage) < 0 || status != 0)
		return 1;
	printf("%lld %ld\n", now() - began, usage.ru_maxrss);
	return 0;
}

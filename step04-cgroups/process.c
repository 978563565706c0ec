/*
 * process.c: six fields of /proc/PID/stat. Follows proc_pid_stat(5).
 * Explained in book/04-cgroups.md.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "step04-cgroups/process.h"

#define PF_FORKNOEXEC 0x40U /* in the flags, since 2.2; of include/linux/sched.h of the kernel */

int
process_look(pid_t pid, struct process *process)
{
	char path[32], text[1024];
	const char *name, *end;
	unsigned flags;
	char state;
	int threads;
	ssize_t length;
	int fd, found;

	snprintf(path, sizeof path, "/proc/%d/stat", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	length = read(fd, text, sizeof text - 1);
	close(fd);
	text[length > 0 ? length : 0] = '\0';
	/* field 2 is the name in brackets and may hold anything: counting begins behind the last */
	end = strrchr(text, ')');
	name = strchr(text, '(');
	if (!end || !name)
		return -1;
	snprintf(process->name, sizeof process->name, "%.*s", (int)(end - name - 1), name + 1);
	found = sscanf(end + 1,
		       " %c %d %*s %*s %*s %*s %u %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s"
		       " %d %*s %" SCNu64,
		       &state, &process->parent, &flags, &threads, &process->start);
	if (found != 5)
		return -1;
	/* the state is that of the first thread, which counts until the last one has ended */
	process->ended = state == 'X' || (state == 'Z' && threads <= 1);
	process->headless = state == 'Z' && threads > 1;
	process->executed = !(flags & PF_FORKNOEXEC);
	return 0;
}

bool
process_is_fork(pid_t pid, const char *name)
{
	struct process process;

	return process_look(pid, &process) == 0 && !process.executed &&
	       strcmp(process.name, name) == 0;
}

uint64_t
process_start_time(pid_t pid)
{
	struct process process;

	return process_look(pid, &process) < 0 || process.ended ? 0 : process.start;
}

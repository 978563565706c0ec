/*
 * unreaped.c: /proc read from end to end. A zombie has lost its namespaces but for the one that its
 * number is of. Follows pid_namespaces(7), proc(5). Explained in book/07-runtime.md.
 */
#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "step04-cgroups/process.h"
#include "step07-runtime/engine/unreaped.h"

/* The inode number of PID's namespace of process numbers; 0: gone, or not ours to look at. */
static ino_t
namespace_of(pid_t pid)
{
	char path[40];
	struct stat st;

	snprintf(path, sizeof path, "/proc/%d/ns/pid", pid);
	return stat(path, &st) < 0 ? 0 : st.st_ino;
}

bool
unreaped(pid_t init, pid_t *zombie, pid_t *parent)
{
	ino_t inside = namespace_of(init);
	DIR *proc = inside ? opendir("/proc") : NULL;
	struct process process;
	struct dirent *entry;
	bool found = false;

	while (proc && !found && (entry = readdir(proc))) {
		*zombie = isdigit((unsigned char)entry->d_name[0]) ? atoi(entry->d_name) : init;
		if (*zombie == init || process_look(*zombie, &process) < 0)
			continue;
		*parent = process.parent;
		found = process.ended && namespace_of(*zombie) == inside &&
			namespace_of(*parent) != inside;
	}
	if (proc)
		closedir(proc);
	return found;
}

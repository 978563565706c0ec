/*
 * unreaped.c: /proc read from end to end. A zombie has lost its namespaces but for the one that its
 * number is of. Follows pid_namespaces(7), proc(5). Explained in book/07-runtime.md.
 */
#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

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

/* The state letter of PID and its parent, fields 3 and 4 of /proc/PID/stat. */
static char
state_of(pid_t pid, pid_t *parent)
{
	char path[32], text[512], state = 0;
	FILE *file;
	size_t n;

	snprintf(path, sizeof path, "/proc/%d/stat", pid);
	if (!(file = fopen(path, "re")))
		return 0;
	n = fread(text, 1, sizeof text - 1, file);
	fclose(file);
	text[n] = '\0';
	/* the name before it, in brackets, may hold anything */
	if (!strrchr(text, ')') || sscanf(strrchr(text, ')') + 1, " %c %d", &state, parent) != 2)
		return 0;
	return state;
}

bool
unreaped(pid_t init, pid_t *zombie, pid_t *parent)
{
	ino_t inside = namespace_of(init);
	DIR *proc = inside ? opendir("/proc") : NULL;
	struct dirent *entry;
	bool found = false;

	while (proc && !found && (entry = readdir(proc))) {
		*zombie = isdigit((unsigned char)entry->d_name[0]) ? atoi(entry->d_name) : init;
		found = *zombie != init && state_of(*zombie, parent) == 'Z' &&
			namespace_of(*zombie) == inside && namespace_of(*parent) != inside;
	}
	if (proc)
		closedir(proc);
	return found;
}

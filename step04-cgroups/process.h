/*
 * process: which process it is that a number names, and what has become of it.
 *
 * A pid is used again after its process is gone; with the moment when it began it is not. Follows
 * proc_pid_stat(5). Explained in book/04-cgroups.md.
 */
#ifndef BOXSTEP_PROCESS_H
#define BOXSTEP_PROCESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct process {
	char name[16];	/* of its program, or what it has called itself: PR_SET_NAME */
	bool ended;	/* with all of its threads, and not yet waited for: a zombie */
	bool headless;	/* its first thread has ended alone, and others go on */
	pid_t parent;	/* 0: outside of this PID namespace */
	bool executed;	/* a program, since it was forked */
	uint64_t start; /* clock ticks after boot */
};

/* Fills *PROCESS, zombies included. Gives 0, or −1 when there is no process PID. */
int process_look(pid_t pid, struct process *process);

/* Has PID executed nothing since it was forked, and is called NAME? Any program may take a name;
 * this process is still the program that forked it. */
bool process_is_fork(pid_t pid, const char *name);

/* When it began; 0: it is gone, or a zombie. */
uint64_t process_start_time(pid_t pid);

#endif

/*
 * init: what PID 1 owes to the others. It reaps orphans and passes signals on.
 *
 * PID 1 of a namespace inherits what its processes leave behind, and the kernel drops signals for
 * which it has no handler. Follows pid_namespaces(7), signal(7), waitpid(2), and what tini and
 * catatonit do. Explained in book/02-pidns.md.
 */
#ifndef BOXSTEP_INIT_H
#define BOXSTEP_INIT_H

#include <stdbool.h>

#include "step02-pidns/handshake.h"

/*
 * Runs as PID 1: forks the command, becomes an init for it, and leaves with its status (128+n on a
 * signal) once it has ended; the kernel then kills whoever is left in the namespace. What a
 * terminal sends reaches the command by itself, because it stays in the caller's process group. The
 * init keeps none of the caller's descriptors, so that a reader of the command's stdout sees end of
 * file when the command has closed it. In the command's process exec_command is called, and its
 * failure goes through SHAKE. Returns only −1, when the fork failed.
 */
int init_run(char *const argv[], char *const envp[], unsigned keep, struct handshake *shake);

/*
 * The end of every child: the init with the command below it, or (NO_INIT) the command as PID 1
 * itself. Does not return: a failure goes through SHAKE.
 */
void init_or_exec(bool no_init, char *const argv[], char *const envp[], unsigned keep,
		  struct handshake *shake) __attribute__((noreturn));

#endif

/*
 * init: what PID 1 owes to the others. It reaps orphans and passes signals on.
 *
 * PID 1 of a namespace inherits every orphan, and the kernel drops signals for which it has no
 * handler. Follows pid_namespaces(7), signal(7), waitpid(2), and what tini and catatonit do.
 * Explained in book/02-pidns.md.
 */
#ifndef BOXSTEP_INIT_H
#define BOXSTEP_INIT_H

struct handshake;

/*
 * Runs as PID 1: forks the command, becomes an init for it, and leaves with its status (128+n on a
 * signal) once it has ended; whoever is left then is killed by the kernel. The command runs in a
 * process group of its own, in the foreground of the terminal if there is one.
 * The init keeps none of the caller's descriptors: a reader of its stdout sees end of file when
 * the command has closed it. Returns only −1, when the fork failed.
 */
int init_run(char *const argv[], char *const envp[], unsigned keep, struct handshake *shake);

#endif

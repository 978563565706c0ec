/*
 * unreaped: why a container that was killed does not end: a process of it that nobody waits for.
 *
 * Follows pid_namespaces(7), wait(2) ("NOTES", zombies), proc(5). Explained in book/07-runtime.md.
 */
#ifndef BOXSTEP_UNREAPED_H
#define BOXSTEP_UNREAPED_H

#include <stdbool.h>
#include <sys/types.h>

/* Looks for a zombie in the PID namespace of INIT whose parent is outside of it: its number and its
 * parent's, as seen from here. False: there is none. */
bool unreaped(pid_t init, pid_t *zombie, pid_t *parent);

#endif

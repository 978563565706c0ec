/*
 * gate: where a created container waits for `start`, although the process that made it is gone.
 *
 * A FIFO with one end in the container: opening it for writing blocks until somebody opens it for
 * reading, fifo(7). What comes through is nothing (end of file: the exec has closed it) or the
 * error with which the exec failed. Explained in book/07-runtime.md.
 */
#ifndef BOXSTEP_GATE_H
#define BOXSTEP_GATE_H

#include <stdbool.h>
#include <sys/types.h>

/* Before the clone: makes exec.fifo in DIR, owned by UID (that of root in the container). */
int gate_make(int dir, unsigned uid, unsigned gid);

/* Names the caller (PR_SET_NAME): before the clone, for the child to have that name from its first
 * instant; with MADE, child, when its world is built, before its READY. */
void gate_name(bool made);

/* Child, as long as it may: an O_PATH descriptor of the fifo; −1 with the error. */
int gate_hold(int dir);
/* Child: waits; PROC is a checked procfs, FIFO from gate_hold. Gives the descriptor for gate_fail,
 * which the exec closes; −1 with the error. */
int gate_wait(int proc, int fifo);
/* Child: sends the recorded error through. */
void gate_fail(int gate);

/* By the name of process PID: its world is being built, so its root may still be the host's; or it
 * is on its way to the gate, or waits there. */
bool gate_is_far(pid_t pid);
bool gate_is_closed(pid_t pid);

/* start: lets through; PIDFD is that of PID, the waiting process, so that a dead one is not waited
 * for. Removes the fifo. 0 once the command runs; −1 with the child's error. */
int gate_open(int dir, pid_t pid, int pidfd);

#endif

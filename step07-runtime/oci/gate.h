/*
 * gate: where a created container waits for `start`, although the process that made it is gone.
 *
 * A FIFO with one end in the container: opening it for writing blocks until somebody opens it for
 * reading, fifo(7). What comes through is nothing (end of file: the exec has closed it) or the
 * error with which the exec failed. Explained in book/07-runtime.md.
 */
#ifndef BOXSTEP_OCI_GATE_H
#define BOXSTEP_OCI_GATE_H

#include <stdbool.h>
#include <sys/types.h>

/* Before the clone: makes exec.fifo in DIR, owned by UID (that of root in the container). */
int gate_make(int dir, unsigned uid, unsigned gid);

/* Child, as long as it may: an O_PATH descriptor of the fifo; −1 with the error. From here on it is
 * called a process at the gate, which gate_is_closed reads. */
int gate_hold(int dir);
/* Child: waits; PROC is a checked procfs, FIFO from gate_hold. Gives the descriptor for gate_fail,
 * which the exec closes; −1 with the error. */
int gate_wait(int proc, int fifo);
/* Child: sends the recorded error through. */
void gate_fail(int gate);

/* Whether process PID is on its way there, or waits. */
bool gate_is_closed(pid_t pid);

/* start: lets through; PIDFD is that of PID, the waiting process, so that a dead one is not waited
 * for. Removes the fifo. 0 once the command runs; −1 with the child's error. */
int gate_open(int dir, pid_t pid, int pidfd);

#endif

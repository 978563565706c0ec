/*
 * courier: a listener handed on by who is not listened to.
 *
 * The call that puts on a filter with SCMP_ACT_NOTIFY gives the descriptor by which a supervisor
 * answers. From then on every call of this thread may wait for that answer, also the sendmsg(2)
 * with which the descriptor would go there. A second thread of the same process, which the filter
 * does not reach, shares the table of descriptors and sends it; the exec ends it. Follows
 * seccomp_unotify(2), clone(2). Explained in book/07a-security.md.
 */
#ifndef BOXSTEP_COURIER_H
#define BOXSTEP_COURIER_H

/* Starts the second thread, which will send over SOCKET, with STATE as the text. 0 or −1. */
int courier_start(int socket, const char *state);

/* The listener, or −1 when there is none after all: lets the thread go. Waits until it is sent
 * without making a system call. 0, or −1 with the error recorded. */
int courier_hand_over(int listener);

#endif

/*
 * handshake: what parent and child say to each other between clone3 and exec.
 *
 *	parent                                   child
 *	maps, cgroup, network …
 *	GO (its pid outside)           →         waits for GO; then root, mounts, rights …
 *	waits for READY                ←         READY, or FAILED with the error whole
 *	waits for exec                           execve: the socket closes itself (close-on-exec)
 *
 * A SOCK_SEQPACKET pair (unix(7)): message boundaries are kept, and end of file says that the other
 * side is gone or has exec'd. Explained in book/02-pidns.md.
 */
#ifndef BOXSTEP_HANDSHAKE_H
#define BOXSTEP_HANDSHAKE_H

#include <sys/types.h>

struct handshake {
	int parent, child; /* the two ends, close-on-exec; −1 once closed */
};

/* Makes the pair. 0 or −1. */
int handshake_open(struct handshake *shake);
/* Each side closes the other's end, first thing after the clone. */
void handshake_in_parent(struct handshake *shake);
void handshake_in_child(struct handshake *shake);
/* Closes what is open. */
void handshake_close(struct handshake *shake);

/* Parent: lets the child go on, and tells it its own pid (call_who). */
int handshake_go(struct handshake *shake, pid_t pid);
/* Parent: hands over SIZE bytes, at least one, that were not known at the clone. */
int handshake_give(struct handshake *shake, const void *data, size_t size);
/* Parent: 0 once the child is READY; −1 with the child's own error adopted, or ECHILD when the
 * child died silently. */
int handshake_wait_ready(struct handshake *shake);
/* The same, and the descriptor that came with it, close-on-exec; −1: none came. */
int handshake_wait_ready_with(struct handshake *shake, int *fd);
/* Parent: 0 once the child has exec'd; −1 with its error adopted. */
int handshake_wait_exec(struct handshake *shake);

/* Child: waits for GO; −1 with EPIPE when the parent died first. */
int handshake_wait_go(struct handshake *shake);
/* Child: waits for what is given, at most SIZE bytes; how many there are, or −1 with EPIPE. */
ssize_t handshake_take(struct handshake *shake, void *data, size_t size);
/* A child of the child (the command below an init): asks the parent for its number outside, so that
 * it is told under it. Does nothing unless somebody listens to the narration. */
int handshake_ask_who(struct handshake *shake);
/* Child: everything but exec is done. */
int handshake_ready(struct handshake *shake);
/* Child: ready for something else before that, and a copy of FD goes with the word (−1: none). */
int handshake_ready_with(struct handshake *shake, int fd);
/* Child: sends the recorded error and leaves with status 125 (126, 127 as recorded). */
void handshake_fail(struct handshake *shake) __attribute__((noreturn));

#endif

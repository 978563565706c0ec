/*
 * unixsock: sockets with a name in the file system, and descriptors that travel through them: to
 * whoever asked for a terminal, to the supervisor of a filter, to the manager of a service.
 *
 * Follows unix(7), sendmsg(2), cmsg(3). Explained in book/02-pidns.md.
 */
#ifndef BOXSTEP_UNIXSOCK_H
#define BOXSTEP_UNIXSOCK_H

/* Connects a socket of TYPE to PATH; one that begins with @ is an abstract name. ASKED is what
 * named it, for the error. The descriptor, close-on-exec, or −1: ENAMETOOLONG and what connect(2)
 * gives. */
int unix_connect(const char *path, int type, const char *asked);

/* Binds a socket of TYPE to NAME in the directory DIR, in place of what is there; every user may
 * send to it who comes to the directory. The descriptor, close-on-exec, or −1 with the error
 * recorded. */
int unix_bind(int dir, const char *name, int type, const char *asked);

/* Sends TEXT over SOCKET, and a copy of FD with it (−1: none) as SCM_RIGHTS. 0 or −1; EMSGSIZE when
 * it did not go whole. */
int unix_send(int socket, const char *text, int fd);

/* The descriptor that comes with the next message, close-on-exec; what the text says is of no
 * matter. −1 when none comes, or more than one (nothing recorded). */
int unix_receive(int socket);

#endif

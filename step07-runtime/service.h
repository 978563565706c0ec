/*
 * service: what systemd, or who does as it does, gives to the program that it starts: descriptors
 * that are open already (LISTEN_FDS), and a socket for the word that it is ready (NOTIFY_SOCKET).
 *
 * Both are of the caller's world: the pid is another inside, and the socket has no path there. So
 * the descriptors are kept and the pid is written anew, and the container gets a socket of its own.
 * What comes out of that is one sentence of ours, once: nothing that the container wrote goes on.
 * Follows sd_listen_fds(3), sd_notify(3). Explained in book/07-runtime.md.
 */
#ifndef BOXSTEP_SERVICE_H
#define BOXSTEP_SERVICE_H

#include <sys/types.h>

struct mount_list;

/* How many descriptors after 2 are meant for this process: LISTEN_FDS, if LISTEN_PID is it. */
unsigned service_descriptors(void);

/* With NOTIFY_SOCKET: a directory in the container's directory of states (DIR, whose path is
 * ROOT/ID) is to be mounted at /run/notify, and VARIABLE becomes what the process is to find its
 * own socket in it by; without it, NULL. 0 or −1. */
int service_offer(int dir, const char *root, const char *id, struct mount_list *mounts,
		  char **variable);

struct service {
	int inside, outside; /* the container's socket, and a connection to the caller's; or −1 */
};

/* Before the command runs: the socket in that directory, if there is one and NOTIFY_SOCKET. 0, −1;
 * 1 with the error recorded: nobody is behind NOTIFY_SOCKET, and the command runs without. */
int service_open(int dir, struct service *service);

/* Once it runs as PID: waits until it is ready, tells that and the pid, or until it has ended
 * (PIDFD). Closes SERVICE. */
int service_await(struct service *service, pid_t pid, int pidfd);

/* The same in a process of its own, for who has something else to wait for. */
int service_attend(struct service *service, pid_t pid, int pidfd);

#endif

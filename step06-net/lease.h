/*
 * lease: which container has which address. One small file a container, locked by its owner.
 *
 * The lock (flock(2)) goes when the owner dies, however it dies: a lease whose lock is free and
 * whose process is gone belongs to nobody, and whoever comes next clears it away. The directory
 * is the network namespace's: STATE/INODE/ID, with the inode of the caller's network namespace.
 * Explained in book/06-net.md.
 */
#ifndef BOXSTEP_LEASE_H
#define BOXSTEP_LEASE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct lease_book { /* the directory, locked: nobody else gives or takes addresses meanwhile */
	int dir;
	char path[256];
};
struct lease {
	char id[72];
	unsigned number; /* of the host in its network, 2…count + 1 */
	int fd;		 /* the locked file; close-on-exec */
};

/* Opens (MAKE: makes) and locks the book of the caller's network namespace below STATE.
 * −1 with ENOENT when there is none; nothing is recorded then. */
int lease_book_open(struct lease_book *book, const char *state, bool make);
/* Unlocks it; removes the directory when no lease is left in it. */
void lease_book_close(struct lease_book *book);

/* Takes a free number of COUNT for container ID; EEXIST when it has one, EADDRNOTAVAIL when all
 * are taken. The caller's process is the owner until lease_owner names another. */
int lease_take(struct lease_book *book, const char *id, unsigned count, struct lease *lease);
/* The container's process PID holds the lease too, from now on (by pid and start time). */
int lease_owner(const struct lease *lease, pid_t pid);
/* Gives it back: removes the file, drops the lock. */
void lease_drop(struct lease_book *book, struct lease *lease);

/* Calls DEAD for each lease whose owner is gone, then removes it. Gives the number of leases that
 * are alive, or −1. */
typedef int lease_each(const char *id, void *context);
int lease_sweep(struct lease_book *book, lease_each *dead, void *context);

#endif

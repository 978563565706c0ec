/*
 * lease: which container has which address. One small directory a container, with a locked file.
 *
 * The lock (flock(2)) goes when its owner dies, however it dies: a lease whose lock is free and
 * whose process is gone belongs to nobody, and whoever comes next clears it away. The directories
 * are STATE/INODE/ID, with the inode of the caller's network namespace (the addresses, like the
 * bridge, are that namespace's) and the container's id. Beside its `lease` there is room for the
 * files that resolv writes, and beside the directories, by a name with a dot, for the note of
 * forwarding. Follows flock(2), proc_pid_stat(5). Explained in book/06-net.md.
 */
#ifndef BOXSTEP_LEASE_H
#define BOXSTEP_LEASE_H

#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>

enum { LEASE_ID = 72, LEASE_PATH = 512 };

struct lease_book { /* STATE/INODE, locked: meanwhile nobody else gives or takes a lease */
	int dir;
	char path[LEASE_PATH];
};
struct lease {
	char id[LEASE_ID];
	unsigned number; /* of the host in its network, from 2; 0: a lease without an address */
	int fd;		 /* the locked file, close-on-exec; −1: no lease */
	char path[LEASE_PATH + LEASE_ID]; /* the directory */
};

/* Opens and locks the book of the caller's network namespace below STATE; MAKE makes it, with its
 * parents. −1, nothing recorded, with ENOENT when there is none, EPERM when it is in a directory in
 * /tmp that has a name of ours and is somebody else's. */
int lease_book_open(struct lease_book *book, const char *state, bool make);

/* Unlocks it; removes its directory, and STATE, if nothing is left in them. Keeps errno. */
void lease_book_close(struct lease_book *book);

/*
 * Takes a lease for container ID (a file name, at most 71 bytes), with a free number out of 2…COUNT
 * + 1, or none (COUNT 0). EEXIST: ID has one; EADDRNOTAVAIL: all are taken. The calling process
 * holds it until lease_drop or its death.
 */
int lease_take(struct lease_book *book, const char *id, unsigned count, struct lease *lease);

/* From now on process PID holds the lease too (by pid and start time). */
int lease_hold_for(const struct lease *lease, pid_t pid);

/* Finds the lease of ID, whoever holds it, without locking it; ENOENT. For lease_drop. */
int lease_find(const struct lease_book *book, const char *id, struct lease *lease);

/* Removes it, with the files beside it, and unlocks it. Keeps errno. */
void lease_drop(struct lease_book *book, struct lease *lease);

/*
 * Calls EACH for every lease but that of ID (NULL: for all), with whether its owner is ALIVE; a
 * dead one is removed afterwards. 0; −1 when EACH gave −1.
 */
typedef int lease_each(const struct lease *lease, bool alive, void *context);
int lease_sweep(struct lease_book *book, const char *id, lease_each *each, void *context);

#endif

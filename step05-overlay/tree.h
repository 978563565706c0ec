/*
 * tree: a directory removed with all that it has, however deep somebody made it; a name locked, a
 * file replaced.
 *
 * Follows unlinkat(2), openat2(2). Explained in book/05-overlay.md.
 */
#ifndef BOXSTEP_TREE_H
#define BOXSTEP_TREE_H

#include <stdbool.h>

/*
 * Removes NAME (a file or a directory with everything in it) below DIRFD. No link is followed, no
 * mount is entered (EXDEV, EBUSY), and neither the stack nor the descriptors grow with the depth.
 * What belongs to the ids of an ordinary user's namespaces is removed from inside such a one.
 * Missing: 0. Else 0, or −1 with the error recorded.
 */
int tree_remove(int dirfd, const char *name);

/* mkdir -p of an absolute or relative PATH; new directories get MODE. 0 or −1 with errno (nothing
 * recorded). */
int tree_make(const char *path, unsigned mode);

/*
 * Opens NAME below DIRFD with FLAGS, never a link, and locks it by OPERATION, as for flock(2).
 * While it waits somebody may rename or remove what it has opened: a lock on something that has no
 * longer this name is EIDRM. Gives a descriptor, or −1 with errno and nothing recorded.
 */
int tree_lock(int dirfd, const char *name, int flags, int operation);
/* The same for FD, which is open and has had that name. EIDRM: the lock is on it, and it has lost
 * its name. 0 or −1. */
int tree_hold(int fd, int dirfd, const char *name, int operation);

/* The file NAME below DIRFD with a text of FORMAT: written aside, synced when it is DURABLE (it has
 * to outlive a power cut), renamed, so that whoever looks sees the old one or the whole new one. 0
 * or −1. */
int tree_write(int dirfd, const char *name, bool durable, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
/* Whether NAME is one that tree_write writes aside under: left by one that was killed, unless it is
 * locked. */
bool tree_is_aside(const char *name);

#endif

/*
 * tree: a directory removed with all that it has, however deep somebody made it.
 *
 * Follows unlinkat(2), openat2(2). Explained in book/05-overlay.md.
 */
#ifndef BOXSTEP_TREE_H
#define BOXSTEP_TREE_H

#include <stdint.h>

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

#endif

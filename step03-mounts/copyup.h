/*
 * copyup: the contents of a directory copied into a new tmpfs that is about to cover it.
 *
 * What `tmpcopyup` asks for: a writable /etc over a read-only image that still has the image's
 * files. Follows openat(2), fchownat(2), utimensat(2). Explained in book/03-mounts.md.
 */
#ifndef BOXSTEP_COPYUP_H
#define BOXSTEP_COPYUP_H

/*
 * Copies what is in the directory FROM (open for reading) into the directory TO: files,
 * directories, links and FIFOs, with mode, owner and times; no link is followed, no mount entered.
 * What an earlier copy that was interrupted has left in TO is made anew.
 * TO itself gets FROM's owner, unless it is somebody else's than root's: so it was asked for.
 * Owners that cannot be set stay the caller's. 0, or −1 with the error recorded (ENOSPC: the tmpfs
 * is full).
 */
int copyup(int from, int to);

/* The data of the open file FROM into the new, empty file TO; what FROM has as a hole, which takes
 * no room, is one there too. 0, or −1 with errno and nothing recorded. */
int copyup_data(int from, int to);

#endif

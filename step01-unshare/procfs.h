/*
 * procfs: a /proc that is what it says, held by a descriptor.
 *
 * A write to /proc/self/… is a kernel call in disguise, and who mounts something else there gets
 * the write instead (CVE-2019-16884, CVE-2025-52881). So the file system is asked what it is, and
 * nothing below it is reached through a link. Follows proc(5), openat2(2), fstatfs(2).
 * Explained in book/07a-security.md.
 */
#ifndef BOXSTEP_PROCFS_H
#define BOXSTEP_PROCFS_H

#include <sys/types.h>

/* /proc, checked to be the root of a procfs; close-on-exec. −1 with EINVAL when it is not. */
int procfs_open(void);

/* The file NAME below PROC: no links followed, no other file system entered (ELOOP, EXDEV). The
 * first part may be "self". A descriptor, close-on-exec. */
int procfs_open_file(int proc, const char *name, int flags);

/* Writes VALUE to the file NAME below PROC in one write(2), told as write("/proc/NAME", "VALUE").
 */
int procfs_write(int proc, const char *name, const char *value);

#endif

/*
 * seal: a command of the container can be a script whose interpreter is /proc/self/exe; then the
 * kernel runs the runtime's own program as a process of the container, whose others may open it
 * and, once it has ended, write to it: into the file on the host that root runs next.
 *
 * Follows proc(5), mount_setattr(2). Explained in book/07-runtime.md.
 */
#ifndef BOXSTEP_OCI_SEAL_H
#define BOXSTEP_OCI_SEAL_H

/* Replaces this process by the same program on a file that cannot be written, unless it is there
 * already: then 0. −1 with the error. Before anything is opened, read or told: it all begins anew.
 */
int seal_self(char *const argv[]);

#endif

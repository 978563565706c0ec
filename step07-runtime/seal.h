/*
 * seal: a command of the container can be a script whose interpreter is /proc/self/exe; then the
 * kernel runs the runtime's own program as a process of the container, whose others may open it
 * and, once it has ended, write to it: into the file on the host that root runs next.
 *
 * Follows proc(5), mount_setattr(2). Explained in book/07-runtime.md.
 */
#ifndef BOXSTEP_SEAL_H
#define BOXSTEP_SEAL_H

#include <stdbool.h>

struct program;

/* A program whose verbs do not all make a process of a container defines this: those that do, and
 * NULL. A word that only looks like the verb costs a millisecond. Without it every run is sealed.
 */
extern const char *const seal_verbs[] __attribute__((weak));

/* Replaces this process by the same program on a file that cannot be written, unless it is there
 * already, or no word is a verb: then 0. −1 with the error. Before anything is opened, read or
 * told: it all begins anew. */
int seal_self(char *const argv[]);

/* program_main, sealed. */
int seal_main(const struct program *program, int argc, char **argv, int (*run)(char **words));

/* Where that program, whose file is in no folder any more, finds those beside it. */
#define SEAL_PLACE "BOXSTEP_SEALED_FROM"

/*
 * seal_entry is the first instruction of a program that is linked with -e seal_entry: it does the
 * same before the C library is set up, without a word. What it cannot do is left to seal_self.
 */
void seal_at_entry(long *stack);
/* It has found this program on a file that cannot be written. */
extern bool seal_found;

#endif

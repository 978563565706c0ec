/*
 * exec: the last call of every step, in which the program becomes the command.
 *
 * execve(2) says ENOENT for three different things and EACCES for four. What is known from looking
 * at the file (no interpreter, a shebang with CR, another architecture, a mount with noexec) is
 * said. Explained in book/01-unshare.md.
 */
#ifndef BOXSTEP_EXEC_H
#define BOXSTEP_EXEC_H

#include <limits.h>
#include <stdbool.h>

#define EXEC_PATH 4096

/*
 * Finds NAME as a shell would: as it is when it has a slash, else in the directories of ENVP's
 * PATH. Gives 0 and the file in PATH; −1 with the error recorded, status 127 (not found) or 126
 * (found, cannot be run). The causes that can be seen in the file are looked at when CHECK.
 */
int exec_find(const char *name, char *const envp[], char path[EXEC_PATH], bool check);

/*
 * Marks every descriptor above stderr close-on-exec (close_range(2)) except the KEEP that follow
 * it. Once is enough, because what this program opens later is close-on-exec from the start: so it
 * can be done before a seccomp filter that is older than the call.
 */
int exec_close_others(unsigned keep);

/* Closes what the caller has left open above stderr and the KEEP that follow it, in a process that
 * waits before its exec: it would hold a lock meanwhile, or the end of a pipe. What this program
 * has opened is close-on-exec, and stays. PROC is a procfs_open; before exec_close_others. */
void exec_close_inherited(int proc, unsigned keep);

/* Makes the process ready: exec_close_others, unless it is done, and unblocks all signals, because
 * the mask outlives exec. */
int exec_prepare(unsigned keep);

/* Signals that somebody outside ignored (as nohup(1) does) act again: for the first process of a
 * container, to which the host's habits are none. */
void exec_default_signals(void);

/* The call alone: execve(2) of PATH. Returns only on failure, −1 with the cause as the hint. After
 * a seccomp filter this is all that is left to do. */
int exec_now(const char *path, char *const argv[], char *const envp[]);

/* All three. Returns only on failure. */
int exec_command(char *const argv[], char *const envp[], unsigned keep);

/* The path of another program of ours: in $BOXSTEP_LIBEXEC, beside this program, or where it is
 * installed. ENOENT, recorded. */
int program_beside(const char *name, char path[PATH_MAX]);

/* This program's directory, where /proc/self/exe cannot tell it. NULL: it can. */
void program_is_in(const char *place);

#endif

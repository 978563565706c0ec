/*
 * exec: the last call of every step, in which the program becomes the command.
 *
 * execve(2) says ENOENT for three different things and EACCES for four. What is known from looking
 * at the file (no interpreter, a shebang with CR, another architecture, a mount with noexec) is
 * said. Explained in book/01-unshare.md.
 */
#ifndef BOXSTEP_EXEC_H
#define BOXSTEP_EXEC_H

/*
 * Becomes ARGV: closes every descriptor above stderr at the exec (close_range(2) marks them
 * close-on-exec, except the KEEP that follow stderr), unblocks all signals, searches PATH of ENVP
 * for a name without a slash, and calls execve(2). Returns only on failure: −1 with errno, the
 * error recorded with status 127 (not found) or 126 (found, cannot be run).
 */
int exec_command(char *const argv[], char *const envp[], unsigned keep);

#endif

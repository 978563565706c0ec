/*
 * pid_file: the number of a process in a file, for the program that waits for it.
 *
 * Follows rename(2): who looks finds no file, or the whole number. Explained in book/07-runtime.md.
 */
#ifndef BOXSTEP_PID_FILE_H
#define BOXSTEP_PID_FILE_H

/* The folder of --pid-file (PATH or NULL), while paths are the caller's, and before there is a
 * process: EEXIST for what is no regular file. Gives its descriptor; −1: error, or no PATH. */
int pid_file_open(const char *path);

/* The file in that folder, with PID as text, there all at once. Closes DIR; −1 for it: nothing is
 * to be written. 0 or −1. */
int pid_file_write(int dir, const char *path, int pid);

#endif

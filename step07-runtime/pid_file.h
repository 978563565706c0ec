/*
 * pid_file: which process it is, for the program that waits for it: its number in a file, and its
 * pidfd over a socket, which names it also when the number has become another's.
 *
 * Follows rename(2): who looks finds no file, or the whole number; pidfd_open(2), unix(7).
 * Explained in book/07-runtime.md.
 */
#ifndef BOXSTEP_PID_FILE_H
#define BOXSTEP_PID_FILE_H

struct pid_file {
	const char *path; /* of the file, the caller's text */
	int dir, socket; /* its folder, and who gets the pidfd, both close-on-exec; −1: neither */
};

/* The folder of --pid-file (PATH or NULL) and the SOCKET of --pidfd-socket (or NULL), while paths
 * are the caller's, and before there is a process. 0 or −1: EEXIST for what is no regular file. */
int pid_file_open(const char *path, const char *socket, struct pid_file *file);

/* The file, with PID as text, there all at once; and PIDFD over the socket. Closes both. 0 or −1.
 */
int pid_file_write(struct pid_file *file, int pid, int pidfd);

#endif

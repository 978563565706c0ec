/*
 * log: what a container said, kept: one JSON object a line, as docker's json-file driver writes it.
 *
 *	{"log":"hello\n","stream":"stdout","time":"2026-01-31T12:00:00.123456789Z"}
 *
 * Explained in book/07-runtime.md.
 */
#ifndef BOXSTEP_LOG_H
#define BOXSTEP_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum log_stream { LOG_STDOUT, LOG_STDERR };

#define LOG_LINE 16384 /* bytes; a longer line is cut, as docker cuts it */

struct log {
	int fd; /* −1: nothing is kept */
	struct {
		char text[LOG_LINE];
		size_t used;
	} part[2]; /* the beginning of a line of each stream, until its end comes */
};

/* Opens (appends to) the file NAME below DIRFD; 0 or −1. The struct is large: static, or malloc. */
int log_open(struct log *log, int dirfd, const char *name);
/* Takes COUNT bytes as they came; complete lines are written. −1 when the disk is full: recorded.
 */
int log_write(struct log *log, enum log_stream stream, const char *bytes, size_t count);
/* Writes what has no end of line, and closes. */
void log_close(struct log *log);

struct log_print {
	int64_t tail; /* so many lines from the end; −1: all */
	bool times;   /* the time before each line */
};
/*
 * Prints a log file from where FD stands: stdout's lines to stdout, stderr's to stderr. An
 * unfinished last line is left for the next call, which makes following a matter of calling again.
 * 0 or −1.
 */
int log_print(int fd, const struct log_print *how);

#endif

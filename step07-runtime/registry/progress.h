/*
 * progress: a line for each layer while it comes.
 *
 * Bars are for a terminal. A file or a pipe gets nothing that moves, and neither does somebody who
 * set NO_COLOR: a line is written then when a layer is done. Follows console_codes(4).
 * Explained in book/08-registry.md.
 */
#ifndef BOXSTEP_PROGRESS_H
#define BOXSTEP_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct progress_line {
	char name[16];	    /* the first digits of the digest */
	const char *state;  /* "waiting", "downloading", "here" … */
	int64_t now, total; /* bytes */
	bool done;
};

struct progress {
	struct progress_line *line;
	size_t count;
	bool quiet; /* says nothing at all */
	/* progress's own */
	bool bars;	  /* stdout is a terminal and NO_COLOR is not set */
	size_t drawn;	  /* lines that stand above the cursor */
	int64_t drawn_at; /* milliseconds, monotonic */
};

/* COUNT lines, empty; 0, or −1 with ENOMEM recorded. */
int progress_open(struct progress *progress, size_t count, bool quiet);
/* Draws the bars, at most ten times a second unless NOW. */
void progress_draw(struct progress *progress, bool now);
/* A line has come to its end in STATE; where there are no bars it is written now. Once a line. */
void progress_done(struct progress *progress, size_t line, const char *state);
/* Draws for the last time; the cursor stays below. */
void progress_close(struct progress *progress);

/* "3.2MB": a size as docker writes it, powers of 1000; in a static buffer. */
const char *progress_size(int64_t bytes);

#endif

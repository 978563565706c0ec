/*
 * progress: a line for each layer while it comes, on a terminal only.
 *
 * A program that writes to a file or a pipe must not draw; NO_COLOR asks for plain text, and then a
 * line is written when a layer is done. Follows console_codes(4). Explained in book/08-registry.md.
 */
#ifndef BOXSTEP_PROGRESS_H
#define BOXSTEP_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct progress_line {
	char name[16];	    /* the first digits of the digest */
	const char *state;  /* "waiting", "downloading", "unpacking", "done" */
	int64_t now, total; /* bytes */
};

struct progress {
	struct progress_line *line;
	size_t count;
	bool quiet; /* says nothing at all */
	/* progress's own */
	bool bars;	   /* stdout is a terminal and NO_COLOR is not set */
	bool drawn;	   /* the lines stand above the cursor */
	uint64_t drawn_at; /* milliseconds, monotonic */
};

/* COUNT lines, zeroed; 0, or −1 with ENOMEM. */
int progress_open(struct progress *progress, size_t count, bool quiet);
/* Draws, at most ten times a second unless NOW. */
void progress_draw(struct progress *progress, bool now);
/* A line has come to an end in STATE, and is told when there are no bars. */
void progress_done(struct progress *progress, size_t line, const char *state);
void progress_close(struct progress *progress);

/* "3.2MB": three digits of a size, as docker writes them; in a static buffer. */
const char *progress_size(int64_t bytes);

#endif

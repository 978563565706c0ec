/*
 * columns: a table as docker prints it: each column as wide as its widest entry, and three blanks.
 * Explained in book/07-runtime.md.
 */
#ifndef BOXSTEP_COLUMNS_H
#define BOXSTEP_COLUMNS_H

#include <stddef.h>

enum { COLUMNS_MAX = 8 };

struct columns { /* begin with {0}, and the COUNT of columns */
	size_t count;
	char **cell; /* row after row */
	size_t cells;
};

/* Adds one row of COUNT texts, which are copied. 0, or −1 with ENOMEM. */
int columns_add(struct columns *columns, const char *const *texts);
/* Prints all rows to stdout, the last column without blanks behind it, and frees them. */
void columns_print(struct columns *columns);

#endif

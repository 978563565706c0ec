/*
 * columns.c: rows are kept until all widths are known. Characters are counted, not bytes of UTF-8.
 * Follows utf-8(7). Explained in book/07-runtime.md.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "step01-unshare/call.h"
#include "step07-runtime/engine/columns.h"

/* Bytes of the form 10xxxxxx continue a character. */
static int
width(const char *text)
{
	int n = 0;

	for (; *text; text++)
		n += (*text & 0xc0) != 0x80;
	return n;
}

int
columns_add(struct columns *columns, const char *const *texts)
{
	char **grown = reallocarray(columns->cell, columns->cells + columns->count, sizeof *grown);

	if (!grown)
		return fail(ENOMEM, "memory for a table");
	columns->cell = grown;
	for (size_t i = 0; i < columns->count; i++) {
		grown[columns->cells] = strdup(texts[i]);
		if (!grown[columns->cells])
			return fail(ENOMEM, "memory for a table");
		columns->cells++;
	}
	return 0;
}

void
columns_print(struct columns *columns)
{
	int widest[COLUMNS_MAX] = { 0 };

	for (size_t i = 0; i < columns->cells; i++) {
		int *column = widest + i % columns->count;
		if (width(columns->cell[i]) > *column)
			*column = width(columns->cell[i]);
	}
	for (size_t i = 0; i < columns->cells; i++) {
		size_t column = i % columns->count;
		fputs(columns->cell[i], stdout);
		if (column + 1 == columns->count)
			putchar('\n');
		else
			printf("%*s", widest[column] - width(columns->cell[i]) + 3, "");
		free(columns->cell[i]);
	}
	free(columns->cell);
	columns->cell = NULL;
	columns->cells = 0;
}

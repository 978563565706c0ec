/*
 * A table is as wide as its widest entries, in characters.
 * Tests step07-runtime/engine/columns.c, explained in book/07-runtime.md.
 */
#include "step07-runtime/engine/columns.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

/* What columns_print says, taken from a file in place of stdout. */
static void
prints(struct columns *table, const char *wanted)
{
	char text[512];
	FILE *file = tmpfile();
	int before = dup(STDOUT_FILENO);
	size_t n;

	assert_non_null(file);
	fflush(stdout);
	assert_true(dup2(fileno(file), STDOUT_FILENO) >= 0);
	columns_print(table);
	fflush(stdout);
	dup2(before, STDOUT_FILENO);
	close(before);
	rewind(file);
	n = fread(text, 1, sizeof text - 1, file);
	text[n] = '\0';
	fclose(file);
	assert_string_equal(text, wanted);
}

static void
each_column_is_as_wide_as_its_widest_entry(void **unused)
{
	struct columns table = { .count = 3 };

	(void)unused;
	assert_int_equal(columns_add(&table, (const char *[]){ "A", "LONG", "C" }), 0);
	assert_int_equal(columns_add(&table, (const char *[]){ "xyz", "b", "" }), 0);
	prints(&table, "A     LONG   C\nxyz   b      \n");
}

static void
characters_are_counted_not_bytes(void **unused)
{
	struct columns table = { .count = 2 };

	(void)unused;
	columns_add(&table, (const char *[]){ "ä…€", "1" });
	columns_add(&table, (const char *[]){ "abcd", "2" });
	prints(&table, "ä…€    1\nabcd   2\n");
}

static void
texts_are_copied_and_a_printed_table_is_empty_again(void **unused)
{
	struct columns table = { .count = 1 };
	char text[] = "before";

	(void)unused;
	columns_add(&table, (const char *[]){ text });
	strcpy(text, "after");
	prints(&table, "before\n");
	prints(&table, "");
	assert_null(table.cell);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_column_is_as_wide_as_its_widest_entry),
		cmocka_unit_test(characters_are_counted_not_bytes),
		cmocka_unit_test(texts_are_copied_and_a_printed_table_is_empty_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

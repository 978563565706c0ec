/*
 * What a container said is kept whole, line by line, and given back as it was.
 * Tests step07-runtime/log.c, explained in book/07-runtime.md.
 */
#include "step01-unshare/call.h"
#include "step07-runtime/log.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include <cmocka.h>

static struct log sink; /* large */
static char path[64];

static int
begin(void **unused)
{
	(void)unused;
	strcpy(path, "/tmp/test_log.XXXXXX");
	close(mkstemp(path));
	return log_open(&sink, AT_FDCWD, path);
}

static int
end(void **unused)
{
	(void)unused;
	log_close(&sink);
	call_forget();
	return unlink(path);
}

static void
say(enum log_stream stream, const char *text)
{
	assert_int_equal(log_write(&sink, stream, text, strlen(text)), 0);
}

/* What log_print says on stdout and stderr, both into one file, in the order in which it comes. */
static const char *
printed(int fd, int64_t tail, bool times)
{
	static char text[100000];
	struct log_print how = { tail, times };
	FILE *file = tmpfile();
	int out = dup(STDOUT_FILENO), err = dup(STDERR_FILENO);
	size_t n;

	assert_non_null(file);
	fflush(stdout);
	dup2(fileno(file), STDOUT_FILENO);
	dup2(fileno(file), STDERR_FILENO);
	n = (size_t)log_print(fd, &how);
	fflush(stdout);
	dup2(out, STDOUT_FILENO);
	dup2(err, STDERR_FILENO);
	close(out);
	close(err);
	assert_int_equal(n, 0);
	rewind(file);
	n = fread(text, 1, sizeof text - 1, file);
	text[n] = '\0';
	fclose(file);
	return text;
}

static int
reader(void)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

static void
lines_of_both_streams_come_back_in_order(void **unused)
{
	int fd = reader();

	(void)unused;
	say(LOG_STDOUT, "one\ntw");
	say(LOG_STDERR, "error\n");
	say(LOG_STDOUT, "o\n");
	assert_string_equal(printed(fd, -1, false), "one\nerror\ntwo\n");
	close(fd);
}

static void
an_unfinished_line_waits_for_its_end_or_for_the_close(void **unused)
{
	int fd = reader();

	(void)unused;
	say(LOG_STDOUT, "begin");
	assert_string_equal(printed(fd, -1, false), "");
	say(LOG_STDOUT, "ning\nrest");
	assert_string_equal(printed(fd, -1, false), "beginning\n");
	log_close(&sink);
	assert_string_equal(printed(fd, -1, false), "rest");
	assert_string_equal(printed(fd, -1, false), "");
	close(fd);
}

static void
following_leaves_half_an_object_for_the_next_call(void **unused)
{
	int fd = reader();
	const char half[] = "{\"log\":\"ab", rest[] = "c\\n\",\"stream\":\"stdout\"}\n";

	(void)unused;
	say(LOG_STDOUT, "x\n");
	assert_int_equal(write(sink.fd, half, strlen(half)), strlen(half));
	assert_string_equal(printed(fd, -1, false), "x\n");
	assert_int_equal(write(sink.fd, rest, strlen(rest)), strlen(rest));
	assert_string_equal(printed(fd, -1, false), "abc\n");
	close(fd);
}

static void
the_tail_is_the_last_lines_also_across_blocks(void **unused)
{
	char line[64], wanted[64];
	int fd = reader();

	(void)unused;
	for (int i = 0; i < 500; i++) {
		snprintf(line, sizeof line, "line %d\n", i);
		say(LOG_STDOUT, line);
	}
	snprintf(wanted, sizeof wanted, "line 498\nline 499\n");
	assert_string_equal(printed(fd, 2, false), wanted);
	assert_string_equal(printed(fd, 0, false), "");
	assert_memory_equal(printed(fd, 400, false), "line 100\n", 9);
	assert_memory_equal(printed(fd, 100000, false), "line 0\n", 7);
	close(fd);
}

static void
any_byte_comes_back_as_it_was(void **unused)
{
	static char all[256];
	struct log_print how = { -1, false };
	char back[512];
	FILE *file = tmpfile();
	int out = dup(STDOUT_FILENO), fd = reader();

	(void)unused;
	for (int i = 0; i < 256; i++)
		all[i] = (char)(i == '\n' ? 0 : i);
	all[255] = '\n';
	assert_int_equal(log_write(&sink, LOG_STDOUT, all, sizeof all), 0);
	fflush(stdout);
	dup2(fileno(file), STDOUT_FILENO);
	assert_int_equal(log_print(fd, &how), 0);
	dup2(out, STDOUT_FILENO);
	close(out);
	rewind(file);
	assert_int_equal(fread(back, 1, sizeof back, file), sizeof all);
	assert_memory_equal(back, all, sizeof all);
	fclose(file);
	close(fd);
}

static void
a_very_long_line_is_cut_and_comes_back_whole(void **unused)
{
	static char line[3 * LOG_LINE];
	int fd = reader();

	(void)unused;
	memset(line, 'x', sizeof line - 2);
	line[sizeof line - 2] = '\n';
	say(LOG_STDOUT, line);
	assert_string_equal(printed(fd, -1, false), line);
	close(fd);
}

static void
with_times_each_line_begins_with_one(void **unused)
{
	int fd = reader();
	const char *text;

	(void)unused;
	say(LOG_STDERR, "x\n");
	text = printed(fd, -1, true);
	assert_int_equal(strlen(text), strlen("2026-01-31T12:00:00.123456789Z x\n"));
	assert_string_equal(text + 29, "Z x\n");
	close(fd);
}

/* RLIMIT_FSIZE is the disk that is full at this very byte. */
static void
a_line_that_does_not_fit_is_not_there_by_half(void **unused)
{
	struct rlimit usual, small;
	int fd = reader();

	(void)unused;
	say(LOG_STDOUT, "first\n");
	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &usual);
	small = usual;
	small.rlim_cur = (rlim_t)lseek(sink.fd, 0, SEEK_END) + 20;
	setrlimit(RLIMIT_FSIZE, &small);
	assert_int_equal(log_write(&sink, LOG_STDOUT, "second\nno third, but a fou", 26), -1);
	assert_true(call_error()->number != 0);
	setrlimit(RLIMIT_FSIZE, &usual);
	call_forget();
	say(LOG_STDOUT, "rth\n");
	assert_string_equal(printed(fd, -1, false), "first\nno third, but a fourth\n");
	close(fd);
}

static void
a_log_that_cannot_be_opened_is_named(void **unused)
{
	struct log_print how = { -1, false };
	static struct log other;

	(void)unused;
	assert_int_equal(log_open(&other, AT_FDCWD, "/no/such/log"), -1);
	assert_int_equal(errno, ENOENT);
	assert_non_null(strstr(call_error()->what, "/no/such/log"));
	call_forget();
	assert_int_equal(log_print(-1, &how), -1);
	assert_int_equal(call_error()->number, EBADF);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(lines_of_both_streams_come_back_in_order),
		TEST(an_unfinished_line_waits_for_its_end_or_for_the_close),
		TEST(following_leaves_half_an_object_for_the_next_call),
		TEST(the_tail_is_the_last_lines_also_across_blocks),
		TEST(any_byte_comes_back_as_it_was),
		TEST(a_very_long_line_is_cut_and_comes_back_whole),
		TEST(with_times_each_line_begins_with_one),
		TEST(a_line_that_does_not_fit_is_not_there_by_half),
		TEST(a_log_that_cannot_be_opened_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

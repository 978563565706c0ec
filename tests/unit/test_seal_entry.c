/*
 * test_seal_entry.c: the first instruction of a program that executes itself once more. The test is
 * that program: called with a verb, it says what it finds, and begins as boxstep-oci does.
 * Tests step07-runtime/seal_entry.c, explained in book/07-runtime.md.
 */
#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "step07-runtime/seal.h"

#include <cmocka.h>

const char *const seal_verbs[] = { "create", "exec", NULL };

/* Where the kernel would have put them: argc, argv, 0, the environment, 0. */
struct stack {
	long argc;
	const char *words[8];
};

/* What the program of the words A and B, and of the one variable, says; "" if it went on as it was.
 */
static const char *
says(const char *a, const char *b, const char *variable)
{
	static char text[2 * PATH_MAX];
	static char counters[PATH_MAX]; /* of make COV=1 */
	struct stack stack = { 3, { "test", a, b, NULL, variable, counters, NULL } };
	const char *given = getenv("LLVM_PROFILE_FILE");
	ssize_t length;
	int out[2], status;
	pid_t child;

	snprintf(counters, sizeof counters, "LLVM_PROFILE_FILE=%s", given ? given : "/dev/null");
	assert_int_equal(pipe(out), 0);
	child = fork();
	if (child == 0) {
		dup2(out[1], STDOUT_FILENO);
		seal_at_entry(&stack.argc);
		_exit(0);
	}
	close(out[1]);
	length = read(out[0], text, sizeof text - 1);
	close(out[0]);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	text[length > 0 ? length : 0] = '\0';
	return text;
}

/* The second time: can this program's file be written, where was it, and does it begin again? */
static int
second(int argc, char **argv, char **environment)
{
	const char *place = getenv(SEAL_PLACE), *other = getenv("OTHER");
	struct stack stack = { argc, { argv[0], argv[1], argv[2], NULL, environment[0], NULL } };

	seal_at_entry(&stack.argc);
	if (access("/proc/self/exe", W_OK) == 0)
		errno = 0;
	printf("%s %s %s %s", errno == EROFS ? "sealed" : strerror(errno), argv[2],
	       place ? place : "nowhere", other ? other : "nothing");
	return 0;
}

static const char *
own_folder(void)
{
	static char path[PATH_MAX];
	ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);

	assert_true(length > 0);
	path[length] = '\0';
	*strrchr(path, '/') = '\0';
	return path;
}

static void
a_verb_executes_the_program_where_it_cannot_be_written(void **unused)
{
	char wanted[PATH_MAX + 64];

	(void)unused;
	if (geteuid() != 0)
		skip();
	snprintf(wanted, sizeof wanted, "sealed box %s kept", own_folder());
	assert_string_equal(says("create", "box", "OTHER=kept"), wanted);
	assert_string_equal(says("exec", "box", "OTHER=kept"), wanted);
}

static void
a_place_that_was_told_stays(void **unused)
{
	(void)unused;
	if (geteuid() != 0)
		skip();
	assert_string_equal(says("create", "box", SEAL_PLACE "=/there"),
			    "sealed box /there nothing");
	assert_string_equal(says("create", "box", SEAL_PLACE "S=/there") + strlen("sealed box "),
			    strcat(strcpy((char[PATH_MAX + 16]){ 0 }, own_folder()), " nothing"));
}

static void
another_word_goes_on_as_it_was(void **unused)
{
	(void)unused;
	assert_string_equal(says("state", "box", "OTHER=kept"), "");
	assert_string_equal(says("creat", "created", "OTHER=kept"), "");
	assert_string_equal(says("", "--create", "OTHER=kept"), "");
}

int
main(int argc, char **argv, char **environment)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_verb_executes_the_program_where_it_cannot_be_written),
		cmocka_unit_test(a_place_that_was_told_stays),
		cmocka_unit_test(another_word_goes_on_as_it_was),
	};

	return argc == 3 ? second(argc, argv, environment)
			 : cmocka_run_group_tests_name("seal_entry", tests, NULL, NULL);
}

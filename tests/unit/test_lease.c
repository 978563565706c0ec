/*
 * Addresses given out under a lock, and taken back from the dead.
 * Tests step06-net/lease.c, explained in book/06-net.md.
 */
#include "step01-unshare/call.h"
#include "step06-net/lease.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

static char state[128];

static int
make_state(void **unused)
{
	(void)unused;
	snprintf(state, sizeof state, "/tmp/boxstep-lease.%d/net", getpid());
	call_forget();
	return 0;
}

/* Whatever a test did, the last lease takes the directories with it. */
static int
state_is_gone(void **unused)
{
	struct stat st;

	(void)unused;
	if (stat(state, &st) == 0)
		return -1;
	*strrchr(state, '/') = '\0';
	rmdir(state);
	return 0;
}

static struct lease
take(const char *id, unsigned count)
{
	struct lease_book book;
	struct lease lease;

	assert_int_equal(lease_book_open(&book, state, true), 0);
	if (lease_take(&book, id, count, &lease) < 0)
		fail_msg("%s: %s", id, call_error()->what);
	lease_book_close(&book);
	return lease;
}

static void
drop(struct lease *lease)
{
	struct lease_book book;

	assert_int_equal(lease_book_open(&book, state, false), 0);
	lease_drop(&book, lease);
	lease_book_close(&book);
}

static void
each_container_gets_a_number_of_its_own_until_all_are_taken(void **unused)
{
	struct lease lease[5];
	struct lease_book book;
	unsigned seen = 0;
	char id[16];

	(void)unused;
	for (int i = 0; i < 4; i++) {
		snprintf(id, sizeof id, "c%d", i);
		lease[i] = take(id, 4);
		assert_in_range(lease[i].number, 2, 5);
		assert_false(seen & 1U << lease[i].number);
		seen |= 1U << lease[i].number;
	}
	assert_int_equal(lease_book_open(&book, state, true), 0);
	assert_int_equal(lease_take(&book, "c4", 4, &lease[4]), -1);
	assert_int_equal(errno, EADDRNOTAVAIL);
	call_forget();
	assert_int_equal(lease_take(&book, "c0", 4, &lease[4]), -1); /* also: it has one */
	call_forget();
	lease_drop(&book, &lease[2]);
	assert_int_equal(lease_take(&book, "c4", 4, &lease[4]), 0);
	assert_int_equal(lease[4].number, lease[2].number);
	assert_int_equal(lease_take(&book, "c4", 400, &lease[2]), -1);
	assert_int_equal(errno, EEXIST);
	call_forget();
	lease_book_close(&book);
	drop(&lease[0]);
	drop(&lease[1]);
	drop(&lease[3]);
	drop(&lease[4]);
}

static void
an_id_that_is_no_file_name_is_refused(void **unused)
{
	static const char *const bad[] = {
		"",
		".",
		"..",
		".hidden",
		"a/b",
		"/etc",
		"0123456789012345678901234567890123456789012345678901234567890123456789012",
	};
	struct lease_book book;
	struct lease lease;

	(void)unused;
	assert_int_equal(lease_book_open(&book, state, true), 0);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		assert_int_equal(lease_take(&book, bad[i], 10, &lease), -1);
		assert_int_equal(errno, EINVAL);
		call_forget();
	}
	lease_book_close(&book);
}

struct seen {
	char id[LEASE_ID];
	int alive, dead;
};

static int
note(const struct lease *lease, bool alive, void *context)
{
	struct seen *seen = context;

	snprintf(seen->id, sizeof seen->id, "%s", lease->id);
	seen->alive += alive;
	seen->dead += !alive;
	return 0;
}

static struct seen
sweep(const char *own)
{
	struct lease_book book;
	struct seen seen = { 0 };

	assert_int_equal(lease_book_open(&book, state, true), 0);
	assert_int_equal(lease_sweep(&book, own, note, &seen), 0);
	lease_book_close(&book);
	return seen;
}

/* A process that takes a lease for ID, says so, and waits to be killed. */
static pid_t
holder(const char *id, bool release, pid_t for_pid)
{
	int pipes[2];
	char byte;
	pid_t pid;

	assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
	pid = fork();
	if (pid == 0) {
		struct lease lease = take(id, 100);
		if (for_pid && lease_hold_for(&lease, for_pid) < 0)
			_exit(1);
		if (release)
			close(lease.fd);
		if (write(pipes[1], "x", 1) != 1)
			_exit(1);
		pause();
	}
	assert_int_equal(read(pipes[0], &byte, 1), 1);
	close(pipes[0]);
	close(pipes[1]);
	return pid;
}

static void
kill_and_wait(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void
a_lease_whose_holder_was_killed_is_swept_and_no_other(void **unused)
{
	struct lease mine = take("mine", 100);
	pid_t pid = holder("theirs", false, 0);
	struct seen seen = sweep(NULL);

	(void)unused;
	assert_int_equal(seen.alive, 2);
	assert_int_equal(seen.dead, 0);
	kill_and_wait(pid);
	seen = sweep("mine");
	assert_int_equal(seen.alive, 0); /* but for one's own, which is left out */
	assert_int_equal(seen.dead, 1);
	assert_string_equal(seen.id, "theirs");
	seen = sweep(NULL);
	assert_int_equal(seen.alive, 1);
	assert_int_equal(seen.dead, 0);
	drop(&mine);
}

static void
a_lease_lives_as_long_as_the_process_that_it_names(void **unused)
{
	pid_t named = fork(), pid;
	struct seen seen;

	(void)unused;
	if (named == 0) {
		pause();
		_exit(0);
	}
	pid = holder("box", true, named);
	kill_and_wait(pid);
	seen = sweep(NULL);
	assert_int_equal(seen.alive, 1);
	kill(named, SIGKILL);
	/* what is left of a process until somebody waits for it, holds nothing */
	assert_int_equal(waitid(P_PID, (id_t)named, &(siginfo_t){ 0 }, WEXITED | WNOWAIT), 0);
	seen = sweep(NULL);
	assert_int_equal(seen.dead, 1);
	waitpid(named, NULL, 0);
}

static void
a_pid_that_was_used_again_is_another_process(void **unused)
{
	struct lease lease = take("box", 100);
	char path[LEASE_PATH + LEASE_ID + 8];
	struct seen seen;
	FILE *file;

	(void)unused;
	snprintf(path, sizeof path, "%s/lease", lease.path);
	close(lease.fd);
	file = fopen(path, "w");
	fprintf(file, "number 7\npid %d\nstart 1\n", getpid());
	fclose(file);
	seen = sweep(NULL);
	assert_int_equal(seen.dead, 1);
}

static void
what_is_left_of_a_crash_while_taking_is_swept(void **unused)
{
	struct lease lease = take("box", 100), other = take("other", 100);
	char path[LEASE_PATH + LEASE_ID + 8];
	struct seen seen;

	(void)unused;
	snprintf(path, sizeof path, "%s/lease", lease.path);
	unlink(path); /* only the directory had been made */
	snprintf(path, sizeof path, "%s/lease", other.path);
	close(other.fd);
	assert_int_equal(truncate(path, 3), 0); /* half a line had been written */
	seen = sweep(NULL);
	assert_int_equal(seen.dead, 2);
	close(lease.fd);
}

static void
twenty_processes_at_once_get_twenty_numbers(void **unused)
{
	struct lease_book book;
	uint8_t seen[128] = { 0 };
	pid_t pid[20];

	(void)unused;
	for (int i = 0; i < 20; i++) {
		char id[16];
		snprintf(id, sizeof id, "c%d", i);
		pid[i] = fork();
		if (pid[i] == 0) {
			/* taken and dropped again and again, so that the directory comes and goes
			 */
			for (int round = 0; round < 20; round++) {
				struct lease lease = take(id, 100);
				drop(&lease);
			}
			take(id, 100);
			raise(SIGSTOP);
			_exit(0);
		}
	}
	for (int i = 0; i < 20; i++) {
		int status;
		assert_int_equal(waitpid(pid[i], &status, WUNTRACED), pid[i]);
		assert_true(WIFSTOPPED(status));
	}
	assert_int_equal(lease_book_open(&book, state, false), 0);
	for (int i = 0; i < 20; i++) {
		struct lease lease;
		char id[16];
		snprintf(id, sizeof id, "c%d", i);
		assert_int_equal(lease_find(&book, id, &lease), 0);
		assert_in_range(lease.number, 2, 101);
		assert_int_equal(seen[lease.number]++, 0);
		close(lease.fd);
	}
	lease_book_close(&book);
	for (int i = 0; i < 20; i++)
		kill_and_wait(pid[i]);
	assert_int_equal(sweep(NULL).dead, 20);
}

static void
without_a_directory_there_is_no_book(void **unused)
{
	struct lease_book book;

	(void)unused;
	assert_int_equal(lease_book_open(&book, state, false), -1);
	assert_int_equal(errno, ENOENT);
	lease_book_close(&book);
	assert_int_equal(lease_book_open(&book, "/proc/no/such", true), -1); /* not for ever */
}

int
main(void)
{
#define IN_STATE(test) cmocka_unit_test_setup_teardown(test, make_state, state_is_gone)
	const struct CMUnitTest tests[] = {
		IN_STATE(each_container_gets_a_number_of_its_own_until_all_are_taken),
		IN_STATE(an_id_that_is_no_file_name_is_refused),
		IN_STATE(a_lease_whose_holder_was_killed_is_swept_and_no_other),
		IN_STATE(a_lease_lives_as_long_as_the_process_that_it_names),
		IN_STATE(a_pid_that_was_used_again_is_another_process),
		IN_STATE(what_is_left_of_a_crash_while_taking_is_swept),
		IN_STATE(twenty_processes_at_once_get_twenty_numbers),
		IN_STATE(without_a_directory_there_is_no_book),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

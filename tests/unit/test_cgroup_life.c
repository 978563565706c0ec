/*
 * The life of a real cgroup, as the OCI runtime drives it: made by path, frozen, signalled, killed,
 * removed, swept. Needs no controller, but the right to make cgroups; skipped without.
 * Tests step04-cgroups/cgroup.c, parent.c, sweep.c, explained in book/04-cgroups.md.
 */
#include "step01-unshare/call.h"
#include "step04-cgroups/cgroup.h"
#include "step04-cgroups/parent.h"
#include "step04-cgroups/sweep.h"

#include <errno.h>
#include <sched.h>
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

static struct cgroup group;
static char id[64];

static int
make(void **state)
{
	static const struct cgroup_options options = { 0 };

	(void)state;
	call_forget();
	snprintf(id, sizeof id, "%s-life", sweep_run_id());
	group.fd = -1;
	return cgroup_create(&options, id, 0, 0, &group);
}

static int
unmake(void **state)
{
	(void)state;
	call_forget();
	return cgroup_remove(&group);
}

/* A process in the cgroup that only waits. */
static pid_t
waiter(const struct cgroup *where)
{
	int ready[2];
	pid_t pid;
	char c;

	assert_int_equal(pipe(ready), 0);
	if ((pid = fork()) == 0) {
		if (cgroup_write(where, "cgroup.procs", "0") < 0 || write(ready[1], "x", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	assert_int_equal(read(ready[0], &c, 1), 1);
	close(ready[0]);
	close(ready[1]);
	return pid;
}

static int
ended_by(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static void
frozen_and_thawed_and_signalled(void **state)
{
	pid_t one, two, *pids;
	size_t count;

	(void)state;
	if (group.fd < 0)
		skip();
	assert_int_equal(cgroup_populated(&group), 0);
	one = waiter(&group);
	two = waiter(&group);
	assert_int_equal(cgroup_populated(&group), 1);
	assert_int_equal(cgroup_processes(&group, &pids, &count), 0);
	assert_int_equal(count, 2);
	assert_true((pids[0] == one && pids[1] == two) || (pids[0] == two && pids[1] == one));
	free(pids);
	assert_int_equal(cgroup_freeze(&group, true), 0);
	assert_int_equal(cgroup_is_frozen(&group), 1);
	assert_int_equal(waitpid(one, NULL, WNOHANG), 0);
	/* what has no handler and is deadly reaches a frozen process too */
	assert_int_equal(cgroup_signal(&group, SIGTERM), 0);
	assert_int_equal(ended_by(one), SIGTERM);
	assert_int_equal(ended_by(two), SIGTERM);
	assert_int_equal(cgroup_read_number(&group, "cgroup.freeze"), 1); /* it stays as it was */
	assert_int_equal(cgroup_freeze(&group, false), 0);
	assert_int_equal(cgroup_is_frozen(&group), 0);
	one = waiter(&group);
	assert_int_equal(cgroup_signal(&group, SIGUSR1), 0);
	assert_int_equal(cgroup_is_frozen(&group), 0);
	assert_int_equal(ended_by(one), SIGUSR1);
	one = waiter(&group);
	assert_int_equal(cgroup_signal(&group, SIGKILL), 0);
	assert_int_equal(ended_by(one), SIGKILL);
}

/* Of a signal that it catches a process does not die while it is frozen. */
static void
leave(int number)
{
	_exit(number == SIGUSR1 ? 0 : 1);
}

static void
those_of_nested_cgroups_are_signalled_too(void **state)
{
	struct cgroup inner = CGROUP_NONE;
	char path[PATH_MAX + 32];
	pid_t one, two, *pids;
	size_t count;

	(void)state;
	if (group.fd < 0)
		skip();
	snprintf(path, sizeof path, "%s/inner", group.path);
	assert_int_equal(mkdir(path, 0755), 0);
	assert_int_equal(cgroup_open(path, &inner), 0);
	signal(SIGUSR1, leave);
	one = waiter(&group);
	two = waiter(&inner);
	signal(SIGUSR1, SIG_DFL);
	assert_int_equal(cgroup_processes(&group, &pids, &count), 0);
	assert_int_equal(count, 2);
	free(pids);
	assert_int_equal(cgroup_signal(&group, SIGUSR1), 0);
	assert_int_equal(ended_by(one), 0);
	assert_int_equal(ended_by(two), 0);
	assert_int_equal(cgroup_remove(&inner), 0);
}

static void
a_cgroup_goes_to_who_is_root_inside_and_to_nobody_else(void **state)
{
	static const struct {
		const char *map;
		uid_t owner;
	} maps[] = { { "5 1000 1", 0 }, { "5 1000 1\n0 2000 1", 2000 } };
	struct stat status;
	char path[64];
	int ready[2];
	pid_t child;

	(void)state;
	if (group.fd < 0 || geteuid() != 0)
		skip();
	for (size_t i = 0; i < sizeof maps / sizeof maps[0]; i++) {
		assert_int_equal(pipe(ready), 0);
		if ((child = fork()) == 0) {
			if (unshare(CLONE_NEWUSER) == 0 && write(ready[1], "x", 1) == 1)
				pause();
			_exit(1);
		}
		close(ready[1]);
		if (read(ready[0], path, 1) == 1) { /* else no user namespace is to be had */
			snprintf(path, sizeof path, "/proc/%d/uid_map", child);
			assert_int_equal(call_write(path, maps[i].map), 0);
			snprintf(path, sizeof path, "/proc/%d/gid_map", child);
			assert_int_equal(call_write(path, maps[i].map), 0);
			assert_int_equal(cgroup_delegate_to_root_of(&group, child), 0);
			assert_int_equal(fstat(group.fd, &status), 0);
			assert_int_equal(status.st_uid, maps[i].owner);
			assert_int_equal(status.st_gid, maps[i].owner);
		}
		close(ready[0]);
		kill(child, SIGKILL);
		ended_by(child);
	}
}

/* In a PID namespace from which the process in the cgroup cannot be seen. 0: all as it should be.
 */
static int
signal_unseen(void)
{
	pid_t *pids;
	size_t count;

	if (setpgid(0, 0) < 0 || cgroup_processes(&group, &pids, &count) < 0 || count != 0)
		return 1;
	free(pids);
	return cgroup_signal(&group, SIGUSR1) == 0 ? 0 : 2;
}

static void
who_cannot_be_seen_is_not_signalled(void **state)
{
	pid_t one, child;
	int status;

	(void)state;
	if (group.fd < 0 || geteuid() != 0)
		skip();
	one = waiter(&group);
	if ((child = fork()) == 0) {
		if (unshare(CLONE_NEWPID) < 0)
			_exit(3);
		if ((child = fork()) == 0)
			_exit(signal_unseen());
		_exit(waitpid(child, &status, 0) == child && WIFEXITED(status) ? WEXITSTATUS(status)
									       : 4);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_int_equal(waitpid(one, NULL, WNOHANG), 0);
	kill(one, SIGKILL);
	ended_by(one);
}

static void
found_by_path_and_by_process(void **state)
{
	struct cgroup same = CGROUP_NONE;
	pid_t one;

	(void)state;
	if (group.fd < 0)
		skip();
	one = waiter(&group);
	assert_int_equal(cgroup_open_of(one, &same), 0);
	assert_string_equal(same.path, group.path);
	cgroup_close(&same);
	kill(one, SIGKILL);
	ended_by(one);
	assert_int_equal(cgroup_open_of(one, &same), -1); /* there is no such process any more */
	assert_int_equal(cgroup_open("/sys/fs/cgroup/nosuch", &same), -1);
}

static void
a_name_in_use_and_an_unusable_one_are_refused(void **state)
{
	struct cgroup_options by_id = { 0 }, root = { .path = "/" }, up = { .parent = "a/../.." },
			      here = { .path = strrchr(group.path, '/') };
	struct cgroup other = CGROUP_NONE;
	pid_t one;

	(void)state;
	if (group.fd < 0)
		skip();
	assert_int_equal(cgroup_create(&by_id, id, 0, 0, &other), -1);
	assert_int_equal(errno, EEXIST);
	assert_int_equal(cgroup_create(&by_id, "a/b", 0, 0, &other), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(cgroup_create(&by_id, "", 0, 0, &other), -1);
	assert_int_equal(cgroup_create(&root, id, 0, 0, &other), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(cgroup_create(&up, id, 0, 0, &other), -1);
	assert_int_equal(errno, EINVAL);
	/* an exact path that is there already serves, unless somebody is in it */
	one = waiter(&group);
	assert_int_equal(cgroup_create(&here, id, 0, 0, &other), -1);
	assert_int_equal(errno, EBUSY);
	assert_int_equal(other.fd, -1); /* so that cgroup_remove, in a cleanup, leaves it alone */
	kill(one, SIGKILL);
	ended_by(one);
	assert_int_equal(cgroup_create(&here, id, 0, 0, &other), 0);
	cgroup_close(&other);
}

/* What FIFO says until COUNT numbers of six digits are read; the FIFO is gone then, so that who
 * writes on fails. Are they those that follow FIRST? */
static int
hears_each_number(const char *fifo, int first, int count)
{
	FILE *in = fopen(fifo, "r+"); /* keeps it open between two writers */
	char text[16];
	int right = 0;

	for (int i = 0; in && i < count; i++)
		right += fscanf(in, "%6s", text) == 1 && atoi(text) == first + i;
	unlink(fifo);
	return in && right == count ? 0 : 1;
}

/* The directories are none of the kernel's: the leaf's list has ten thousand numbers of six digits,
 * more than 65536 bytes of them, and what is written to the parent's goes through a FIFO. */
static void
a_list_of_any_length_is_moved_number_by_number(void **state)
{
	enum { FIRST = 100000, COUNT = 10000 };
	char top[] = "/tmp/test-leaf.XXXXXX", command[64], fifo[64], path[64];
	FILE *file;
	pid_t reader;
	int status;

	(void)state;
	assert_non_null(mkdtemp(top));
	snprintf(fifo, sizeof fifo, "%s/cgroup.procs", top);
	assert_int_equal(mkfifo(fifo, 0600), 0);
	snprintf(path, sizeof path, "%s/cgroup.subtree_control", top);
	assert_non_null(file = fopen(path, "w"));
	fclose(file);
	snprintf(path, sizeof path, "%s/" PARENT_LEAF, top);
	assert_int_equal(mkdir(path, 0700), 0);
	snprintf(path, sizeof path, "%s/" PARENT_LEAF "/cgroup.procs", top);
	assert_non_null(file = fopen(path, "w"));
	for (int i = 0; i < COUNT; i++)
		fprintf(file, "%d\n", FIRST + i);
	fclose(file);
	signal(SIGPIPE, SIG_IGN);
	if ((reader = fork()) == 0)
		_exit(hears_each_number(fifo, FIRST, COUNT));
	assert_int_equal(parent_release_leaf(top), -1); /* the list does not get shorter */
	assert_int_equal(waitpid(reader, &status, 0), reader);
	assert_int_equal(status, 0);
	snprintf(command, sizeof command, "rm -r '%s'", top);
	assert_int_equal(system(command), 0);
}

/* Only asked, so that no wrong answer can make or change anything. */
static void
no_path_leads_to_the_root_of_all_cgroups(void **state)
{
	static const char *const bad[] = { "",	  "/",	 "//",	  ".",	  "./", "/.",	"/./",
					   "a/.", "./a", "a/./b", "/a/.", "..", "a/..", "a/../b" };
	static const char *const good[] = { "a/b", "/a/b", "a/b/", "//a//b//" };
	char mount[PATH_MAX], path[PATH_MAX], wanted[PATH_MAX + 8];
	struct cgroup_options options = { 0 };

	(void)state;
	if (group.fd < 0 || geteuid() != 0)
		skip();
	assert_int_equal(hierarchy_find(mount), 0);
	snprintf(wanted, sizeof wanted, "%s/a/b", mount);
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		options.path = bad[i];
		assert_int_equal(parent_choose(&options, mount, id, path), -1);
		assert_int_equal(errno, EINVAL);
	}
	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
		options.path = good[i];
		assert_int_equal(parent_choose(&options, mount, id, path), 0);
		assert_string_equal(path, wanted);
	}
}

static void
removed_with_nested_ones_while_frozen(void **state)
{
	char path[PATH_MAX + 32];
	struct cgroup inner = CGROUP_NONE;
	pid_t one;

	(void)state;
	if (group.fd < 0)
		skip();
	for (int i = 0; i < 8; i++) {
		snprintf(path, sizeof path, "%s/n%d", group.path, i);
		assert_int_equal(mkdir(path, 0755), 0);
	}
	snprintf(path, sizeof path, "%s/n3/deep", group.path);
	assert_int_equal(mkdir(path, 0755), 0);
	assert_int_equal(cgroup_open(path, &inner), 0);
	one = waiter(&inner);
	assert_int_equal(cgroup_freeze(&group, true), 0);
	cgroup_close(&inner);
	strcpy(path, group.path);
	assert_int_equal(cgroup_remove(&group), 0);
	assert_int_equal(group.fd, -1);
	assert_int_equal(access(path, F_OK), -1);
	assert_int_equal(ended_by(one), SIGKILL);
	assert_int_equal(cgroup_remove(&group), 0); /* once more does nothing */
}

/* ---- the sweep ---- */

static bool
is_test(const char *name)
{
	return strncmp(name, "unit-test-", 10) == 0;
}

static void
swept_when_its_owner_is_gone_and_nobody_is_in_it(void **state)
{
	struct cgroup_options options = { 0 };
	struct cgroup left = CGROUP_NONE, again = CGROUP_NONE;
	char path[PATH_MAX], name[64];
	pid_t one;

	(void)state;
	if (group.fd < 0)
		skip();
	snprintf(name, sizeof name, "unit-test-%d", getpid());
	assert_int_equal(cgroup_create(&options, name, 0, 0, &left), 0);
	strcpy(path, left.path);
	/* its maker holds the lock */
	assert_int_equal(sweep_cgroups(&options, is_test, true), 0);
	cgroup_close(&left);
	/* without an opinion about such names it is left alone; a living run id is too */
	sweep_cgroups(&options, NULL, false);
	assert_int_equal(access(path, F_OK), 0);
	assert_int_equal(access(group.path, F_OK), 0);
	/* somebody in it: only with KILL */
	assert_int_equal(cgroup_open(path, &again), 0);
	one = waiter(&again);
	cgroup_close(&again);
	assert_int_equal(sweep_cgroups(&options, is_test, false), 0);
	assert_int_equal(sweep_cgroups(&options, is_test, true), 1);
	assert_int_equal(ended_by(one), SIGKILL);
	assert_int_equal(access(path, F_OK), -1);
}

static void
a_run_id_names_this_process(void **state)
{
	char begin[32];

	(void)state;
	snprintf(begin, sizeof begin, "run-%d-", getpid());
	assert_int_equal(strncmp(sweep_run_id(), begin, strlen(begin)), 0);
	assert_true(strtoll(sweep_run_id() + strlen(begin), NULL, 10) > 0);
}

#define WITH_GROUP(test) cmocka_unit_test_setup_teardown(test, make, unmake)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_GROUP(frozen_and_thawed_and_signalled),
		WITH_GROUP(those_of_nested_cgroups_are_signalled_too),
		WITH_GROUP(a_cgroup_goes_to_who_is_root_inside_and_to_nobody_else),
		WITH_GROUP(who_cannot_be_seen_is_not_signalled),
		WITH_GROUP(found_by_path_and_by_process),
		WITH_GROUP(a_name_in_use_and_an_unusable_one_are_refused),
		cmocka_unit_test(a_list_of_any_length_is_moved_number_by_number),
		WITH_GROUP(no_path_leads_to_the_root_of_all_cgroups),
		WITH_GROUP(removed_with_nested_ones_while_frozen),
		WITH_GROUP(swept_when_its_owner_is_gone_and_nobody_is_in_it),
		cmocka_unit_test(a_run_id_names_this_process),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * A cgroup's files, written into an ordinary directory: what each limit writes, what the counters
 * give, what an OOM kill looks like. Whether the kernel agrees is for tests/system/step04.py.
 * Tests step04-cgroups/limits.c, stats.c, oom.c, cgroup.c, explained in book/04-cgroups.md.
 */
#include "step01-unshare/call.h"
#include "step04-cgroups/limits.h"
#include "step04-cgroups/oom.h"
#include "step04-cgroups/stats.h"

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
#include <unistd.h>
#include <cmocka.h>

static struct cgroup group;

static void
put(const char *file, const char *text)
{
	int fd = openat(group.fd, file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static const char *
got(const char *file)
{
	static char text[4096];

	return cgroup_read(&group, file, text, sizeof text) < 0 ? NULL : text;
}

static int
make(void **state)
{
	char name[] = "/tmp/test_cgroup.XXXXXX";

	(void)state;
	call_forget();
	return mkdtemp(name) ? cgroup_open(name, &group) : -1;
}

static int
unmake(void **state)
{
	char command[PATH_MAX + 16];

	(void)state;
	snprintf(command, sizeof command, "rm -rf '%s'", group.path);
	cgroup_close(&group);
	return system(command);
}

/* ---- limits ---- */

static void
every_limit_goes_to_its_file(void **state)
{
	struct io_weight device = { 8, 16, 500 };
	struct hugetlb_limit huge[] = { { "2MB", 4194304 }, { "1GB", 0 } };
	struct rdma_limit rdma = { "mlx5_0", 3, LIMIT_MAX };
	struct unified any[] = { { "memory.high", "1000" }, { "misc.max", "res_a 1" } };
	struct limits l = {
		.memory = 1000,
		.memory_swap = 1500,
		.memory_reservation = 500,
		.oom_group = true,
		.cpu_quota = 50000,
		.cpu_period = 100000,
		.cpu_burst = 1000,
		.cpu_shares = 1024,
		.cpu_idle = LIMIT_MAX,
		.cpuset_cpus = "0-1",
		.cpuset_mems = "0",
		.pids = LIMIT_MAX,
		.blkio_weight = 1000,
		.io_weights = &device,
		.io_weights_count = 1,
		.hugetlb = huge,
		.hugetlb_count = 2,
		.rdma = &rdma,
		.rdma_count = 1,
		.unified = any,
		.unified_count = 2,
	};
	static const char *const files[][2] = {
		{ "memory.max", "1000" },      { "memory.swap.max", "500" },
		{ "memory.low", "500" },       { "memory.oom.group", "1" },
		{ "cpu.max", "50000 100000" }, { "cpu.max.burst", "1000" },
		{ "cpu.weight", "100" },       { "cpu.idle", "0" },
		{ "cpuset.cpus", "0-1" },      { "cpuset.mems", "0" },
		{ "pids.max", "max" },	       { "hugetlb.2MB.rsvd.max", "4194304" },
		{ "hugetlb.1GB.max", "0" },    { "rdma.max", "mlx5_0 hca_handle=3 hca_object=max" },
		{ "memory.high", "1000" },     { "misc.max", "res_a 1" },
		{ "io.weight", "8:16 4950" },
	};

	(void)state;
	put("hugetlb.2MB.max", "max");
	for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
		put(files[i][0], "");
	assert_int_equal(limits_apply(&l, &group), 0);
	for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
		const char *text = got(files[i][0]);
		assert_non_null(text);
		/* a file keeps what longer writes left behind the last one; a control file does not
		 */
		assert_int_equal(strncmp(text, files[i][1], strlen(files[i][1])), 0);
	}
}

static void
an_update_writes_only_what_is_set(void **state)
{
	struct limits l = { .cpu_period = 50000, .memory = 2000 };

	(void)state;
	put("cpu.max", "20000 100000");
	put("memory.max", "1000");
	put("pids.max", "5");
	assert_int_equal(limits_apply(&l, &group), 0);
	assert_int_equal(strncmp(got("cpu.max"), "20000 50000", 11), 0); /* the quota is kept */
	assert_string_equal(got("memory.max"), "2000");
	assert_string_equal(got("pids.max"), "5");
	l = (struct limits){ .cpu_quota = LIMIT_MAX };
	assert_int_equal(limits_apply(&l, &group), 0);
	assert_int_equal(strncmp(got("cpu.max"), "max", 3), 0); /* the kernel keeps the period */
}

static void
a_checked_limit_below_use_is_refused(void **state)
{
	struct limits l = { .memory = 1000, .memory_check = true };

	(void)state;
	put("memory.current", "1001\n");
	put("memory.max", "max");
	assert_int_equal(limits_apply(&l, &group), -1);
	assert_int_equal(errno, EBUSY);
	assert_string_equal(got("memory.max"), "max");
}

static void
bfq_takes_its_weight_in_its_own_file(void **state)
{
	struct limits l = { .blkio_weight = 500 };

	(void)state;
	put("io.bfq.weight", "");
	put("io.weight", "default 100");
	assert_int_equal(limits_apply(&l, &group), 0);
	assert_string_equal(got("io.bfq.weight"), "default 500");
	assert_string_equal(got("io.weight"), "default 100");
}

static void
a_missing_file_is_named(void **state)
{
	struct unified any = { "memory.nosuch", "1" };
	struct limits l = { .unified = &any, .unified_count = 1 };

	(void)state;
	assert_int_equal(limits_apply(&l, &group), -1);
	assert_int_equal(errno, ENOENT);
	assert_non_null(strstr(call_error()->what, "memory.nosuch"));
	l = (struct limits){ .memory = 10, .memory_swap = 20 };
	put("memory.max", "max");
	call_forget();
	assert_int_equal(limits_apply(&l, &group), -1);
	assert_non_null(strstr(call_error()->what, "memory.swap.max"));
	/* but no swap limit where there is none anyway is no error */
	l.memory_swap = LIMIT_MAX;
	call_forget();
	assert_int_equal(limits_apply(&l, &group), 0);
}

/* ---- counters ---- */

static void
counters_are_read_from_their_files(void **state)
{
	struct stats s;

	(void)state;
	put("cgroup.controllers", "memory cpu\n");
	put("memory.current", "4096\n");
	put("memory.peak", "8192\n");
	put("memory.max", "max\n");
	put("memory.stat", "anon 100\nfile 200\nanon_thp 5\nslab 7\n");
	put("memory.events", "low 0\nhigh 1\nmax 2\noom 3\noom_kill 4\noom_group_kill 5\n");
	put("cpu.stat", "usage_usec 10\nuser_usec 6\nsystem_usec 4\nnr_periods 9\nnr_throttled 2\n"
			"throttled_usec 77\n");
	put("cpu.max", "50000 100000\n");
	put("pids.current", "3\n");
	put("pids.max", "20\n");
	put("pids.events", "max 8\n");
	put("io.stat", "8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6\n7:0\n"
		       "8:16 rbytes=10 wbytes=0 rios=1 wios=0 dbytes=0 dios=0 cost.usage=3\n");
	put("memory.pressure", "some avg10=1.50 avg60=0.25 avg300=0.00 total=12\n"
			       "full avg10=0.00 avg60=0.00 avg300=0.00 total=9\n");
	put("hugetlb.2MB.current", "2097152\n");
	put("hugetlb.2MB.max", "max\n");
	put("hugetlb.2MB.events", "max 3\n");
	assert_int_equal(stats_read(&group, &s), 0);
	assert_int_equal(s.memory_current, 4096);
	assert_int_equal(s.memory_peak, 8192);
	assert_true(s.memory_max == CGROUP_MAX);
	assert_int_equal(s.anon, 100);
	assert_int_equal(s.file, 200);
	assert_int_equal(s.kernel, -1);
	assert_int_equal(s.swap_current, -1);
	assert_int_equal(s.reclaims_max, 2);
	assert_int_equal(s.oom_kills, 4);
	assert_int_equal(s.oom_group_kills, 5);
	assert_int_equal(s.cpu_usage, 10);
	assert_int_equal(s.cpu_throttled, 77);
	assert_int_equal(s.cpu_quota, 50000);
	assert_int_equal(s.cpu_period, 100000);
	assert_int_equal(s.pids_peak, -1);
	assert_int_equal(s.pids_refused, 8);
	assert_int_equal(s.io_count, 2);
	assert_int_equal(s.io[0].dios, 6);
	assert_int_equal(s.io[1].minor, 16);
	assert_true(s.memory_pressure.some.avg10 > 1.49 && s.memory_pressure.some.avg10 < 1.51);
	assert_int_equal(s.memory_pressure.full.total, 9);
	assert_int_equal(s.cpu_pressure.some.total, -1);
	assert_int_equal(s.hugetlb_count, 1);
	assert_int_equal(s.hugetlb[0].failures, 3);
}

static void
nothing_there_is_minus_one_everywhere(void **state)
{
	struct cgroup none = CGROUP_NONE;
	struct stats s;

	(void)state;
	assert_int_equal(stats_read(&none, &s), 0);
	assert_int_equal(s.memory_current, -1);
	assert_int_equal(s.cpu_usage, -1);
	assert_int_equal(s.cpu_quota, -1);
	assert_int_equal(s.io_count, 0);
	assert_int_equal(s.io_pressure.full.total, -1);
	/* an opened cgroup that has gone meanwhile is an error */
	assert_int_equal(stats_read(&group, &s), -1);
}

static void
printed_for_a_person(void **state)
{
	char *text = NULL;
	size_t size = 0;
	FILE *to = open_memstream(&text, &size);
	struct stats s;

	(void)state;
	put("cgroup.controllers", "");
	put("memory.current", "1");
	put("memory.max", "67108864");
	put("memory.events", "max 7\noom_kill 1\n");
	put("pids.current", "1");
	put("pids.max", "max");
	put("pids.events", "max 0\n");
	put("cpu.stat", "usage_usec 1500000\nuser_usec 1000000\nsystem_usec 500000\n");
	put("io.stat", "8:0 rbytes=1536 wbytes=0 rios=3 wios=0 dbytes=0 dios=0\n");
	assert_int_equal(stats_read(&group, &s), 0);
	stats_print(to, "x", &s, 3 << 20);
	fclose(to);
	assert_string_equal(
		text,
		"x: memory: largest process 3 MiB of 64 MiB (memory.peak is since 5.19), limit "
		"hit 7 times, 1 killed\n"
		"x: cpu: 1.500 s (user 1.000, system 0.500)\n"
		"x: pids: peak unknown (pids.peak is since 6.1) of max, 0 forks refused\n"
		"x: io: 8:0 read 1.5 KiB in 3 operations, written 0 B in 0\n");
	free(text);
}

static void
bytes_as_people_write_them(void **state)
{
	char b[32];

	(void)state;
	assert_string_equal(stats_bytes(0, b), "0 B");
	assert_string_equal(stats_bytes(1023, b), "1023 B");
	assert_string_equal(stats_bytes(67108864, b), "64 MiB");
	assert_string_equal(stats_bytes(1610612736, b), "1.5 GiB");
	assert_string_equal(stats_bytes(-1, b), "unknown");
	assert_string_equal(stats_bytes(CGROUP_MAX, b), "max");
}

/* ---- out of memory ---- */

static void
an_oom_kill_is_a_difference(void **state)
{
	siginfo_t killed = { .si_code = CLD_KILLED }, ended = { .si_code = CLD_EXITED };
	struct oom_count before;
	struct oom_report r;
	char text[256];

	(void)state;
	killed.si_status = SIGKILL;
	put("memory.max", "67108864");
	put("memory.peak", "67108864");
	put("memory.events", "oom 1\noom_kill 1\noom_group_kill 0\n");
	oom_begin(&group, &before);
	/* SIGKILL, but no kill was counted: by hand */
	assert_false(oom_happened(&group, &before, &killed, &r));
	put("memory.events", "oom 2\noom_kill 2\noom_group_kill 0\n");
	assert_true(oom_happened(&group, &before, &ended, &r));
	assert_int_equal(r.killed, 1);
	assert_true(r.own_limit && !r.group && !r.init_killed);
	oom_text(&r, text, sizeof text);
	assert_string_equal(text, "out of memory: the kernel killed 1 process of this container; "
				  "PID 1 lived on; limit 64 MiB, peak 64 MiB");
	put("memory.events", "oom 1\noom_kill 4\noom_group_kill 1\n");
	assert_true(oom_happened(&group, &before, &killed, &r));
	assert_int_equal(r.killed, 3);
	assert_true(r.group && !r.own_limit && r.init_killed);
	oom_text(&r, text, sizeof text);
	assert_string_equal(text, "out of memory: the kernel killed all of this container "
				  "(memory.oom.group); PID 1 was killed; not by its own limit, "
				  "which is 64 MiB, peak 64 MiB");
}

static void
without_a_memory_controller_nothing_is_told(void **state)
{
	siginfo_t killed = { .si_code = CLD_KILLED };
	struct cgroup none = CGROUP_NONE;
	struct oom_count before;
	struct oom_report r;

	(void)state;
	oom_begin(&none, &before);
	assert_false(oom_happened(&none, &before, &killed, &r));
	oom_begin(&group, &before);
	assert_false(oom_happened(&group, &before, NULL, &r));
}

/* ---- control files ---- */

static void
control_files_are_read(void **state)
{
	char small[4];

	(void)state;
	put("a.max", "max\n");
	put("a.number", "42\n");
	put("a.events", "some 1\nsomething 2\n");
	assert_true(cgroup_read_number(&group, "a.max") == CGROUP_MAX);
	assert_int_equal(cgroup_read_number(&group, "a.number"), 42);
	assert_int_equal(cgroup_read_number(&group, "a.nosuch"), -1);
	assert_int_equal(cgroup_read_key(&group, "a.events", "some"), 1);
	assert_int_equal(cgroup_read_key(&group, "a.events", "something"), 2);
	assert_int_equal(cgroup_read_key(&group, "a.events", "thing"), -1);
	assert_int_equal(cgroup_read(&group, "a.events", small, sizeof small), 0);
	assert_string_equal(small, "som");
}

static void
none_is_accepted_everywhere(void **state)
{
	struct cgroup none = CGROUP_NONE;
	pid_t *pids;
	size_t count;

	(void)state;
	assert_int_equal(cgroup_kill(&none), 0);
	assert_int_equal(cgroup_freeze(&none, true), 0);
	assert_int_equal(cgroup_signal(&none, SIGTERM), 0);
	assert_int_equal(cgroup_delegate(&none, 0, 0), 0);
	assert_int_equal(cgroup_delegate_to_root_of(&none, 1), 0);
	assert_int_equal(cgroup_processes(&none, &pids, &count), 0);
	assert_int_equal(count, 0);
	assert_int_equal(cgroup_remove(&none), 0);
}

#define WITH_GROUP(test) cmocka_unit_test_setup_teardown(test, make, unmake)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_GROUP(every_limit_goes_to_its_file),
		WITH_GROUP(an_update_writes_only_what_is_set),
		WITH_GROUP(a_checked_limit_below_use_is_refused),
		WITH_GROUP(bfq_takes_its_weight_in_its_own_file),
		WITH_GROUP(a_missing_file_is_named),
		WITH_GROUP(counters_are_read_from_their_files),
		WITH_GROUP(nothing_there_is_minus_one_everywhere),
		WITH_GROUP(printed_for_a_person),
		WITH_GROUP(bytes_as_people_write_them),
		WITH_GROUP(an_oom_kill_is_a_difference),
		WITH_GROUP(without_a_memory_controller_nothing_is_told),
		WITH_GROUP(control_files_are_read),
		WITH_GROUP(none_is_accepted_everywhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

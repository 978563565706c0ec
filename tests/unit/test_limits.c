/*
 * Limits as people write them and as cgroup v1 counted them; what is refused before anything is
 * made. Tests step04-cgroups/limits.c, limit_flags.c, hierarchy.c, scope.c, explained in
 * book/04-cgroups.md.
 */
#include "step01-unshare/call.h"
#include "step04-cgroups/limit_flags.h"
#include "step04-cgroups/scope.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

/* What `--NAME VALUE` gives, and the limits then. */
static int
take(const char *name, const char *value, struct limits *limits)
{
	const struct option_row *row = limits_options;

	call_forget();
	while (row->name && strcmp(row->name, name) != 0)
		row++;
	assert_non_null(row->name);
	return row->set(row, value, limits);
}

static void
cpus_are_microseconds_of_a_period(void **state)
{
	(void)state;
	assert_int_equal(limit_cpus("0.5"), 50000);
	assert_int_equal(limit_cpus("2"), 200000);
	assert_int_equal(limit_cpus("1.25"), 125000);
	assert_int_equal(limit_cpus("0.01"), 1000);
	assert_int_equal(limit_cpus("0.123456789"), 12345);
	assert_int_equal(limit_cpus("65535"), 6553500000);
}

static void
what_is_no_number_of_cpus_is_refused(void **state)
{
	static const char *const bad[] = { "",	    "0",      "0.0", "-1",  "-0.5", ".5",
					   "1.",    "1.5.",   "1,5", "x",   "0x1",  "1e3",
					   " 1",    "1 ",     "+1",  "inf", "nan",  "0.00999",
					   "65536", "100000", "1..2" };

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		assert_int_equal(limit_cpus(bad[i]), -1);
}

static void
shares_become_weights_on_a_curve_that_only_rises(void **state)
{
	int64_t before = 0;

	(void)state;
	assert_int_equal(limits_shares_to_weight(0), 1);
	assert_int_equal(limits_shares_to_weight(2), 1);
	assert_int_equal(limits_shares_to_weight(1024), 100);
	assert_int_equal(limits_shares_to_weight(262144), 10000);
	assert_int_equal(limits_shares_to_weight(INT64_MAX), 10000);
	for (int64_t shares = 2; shares <= 262144; shares++) {
		int64_t weight = limits_shares_to_weight(shares);
		assert_true(weight >= before && weight >= 1 && weight <= 10000);
		before = weight;
	}
}

static void
the_weight_of_v1s_blkio_spans_that_of_io(void **state)
{
	(void)state;
	assert_int_equal(limits_blkio_to_weight(10), 1);
	assert_int_equal(limits_blkio_to_weight(1000), 10000);
	assert_int_equal(limits_blkio_to_weight(500), 4950);
}

static void
lists_of_cpus_are_taken_strictly(void **state)
{
	static const char *const good[] = { "0", "0-2", "0-2,7", "1,3,5", "0-0", "65535" };
	static const char *const bad[] = { "",	    ",",     "0,",  ",0",   "0-",  "-1",
					   "3-1",   "a",     "0 1", "0--1", "1,0", "0,0",
					   "65536", "0-2-3", "0x1", " 0" };

	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
		assert_int_equal(limits_check_list(good[i]), 0);
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		assert_int_equal(limits_check_list(bad[i]), -1);
}

static void
rates_of_a_disk_are_read(void **state)
{
	struct io_limit io;

	(void)state;
	assert_int_equal(limit_io("8:16:rbps=1m,wiops=100", &io), 0);
	assert_int_equal(io.major, 8);
	assert_int_equal(io.minor, 16);
	assert_int_equal(io.rbps, 1 << 20);
	assert_int_equal(io.wiops, 100);
	assert_int_equal(io.wbps, 0);
	assert_int_equal(limit_io("259:0:rbps=max,wbps=512", &io), 0);
	assert_int_equal(io.rbps, LIMIT_MAX);
	assert_int_equal(io.wbps, 512);
}

static void
what_is_no_rate_of_a_disk_is_refused(void **state)
{
	static const char *const bad[] = { "",
					   "8:0",
					   "8:0:",
					   "8:0:rbps",
					   "8:0:rbps=",
					   "8:0:rbps=0",
					   "8:0:rbps=-1x",
					   "8:0:rbps=1q",
					   "8:0:xbps=1",
					   "rbps=1",
					   ":rbps=1",
					   "8:0:rbps=1,,wbps",
					   "/dev/null:rbps=1",
					   "/nosuch:rbps=1",
					   "8:rbps=1",
					   "-8:0:rbps=1",
					   "8:0x:rbps=1",
					   "8:-1:rbps=1",
					   "8: 0:rbps=1",
					   "8:+0:rbps=1",
					   "8:4294967296:rbps=1" };
	char longest[700];
	struct io_limit io;

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		call_forget();
		assert_int_equal(limit_io(bad[i], &io), -1);
		assert_true(call_error()->number != 0);
	}
	memset(longest, 'x', sizeof longest);
	memcpy(longest + 600, ":rbps=1", 8);
	assert_int_equal(limit_io(longest, &io), -1);
}

static void
flags_fill_the_fields(void **state)
{
	struct limits l = { 0 };

	(void)state;
	assert_int_equal(take("memory", "64m", &l), 0);
	assert_int_equal(take("memory-swap", "-1", &l), 0);
	assert_int_equal(take("memory-reservation", "1g", &l), 0);
	assert_int_equal(take("cpus", "0.5", &l), 0);
	assert_int_equal(take("cpu-weight", "50", &l), 0);
	assert_int_equal(take("pids-limit", "20", &l), 0);
	assert_int_equal(take("cpuset-cpus", "0-1", &l), 0);
	assert_int_equal(take("oom-group", NULL, &l), 0);
	assert_int_equal(take("io-max", "8:0:rbps=1m", &l), 0);
	assert_int_equal(take("io-max", "8:16:wbps=1m", &l), 0);
	assert_int_equal(take("cgroup-conf", "memory.high=1", &l), 0);
	assert_int_equal(l.memory, 67108864);
	assert_int_equal(l.memory_swap, LIMIT_MAX);
	assert_int_equal(l.memory_reservation, 1 << 30);
	assert_int_equal(l.cpu_quota, 50000);
	assert_int_equal(l.cpu_period, 100000);
	assert_int_equal(l.cpu_weight, 50);
	assert_int_equal(l.pids, 20);
	assert_true(l.oom_group);
	assert_int_equal(l.io_count, 2);
	assert_string_equal(l.unified[0].file, "memory.high");
	assert_string_equal(l.unified[0].value, "1");
	assert_int_equal(limits_controllers(&l), CONTROLLER_MEMORY | CONTROLLER_CPU |
							 CONTROLLER_PIDS | CONTROLLER_CPUSET |
							 CONTROLLER_IO);
	free(l.io);
	free((char *)l.unified[0].file);
	free(l.unified);
}

static void
bad_flags_are_refused_and_named(void **state)
{
	static const char *const bad[][2] = {
		{ "memory", "64q" },
		{ "memory", "-3" },
		{ "memory", "0" },
		{ "memory", "" },
		{ "pids-limit", "-3" },
		{ "pids-limit", "0" },
		{ "pids-limit", "2147483648" },
		{ "cpus", "0" },
		{ "cpu-weight", "0" },
		{ "cpu-weight", "10001" },
		{ "cpu-shares", "1" },
		{ "io-weight", "x" },
		{ "cpuset-mems", "" },
		{ "cgroup-conf", "=1" },
		{ "cgroup-conf", "memory.high" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		struct limits l = { 0 };
		assert_int_equal(take(bad[i][0], bad[i][1], &l), -1);
		assert_non_null(strstr(call_error()->what, bad[i][0]));
		assert_non_null(strstr(call_error()->what, bad[i][1]));
		free(l.unified);
	}
}

static int
check(struct limits l)
{
	call_forget();
	return limits_check(&l) < 0 ? errno : 0;
}

static void
what_cannot_hold_is_known_before_it_is_written(void **state)
{
	struct unified slash = { "../memory.max", "1" }, core = { "cgroup.kill", "1" },
		       bare = { "memory", "1" }, good = { "memory.high", "1" },
		       own = { "cgroup.max.depth", "1" };
	struct hugetlb_limit two = { "2MB", 0 }, away = { "2MB/../x", 0 }, none = { NULL, 0 };

	(void)state;
	assert_int_equal(check((struct limits){ 0 }), 0);
	assert_int_equal(check((struct limits){ .memory = 10, .memory_swap = 10 }), 0);
	assert_int_equal(check((struct limits){ .memory_swap = 10 }), EINVAL);
	assert_int_equal(check((struct limits){ .memory = LIMIT_MAX, .memory_swap = 9 }), EINVAL);
	assert_int_equal(check((struct limits){ .memory = 10, .memory_swap = 9 }), EINVAL);
	assert_int_equal(check((struct limits){ .memory_swap = LIMIT_MAX }), 0);
	assert_int_equal(check((struct limits){ .memory = -2 }), EINVAL);
	assert_int_equal(check((struct limits){ .cpu_quota = 999 }), EINVAL);
	assert_int_equal(check((struct limits){ .cpu_quota = LIMIT_MAX }), 0);
	assert_int_equal(check((struct limits){ .cpu_period = 999 }), EINVAL);
	assert_int_equal(check((struct limits){ .cpu_period = 1000001 }), EINVAL);
	assert_int_equal(check((struct limits){ .cpu_quota = 5000, .cpu_burst = 5001 }), EINVAL);
	assert_int_equal(check((struct limits){ .cpu_quota = 5000, .cpu_burst = 5000 }), 0);
	assert_int_equal(check((struct limits){ .blkio_weight = 9 }), EINVAL);
	assert_int_equal(check((struct limits){ .cpuset_cpus = "x" }), EINVAL);
	assert_int_equal(check((struct limits){ .cpuset_mems = "1-" }), EINVAL);
	assert_int_equal(check((struct limits){ .v1_only = "memory.swappiness" }), ENOTSUP);
	assert_int_equal(check((struct limits){ .unified = &slash, .unified_count = 1 }), EINVAL);
	assert_int_equal(check((struct limits){ .unified = &core, .unified_count = 1 }), EINVAL);
	assert_int_equal(check((struct limits){ .unified = &bare, .unified_count = 1 }), EINVAL);
	assert_int_equal(check((struct limits){ .unified = &good, .unified_count = 1 }), 0);
	assert_int_equal(check((struct limits){ .unified = &own, .unified_count = 1 }), 0);
	assert_int_equal(check((struct limits){ .hugetlb = &two, .hugetlb_count = 1 }), 0);
	assert_int_equal(check((struct limits){ .hugetlb = &away, .hugetlb_count = 1 }), EINVAL);
	assert_int_equal(check((struct limits){ .hugetlb = &none, .hugetlb_count = 1 }), EINVAL);
	assert_int_equal(check((struct limits){ .cpu_shares = 1 }), 0);
	assert_int_equal(check((struct limits){ .cpu_shares = INT64_MAX }), 0);
	assert_int_equal(check((struct limits){ .cpu_shares = -1 }), EINVAL);
}

static void
sets_of_controllers_are_read_and_written(void **state)
{
	(void)state;
	assert_int_equal(controllers_parse("cpuset cpu io memory hugetlb pids rdma misc"), 0xff);
	assert_int_equal(controllers_parse("memory\n"), CONTROLLER_MEMORY);
	assert_int_equal(controllers_parse("mem memoryx dmem"), 0);
	assert_int_equal(controllers_parse(""), 0);
	assert_string_equal(controllers_text(CONTROLLER_CPU | CONTROLLER_MEMORY, '+'),
			    "+cpu +memory");
	assert_string_equal(controllers_text(CONTROLLER_PIDS, '-'), "-pids");
	assert_string_equal(controllers_text(0, '+'), "");
	assert_int_equal(controllers_parse(controllers_text(0xff, 0)), 0xff);
	assert_int_equal(controller_of_file("memory.max"), CONTROLLER_MEMORY);
	assert_int_equal(controller_of_file("cpuset.cpus"), CONTROLLER_CPUSET);
	assert_int_equal(controller_of_file("hugetlb.2MB.max"), CONTROLLER_HUGETLB);
	assert_int_equal(controller_of_file("cgroup.procs"), 0);
}

static void
a_limit_without_a_cgroup_is_refused(void **state)
{
	struct cgroup none = CGROUP_NONE;
	struct limits memory = { .memory = 1 << 20 }, nothing = { 0 };

	(void)state;
	call_forget();
	assert_int_equal(limits_apply(&nothing, &none), 0);
	assert_int_equal(limits_apply(&memory, &none), -1);
	assert_int_equal(errno, ENOTSUP);
	assert_non_null(strstr(call_error()->what, "memory"));
	assert_non_null(strstr(call_error()->hint, "leave the limit out"));
}

/* A directory stands for the cgroup of a kernel that counts no swap. */
static void
no_swap_where_none_is_counted_is_no_error(void **state)
{
	char name[] = "/tmp/test_limits.XXXXXX", file[64], text[24];
	struct limits none = { .memory = 8192, .memory_swap = 8192 },
		      some = { .memory = 8192, .memory_swap = 9000 },
		      all = { .memory_swap = LIMIT_MAX };
	struct cgroup cgroup;

	(void)state;
	call_forget();
	assert_non_null(mkdtemp(name));
	assert_int_equal(cgroup_open(name, &cgroup), 0);
	snprintf(file, sizeof file, "%s/memory.max", name);
	fclose(fopen(file, "w"));
	assert_int_equal(limits_apply(&none, &cgroup), 0);
	assert_int_equal(cgroup_read(&cgroup, "memory.max", text, sizeof text), 0);
	assert_string_equal(text, "8192");
	assert_int_equal(limits_apply(&all, &cgroup), 0);
	assert_int_equal(limits_apply(&some, &cgroup), -1);
	assert_int_equal(errno, ENOENT);
	assert_non_null(strstr(call_error()->hint, "does not count swap"));
	cgroup_close(&cgroup);
	unlink(file);
	rmdir(name);
}

/* What boxstep-scope would be told: echo(1) in its place says it, and is no answer of systemd's. */
static void
told_to_systemd(const struct limits *limits, const char *wanted)
{
	struct scope scope;
	struct device_rule null = { true, 'c', 1, 3, DEVICE_READ | DEVICE_WRITE };

	call_forget();
	assert_int_equal(scope_name(&scope, "a.slice:b:c", "id"), 0);
	assert_int_equal(scope_set(&scope, limits, &null, 1), -1);
	if (!strstr(call_error()->what, wanted))
		fail_msg("%s: not in %s", wanted, call_error()->what);
}

static void
limits_are_properties_of_a_scope(void **state)
{
	char folder[] = "/tmp/test_limits.XXXXXX", program[64];

	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(program, sizeof program, "%s/boxstep-scope", folder);
	assert_int_equal(symlink("/bin/echo", program), 0);
	setenv("BOXSTEP_LIBEXEC", folder, 1);
	told_to_systemd(&(struct limits){ .memory = 100, .memory_swap = 100, .pids = LIMIT_MAX },
			": set b-c.scope a.slice MemoryMax=100 MemorySwapMax=0 TasksMax=infinity "
			"DevicePolicy=strict DeviceAllow=/dev/char/1:3 rw");
	told_to_systemd(&(struct limits){ .memory = 100, .memory_swap = LIMIT_MAX },
			" MemoryMax=100 MemorySwapMax=infinity Device");
	told_to_systemd(&(struct limits){ .memory = 100, .memory_swap = 150 },
			" MemorySwapMax=50 ");
	told_to_systemd(&(struct limits){ .cpu_quota = 50000, .cpu_shares = 1024 },
			" CPUWeight=100 CPUQuotaPerSecUSec=500000 ");
	told_to_systemd(&(struct limits){ .cpu_quota = INT64_MAX },
			" CPUQuotaPerSecUSec=infinity ");
	told_to_systemd(&(struct limits){ .cpuset_cpus = "0-2" }, " AllowedCPUs=0-2 ");
	unsetenv("BOXSTEP_LIBEXEC");
	unlink(program);
	rmdir(folder);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cpus_are_microseconds_of_a_period),
		cmocka_unit_test(what_is_no_number_of_cpus_is_refused),
		cmocka_unit_test(shares_become_weights_on_a_curve_that_only_rises),
		cmocka_unit_test(the_weight_of_v1s_blkio_spans_that_of_io),
		cmocka_unit_test(lists_of_cpus_are_taken_strictly),
		cmocka_unit_test(rates_of_a_disk_are_read),
		cmocka_unit_test(what_is_no_rate_of_a_disk_is_refused),
		cmocka_unit_test(limits_are_properties_of_a_scope),
		cmocka_unit_test(flags_fill_the_fields),
		cmocka_unit_test(bad_flags_are_refused_and_named),
		cmocka_unit_test(what_cannot_hold_is_known_before_it_is_written),
		cmocka_unit_test(sets_of_controllers_are_read_and_written),
		cmocka_unit_test(a_limit_without_a_cgroup_is_refused),
		cmocka_unit_test(no_swap_where_none_is_counted_is_no_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

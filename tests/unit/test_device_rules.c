/*
 * Device rules: the compiled program, run by a small interpreter, decides as the list of rules
 * says; and in the kernel too, where the test may load it. Tests step04-cgroups/device_rules.c,
 * explained in book/04-cgroups.md.
 */
#include "step01-unshare/call.h"
#include "step04-cgroups/device_rules.h"
#include "step04-cgroups/sweep.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/bpf.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

enum { ALL = DEVICE_READ | DEVICE_WRITE | DEVICE_MKNOD };

static struct bpf_insn program[DEVICE_PROGRAM_MAX + 16]; /* the rest is to stay as it is */

static uint64_t
alu(int op, uint64_t a, uint64_t b)
{
	switch (op) {
	case BPF_MOV:
		return b;
	case BPF_AND:
		return a & b;
	case BPF_RSH:
		return a >> b;
	}
	fail_msg("operation %#x", (unsigned)op);
	return 0;
}

/* Just the instructions that the compiler uses; each jump goes forward and stays inside. */
static int
interpret(int length, const struct bpf_cgroup_dev_ctx *question)
{
	uint64_t r[11] = { 0 };

	for (int i = 0; i < length; i++) {
		const struct bpf_insn *p = &program[i];
		int class = BPF_CLASS(p->code), op = BPF_OP(p->code);
		uint64_t b = BPF_SRC(p->code) == BPF_X ? r[p->src_reg] : (uint64_t)p->imm;

		if (class == BPF_LDX)
			r[p->dst_reg] = *(const uint32_t *)((const char *)question + p->off);
		else if (class == BPF_ALU64)
			r[p->dst_reg] = alu(op, r[p->dst_reg], b);
		else if (op == BPF_EXIT)
			return (int)r[0];
		else if (op == BPF_JNE ? r[p->dst_reg] != b : r[p->dst_reg] == b) {
			assert_true(p->off >= 0 && i + p->off + 1 < length);
			i += p->off;
		}
	}
	fail_msg("the program runs out");
	return -1;
}

static int
asked(const struct device_rule *rules, size_t count, char type, unsigned major, unsigned minor,
      unsigned access)
{
	struct bpf_cgroup_dev_ctx question = {
		.access_type =
			access << 16 | (type == 'c' ? BPF_DEVCG_DEV_CHAR : BPF_DEVCG_DEV_BLOCK),
		.major = major,
		.minor = minor,
	};
	int length = device_rules_compile(rules, count, program);

	assert_true(length > 0);
	return interpret(length, &question);
}

/* The same by the words of the specification: each kind of access by the last rule that fits. */
static int
by_hand(const struct device_rule *rules, size_t count, char type, unsigned major, unsigned minor,
	unsigned access)
{
	for (unsigned bit = 1; bit <= DEVICE_WRITE; bit <<= 1) {
		bool allowed = false;
		if (!(access & bit))
			continue;
		for (size_t i = 0; i < count; i++)
			if ((rules[i].type == 'a' || rules[i].type == type) &&
			    (rules[i].major < 0 || rules[i].major == major) &&
			    (rules[i].minor < 0 || rules[i].minor == minor) &&
			    (rules[i].access & bit))
				allowed = rules[i].allow;
		if (!allowed)
			return 0;
	}
	return 1;
}

static void
the_last_rule_that_fits_decides(void **state)
{
	const struct device_rule rules[] = {
		{ false, 'a', -1, -1, ALL },
		{ true, 'c', 10, 229, DEVICE_READ | DEVICE_WRITE },
		{ true, 'b', 8, -1, DEVICE_READ },
		{ false, 'b', 8, 1, DEVICE_READ },
	};

	(void)state;
	assert_int_equal(asked(rules, 4, 'c', 10, 229, DEVICE_READ), 1);
	assert_int_equal(asked(rules, 4, 'c', 10, 229, DEVICE_READ | DEVICE_WRITE), 1);
	assert_int_equal(asked(rules, 4, 'c', 10, 229, DEVICE_MKNOD), 0);
	assert_int_equal(asked(rules, 4, 'c', 10, 228, DEVICE_READ), 0);
	assert_int_equal(asked(rules, 4, 'b', 10, 229, DEVICE_READ), 0);
	assert_int_equal(asked(rules, 4, 'b', 8, 0, DEVICE_READ), 1);
	assert_int_equal(asked(rules, 4, 'b', 8, 0, DEVICE_READ | DEVICE_WRITE), 0);
	assert_int_equal(asked(rules, 4, 'b', 8, 1, DEVICE_READ), 0);
}

static void
access_may_come_from_several_rules(void **state)
{
	const struct device_rule rules[] = { { true, 'c', 1, -1, DEVICE_READ },
					     { true, 'c', -1, 3, DEVICE_WRITE } };

	(void)state;
	assert_int_equal(asked(rules, 2, 'c', 1, 3, DEVICE_READ | DEVICE_WRITE), 1);
	assert_int_equal(asked(rules, 2, 'c', 1, 4, DEVICE_READ | DEVICE_WRITE), 0);
}

static void
what_every_engine_allows_is_allowed(void **state)
{
	static const unsigned devices[][2] = { { 1, 3 }, { 1, 5 }, { 1, 7 }, { 1, 8 },
					       { 1, 9 }, { 5, 0 }, { 5, 2 } };

	(void)state;
	for (size_t i = 0; i < sizeof devices / sizeof devices[0]; i++)
		assert_int_equal(asked(device_rules_default, device_rules_default_count, 'c',
				       devices[i][0], devices[i][1], ALL),
				 1);
	assert_int_equal(asked(device_rules_default, device_rules_default_count, 'c', 136, 7, 6),
			 1);
	assert_int_equal(
		asked(device_rules_default, device_rules_default_count, 'b', 8, 0, DEVICE_MKNOD),
		1);
	assert_int_equal(
		asked(device_rules_default, device_rules_default_count, 'b', 8, 0, DEVICE_READ), 0);
	assert_int_equal(
		asked(device_rules_default, device_rules_default_count, 'c', 1, 1, DEVICE_READ),
		0); /* /dev/mem */
}

static void
any_list_is_compiled_to_what_it_says(void **state)
{
	static const char types[] = "acb";

	(void)state;
	srand(4);
	for (int round = 0; round < 3000; round++) {
		struct device_rule rules[6];
		size_t count = (size_t)rand() % 7;

		for (size_t i = 0; i < count; i++)
			rules[i] =
				(struct device_rule){ rand() % 2, types[rand() % 3], rand() % 4 - 1,
						      rand() % 4 - 1, (unsigned)rand() % 8 };
		for (int ask = 0; ask < 20; ask++) {
			char type = types[1 + rand() % 2];
			unsigned major = (unsigned)rand() % 3, minor = (unsigned)rand() % 3,
				 access = 1 + (unsigned)rand() % 7;
			assert_int_equal(asked(rules, count, type, major, minor, access),
					 by_hand(rules, count, type, major, minor, access));
		}
	}
}

static void
too_many_rules_are_refused(void **state)
{
	struct device_rule *rules = calloc(1000, sizeof *rules);

	(void)state;
	for (size_t i = 0; i < 1000; i++)
		rules[i] = (struct device_rule){ true, 'c', (int64_t)i, 0, ALL };
	assert_int_equal(device_rules_compile(rules, 1000, program), -1);
	assert_int_equal(errno, E2BIG);
	/* the longest rule, behind shorter ones, so that the end of the room comes at each place of
	 * it */
	for (size_t shorter = 0; shorter < 12; shorter++) {
		int length = 0;
		for (size_t i = 0; i < 1000; i++)
			rules[i] = (struct device_rule){ false, 'c', 1, 3, DEVICE_READ };
		for (size_t i = 0; i < shorter; i++)
			rules[999 - i].allow = true; /* the last comes first */
		for (size_t count = shorter; length >= 0; count++)
			if ((length = device_rules_compile(rules + 1000 - count, count, program)) >=
			    0)
				assert_in_range(length, 1, DEVICE_PROGRAM_MAX);
	}
	for (size_t i = DEVICE_PROGRAM_MAX; i < sizeof program / sizeof *program; i++)
		assert_int_equal(program[i].code, 0);
	free(rules);
}

static void
access_is_a_word_of_three_letters(void **state)
{
	(void)state;
	assert_int_equal(device_access_parse("rwm"), ALL);
	assert_int_equal(device_access_parse("r"), DEVICE_READ);
	assert_int_equal(device_access_parse("mw"), DEVICE_MKNOD | DEVICE_WRITE);
	assert_int_equal(device_access_parse(""), -1);
	assert_int_equal(device_access_parse("rx"), -1);
	assert_int_equal(device_access_parse("RW"), -1);
}

static void
no_rules_and_no_cgroup_are_no_error(void **state)
{
	struct cgroup none = CGROUP_NONE;
	struct device_rule one = { false, 'a', -1, -1, ALL };

	(void)state;
	assert_int_equal(device_rules_apply(&one, 1, &none), 0);
	assert_int_equal(device_rules_apply(NULL, 0, &none), 0);
}

/* In a child inside CGROUP: may PATH be opened? */
static bool
opens(const struct cgroup *cgroup, const char *path, int flags)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		int fd = cgroup_write(cgroup, "cgroup.procs", "0") < 0
				 ? -1
				 : open(path, flags | O_CLOEXEC);
		_exit(fd < 0);
	}
	waitpid(pid, &status, 0);
	return status == 0;
}

/* A cgroup in which the rules are in force; skips the test where that cannot be had. */
static struct cgroup
ruled_cgroup(const struct device_rule *rules, size_t count)
{
	struct cgroup_options options = { 0 };
	struct cgroup cgroup = CGROUP_NONE;
	char id[64];

	snprintf(id, sizeof id, "%s-devices", sweep_run_id());
	if (geteuid() != 0 || cgroup_create(&options, id, 0, 0, &cgroup) < 0 || cgroup.fd < 0)
		skip();
	if (device_rules_apply(rules, count, &cgroup) != 1) {
		cgroup_remove(&cgroup);
		skip(); /* a sandbox without bpf(2) */
	}
	return cgroup;
}

static void
the_kernel_agrees_and_takes_an_update(void **state)
{
	struct cgroup cgroup;
	struct device_rule rules[] = { { false, 'a', -1, -1, ALL },
				       { true, 'c', 1, 3, DEVICE_READ | DEVICE_WRITE },
				       { true, 'c', 1, 5, DEVICE_READ } };

	(void)state;
	cgroup = ruled_cgroup(rules, 3);
	assert_true(opens(&cgroup, "/dev/null", O_RDWR));
	assert_true(opens(&cgroup, "/dev/zero", O_RDONLY));
	assert_false(opens(&cgroup, "/dev/zero", O_RDWR));
	assert_false(opens(&cgroup, "/dev/full", O_RDONLY));
	rules[2].minor = 7;
	assert_int_equal(device_rules_apply(rules, 3, &cgroup), 1);
	assert_true(opens(&cgroup, "/dev/null", O_RDWR));
	assert_false(opens(&cgroup, "/dev/zero", O_RDONLY));
	assert_true(opens(&cgroup, "/dev/full", O_RDONLY));
	assert_int_equal(cgroup_remove(&cgroup), 0);
}

/* A container in a container has rules of its own, which give it nothing that the outer ones deny.
 */
static void
rules_of_a_cgroup_hold_below_it_too(void **state)
{
	const struct device_rule full = { true, 'c', 1, 7, ALL }, all = { true, 'a', -1, -1, ALL };
	struct cgroup cgroup, below;
	char path[PATH_MAX + 8];

	(void)state;
	cgroup = ruled_cgroup(&full, 1);
	snprintf(path, sizeof path, "%s/below", cgroup.path);
	assert_int_equal(mkdir(path, 0755), 0);
	assert_int_equal(cgroup_open(path, &below), 0);
	assert_int_equal(device_rules_apply(&all, 1, &below), 1);
	assert_true(opens(&below, "/dev/full", O_RDONLY));
	assert_false(opens(&below, "/dev/zero", O_RDONLY));
	cgroup_close(&below);
	assert_int_equal(cgroup_remove(&cgroup), 0);
}

static int
ask_bpf(int command, union bpf_attr *attr)
{
	return (int)syscall(SYS_bpf, command, attr, sizeof *attr);
}

/* A load costs what the verifier has to follow; 0 is said by kernels before 5.16. */
static void
the_verifier_follows_hardly_more_than_each_instruction_once(void **state)
{
	struct cgroup cgroup = ruled_cgroup(device_rules_default, device_rules_default_count);
	struct bpf_prog_info info = { 0 };
	union bpf_attr attr = { 0 };
	__u32 id;
	int fd;

	(void)state;
	attr.query.target_fd = (__u32)cgroup.fd;
	attr.query.attach_type = BPF_CGROUP_DEVICE;
	attr.query.prog_ids = (uintptr_t)&id;
	attr.query.prog_cnt = 1;
	assert_int_equal(ask_bpf(BPF_PROG_QUERY, &attr), 0);
	attr = (union bpf_attr){ .prog_id = id };
	assert_true((fd = ask_bpf(BPF_PROG_GET_FD_BY_ID, &attr)) >= 0);
	attr = (union bpf_attr){
		.info = { .bpf_fd = (__u32)fd, .info_len = sizeof info, .info = (uintptr_t)&info }
	};
	assert_int_equal(ask_bpf(BPF_OBJ_GET_INFO_BY_FD, &attr), 0);
	close(fd);
	assert_int_equal(cgroup_remove(&cgroup), 0);
	assert_in_range(info.verified_insns, 0, info.xlated_prog_len / sizeof *program * 3 / 2);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_last_rule_that_fits_decides),
		cmocka_unit_test(access_may_come_from_several_rules),
		cmocka_unit_test(what_every_engine_allows_is_allowed),
		cmocka_unit_test(any_list_is_compiled_to_what_it_says),
		cmocka_unit_test(too_many_rules_are_refused),
		cmocka_unit_test(access_is_a_word_of_three_letters),
		cmocka_unit_test(no_rules_and_no_cgroup_are_no_error),
		cmocka_unit_test(the_kernel_agrees_and_takes_an_update),
		cmocka_unit_test(rules_of_a_cgroup_hold_below_it_too),
		cmocka_unit_test(the_verifier_follows_hardly_more_than_each_instruction_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

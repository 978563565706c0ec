/*
 * test_seccomp.c: the filter that we compile gives the same answer as libseccomp's for every call.
 * Both programs are run by a small interpreter of classic BPF, over every call number of every
 * architecture, with arguments at and around the borders of each rule; a third judge reads the
 * profile itself, without compiling. Follows seccomp(2). Explained in book/07a-security.md.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "step01-unshare/call.h"
#include "step07-runtime/security/caps.h"
#include "step07-runtime/security/filter.h"
#include "step07-runtime/security/profile.h"
#include "tests/profile_json.h"
#include "step07-runtime/security/seccomp.h"
#include "step07-runtime/security/sys_table.h"

#include <cmocka.h> /* last: it makes a macro of fail() */

/* ---- a machine for classic BPF ---- */

#define NO_ANSWER 0xdeadbeef /* the program is not one that the kernel would take */

static uint32_t
run(const struct filter *filter, const struct seccomp_data *data)
{
	uint32_t a = 0;

	for (unsigned i = 0; i < filter->count; i++) {
		const struct sock_filter *insn = &filter->insns[i];
		switch (insn->code) {
		case BPF_LD | BPF_W | BPF_ABS:
			if (insn->k % 4 || insn->k >= sizeof *data)
				return NO_ANSWER;
			memcpy(&a, (const char *)data + insn->k, sizeof a);
			break;
		case BPF_ALU | BPF_AND | BPF_K:
			a &= insn->k;
			break;
		case BPF_JMP | BPF_JA:
			i += insn->k;
			break;
		case BPF_JMP | BPF_JEQ | BPF_K:
			i += a == insn->k ? insn->jt : insn->jf;
			break;
		case BPF_JMP | BPF_JGT | BPF_K:
			i += a > insn->k ? insn->jt : insn->jf;
			break;
		case BPF_JMP | BPF_JGE | BPF_K:
			i += a >= insn->k ? insn->jt : insn->jf;
			break;
		case BPF_RET | BPF_K:
			return insn->k;
		default:
			return NO_ANSWER;
		}
	}
	return NO_ANSWER;
}

/* ---- the same profile by libseccomp ---- */

/* LeakSanitizer asks; the library keeps what seccomp_arch_remove(3) takes out. */
const char *__lsan_default_suppressions(void);
const char *
__lsan_default_suppressions(void)
{
	return "leak:libseccomp";
}

static const uint32_t scmp_arch[SYS_ARCHES] = { SCMP_ARCH_X86_64, SCMP_ARCH_X86, SCMP_ARCH_X32,
						SCMP_ARCH_AARCH64, SCMP_ARCH_ARM };
static const enum scmp_compare scmp_op[] = {
	[OP_NE] = SCMP_CMP_NE,
	[OP_LT] = SCMP_CMP_LT,
	[OP_LE] = SCMP_CMP_LE,
	[OP_EQ] = SCMP_CMP_EQ,
	[OP_GE] = SCMP_CMP_GE,
	[OP_GT] = SCMP_CMP_GT,
	[OP_MASKED_EQ] = SCMP_CMP_MASKED_EQ,
};

static int
scmp_add(scmp_filter_ctx context, const struct profile_rule *rule, unsigned call)
{
	struct scmp_arg_cmp args[PROFILE_ARGS];
	int number = seccomp_syscall_resolve_name(call_names[call]);

	for (unsigned i = 0; i < rule->arg_count; i++)
		args[i] = (struct scmp_arg_cmp){ .arg = rule->args[i].index,
						 .op = scmp_op[rule->args[i].op],
						 .datum_a = rule->args[i].value,
						 .datum_b = rule->args[i].second };
	return seccomp_rule_add_array(context, rule->action, number, rule->arg_count, args);
}

static scmp_filter_ctx
scmp_begin(const struct profile *profile)
{
	scmp_filter_ctx context = seccomp_init(profile->default_action);

	assert_non_null(context);
	for (int i = 0; i < SYS_ARCHES; i++) {
		bool there = seccomp_arch_exist(context, scmp_arch[i]) == 0;
		if ((profile->arches & SYS_ARCH_BIT(i)) && !there)
			assert_int_equal(seccomp_arch_add(context, scmp_arch[i]), 0);
	}
	if (!(profile->arches & SYS_ARCH_BIT(sys_native)))
		assert_int_equal(seccomp_arch_remove(context, SCMP_ARCH_NATIVE), 0);
	return context;
}

static struct filter *
scmp_end(scmp_filter_ctx context)
{
	int fd = memfd_create("bpf", MFD_CLOEXEC);
	struct filter *filter;

	assert_true(fd >= 0);
	assert_int_equal(seccomp_export_bpf(context, fd), 0);
	off_t size = lseek(fd, 0, SEEK_END);
	unsigned count = (unsigned)((size_t)size / sizeof filter->insns[0]);
	filter = calloc(1, filter_size(count));
	assert_non_null(filter);
	filter->count = (unsigned short)count;
	assert_int_equal(pread(fd, filter->insns, (size_t)size, 0), size);
	close(fd);
	seccomp_release(context);
	return filter;
}

static struct filter *
scmp_compile(const struct profile *profile)
{
	scmp_filter_ctx context = scmp_begin(profile);

	for (size_t i = 0; i < profile->count; i++)
		for (size_t c = 0; c < profile->rules[i].call_count; c++)
			if (profile->rules[i].action != profile->default_action)
				assert_int_equal(scmp_add(context, &profile->rules[i],
							  profile->rules[i].calls[c]),
						 0);
	return scmp_end(context);
}

/* ---- the same profile, read as it stands ---- */

static bool
arg_passes(const struct profile_arg *arg, uint64_t a, bool wide)
{
	uint64_t keep = wide ? UINT64_MAX : UINT32_MAX;
	uint64_t value = arg->value & keep, second = arg->second & keep;

	a &= keep;
	switch (arg->op) {
	case OP_NE:
		return a != value;
	case OP_LT:
		return a < value;
	case OP_LE:
		return a <= value;
	case OP_EQ:
		return a == value;
	case OP_GE:
		return a >= value;
	case OP_GT:
		return a > value;
	case OP_MASKED_EQ:
		return (a & value) == (second & value);
	}
	return false;
}

/* 1: the rule matches; 2: it does so without looking at an argument. */
static int
rule_matches(const struct profile_rule *rule, enum sys_arch arch, const struct seccomp_data *data)
{
	for (size_t c = 0; c < rule->call_count; c++) {
		uint32_t door;
		unsigned behind = sys_call_behind_door(rule->calls[c], &door);
		bool by_door = arch == SYS_X86 && behind && (uint32_t)data->nr == door;
		bool wide = sys_arches[arch].wide, passes = true, looked = by_door;
		if ((data->nr == -1 || sys_call_number(rule->calls[c], arch) != data->nr) &&
		    !by_door)
			continue;
		if (by_door && (uint32_t)data->args[0] != behind)
			continue;
		for (unsigned i = 0; i < rule->arg_count; i++) {
			const struct profile_arg *arg = &rule->args[i];
			bool nothing = arg->op == OP_MASKED_EQ &&
				       !(wide ? arg->value : (uint32_t)arg->value);
			if ((by_door && arg->index == 0) || nothing)
				continue;
			looked = true;
			passes &= arg_passes(arg, data->args[arg->index], wide);
		}
		if (passes)
			return looked ? 1 : 2;
	}
	return 0;
}

static uint32_t
judge(const struct profile *profile, const struct seccomp_data *data)
{
	uint32_t number = (uint32_t)data->nr, first = profile->default_action;
	enum sys_arch arch = 0;
	bool x32 = data->arch == AUDIT_ARCH_X86_64 && number >= SYS_X32_BIT &&
		   (profile->arches & SYS_ARCH_BIT(SYS_X32));
	bool found = false;

	while (arch < SYS_ARCHES &&
	       !(sys_arches[arch].token == data->arch && (arch == SYS_X32) == x32))
		arch++;
	if (arch == SYS_ARCHES || !(profile->arches & SYS_ARCH_BIT(arch)))
		return profile->bad_arch_action;
	if (arch == SYS_X86_64 && number >= SYS_X32_BIT && number != UINT32_MAX)
		return profile->bad_arch_action;
	for (size_t i = 0; i < profile->count; i++) {
		int match = profile->rules[i].action == profile->default_action
				    ? 0
				    : rule_matches(&profile->rules[i], arch, data);
		if (match == 2)
			return profile->rules[i].action;
		if (match && !found) {
			first = profile->rules[i].action;
			found = true;
		}
	}
	return first;
}

/* ---- numbers and arguments to try ---- */

static uint64_t seed = 88172645463325252;

static uint64_t
random64(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	return seed ^= seed << 17;
}

static unsigned
below(unsigned limit)
{
	return (unsigned)(random64() >> 33) % limit;
}

static const uint32_t tokens[] = { AUDIT_ARCH_X86_64, AUDIT_ARCH_I386,	AUDIT_ARCH_AARCH64,
				   AUDIT_ARCH_ARM,    AUDIT_ARCH_S390X, 0,
				   UINT32_MAX };

/* A value at the border of one of the comparisons of the profile, or near it, or anywhere. */
static uint64_t
some_value(const struct profile *profile)
{
	const struct profile_rule *rule = &profile->rules[below((unsigned)profile->count)];
	const struct profile_arg *arg = &rule->args[rule->arg_count ? below(rule->arg_count) : 0];
	uint64_t value = arg->op == OP_MASKED_EQ
				 ? (arg->second & arg->value) | (random64() & ~arg->value)
				 : arg->value;

	switch (below(8)) {
	case 0:
		return value + 1;
	case 1:
		return value - 1;
	case 2:
		return value ^ (UINT64_C(1) << below(64));
	case 3:
		return (uint32_t)value | random64() << 32; /* the lower half alone is right */
	case 4:
		return random64();
	case 5:
		return below(24); /* a door of socketcall(2) or ipc(2) */
	default:
		return value;
	}
}

struct trial {
	const struct profile *profile;
	struct filter *own, *other;
	bool has_other, excused;
	unsigned long tried, excuses;
};

static void
try_one(struct trial *trial, uint32_t token, uint32_t number, unsigned times)
{
	struct seccomp_data data = { .nr = (int)number, .arch = token };

	for (unsigned t = 0; t < times; t++) {
		for (int i = 0; i < 6; i++)
			data.args[i] = trial->profile->count ? some_value(trial->profile) : 0;
		uint32_t own = run(trial->own, &data), judged = judge(trial->profile, &data);
		uint32_t other = trial->has_other ? run(trial->other, &data) : own;
		trial->tried++;
		trial->excuses += own == judged && own != other && trial->excused;
		if (own == judged && (own == other || trial->excused))
			continue;
		fail_msg("arch %#x, call %#x (%llx, %llx, %llx, %llx, %llx, %llx): "
			 "ours %#x, libseccomp %#x, the profile %#x",
			 token, number, data.args[0], data.args[1], data.args[2], data.args[3],
			 data.args[4], data.args[5], own, other, judged);
	}
}

static void
try_all(struct trial *trial, unsigned times)
{
	static const uint32_t borders[] = { 1023,	1024,	    0x0effff,	0x0f0001,
					    0x0f0002,	0x0f0005,   0x0f0006,	0x0f0040,
					    0x3fffffff, 0x7fffffff, 0x80000000, 0xfffffffe,
					    0xffffffff, 0x400003ff, 0x40000400 };

	for (size_t t = 0; t < sizeof tokens / sizeof tokens[0]; t++) {
		for (uint32_t number = 0; number <= 600; number++) {
			try_one(trial, tokens[t], number, times);
			try_one(trial, tokens[t], number | SYS_X32_BIT, times);
		}
		for (size_t b = 0; b < sizeof borders / sizeof borders[0]; b++)
			try_one(trial, tokens[t], borders[b], times);
	}
}

/* ---- generated profiles ---- */

#define CALLS 24
static const uint32_t actions[] = { SECCOMP_RET_KILL_PROCESS, SECCOMP_RET_KILL_THREAD,
				    SECCOMP_RET_TRAP,	      SECCOMP_RET_ERRNO | 1,
				    SECCOMP_RET_ERRNO | 38,   SECCOMP_RET_TRACE | 7,
				    SECCOMP_RET_USER_NOTIF,   SECCOMP_RET_LOG,
				    SECCOMP_RET_ALLOW };

static uint32_t
some_action(void)
{
	return actions[below(sizeof actions / sizeof actions[0])];
}

/* Does libseccomp know the call on this machine? (Not those that are newer than it.) */
static bool
known(unsigned call)
{
	return seccomp_syscall_resolve_name(call_names[call]) != __NR_SCMP_ERROR;
}

static unsigned
some_call(void)
{
	static const uint16_t special[] = { SYS_ID_socket,  SYS_ID_bind,   SYS_ID_socketcall,
					    SYS_ID_semop,   SYS_ID_shmat,  SYS_ID_ipc,
					    SYS_ID_clone,   SYS_ID_clone3, SYS_ID_cacheflush,
					    SYS_ID_set_tls, SYS_ID_accept, SYS_ID_execve,
					    SYS_ID_read,    SYS_ID_recv };
	unsigned call;

	if (below(3) == 0)
		return special[below(sizeof special / sizeof special[0])];
	do
		call = below(SYS_IDS);
	while (!known(call));
	return call;
}

/* What a generated profile may contain. */
struct kind {
	unsigned rounds;
	unsigned most_args, most_rules; /* of a rule; of a call */
	bool mixed;			/* rules of one call with different actions, in any order */
	bool equality;			/* only SCMP_CMP_EQ and SCMP_CMP_MASKED_EQ */
	bool library;			/* libseccomp is asked too … */
	bool excused; /* … and may be wrong where the profile itself says what we say */
};

static struct profile_arg
some_arg(unsigned index, bool equality)
{
	static const uint64_t values[] = { 0,
					   1,
					   16,
					   40,
					   0x7e020000,
					   UINT32_MAX,
					   UINT64_C(1) << 32,
					   (UINT64_C(7) << 32) + 5,
					   UINT64_MAX };
	unsigned n = sizeof values / sizeof values[0];

	return (struct profile_arg){ .index = index,
				     .op = equality ? (below(2) ? OP_EQ : OP_MASKED_EQ)
						    : (enum profile_op)below(OP_MASKED_EQ + 1),
				     .value = below(4) ? values[below(n)] : random64(),
				     .second = below(4) ? values[below(n)] : random64() };
}

struct generated {
	struct profile profile;
	struct profile_rule rules[5 * CALLS];
	uint16_t calls[5 * CALLS];
};

static bool
has_call(const struct generated *g, unsigned call)
{
	for (size_t i = 0; i < g->profile.count; i++)
		if (g->calls[i] == call)
			return true;
	return false;
}

static void
generate_rule(struct generated *g, const struct kind *kind, unsigned call, uint32_t action,
	      unsigned most_args)
{
	struct profile_rule *rule = &g->rules[g->profile.count];
	unsigned args = below(most_args + 1), used = 0;

	g->calls[g->profile.count] = (uint16_t)call;
	*rule = (struct profile_rule){ .action = action,
				       .calls = &g->calls[g->profile.count++],
				       .call_count = 1 };
	for (unsigned n = 0; n < args; n++) {
		unsigned index = below(PROFILE_ARGS);
		if (!(used & 1u << index))
			rule->args[rule->arg_count++] = some_arg(index, kind->equality);
		used |= 1u << index;
	}
}

/* Unless mixed, all rules of a call with arguments have one action: libseccomp does not say what it
 * makes of two that overlap. */
static void
generate(struct generated *g, const struct kind *kind)
{
	g->profile = (struct profile){ .default_action = some_action(),
				       .bad_arch_action = SECCOMP_RET_KILL_THREAD,
				       .arches = below(31) + 1,
				       .rules = g->rules };
	if (g->profile.default_action == SECCOMP_RET_USER_NOTIF)
		g->profile.default_action = SECCOMP_RET_ALLOW;
	for (unsigned i = 0; i < CALLS; i++) {
		unsigned call = some_call(), rules = 1 + below(kind->most_rules);
		bool door = call == SYS_ID_socketcall || call == SYS_ID_ipc;
		uint32_t action = some_action();
		if (!kind->mixed && has_call(g, call))
			continue;
		for (unsigned a = 0; a < rules; a++)
			generate_rule(g, kind, call, kind->mixed ? some_action() : action,
				      door && !kind->mixed ? 0 : kind->most_args);
		if (!kind->mixed && below(4) == 0) /* this one decides alone */
			generate_rule(g, kind, call, some_action(), 0);
	}
}

/* Compiles by libseccomp, and leaves out of the profile what it refuses (-EEXIST: it cannot have
 * both of two actions). */
static struct filter *
scmp_compile_what_it_takes(struct generated *g)
{
	scmp_filter_ctx context = scmp_begin(&g->profile);
	size_t taken = 0;

	for (size_t i = 0; i < g->profile.count; i++) {
		if (g->rules[i].action == g->profile.default_action ||
		    scmp_add(context, &g->rules[i], g->rules[i].calls[0]) < 0)
			continue;
		g->rules[taken++] = g->rules[i];
	}
	g->profile.count = taken;
	return scmp_end(context);
}

/* ---- tests ---- */

static void
try_generated(struct trial *trial, const struct generated *g)
{
	try_all(trial, 3);
	for (size_t i = 0; i < g->profile.count; i++)
		for (int a = 0; a < SYS_ARCHES; a++) {
			int32_t number = sys_call_number(g->calls[i], (enum sys_arch)a);
			if (number >= 0)
				try_one(trial, sys_arches[a].token, (uint32_t)number, 40);
		}
}

static void
generated_profiles(const struct kind *kind)
{
	static struct generated g;
	unsigned long tried = 0, excuses = 0;

	for (unsigned round = 0; round < kind->rounds; round++) {
		struct trial trial = { .profile = &g.profile,
				       .has_other = kind->library,
				       .excused = kind->excused };
		generate(&g, kind);
		if (kind->library)
			trial.other = scmp_compile_what_it_takes(&g);
		trial.own = filter_compile(&g.profile);
		assert_non_null(trial.own);
		try_generated(&trial, &g);
		free(trial.own);
		free(trial.other);
		tried += trial.tried;
		excuses += trial.excuses;
	}
	print_message("%lu calls tried", tried);
	if (excuses)
		print_message("; in %lu of them libseccomp contradicts the profile", excuses);
	print_message("\n");
}

static void
rules_without_arguments_equal_libseccomps(void **state)
{
	(void)state;
	generated_profiles(&(struct kind){
		.rounds = 40, .most_args = 0, .most_rules = 4, .mixed = true, .library = true });
}

static void
every_operator_equals_libseccomps(void **state)
{
	(void)state;
	generated_profiles(
		&(struct kind){ .rounds = 80, .most_args = 1, .most_rules = 1, .library = true });
}

static void
alternatives_by_equality_equal_libseccomps(void **state)
{
	(void)state;
	generated_profiles(&(struct kind){
		.rounds = 60, .most_args = 6, .most_rules = 4, .equality = true, .library = true });
}

/* libseccomp 2.5.4 is wrong about some: `a < 1` and `a > 0x100000000` for one action give it to
 * a = 1. So the profile is the judge. */
static void
many_arguments_equal_the_profile_and_mostly_libseccomps(void **state)
{
	(void)state;
	generated_profiles(&(struct kind){
		.rounds = 40, .most_args = 3, .most_rules = 1, .library = true, .excused = true });
}

static void
rules_of_all_kinds_equal_the_profile(void **state)
{
	(void)state;
	generated_profiles(
		&(struct kind){ .rounds = 80, .most_args = 6, .most_rules = 4, .mixed = true });
}

/* Without the calls that the library does not know. */
static void
default_profile_equals_libseccomps(void **state)
{
	static const uint64_t caps[] = { 0, CAPS_DEFAULT, CAPS_ALL, UINT64_C(1) << 21,
					 0x5a5a5a5a5a };

	(void)state;
	for (size_t i = 0; i < sizeof caps / sizeof caps[0]; i++) {
		struct profile profile;
		uint16_t calls[64][256];
		assert_int_equal(profile_default(caps[i], &profile), 0);
		assert_true(profile.count <= 64);
		profile.new_calls_enosys = false;
		for (size_t r = 0; r < profile.count; r++) {
			struct profile_rule *rule = &profile.rules[r];
			size_t kept = 0;
			for (size_t c = 0; c < rule->call_count; c++)
				if (known(rule->calls[c]))
					calls[r][kept++] = rule->calls[c];
			rule->calls = calls[r];
			rule->call_count = kept;
		}
		struct trial trial = { .profile = &profile, .has_other = true };
		trial.other = scmp_compile(&profile);
		trial.own = filter_compile(&profile);
		assert_non_null(trial.own);
		assert_true(trial.own->count < trial.other->count);
		try_all(&trial, 20);
		free(trial.own);
		free(trial.other);
		profile_free(&profile);
	}
}

/* The default profile, written as JSON and read back, compiles to the same program. */
static void
default_profile_survives_json(void **state)
{
	struct profile profile, again;
	struct filter *first, *second;
	char *text = NULL;
	size_t length = 0;
	FILE *out = open_memstream(&text, &length);

	(void)state;
	assert_int_equal(profile_default(CAPS_DEFAULT, &profile), 0);
	assert_int_equal(profile_print(&profile, out), 0);
	fclose(out);
	assert_int_equal(profile_parse(text, length, "printed", CAPS_DEFAULT, &again), 0);
	assert_int_equal(again.unknown, 0);
	first = filter_compile(&profile);
	second = filter_compile(&again);
	assert_true(first && second && first->count == second->count);
	assert_memory_equal(first, second, filter_size(first->count));
	free(first);
	free(second);
	profile_free(&profile);
	profile_free(&again);
	free(text);
}

static uint32_t
answer_of(const struct filter *filter, uint32_t number, uint64_t arg0)
{
	struct seccomp_data data = { .nr = (int)number,
				     .arch = sys_arches[sys_native].token,
				     .args = { arg0 } };

	return run(filter, &data);
}

static uint32_t
native(unsigned call)
{
	return (uint32_t)sys_call_number(call, sys_native);
}

static void
default_profile_says_what_the_engines_say(void **state)
{
	const uint32_t allow = SECCOMP_RET_ALLOW, eperm = SECCOMP_RET_ERRNO | EPERM;
	struct seccomp_options options = { 0 };
	struct seccomp seccomp;

	(void)state;
	assert_int_equal(seccomp_prepare(&options, CAPS_DEFAULT, false, &seccomp), 0);
	assert_true(seccomp.no_new_privs);
	const struct filter *f = seccomp.filter;
	assert_int_equal(answer_of(f, native(SYS_ID_read), 0), allow);
	assert_int_equal(answer_of(f, native(SYS_ID_ptrace), 0), allow);
	assert_int_equal(answer_of(f, native(SYS_ID_chroot), 0), allow);
	assert_int_equal(answer_of(f, native(SYS_ID_keyctl), 0), eperm);
	assert_int_equal(answer_of(f, native(SYS_ID_unshare), 0x10000000), eperm);
	assert_int_equal(answer_of(f, native(SYS_ID_mount), 0), eperm);
	assert_int_equal(answer_of(f, native(SYS_ID_io_uring_setup), 0), eperm);
	assert_int_equal(answer_of(f, native(SYS_ID_clone3), 0), SECCOMP_RET_ERRNO | ENOSYS);
	assert_int_equal(answer_of(f, native(SYS_ID_clone), 0x01200011), allow);
	assert_int_equal(answer_of(f, native(SYS_ID_clone), 0x10000011), eperm);
	assert_int_equal(answer_of(f, native(SYS_ID_socket), 2), allow);
	assert_int_equal(answer_of(f, native(SYS_ID_socket), 38), eperm);
	assert_int_equal(answer_of(f, native(SYS_ID_socket), 39), allow);
	assert_int_equal(answer_of(f, native(SYS_ID_socket), 40), eperm);
	assert_int_equal(answer_of(f, native(SYS_ID_personality), 0xffffffff), allow);
	assert_int_equal(answer_of(f, native(SYS_ID_personality), 0x0040000), eperm);
	assert_int_equal(answer_of(f, 999, 0), SECCOMP_RET_ERRNO | ENOSYS);
	/* the programs of 32 bits that this machine runs are held to it too; others are killed */
	for (int a = 0; a < SYS_ARCHES; a++) {
		struct seccomp_data data = { .arch = sys_arches[a].token };
		bool ours = (sys_native_set & SYS_ARCH_BIT(a)) != 0;
		data.nr = sys_call_number(SYS_ID_read, (enum sys_arch)a);
		assert_int_equal(run(f, &data), ours ? allow : SECCOMP_RET_KILL_THREAD);
		data.nr = sys_call_number(SYS_ID_mount, (enum sys_arch)a);
		assert_int_equal(run(f, &data), ours ? eperm : SECCOMP_RET_KILL_THREAD);
	}
	seccomp_free(&seccomp);
}

/* A call comes with any one of its capabilities, and with no other. */
static void
what_needs_a_right_comes_with_that_right_alone(void **state)
{
#define BIT(name) UINT64_C(1) << CAP_##name
	static const struct {
		unsigned call;
		uint64_t caps;
	} rights[] = {
		{ SYS_ID_mount, BIT(SYS_ADMIN) },
		{ SYS_ID_setns, BIT(SYS_ADMIN) },
		{ SYS_ID_unshare, BIT(SYS_ADMIN) },
		{ SYS_ID_clone3, BIT(SYS_ADMIN) },
		{ SYS_ID_syslog, BIT(SYS_ADMIN) | BIT(SYSLOG) },
		{ SYS_ID_bpf, BIT(SYS_ADMIN) | BIT(BPF) },
		{ SYS_ID_perf_event_open, BIT(SYS_ADMIN) | BIT(PERFMON) },
		{ SYS_ID_open_by_handle_at, BIT(DAC_READ_SEARCH) },
		{ SYS_ID_reboot, BIT(SYS_BOOT) },
		{ SYS_ID_chroot, BIT(SYS_CHROOT) },
		{ SYS_ID_init_module, BIT(SYS_MODULE) },
		{ SYS_ID_acct, BIT(SYS_PACCT) },
		{ SYS_ID_pidfd_getfd, BIT(SYS_PTRACE) },
		{ SYS_ID_iopl, BIT(SYS_RAWIO) },
		{ SYS_ID_settimeofday, BIT(SYS_TIME) },
		{ SYS_ID_vhangup, BIT(SYS_TTY_CONFIG) },
		{ SYS_ID_mbind, BIT(SYS_NICE) },
		{ SYS_ID_keyctl, 0 },
		{ SYS_ID_io_uring_setup, 0 },
	};
	/* the namespaces of clone(2), each a flag */
	static const uint32_t flags[] = { 0x00020000, 0x02000000, 0x04000000, 0x08000000,
					  0x10000000, 0x20000000, 0x40000000 };

	(void)state;
	for (unsigned cap = 0; cap < CAPS_NAMED; cap++) {
		struct profile profile;
		assert_int_equal(profile_default(UINT64_C(1) << cap, &profile), 0);
		struct filter *f = filter_compile(&profile);
		assert_non_null(f);
		for (size_t i = 0; i < sizeof rights / sizeof rights[0]; i++) {
			uint32_t number = native(rights[i].call);
			bool allowed = answer_of(f, number, 0) == SECCOMP_RET_ALLOW;
			if ((int)number >= 0 && allowed != (rights[i].caps >> cap & 1))
				fail_msg("%s with %s", call_names[rights[i].call], cap_name(cap));
		}
		for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++)
			assert_int_equal(answer_of(f, native(SYS_ID_clone), flags[i] | SIGCHLD),
					 cap == CAP_SYS_ADMIN ? SECCOMP_RET_ALLOW
							      : SECCOMP_RET_ERRNO | EPERM);
		free(f);
		profile_free(&profile);
	}
#undef BIT
}

static void
privileged_is_unconfined_unless_asked_for(void **state)
{
	struct seccomp_options options = { 0 };
	struct seccomp seccomp;

	(void)state;
	assert_int_equal(seccomp_prepare(&options, CAPS_ALL, true, &seccomp), 0);
	assert_null(seccomp.filter);
	assert_false(seccomp.no_new_privs);
	options.profile = "default";
	assert_int_equal(seccomp_prepare(&options, CAPS_ALL, true, &seccomp), 0);
	assert_non_null(seccomp.filter);
	seccomp_free(&seccomp);
}

/* ---- reading ---- */

#define RULE(rest) "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[" rest "]}"

static int
parse(const char *text, struct profile *profile)
{
	call_forget();
	return profile_parse(text, strlen(text), "test", CAPS_DEFAULT, profile);
}

static void
conditions_of_the_engines_are_decided(void **state)
{
	static const char text[] =
		"{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"defaultErrnoRet\":1,"
		"\"archMap\":[{\"architecture\":\"SCMP_ARCH_X86_64\",\"subArchitectures\":"
		"[\"SCMP_ARCH_X86\"]},{\"architecture\":\"SCMP_ARCH_S390X\"},"
		"{\"architecture\":\"SCMP_ARCH_AARCH64\",\"subArchitectures\":"
		"[\"SCMP_ARCH_ARM\"]}],\"syscalls\":["
		"{\"names\":[\"read\",\"no_such_call\"],\"action\":\"SCMP_ACT_ALLOW\"},"
		"{\"names\":[\"write\"],\"action\":\"SCMP_ACT_ALLOW\",\"includes\":{\"caps\":"
		"[\"CAP_CHOWN\"],\"minKernel\":\"4.8\"}},"
		"{\"names\":[\"mount\"],\"action\":\"SCMP_ACT_ALLOW\",\"includes\":{\"caps\":"
		"[\"CAP_CHOWN\",\"CAP_SYS_ADMIN\"]}},"
		"{\"names\":[\"open\"],\"action\":\"SCMP_ACT_ALLOW\",\"excludes\":{\"caps\":"
		"[\"CAP_SYS_ADMIN\",\"CAP_CHOWN\"]}},"
		"{\"names\":[\"close\"],\"action\":\"SCMP_ACT_ALLOW\",\"includes\":"
		"{\"minKernel\":\"99.0\"}},"
		"{\"names\":[\"pipe\"],\"action\":\"SCMP_ACT_ALLOW\",\"includes\":"
		"{\"arches\":[\"s390x\"]}},"
		"{\"names\":[\"socket\"],\"action\":\"SCMP_ACT_ERRNO\",\"errno\":\"EINVAL\","
		"\"args\":["
		"{\"index\":0,\"value\":38,\"op\":\"SCMP_CMP_EQ\"},"
		"{\"index\":0,\"value\":18446744073709551615,\"op\":\"SCMP_CMP_EQ\"}]}]}";
	struct profile profile;

	(void)state;
	assert_int_equal(parse(text, &profile), 0);
	assert_int_equal(profile.unknown, 1);
	assert_int_equal(profile.count, 4); /* read, write, socket twice */
	assert_int_equal(profile.rules[1].calls[0], SYS_ID_write);
	assert_int_equal(profile.rules[3].action, SECCOMP_RET_ERRNO | EINVAL);
	assert_int_equal(profile.rules[3].args[0].value, UINT64_MAX);
	assert_int_equal(profile.rules[3].arg_count, 1);
#if defined(__x86_64__)
	assert_int_equal(profile.arches, SYS_ARCH_BIT(SYS_X86_64) | SYS_ARCH_BIT(SYS_X86));
#endif
	profile_free(&profile);
}

/* Is a rule with this member in force on this machine and kernel? */
static bool
holds(const char *member, const char *condition)
{
	struct profile profile;
	char text[512];

	snprintf(text, sizeof text,
		 "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":[\"read\"],"
		 "\"action\":\"SCMP_ACT_KILL\",\"errno\":\"\",\"%s\":{%s}}]}",
		 member, condition);
	assert_int_equal(parse(text, &profile), 0);
	bool in = profile.count == 1;
	profile_free(&profile);
	return in;
}

static void
a_condition_is_decided_for_this_kernel_and_machine(void **state)
{
	struct utsname name;
	unsigned major, minor;
	char version[64], arches[64];

	(void)state;
	assert_int_equal(uname(&name), 0);
	assert_int_equal(sscanf(name.release, "%u.%u", &major, &minor), 2);
	const struct {
		unsigned major, minor;
		bool reached;
	} versions[] = { { major, minor, true },
			 { major, minor + 1, false },
			 { major - 1, minor + 1, true },
			 { major + 1, 0, false } };
	for (size_t i = 0; i < sizeof versions / sizeof versions[0]; i++) {
		snprintf(version, sizeof version, "\"minKernel\":\"%u.%u\"", versions[i].major,
			 versions[i].minor);
		assert_int_equal(holds("includes", version), versions[i].reached);
		assert_int_equal(holds("excludes", version), !versions[i].reached);
	}
	snprintf(arches, sizeof arches, "\"arches\":[\"%s\",\"s390x\"]",
		 sys_native == SYS_X86_64 ? "amd64" : "arm64");
	assert_true(holds("includes", arches));
	assert_false(holds("excludes", arches));
	assert_false(holds("includes", "\"arches\":[\"s390x\"]"));
	assert_true(holds("excludes", "\"arches\":[\"s390x\"]"));
	/* nothing said, as podman writes it */
	assert_true(holds("includes", "\"minKernel\":\"\",\"arches\":[],\"caps\":[]"));
	assert_true(holds("excludes", "\"minKernel\":\"\",\"arches\":[],\"caps\":[]"));
}

static void
an_errno_is_eperm_unless_given(void **state)
{
	static const struct {
		const char *member;
		uint32_t action;
	} answers[] = {
		{ "\"SCMP_ACT_ERRNO\"", SECCOMP_RET_ERRNO | EPERM },
		{ "\"SCMP_ACT_ERRNO\",\"errnoRet\":0", SECCOMP_RET_ERRNO },
		{ "\"SCMP_ACT_ERRNO\",\"errnoRet\":4095", SECCOMP_RET_ERRNO | 4095 },
		{ "\"SCMP_ACT_TRACE\"", SECCOMP_RET_TRACE | EPERM },
		{ "\"SCMP_ACT_TRACE\",\"errnoRet\":65535", SECCOMP_RET_TRACE | 65535 },
		{ "\"SCMP_ACT_TRAP\"", SECCOMP_RET_TRAP },
	};
	struct profile profile;
	char text[160];

	(void)state;
	for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
		snprintf(text, sizeof text, RULE("{\"names\":[\"read\"],\"action\":%s}"),
			 answers[i].member);
		assert_int_equal(parse(text, &profile), 0);
		assert_int_equal(profile.rules[0].action, answers[i].action);
		profile_free(&profile);
	}
}

/* COUNT rules, each with a condition, which counts as one more. */
static int
parse_many(unsigned count)
{
	struct profile profile;
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	fputs("{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[", out);
	for (unsigned i = 0; i < count; i++)
		fprintf(out,
			"%s{\"names\":[\"read\"],\"action\":\"SCMP_ACT_KILL\",\"args\":"
			"[{\"index\":0,\"value\":1,\"op\":\"SCMP_CMP_EQ\"}]}",
			i ? "," : "");
	fputs("]}", out);
	fclose(out);
	int done = parse(text, &profile);
	free(text);
	profile_free(&profile);
	return done;
}

static void
rules_have_a_limit(void **state)
{
	(void)state;
	assert_int_equal(parse_many(4096), 0);
	assert_int_equal(parse_many(4097), -1);
	call_forget();
}

/* A profile with COUNT rules for one call, each with an argument to look at, is too long, and WHAT.
 */
static void
too_long(size_t count, const char *what)
{
	const uint16_t call = SYS_ID_read;
	struct profile profile = { .default_action = SECCOMP_RET_ALLOW,
				   .arches = SYS_ARCH_BIT(sys_native),
				   .rules = calloc(count, sizeof *profile.rules),
				   .count = count };

	for (size_t i = 0; i < count; i++)
		profile.rules[i] = (struct profile_rule){ .action = SECCOMP_RET_TRAP,
							  .calls = &call,
							  .call_count = 1,
							  .args = { { 0, OP_EQ, i, 0 } },
							  .arg_count = 1 };
	call_forget();
	assert_null(filter_compile(&profile));
	assert_int_equal(errno, E2BIG);
	assert_non_null(strstr(call_error()->what, what));
	call_forget();
	free(profile.rules);
}

static void
a_filter_has_limits(void **state)
{
	(void)state;
	too_long(4095, "instructions");
	too_long(4096, "conditional rules");
}

/* More answers than are kept to be jumped to. */
static void
every_call_may_have_an_answer_of_its_own(void **state)
{
	static uint16_t calls[100];
	struct profile_rule rules[100];
	struct profile profile = { .default_action = SECCOMP_RET_ALLOW,
				   .arches = SYS_ARCH_BIT(sys_native),
				   .rules = rules };

	(void)state;
	for (unsigned call = 0; profile.count < 100; call++) {
		size_t i = profile.count;
		calls[i] = (uint16_t)call;
		rules[i] = (struct profile_rule){ .action = SECCOMP_RET_ERRNO | (call + 1),
						  .calls = &calls[i],
						  .call_count = 1 };
		profile.count += sys_call_number(call, sys_native) >= 0;
	}
	struct filter *f = filter_compile(&profile);
	assert_non_null(f);
	for (size_t i = 0; i < 100; i++)
		assert_int_equal(answer_of(f, native(calls[i]), 0), rules[i].action);
	free(f);
}

/* The one answer of an architecture may stand in the part of another. */
static void
an_architecture_without_rules_is_none_of_another(void **state)
{
	const uint16_t call = SYS_ID_set_tls; /* ARM's alone */
	struct profile_rule rule = { .action = SECCOMP_RET_TRAP, .calls = &call, .call_count = 1 };
	struct profile profile = { .default_action = SECCOMP_RET_ALLOW,
				   .arches = SYS_ARCH_BIT(SYS_ARM) | SYS_ARCH_BIT(SYS_X86),
				   .rules = &rule,
				   .count = 1 };
	struct filter *f = filter_compile(&profile);
	struct seccomp_data data = { .nr = 0xf0005, .arch = AUDIT_ARCH_ARM };

	(void)state;
	assert_non_null(f);
	assert_int_equal(run(f, &data), SECCOMP_RET_TRAP);
	data.arch = AUDIT_ARCH_I386;
	assert_int_equal(run(f, &data), SECCOMP_RET_ALLOW);
	free(f);
}

static uint32_t
answer_on_arm(const struct filter *filter, uint32_t number)
{
	return run(filter, &(struct seccomp_data){ .nr = (int)number, .arch = AUDIT_ARCH_ARM });
}

/* ARM has a few calls far above the others, which are not new for that. */
static void
calls_of_arm_alone_are_not_new(void **state)
{
	static const uint16_t calls[] = { SYS_ID_read, SYS_ID_set_tls };
	struct profile_rule rule = { .action = SECCOMP_RET_ALLOW, .calls = calls, .call_count = 2 };
	struct profile profile = { .default_action = SECCOMP_RET_ERRNO | EPERM,
				   .new_calls_enosys = true,
				   .arches = SYS_ARCH_BIT(SYS_ARM),
				   .rules = &rule,
				   .count = 1 };
	struct filter *f = filter_compile(&profile);

	(void)state;
	assert_non_null(f);
	assert_int_equal(answer_on_arm(f, 3), SECCOMP_RET_ALLOW); /* read */
	assert_int_equal(answer_on_arm(f, 2), SECCOMP_RET_ERRNO | EPERM);
	assert_int_equal(answer_on_arm(f, 4), SECCOMP_RET_ERRNO | ENOSYS);
	assert_int_equal(answer_on_arm(f, 0xeffff), SECCOMP_RET_ERRNO | ENOSYS);
	assert_int_equal(answer_on_arm(f, 0xf0001), SECCOMP_RET_ERRNO | EPERM); /* breakpoint */
	assert_int_equal(answer_on_arm(f, 0xf0005), SECCOMP_RET_ALLOW);		/* set_tls */
	assert_int_equal(answer_on_arm(f, 0xf0006), SECCOMP_RET_ERRNO | EPERM);
	assert_int_equal(answer_on_arm(f, UINT32_MAX), SECCOMP_RET_ERRNO | EPERM);
	free(f);
}

static void
new_calls_are_missing_where_the_default_refuses(void **state)
{
	static const struct {
		const char *action;
		bool refuses;
	} defaults[] = { { "ALLOW", false },	  { "LOG", false }, { "TRACE", false },
			 { "ERRNO", true },	  { "TRAP", true }, { "KILL", true },
			 { "KILL_PROCESS", true } };
	struct profile profile;
	char text[64];

	(void)state;
	for (size_t i = 0; i < sizeof defaults / sizeof defaults[0]; i++) {
		snprintf(text, sizeof text, "{\"defaultAction\":\"SCMP_ACT_%s\"}",
			 defaults[i].action);
		assert_int_equal(parse(text, &profile), 0);
		assert_int_equal(profile.new_calls_enosys, defaults[i].refuses);
		profile_free(&profile);
	}
}

static void
everything_of_the_specification_is_read(void **state)
{
	static const char text[] =
		"{\"defaultAction\":\"SCMP_ACT_LOG\",\"architectures\":[\"SCMP_ARCH_X32\","
		"\"SCMP_ARCH_ARM\",\"SCMP_ARCH_MIPS\"],\"flags\":[\"SECCOMP_FILTER_FLAG_LOG\","
		"\"SECCOMP_FILTER_FLAG_TSYNC\",\"SECCOMP_FILTER_FLAG_SPEC_ALLOW\","
		"\"SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV\"],\"listenerPath\":\"/run/x\","
		"\"listenerMetadata\":\"m\",\"syscalls\":[{\"names\":[\"mkdir\"],\"action\":"
		"\"SCMP_ACT_NOTIFY\"},{\"names\":[\"read\"],\"action\":\"SCMP_ACT_TRACE\","
		"\"errnoRet\":9,\"args\":[{\"index\":5,\"value\":7,\"valueTwo\":3,\"op\":"
		"\"SCMP_CMP_MASKED_EQ\"}]}]}";
	struct profile profile;
	struct seccomp seccomp;

	(void)state;
	assert_int_equal(parse(text, &profile), 0);
	assert_int_equal(profile.arches,
			 SYS_ARCH_BIT(sys_native) | SYS_ARCH_BIT(SYS_X32) | SYS_ARCH_BIT(SYS_ARM));
	assert_int_equal(profile.flags, SECCOMP_FILTER_FLAG_LOG | SECCOMP_FILTER_FLAG_TSYNC |
						SECCOMP_FILTER_FLAG_SPEC_ALLOW |
						SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV);
	assert_string_equal(profile.listener_path, "/run/x");
	assert_string_equal(profile.listener_metadata, "m");
	assert_int_equal(profile.rules[1].action, SECCOMP_RET_TRACE | 9);
	assert_int_equal(profile.rules[1].args[0].second, 3);
	assert_int_equal(seccomp_prepare_profile(&profile, true, &seccomp), 0);
	assert_true(seccomp.notify);
	assert_int_equal(seccomp.filter->flags, /* no TSYNC: the courier stays without */
			 SECCOMP_FILTER_FLAG_LOG | SECCOMP_FILTER_FLAG_SPEC_ALLOW |
				 SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV |
				 SECCOMP_FILTER_FLAG_NEW_LISTENER);
	seccomp_free(&seccomp);
	profile_free(&profile);
}

static void
bad_profiles_are_refused(void **state)
{
#define READ "\"names\":[\"read\"],\"action\":\"SCMP_ACT_KILL\","
	static const char *const texts[] = {
		"",
		"[]",
		"{",
		"{}",
		"{\"defaultAction\":3}",
		"{\"defaultAction\":\"SCMP_ACT_NO\"}",
		"{\"defaultAction\":\"SCMP_ACT_NOTIFY\"}",
		"{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"defaultErrnoRet\":1}",
		"{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"defaultErrnoRet\":4096}",
		"{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"defaultErrnoRet\":-1}",
		"{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"defaultErrno\":\"ENOPE\"}",
		"{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"architectures\":[\"SCMP_ARCH_PDP11\"]}",
		"{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"architectures\":\"SCMP_ARCH_X86\"}",
		"{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"architectures\":[\"SCMP_ARCH_X86\"],"
		"\"archMap\":[]}",
		"{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"archMap\":[{}]}",
		"{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"flags\":[\"SECCOMP_FILTER_FLAG_NO\"]}",
		"{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"listenerMetadata\":\"x\"}",
		"{\"defaultAction\":\"SCMP_ACT_ALLOW\"} x",
		RULE("7"),
		RULE("{}"),
		RULE("{\"names\":[],\"action\":\"SCMP_ACT_KILL\"}"),
		RULE("{\"names\":[7],\"action\":\"SCMP_ACT_KILL\"}"),
		RULE("{\"names\":[\"read\"]}"),
		RULE("{\"names\":[\"read\"],\"name\":\"read\",\"action\":\"SCMP_ACT_KILL\"}"),
		RULE("{" READ "\"errnoRet\":1}"),
		RULE("{" READ "\"errnoRet\":0}"),
		RULE("{" READ "\"args\":[{\"index\":6,\"value\":1,\"op\":\"SCMP_CMP_EQ\"}]}"),
		RULE("{" READ "\"args\":[{\"index\":0,\"value\":1}]}"),
		RULE("{" READ "\"args\":[{\"value\":1,\"op\":\"SCMP_CMP_EQ\"}]}"),
		RULE("{" READ "\"args\":[{\"index\":0,\"op\":\"SCMP_CMP_EQ\"}]}"),
		RULE("{" READ "\"args\":[{\"index\":0,\"value\":1,\"op\":\"SCMP_CMP_IS\"}]}"),
		RULE("{" READ "\"args\":[{\"index\":0,\"value\":-1,\"op\":\"SCMP_CMP_EQ\"}]}"),
		RULE("{" READ "\"args\":[{\"index\":0,\"value\":1.5,\"op\":\"SCMP_CMP_EQ\"}]}"),
		RULE("{" READ "\"args\":[{\"index\":0,\"value\":\"1\",\"op\":\"SCMP_CMP_EQ\"}]}"),
		RULE("{" READ "\"args\":{}}"),
		RULE("{" READ "\"includes\":{\"caps\":[\"CAP_FLY\"]}}"),
		RULE("{" READ "\"includes\":{\"minKernel\":\"new\"}}"),
		RULE("{" READ "\"includes\":{\"minKernel\":\"4.8x\"}}"),
		RULE("{" READ "\"excludes\":[]}"),
	};
	struct profile profile;

	(void)state;
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		if (parse(texts[i], &profile) == 0)
			fail_msg("taken: %s", texts[i]);
		assert_int_equal(errno, EINVAL);
		assert_non_null(strstr(call_error()->what, "test"));
		assert_null(profile.rules);
		assert_null(profile.calls);
	}
	call_forget();
}

static void
a_listener_needs_a_path(void **state)
{
	struct profile profile;
	struct seccomp seccomp;

	(void)state;
	assert_int_equal(
		parse(RULE("{\"names\":[\"mkdir\"],\"action\":\"SCMP_ACT_NOTIFY\"}"), &profile), 0);
	assert_int_equal(seccomp_prepare_profile(&profile, true, &seccomp), -1);
	assert_int_equal(errno, EINVAL);
	call_forget();
	profile_free(&profile);
	/* nobody is ever asked about a call that is not in the table */
	assert_int_equal(
		parse(RULE("{\"names\":[\"no_such\"],\"action\":\"SCMP_ACT_NOTIFY\"}"), &profile),
		0);
	assert_int_equal(seccomp_prepare_profile(&profile, true, &seccomp), 0);
	assert_false(seccomp.notify);
	seccomp_free(&seccomp);
	profile_free(&profile);
}

/* Every row of the table agrees with the library that it came from, on every architecture. */
static void
the_table_is_libseccomps(void **state)
{
	/* what else config-linux.md of the specification has */
	static const char *const foreign[] = {
		"SCMP_ARCH_MIPS",     "SCMP_ARCH_MIPS64",   "SCMP_ARCH_MIPS64N32",
		"SCMP_ARCH_MIPSEL",   "SCMP_ARCH_MIPSEL64", "SCMP_ARCH_MIPSEL64N32",
		"SCMP_ARCH_PPC",      "SCMP_ARCH_PPC64",    "SCMP_ARCH_PPC64LE",
		"SCMP_ARCH_S390",     "SCMP_ARCH_S390X",    "SCMP_ARCH_PARISC",
		"SCMP_ARCH_PARISC64", "SCMP_ARCH_RISCV64",  "SCMP_ARCH_LOONGARCH64",
		"SCMP_ARCH_M68K",     "SCMP_ARCH_SH",	    "SCMP_ARCH_SHEB"
	};

	(void)state;
	for (unsigned i = 0; i < SYS_IDS; i++) {
		assert_int_equal(sys_call_index(call_names[i]), i);
		for (int a = 0; a < SYS_ARCHES; a++) {
			int32_t number = sys_call_number(i, (enum sys_arch)a);
			char *name =
				number < 0 ? NULL
					   : seccomp_syscall_resolve_num_arch(scmp_arch[a], number);
			if (name && strcmp(name, call_names[i]) != 0)
				fail_msg("%s: %d is %s", call_names[i], number, name);
			free(name);
		}
	}
	assert_int_equal(sys_call_index("no_such_call"), -1);
	for (size_t i = 0; i < sizeof foreign / sizeof foreign[0]; i++)
		assert_int_equal(sys_arch_number(foreign[i]), -2);
	assert_int_equal(sys_arch_number("SCMP_ARCH_PDP11"), -1);
	assert_int_equal(sys_arch_number("S390X"), -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_table_is_libseccomps),
		cmocka_unit_test(rules_without_arguments_equal_libseccomps),
		cmocka_unit_test(every_operator_equals_libseccomps),
		cmocka_unit_test(alternatives_by_equality_equal_libseccomps),
		cmocka_unit_test(many_arguments_equal_the_profile_and_mostly_libseccomps),
		cmocka_unit_test(rules_of_all_kinds_equal_the_profile),
		cmocka_unit_test(default_profile_equals_libseccomps),
		cmocka_unit_test(default_profile_survives_json),
		cmocka_unit_test(default_profile_says_what_the_engines_say),
		cmocka_unit_test(what_needs_a_right_comes_with_that_right_alone),
		cmocka_unit_test(privileged_is_unconfined_unless_asked_for),
		cmocka_unit_test(conditions_of_the_engines_are_decided),
		cmocka_unit_test(a_condition_is_decided_for_this_kernel_and_machine),
		cmocka_unit_test(an_errno_is_eperm_unless_given),
		cmocka_unit_test(rules_have_a_limit),
		cmocka_unit_test(a_filter_has_limits),
		cmocka_unit_test(every_call_may_have_an_answer_of_its_own),
		cmocka_unit_test(an_architecture_without_rules_is_none_of_another),
		cmocka_unit_test(calls_of_arm_alone_are_not_new),
		cmocka_unit_test(new_calls_are_missing_where_the_default_refuses),
		cmocka_unit_test(everything_of_the_specification_is_read),
		cmocka_unit_test(bad_profiles_are_refused),
		cmocka_unit_test(a_listener_needs_a_path),
	};

	seccomp_api_set(6);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * filter.c: from rules by name to ranges of numbers, and from ranges to a tree of comparisons.
 * The program is written from its end to its beginning, so that every jump's target is known when
 * the jump is. Follows seccomp(2), Documentation/networking/filter.rst of the kernel.
 * Explained in book/07a-security.md.
 */
#include <errno.h>
#include <linux/seccomp.h>
#include <stdlib.h>
#include <string.h>

#include "step01-unshare/call.h"
#include "step07-runtime/security/filter.h"
#include "step07-runtime/security/profile.h"
#include "step07-runtime/security/sys_table.h"

/* ---- rules, sorted by number ---- */

/* A number becomes a slot: most calls are below 1024, arm has a few of its own at 0xf0000. */
#define LOW_SLOTS  1024
#define ARM_FIRST  0x0f0000
#define SLOTS	   (LOW_SLOTS + 64)
#define CONDITIONS 4096

/* What is known of one number. */
struct slot {
	bool decided; /* by a rule without conditions: ACTION */
	uint32_t action;
	uint16_t first, last; /* otherwise, conditional rules, in their order; 0: none */
};

/* A rule whose arguments have to be looked at. */
struct condition {
	const struct profile_rule *rule;
	unsigned door; /* on x86: the first argument of socketcall(2) or ipc(2); 0: no door */
	bool wide;
	uint16_t next;
};

/* A run of numbers with one answer, which ends where the next run begins. */
struct range {
	uint32_t start;
	uint32_t action;
	uint16_t condition; /* the first to be tried before ACTION; 0: none */
};

struct compiler {
	const struct profile *profile;
	struct slot slots[SLOTS];
	struct condition conditions[CONDITIONS]; /* [0] is not used */
	unsigned condition_count;
	struct range ranges[2 * SLOTS + 8]; /* of one token */
	unsigned range_count;

	/* the program: insns[BPF_MAXINSNS − count] is its beginning so far */
	struct sock_filter insns[BPF_MAXINSNS];
	unsigned count;
	bool full;
	struct {
		uint32_t action;
		unsigned at;
	} answers[32]; /* the latest BPF_RET for an action */
	unsigned answer_count;
};

/* A comparison that every value passes: nothing is left after the mask. */
static bool
says_nothing(const struct profile_arg *arg, bool wide)
{
	return arg->op == OP_MASKED_EQ && (wide ? arg->value : (uint32_t)arg->value) == 0;
}

static bool
has_conditions(const struct profile_rule *rule, unsigned door, bool wide)
{
	bool any = door != 0;

	for (unsigned i = 0; i < rule->arg_count; i++)
		any = any || !says_nothing(&rule->args[i], wide);
	return any;
}

static int
add_rule(struct compiler *c, uint32_t number, const struct profile_rule *rule, unsigned door,
	 bool wide)
{
	struct slot *slot = &c->slots[number < LOW_SLOTS ? number : number - ARM_FIRST + LOW_SLOTS];

	if (slot->decided)
		return 0;
	if (!has_conditions(rule, door, wide)) {
		slot->decided = true;
		slot->action = rule->action;
		return 0;
	}
	if (c->condition_count + 1 == CONDITIONS)
		return fail(E2BIG, "seccomp profile: more than %d conditional rules", CONDITIONS);
	uint16_t new = (uint16_t)++c->condition_count;
	c->conditions[new] =
		(struct condition){ .rule = rule, .door = door, .wide = wide, .next = 0 };
	if (slot->first)
		c->conditions[slot->last].next = new;
	else
		slot->first = new;
	slot->last = new;
	return 0;
}

/* Sorts the profile's rules into the slots of one architecture. */
static int
add_rules(struct compiler *c, enum sys_arch arch)
{
	bool wide = sys_arches[arch].wide;
	uint32_t base = arch == SYS_X32 ? SYS_X32_BIT : 0;

	memset(c->slots, 0, sizeof c->slots);
	for (size_t r = 0; r < c->profile->count; r++) {
		const struct profile_rule *rule = &c->profile->rules[r];
		if (rule->action == c->profile->default_action)
			continue;
		for (size_t i = 0; i < rule->call_count; i++) {
			int32_t number = sys_call_number(rule->calls[i], arch);
			uint32_t door;
			unsigned behind =
				arch == SYS_X86 ? sys_call_behind_door(rule->calls[i], &door) : 0;
			if (number >= 0 && add_rule(c, (uint32_t)number - base, rule, 0, wide) < 0)
				return -1;
			if (behind && add_rule(c, door, rule, behind, wide) < 0)
				return -1;
		}
	}
	return 0;
}

/* ---- ranges ---- */

static void
add_range(struct compiler *c, uint32_t start, uint32_t action, uint16_t condition)
{
	struct range *last = c->range_count ? &c->ranges[c->range_count - 1] : NULL;

	if (last && last->start == start) /* nothing was left of the range before */
		last = --c->range_count ? last - 1 : NULL;
	if (last && !last->condition && !condition && last->action == action)
		return;
	c->ranges[c->range_count++] = (struct range){ start, action, condition };
}

/* Appends the ranges of one architecture. */
static int
add_ranges(struct compiler *c, enum sys_arch arch)
{
	uint32_t base = arch == SYS_X32 ? SYS_X32_BIT : 0;
	uint32_t rest = c->profile->default_action, beyond = base;

	if (add_rules(c, arch) < 0)
		return -1;
	for (unsigned i = 0; i < SLOTS; i++) {
		const struct slot *slot = &c->slots[i];
		uint32_t number = i < LOW_SLOTS ? base + i : ARM_FIRST + i - LOW_SLOTS;
		if (i == LOW_SLOTS && c->profile->new_calls_enosys)
			add_range(c, beyond, SECCOMP_RET_ERRNO | ENOSYS, 0);
		if (i >= LOW_SLOTS && arch != SYS_ARM)
			break;
		if (slot->decided)
			add_range(c, number, slot->action, 0);
		else
			add_range(c, number, rest, slot->first);
		if (slot->decided || slot->first)
			beyond = number + 1;
	}
	if (arch == SYS_ARM)
		add_range(c, ARM_FIRST + SLOTS - LOW_SLOTS, rest, 0);
	return 0;
}

/* All numbers that come with the token of ARCH. x86_64 and x32 share one: x32's numbers have a bit
 * set, and without that architecture in the profile they are as foreign as another token. A tracer
 * skips a call by the number −1, which is nobody's. */
static int
collect_ranges(struct compiler *c, enum sys_arch arch)
{
	unsigned arches = c->profile->arches;

	c->range_count = 0;
	c->condition_count = 0;
	if (arch != SYS_X86_64)
		return add_ranges(c, arch);
	if (!(arches & SYS_ARCH_BIT(SYS_X86_64)))
		add_range(c, 0, c->profile->bad_arch_action, 0);
	else if (add_ranges(c, SYS_X86_64) < 0)
		return -1;
	if (arches & SYS_ARCH_BIT(SYS_X32)) {
		add_range(c, SYS_X32_BIT, c->profile->default_action, 0);
		return add_ranges(c, SYS_X32);
	}
	add_range(c, SYS_X32_BIT, c->profile->bad_arch_action, 0);
	add_range(c, UINT32_MAX, c->profile->default_action, 0);
	return 0;
}

/* ---- the program, from its end ---- */

/* A place is the number of instructions from it to the end of the program; 0 is no place. */
static unsigned
emit(struct compiler *c, uint16_t code, uint32_t k, unsigned jt, unsigned jf)
{
	if (c->count == BPF_MAXINSNS) {
		c->full = true;
		return c->count;
	}
	c->insns[BPF_MAXINSNS - ++c->count] =
		(struct sock_filter){ code, (uint8_t)jt, (uint8_t)jf, k };
	return c->count;
}

/* A place that gives ACTION, near enough to be jumped to from here. */
static unsigned
answer(struct compiler *c, uint32_t action)
{
	unsigned i = 0;

	while (i < c->answer_count && c->answers[i].action != action)
		i++;
	if (i == sizeof c->answers / sizeof c->answers[0])
		return emit(c, BPF_RET | BPF_K, action, 0, 0);
	if (i == c->answer_count)
		c->answers[c->answer_count++].action = action;
	else if (c->count - c->answers[i].at < 200)
		return c->answers[i].at;
	return c->answers[i].at = emit(c, BPF_RET | BPF_K, action, 0, 0);
}

/* A conditional jump has eight bits for its distance: a target that is further away is reached over
 * a jump of its own, which has 32. */
static unsigned
within_reach(struct compiler *c, unsigned target)
{
	if (c->count - target <= 250)
		return target;
	return emit(c, BPF_JMP | BPF_JA, c->count - target, 0, 0);
}

static unsigned
jump(struct compiler *c, uint16_t comparison, uint32_t k, unsigned yes, unsigned no)
{
	yes = within_reach(c, yes);
	no = within_reach(c, no);
	return emit(c, BPF_JMP | comparison | BPF_K, k, c->count - yes, c->count - no);
}

static unsigned
load(struct compiler *c, size_t offset)
{
	return emit(c, BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset, 0, 0);
}

/* One half of an argument, masked if need be, compared. */
static unsigned
compare(struct compiler *c, size_t offset, uint32_t mask, uint16_t comparison, uint32_t k,
	unsigned yes, unsigned no)
{
	jump(c, comparison, k, yes, no);
	if (mask != UINT32_MAX)
		emit(c, BPF_ALU | BPF_AND | BPF_K, mask, 0, 0);
	return load(c, offset);
}

/* ANCHOR: argument */
/* An argument has 64 bits, BPF's accumulator 32. So: the upper half decides; where it is equal, the
 * lower half does. (A 32-bit architecture has the lower half only.) */
static unsigned
compare_argument(struct compiler *c, const struct profile_arg *arg, bool wide, unsigned yes,
		 unsigned no)
{
	size_t low = offsetof(struct seccomp_data, args) + arg->index * sizeof(uint64_t);
	size_t high = low + sizeof(uint32_t); /* all of our architectures are little-endian */
	bool masked = arg->op == OP_MASKED_EQ;
	bool negated = arg->op == OP_NE || arg->op == OP_LT || arg->op == OP_LE;
	bool equality = masked || arg->op == OP_EQ || arg->op == OP_NE;
	bool or_equal = arg->op == OP_GE || arg->op == OP_LT;
	uint64_t mask = masked ? arg->value : UINT64_MAX;
	uint64_t value = masked ? arg->second & arg->value : arg->value;
	uint32_t upper = (uint32_t)(value >> 32), lower = (uint32_t)value;
	/* a < b is not (a >= b), a <= b is not (a > b) */
	unsigned true_to = negated ? no : yes, false_to = negated ? yes : no;
	unsigned at = true_to;

	if (equality) {
		if ((uint32_t)mask)
			at = compare(c, low, (uint32_t)mask, BPF_JEQ, lower, at, false_to);
		if (wide && mask >> 32)
			at = compare(c, high, (uint32_t)(mask >> 32), BPF_JEQ, upper, at, false_to);
		return at;
	}
	at = compare(c, low, UINT32_MAX, or_equal ? BPF_JGE : BPF_JGT, lower, true_to, false_to);
	if (!wide)
		return at;
	at = jump(c, BPF_JEQ, upper, at, false_to);
	return compare(c, high, UINT32_MAX, BPF_JGT, upper, true_to, at);
}
/* ANCHOR_END: argument */

/* All arguments of a rule: each must pass, or the place NEXT is gone to. */
static unsigned
compare_arguments(struct compiler *c, const struct condition *condition, unsigned next)
{
	const struct profile_rule *rule = condition->rule;
	struct profile_arg door = { .index = 0, .op = OP_EQ, .value = condition->door };
	unsigned at = answer(c, rule->action);

	for (unsigned i = rule->arg_count; i-- > 0;)
		if (!(condition->door && rule->args[i].index == 0))
			at = compare_argument(c, &rule->args[i], condition->wide, at, next);
	if (condition->door)
		at = compare_argument(c, &door, false, at, next);
	return at;
}

/* The conditional rules of one number from FIRST on, tried in their order. */
static unsigned
try_conditions(struct compiler *c, uint16_t first, uint32_t otherwise)
{
	uint16_t order[CONDITIONS];
	unsigned n = 0, at = answer(c, otherwise);

	for (uint16_t i = first; i; i = c->conditions[i].next)
		order[n++] = i;
	while (n-- > 0)
		at = compare_arguments(c, &c->conditions[order[n]], at);
	return at;
}

/* ANCHOR: tree */
/* The ranges FIRST … LAST as a binary search: is the number below the middle one's start? */
static unsigned
search(struct compiler *c, unsigned first, unsigned last)
{
	const struct range *range = &c->ranges[first];

	if (first == last)
		return try_conditions(c, range->condition, range->action);
	unsigned middle = first + (last - first + 1) / 2;
	unsigned above = search(c, middle, last);
	unsigned below = search(c, first, middle - 1);
	return jump(c, BPF_JGE, c->ranges[middle].start, above, below);
}
/* ANCHOR_END: tree */

/* The part of the program for one token; gives its place. */
static int
compile_token(struct compiler *c, enum sys_arch arch, unsigned *at)
{
	if (collect_ranges(c, arch) < 0)
		return -1;
	*at = search(c, 0, c->range_count - 1);
	if (*at != c->count) /* an answer that stands further down: go there after the load */
		emit(c, BPF_JMP | BPF_JA, c->count - *at, 0, 0);
	*at = load(c, offsetof(struct seccomp_data, nr));
	return 0;
}

/* ANCHOR: program */
static int
compile(struct compiler *c)
{
	/* one part a token; the native one is written last, so it is asked first */
	const enum sys_arch order[] = { SYS_ARM, SYS_X86, SYS_AARCH64, SYS_X86_64 };
	unsigned part[4] = { 0 };
	unsigned arches = c->profile->arches;

	if (arches & SYS_ARCH_BIT(SYS_X32))
		arches |= SYS_ARCH_BIT(SYS_X86_64);
	for (unsigned i = 0; i < 4; i++)
		if ((arches & SYS_ARCH_BIT(order[i])) && compile_token(c, order[i], &part[i]) < 0)
			return -1;
	unsigned at = emit(c, BPF_RET | BPF_K, c->profile->bad_arch_action, 0, 0);
	for (unsigned i = 0; i < 4; i++)
		if (part[i])
			at = jump(c, BPF_JEQ, sys_arches[order[i]].token, part[i], at);
	load(c, offsetof(struct seccomp_data, arch));
	if (c->full)
		return fail(E2BIG, "seccomp profile: more than the kernel's %d instructions",
			    BPF_MAXINSNS);
	return 0;
}
/* ANCHOR_END: program */

size_t
filter_size(unsigned count)
{
	return offsetof(struct filter, insns) + count * sizeof(struct sock_filter);
}

struct filter *
filter_compile(const struct profile *profile)
{
	/* not of malloc(3), which would make the heap grow for it and shrink again */
	static struct compiler c;
	struct filter *filter;

	c.profile = profile;
	c.count = c.answer_count = 0;
	c.full = false;
	if (compile(&c) < 0)
		return NULL;
	filter = malloc(filter_size(c.count));
	if (!filter) {
		fail(ENOMEM, "seccomp filter");
		return NULL;
	}
	filter->flags = profile->flags;
	filter->count = (unsigned short)c.count;
	memcpy(filter->insns, c.insns + BPF_MAXINSNS - c.count, c.count * sizeof c.insns[0]);
	return filter;
}

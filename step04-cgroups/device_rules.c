/*
 * device_rules.c: a list of rules compiled to a BPF program, loaded, and attached to a cgroup.
 * Follows bpf(2), linux/bpf.h (struct bpf_cgroup_dev_ctx). Explained in book/04-cgroups.md.
 */
#include <errno.h>
#include <linux/bpf.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "step01-unshare/call.h"
#include "step01-unshare/namespaces.h"
#include "step04-cgroups/device_rules.h"

enum { ALL = DEVICE_MKNOD | DEVICE_READ | DEVICE_WRITE };

const struct device_rule device_rules_default[] = {
	{ true, 'c', -1, -1, DEVICE_MKNOD },
	{ true, 'b', -1, -1, DEVICE_MKNOD },
	{ true, 'c', 1, 3, ALL },    /* null */
	{ true, 'c', 1, 5, ALL },    /* zero */
	{ true, 'c', 1, 7, ALL },    /* full */
	{ true, 'c', 1, 8, ALL },    /* random */
	{ true, 'c', 1, 9, ALL },    /* urandom */
	{ true, 'c', 5, 0, ALL },    /* tty */
	{ true, 'c', 5, 2, ALL },    /* ptmx */
	{ true, 'c', 136, -1, ALL }, /* pts */
};
const size_t device_rules_default_count =
	sizeof device_rules_default / sizeof device_rules_default[0];

int
device_access_parse(const char *text)
{
	int access = 0;

	for (; *text; text++)
		if (*text == 'm')
			access |= DEVICE_MKNOD;
		else if (*text == 'r')
			access |= DEVICE_READ;
		else if (*text == 'w')
			access |= DEVICE_WRITE;
		else {
			access = 0;
			break;
		}
	errno = EINVAL;
	return access ? access : -1;
}

/* ---- the compiler ---- */

/* Registers of the program: R1 is the kernel's question. */
enum { RESULT = BPF_REG_0, QUESTION, WANTED, FIELD, BOTH };

static struct bpf_insn
insn(int code, int to, int from, int offset, int value)
{
	return (struct bpf_insn){ .code = (__u8)code,
				  .dst_reg = (__u8)(to & 15),
				  .src_reg = (__u8)(from & 15),
				  .off = (__s16)offset,
				  .imm = value };
}

#define LOAD(to, field) \
	insn(BPF_LDX | BPF_MEM | BPF_W, to, QUESTION, offsetof(struct bpf_cgroup_dev_ctx, field), 0)

static size_t
emit_answer(struct bpf_insn *p, int answer)
{
	p[0] = insn(BPF_ALU64 | BPF_MOV | BPF_K, RESULT, 0, 0, answer);
	p[1] = insn(BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
	return 2;
}

/* ANCHOR: rule */
/* One rule, which jumps to its end when it does not decide. A denied kind of access among those
 * wanted: no. An allowed kind is no longer wanted; when none is left: yes. The fields are loaded
 * anew for each rule: all paths that reach the next one know equally little then, and the kernel's
 * verifier, which follows every path, goes on with one of them. */
static size_t
emit_rule(struct bpf_insn *p, const struct device_rule *rule)
{
	int type = rule->type == 'c' ? BPF_DEVCG_DEV_CHAR : BPF_DEVCG_DEV_BLOCK;
	size_t n = 0;

	if (rule->type != 'a') { /* the lower half of the word; the upper is the access */
		p[n++] = LOAD(FIELD, access_type);
		p[n++] = insn(BPF_ALU64 | BPF_AND | BPF_K, FIELD, 0, 0, 0xffff);
		p[n++] = insn(BPF_JMP | BPF_JNE | BPF_K, FIELD, 0, 0, type);
	}
	if (rule->major >= 0) {
		p[n++] = LOAD(FIELD, major);
		p[n++] = insn(BPF_JMP | BPF_JNE | BPF_K, FIELD, 0, 0, (int)rule->major);
	}
	if (rule->minor >= 0) {
		p[n++] = LOAD(FIELD, minor);
		p[n++] = insn(BPF_JMP | BPF_JNE | BPF_K, FIELD, 0, 0, (int)rule->minor);
	}
	/* what allows all need not ask; but the kernel refuses what lies behind no condition */
	if (rule->allow && (rule->access != ALL || n == 0)) {
		p[n++] = insn(BPF_ALU64 | BPF_AND | BPF_K, WANTED, 0, 0, ALL & ~(int)rule->access);
		p[n++] = insn(BPF_JMP | BPF_JNE | BPF_K, WANTED, 0, 0, 0);
	} else if (!rule->allow) {
		p[n++] = insn(BPF_ALU64 | BPF_MOV | BPF_X, BOTH, WANTED, 0, 0);
		p[n++] = insn(BPF_ALU64 | BPF_AND | BPF_K, BOTH, 0, 0, (int)rule->access);
		p[n++] = insn(BPF_JMP | BPF_JEQ | BPF_K, BOTH, 0, 0, 0);
	}
	n += emit_answer(p + n, rule->allow);
	for (size_t i = 0; i < n; i++) /* the jumps: over what follows them, to the end */
		if (BPF_CLASS(p[i].code) == BPF_JMP && BPF_OP(p[i].code) != BPF_EXIT)
			p[i].off = (__s16)(n - i - 1);
	return n;
}
/* ANCHOR_END: rule */

int
device_rules_compile(const struct device_rule *rules, size_t count, struct bpf_insn *program)
{
	enum { LONGEST = 12, ENDS = 2 };
	size_t n = 0;

	program[n++] = LOAD(WANTED, access_type);
	program[n++] = insn(BPF_ALU64 | BPF_RSH | BPF_K, WANTED, 0, 0, 16);
	/* from the last to the first: the last that fits decides */
	for (size_t i = count; i-- > 0;) {
		if (n + LONGEST + ENDS > DEVICE_PROGRAM_MAX) {
			errno = E2BIG;
			return -1;
		}
		if (rules[i].access)
			n += emit_rule(program + n, &rules[i]);
	}
	n += emit_answer(program + n, 0);
	return (int)n;
}

/* ---- the kernel ---- */

static int
bpf(int command, union bpf_attr *attr)
{
	return (int)syscall(SYS_bpf, command, attr, sizeof *attr);
}

static int
load(const struct bpf_insn *program, size_t count)
{
	union bpf_attr attr;
	int fd;

	memset(&attr, 0, sizeof attr);
	attr.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
	attr.insns = (uintptr_t)program;
	attr.insn_cnt = (__u32)count;
	attr.license = (uintptr_t) "";
	fd = call_try(bpf(BPF_PROG_LOAD, &attr),
		      "bpf(BPF_PROG_LOAD, {prog_type=BPF_PROG_TYPE_CGROUP_DEVICE, insn_cnt=%zu})",
		      count);
	return fd; /* close-on-exec: every descriptor that bpf(2) makes is */
}

static int
attach(int cgroup, int program, int command)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof attr);
	attr.target_fd = (__u32)cgroup;
	attr.attach_bpf_fd = (__u32)program;
	attr.attach_type = BPF_CGROUP_DEVICE;
	attr.attach_flags = command == BPF_PROG_ATTACH ? BPF_F_ALLOW_MULTI : 0;
	return call(bpf(command, &attr),
		    "bpf(%s, {target_fd=%d, attach_bpf_fd=%d, attach_type=BPF_CGROUP_DEVICE%s})",
		    command == BPF_PROG_ATTACH ? "BPF_PROG_ATTACH" : "BPF_PROG_DETACH", cgroup,
		    program, command == BPF_PROG_ATTACH ? ", attach_flags=BPF_F_ALLOW_MULTI" : "");
}

/* The programs that are attached now, by id; gives how many (at most MAX). */
static size_t
attached(int cgroup, __u32 *ids, size_t max)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof attr);
	attr.query.target_fd = (__u32)cgroup;
	attr.query.attach_type = BPF_CGROUP_DEVICE;
	attr.query.prog_ids = (uintptr_t)ids;
	attr.query.prog_cnt = (__u32)max;
	return bpf(BPF_PROG_QUERY, &attr) < 0 ? 0 : attr.query.prog_cnt;
}

static int
detach(int cgroup, __u32 id)
{
	union bpf_attr attr;
	int fd, result;

	memset(&attr, 0, sizeof attr);
	attr.prog_id = id;
	if ((fd = bpf(BPF_PROG_GET_FD_BY_ID, &attr)) < 0)
		return errno == ENOENT ? 0 : fail(errno, "bpf(BPF_PROG_GET_FD_BY_ID, %u)", id);
	result = attach(cgroup, fd, BPF_PROG_DETACH);
	close(fd);
	return result;
}

bool
device_rules_possible(const struct cgroup *cgroup)
{
	return cgroup->fd >= 0 && ns_root_of_host();
}

int
device_rules_apply(const struct device_rule *rules, size_t count, const struct cgroup *cgroup)
{
	static struct bpf_insn program[DEVICE_PROGRAM_MAX]; /* of which few are touched */
	__u32 before[64];
	size_t old;
	int length, fd = -1, result = -1;

	if (count == 0 || cgroup->fd < 0)
		return 0;
	if ((length = device_rules_compile(rules, count, program)) < 0)
		fail(errno, "%zu device rules make too long a program", count);
	else if ((fd = load(program, (size_t)length)) < 0) {
		if (errno == EPERM && !device_rules_possible(cgroup))
			result = 0;
		else
			fail(errno, "bpf(BPF_PROG_LOAD, BPF_PROG_TYPE_CGROUP_DEVICE)");
	}
	if (fd < 0)
		return result;
	old = attached(cgroup->fd, before, 64);
	result = attach(cgroup->fd, fd, BPF_PROG_ATTACH) < 0 ? -1 : 1;
	/* new rules first, then the old ones away: at no instant is there none */
	for (size_t i = 0; result == 1 && i < old; i++)
		result = detach(cgroup->fd, before[i]) < 0 ? -1 : 1;
	close(fd);
	return result;
}

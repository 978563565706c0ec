/*
 * attrs.c: limits and priorities of one process, set on oneself before exec.
 * Follows setrlimit(2), proc(5), sched_setattr(2), ioprio_set(2), set_mempolicy(2), personality(2),
 * the OCI runtime specification's `process`. Explained in book/04-cgroups.md.
 */
#include <errno.h>
#include <inttypes.h>
#include <linux/ioprio.h>
#include <linux/mempolicy.h>
#include <linux/sched.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/personality.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "step01-unshare/call.h"
#include "step01-unshare/procfs.h"
#include "step04-cgroups/attrs.h"

#define LENGTH(array) (sizeof(array) / sizeof(array)[0])

struct named {
	const char *name;
	int value;
};
#define N(number)		 .name = #number, .value = number
#define MPOL_WEIGHTED_INTERLEAVE 6 /* since 6.9 */

static const struct named resources[] = { { N(RLIMIT_AS) },	    { N(RLIMIT_CORE) },
					  { N(RLIMIT_CPU) },	    { N(RLIMIT_DATA) },
					  { N(RLIMIT_FSIZE) },	    { N(RLIMIT_LOCKS) },
					  { N(RLIMIT_MEMLOCK) },    { N(RLIMIT_MSGQUEUE) },
					  { N(RLIMIT_NICE) },	    { N(RLIMIT_NOFILE) },
					  { N(RLIMIT_NPROC) },	    { N(RLIMIT_RSS) },
					  { N(RLIMIT_RTPRIO) },	    { N(RLIMIT_RTTIME) },
					  { N(RLIMIT_SIGPENDING) }, { N(RLIMIT_STACK) } };
static const struct named policies[] = { { N(SCHED_OTHER) },   { N(SCHED_FIFO) }, { N(SCHED_RR) },
					 { N(SCHED_BATCH) },   { N(SCHED_ISO) },  { N(SCHED_IDLE) },
					 { N(SCHED_DEADLINE) } };
static const struct named scheduler_flags[] = {
	{ N(SCHED_FLAG_RESET_ON_FORK) }, { N(SCHED_FLAG_RECLAIM) },
	{ N(SCHED_FLAG_DL_OVERRUN) },	 { N(SCHED_FLAG_KEEP_POLICY) },
	{ N(SCHED_FLAG_KEEP_PARAMS) },	 { N(SCHED_FLAG_UTIL_CLAMP_MIN) },
	{ N(SCHED_FLAG_UTIL_CLAMP_MAX) }
};
static const struct named io_classes[] = { { N(IOPRIO_CLASS_RT) },
					   { N(IOPRIO_CLASS_BE) },
					   { N(IOPRIO_CLASS_IDLE) } };
static const struct named memory_modes[] = { { N(MPOL_DEFAULT) },
					     { N(MPOL_PREFERRED) },
					     { N(MPOL_BIND) },
					     { N(MPOL_INTERLEAVE) },
					     { N(MPOL_LOCAL) },
					     { N(MPOL_PREFERRED_MANY) },
					     { N(MPOL_WEIGHTED_INTERLEAVE) } };
static const struct named memory_flags[] = { { N(MPOL_F_NUMA_BALANCING) },
					     { N(MPOL_F_RELATIVE_NODES) },
					     { N(MPOL_F_STATIC_NODES) } };
static const struct named personalities[] = { { "LINUX", PER_LINUX }, { "LINUX32", PER_LINUX32 } };

/* sched_setattr(2)'s first version; <sched.h> and <linux/sched/types.h> cannot be included
 * together. */
struct scheduler_attr {
	uint32_t size, sched_policy;
	uint64_t sched_flags;
	int32_t sched_nice;
	uint32_t sched_priority;
	uint64_t sched_runtime, sched_deadline, sched_period;
};

#define FIND(table, name) find(table, LENGTH(table), name)
static int
find(const struct named *table, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(table[i].name, name) == 0)
			return table[i].value;
	return -1;
}

/* The bits that a vector of names (or NULL) stands for; −1 at one that the table does not have. */
#define FLAGS(table, names) flags_of(table, LENGTH(table), names)
static int
flags_of(const struct named *table, size_t count, char *const *names)
{
	int flags = 0, flag;

	for (; names && *names; names++) {
		if ((flag = find(table, count, *names)) < 0)
			return fail(EINVAL, "%s: no such flag", *names);
		flags |= flag;
	}
	return flags;
}

/* ---- limits ---- */

/* "RLIMIT_NOFILE" or "nofile". */
static int
resource_number(const char *name)
{
	for (size_t i = 0; i < LENGTH(resources); i++)
		if (strcmp(resources[i].name, name) == 0 ||
		    strcasecmp(resources[i].name + strlen("RLIMIT_"), name) == 0)
			return resources[i].value;
	return -1;
}

const char *
attr_resource_name(int resource)
{
	for (size_t i = 0; i < LENGTH(resources); i++)
		if (resources[i].value == resource)
			return resources[i].name;
	return "?";
}

int
attr_limit_add(struct attr_options *options, const char *name, uint64_t soft, uint64_t hard)
{
	int resource = resource_number(name);

	if (resource < 0)
		return fail(EINVAL, "limit %s: no such resource", name);
	if (soft > hard)
		return fail(EINVAL, "limit %s: soft %" PRIu64 " is above hard %" PRIu64, name, soft,
			    hard);
	for (size_t i = 0; i < options->limit_count; i++)
		if (options->limits[i].resource == resource)
			return fail(EINVAL, "limit %s: given twice", name);
	if (options->limit_count == ATTR_LIMITS)
		return fail(E2BIG, "limit %s: too many", name);
	options->limits[options->limit_count++] = (struct attr_limit){ resource, soft, hard };
	return 0;
}

/* As strace(1) prints a limit. */
static const char *
limit_text(uint64_t limit, char *text, size_t size)
{
	if (limit == UINT64_MAX)
		snprintf(text, size, "RLIM64_INFINITY");
	else if (limit > 1024 && limit % 1024 == 0)
		snprintf(text, size, "%" PRIu64 "*1024", limit / 1024);
	else
		snprintf(text, size, "%" PRIu64, limit);
	return text;
}

static int
set_limits(const struct attr_options *options)
{
	char soft[32], hard[32];

	for (size_t i = 0; i < options->limit_count; i++) {
		const struct attr_limit *limit = &options->limits[i];
		struct rlimit64 value = { limit->soft, limit->hard };
		if (call(prlimit64(0, (enum __rlimit_resource)limit->resource, &value, NULL),
			 "prlimit64(0, %s, {rlim_cur=%s, rlim_max=%s}, NULL)",
			 attr_resource_name(limit->resource),
			 limit_text(limit->soft, soft, sizeof soft),
			 limit_text(limit->hard, hard, sizeof hard)) < 0)
			return call_hint("a hard limit is raised only with CAP_SYS_RESOURCE");
	}
	return 0;
}

void
attrs_make_room(const struct attr_options *options, pid_t pid)
{
	char hard[32];

	for (size_t i = 0; i < options->limit_count; i++) {
		const struct attr_limit *limit = &options->limits[i];
		enum __rlimit_resource resource = (enum __rlimit_resource)limit->resource;
		struct rlimit64 value;

		if (prlimit64(pid, resource, NULL, &value) < 0 || limit->hard <= value.rlim_max)
			continue;
		value.rlim_max = limit->hard;
		call_try(prlimit64(pid, resource, &value, NULL),
			 "prlimit64(%d, %s, {rlim_max=%s}, NULL)", pid,
			 attr_resource_name(limit->resource),
			 limit_text(limit->hard, hard, sizeof hard));
	}
}

/* ---- scheduling ---- */

static int
set_scheduler(const struct attr_scheduler *wanted)
{
	struct scheduler_attr attr = { .size = sizeof attr,
				       .sched_flags =
					       (uint64_t)FLAGS(scheduler_flags, wanted->flags),
				       .sched_nice = wanted->nice,
				       .sched_priority = (uint32_t)wanted->priority,
				       .sched_runtime = wanted->runtime,
				       .sched_deadline = wanted->deadline,
				       .sched_period = wanted->period };

	if (!wanted->policy)
		return 0;
	attr.sched_policy = (uint32_t)FIND(policies, wanted->policy);
	return call((int)syscall(SYS_sched_setattr, 0, &attr, 0),
		    "sched_setattr(0, {size=%u, sched_policy=%s, sched_flags=%#" PRIx64
		    ", sched_nice=%d, sched_priority=%u, sched_runtime=%" PRIu64
		    ", sched_deadline=%" PRIu64 ", sched_period=%" PRIu64 "}, 0)",
		    attr.size, wanted->policy, attr.sched_flags, wanted->nice, attr.sched_priority,
		    wanted->runtime, wanted->deadline, wanted->period);
}

static int
set_io_priority(const struct attr_io_priority *wanted)
{
	if (!wanted->class)
		return 0;
	/* not IOPRIO_PRIO_VALUE: a macro of unsigned numbers once, a function of ints since 6.5 */
	int value = FIND(io_classes, wanted->class) << IOPRIO_CLASS_SHIFT | wanted->level;
	return call((int)syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, value),
		    "ioprio_set(IOPRIO_WHO_PROCESS, 0, IOPRIO_PRIO_VALUE(%s, %d))", wanted->class,
		    wanted->level);
}

#define SET_LIMIT 8192 /* the kernel's own, of CPUs and of nodes */
#define SET_LONGS (SET_LIMIT / (8 * sizeof(unsigned long)))

/* A list such as "0-3,7" as bits. Gives how many words they take; 0 for NULL, −1: malformed.
 */
static int
read_set(const char *text, unsigned long bits[SET_LONGS])
{
	const unsigned long width = 8 * sizeof *bits;
	int used = 0;

	memset(bits, 0, SET_LONGS * sizeof *bits);
	for (char *end; text; text = *end ? end + 1 : NULL) {
		unsigned long first = strtoul(text, &end, 10), last = first;
		if (*text < '0' || *text > '9')
			return -1;
		if (*end == '-' && end[1] >= '0' && end[1] <= '9')
			last = strtoul(end + 1, &end, 10);
		if (first > last || last >= SET_LIMIT || (*end && *end != ',') || (*end && !end[1]))
			return -1;
		for (unsigned long i = first; i <= last; i++)
			bits[i / width] |= 1ul << i % width;
		used = used > (int)(last / width) ? used : (int)(last / width) + 1;
	}
	return used;
}

/* The bits as strace(1) prints a set of CPUs: "0 1 2 3". */
static const char *
set_text(const unsigned long *bits, char *text, size_t size)
{
	const unsigned width = 8 * sizeof *bits;
	size_t length = 0;

	text[0] = 0;
	for (unsigned i = 0; i < SET_LIMIT && length < size; i++)
		if (bits[i / width] >> i % width & 1)
			length += (size_t)snprintf(text + length, size - length, "%s%u",
						   length ? " " : "", i);
	return text;
}

int
attr_affinity_check(const char *list)
{
	unsigned long bits[SET_LONGS];

	if (read_set(list, bits) < 0)
		return fail(EINVAL, "cpu affinity \"%s\": not a list such as 0-3,7", list);
	return 0;
}

int
attr_affinity(const char *list)
{
	unsigned long bits[SET_LONGS];
	int used = read_set(list, bits);
	size_t size = (size_t)used * sizeof *bits;
	char text[256];

	if (used <= 0)
		return used < 0 ? attr_affinity_check(list) : 0;
	return call((int)syscall(SYS_sched_setaffinity, 0, size, bits),
		    "sched_setaffinity(0, %zu, [%s])", size, set_text(bits, text, sizeof text));
}

const char *
attr_memory_mode_name(size_t n)
{
	return n < LENGTH(memory_modes) ? memory_modes[n].name : NULL;
}

const char *
attr_memory_flag_name(size_t n)
{
	return n < LENGTH(memory_flags) ? memory_flags[n].name : NULL;
}

/* As strace(1) prints mode and nodes: MPOL_BIND|MPOL_F_STATIC_NODES, [0x0000000000000001]. */
static const char *
policy_text(const char *mode, unsigned flags, const unsigned long *bits, int used, char *text,
	    size_t size)
{
	size_t length = (size_t)snprintf(text, size, "%s", mode);

	for (size_t i = 0; i < LENGTH(memory_flags); i++)
		if (flags & (unsigned)memory_flags[i].value)
			length += (size_t)snprintf(text + length, size - length, "|%s",
						   memory_flags[i].name);
	length += (size_t)snprintf(text + length, size - length, used ? ", [" : ", NULL");
	for (int i = 0; i < used && length < size; i++)
		length += (size_t)snprintf(text + length, size - length, "%s%#018lx", i ? ", " : "",
					   bits[i]);
	if (used && length < size)
		snprintf(text + length, size - length, "]");
	return text;
}

static const char *
nodes_of(const struct attr_memory_policy *policy)
{
	return policy->nodes && *policy->nodes ? policy->nodes : NULL;
}

static int
set_memory_policy(const struct attr_memory_policy *wanted)
{
	unsigned flags = (unsigned)FLAGS(memory_flags, wanted->flags), mode;
	unsigned long bits[SET_LONGS];
	int used = read_set(nodes_of(wanted), bits); /* attrs_check has seen it */
	/* the kernel reads one bit less */
	size_t most = used ? 8 * (size_t)used * sizeof *bits + 1 : 0;
	char text[512];

	if (!wanted->mode)
		return 0;
	mode = (unsigned)FIND(memory_modes, wanted->mode) | flags;
	return call((int)syscall(SYS_set_mempolicy, mode, used ? bits : NULL, most),
		    "set_mempolicy(%s, %zu)",
		    policy_text(wanted->mode, flags, bits, used, text, sizeof text), most);
}

static int
set_personality(const char *name)
{
	if (!name)
		return 0;
	return call(personality((unsigned long)FIND(personalities, name)) < 0 ? -1 : 0,
		    "personality(PER_%s)", name);
}

/* ---- all of it ---- */

static int
check_scheduler(const struct attr_scheduler *s)
{
	if (!s->policy) {
		if (s->nice || s->priority || (s->flags && s->flags[0]) || s->runtime ||
		    s->deadline || s->period)
			return fail(EINVAL, "scheduler: there is no policy");
		return 0;
	}
	int policy = FIND(policies, s->policy);
	bool real_time = policy == SCHED_FIFO || policy == SCHED_RR;
	if (policy < 0)
		return fail(EINVAL, "scheduler: %s: no such policy", s->policy);
	if (FLAGS(scheduler_flags, s->flags) < 0)
		return -1;
	if (s->nice < -20 || s->nice > 19)
		return fail(EINVAL, "scheduler: nice %d is not in -20…19", s->nice);
	if (s->priority < 0 || s->priority > 99 || (s->priority && !real_time))
		return fail(EINVAL, "scheduler: %s with priority %d", s->policy, s->priority);
	return 0;
}

static int
check_memory_policy(const struct attr_memory_policy *policy)
{
	unsigned long bits[SET_LONGS];
	int flags = FLAGS(memory_flags, policy->flags);

	if (flags < 0)
		return -1;
	if (!policy->mode)
		return policy->nodes || flags ? fail(EINVAL, "memory policy: no mode") : 0;
	if (FIND(memory_modes, policy->mode) < 0)
		return fail(EINVAL, "memory policy: %s: no such mode", policy->mode);
	if (read_set(nodes_of(policy), bits) < 0)
		return fail(EINVAL, "memory policy: nodes \"%s\"", policy->nodes);
	return 0;
}

int
attrs_check(const struct attr_options *options)
{
	const struct attr_io_priority *io = &options->io_priority;

	if (options->has_oom_score_adj &&
	    (options->oom_score_adj < -1000 || options->oom_score_adj > 1000))
		return fail(EINVAL, "oom_score_adj %d is not in -1000…1000",
			    options->oom_score_adj);
	if (options->has_umask && options->umask > 0777)
		return fail(EINVAL, "umask %o is above 777", options->umask);
	if (attr_affinity_check(options->cpu_affinity) < 0)
		return -1;
	if (!io->class && io->level)
		return fail(EINVAL, "io priority: level %d, and no class", io->level);
	if (io->class && (FIND(io_classes, io->class) < 0 || io->level < 0 || io->level > 7))
		return fail(EINVAL, "io priority: class %s, level %d", io->class, io->level);
	if (options->personality && FIND(personalities, options->personality) < 0)
		return fail(EINVAL, "personality %s: neither LINUX nor LINUX32",
			    options->personality);
	return check_scheduler(&options->scheduler) < 0 ||
			       check_memory_policy(&options->memory_policy) < 0
		       ? -1
		       : 0;
}

int
attrs_oom_score_adj(const struct attr_options *options, int proc, pid_t pid)
{
	char text[16], name[48] = "self/oom_score_adj";
	int own = -1, done;

	if (!options->has_oom_score_adj)
		return 0;
	if (proc < 0 && (proc = own = procfs_open()) < 0)
		return -1;
	if (pid)
		snprintf(name, sizeof name, "%d/oom_score_adj", pid);
	snprintf(text, sizeof text, "%d", options->oom_score_adj);
	done = procfs_write(proc, name, text);
	close_fd(own);
	return done < 0 ? call_hint("below its present value only with CAP_SYS_RESOURCE") : 0;
}

int
attrs_apply(const struct attr_options *options, int proc)
{
	if (attrs_check(options) < 0 || attrs_oom_score_adj(options, proc, 0) < 0 ||
	    set_limits(options) < 0 || set_scheduler(&options->scheduler) < 0 ||
	    set_io_priority(&options->io_priority) < 0 ||
	    set_memory_policy(&options->memory_policy) < 0 ||
	    attr_affinity(options->cpu_affinity) < 0 || set_personality(options->personality) < 0)
		return -1;
	if (options->has_umask)
		call((int)umask(options->umask), "umask(%03o)", options->umask);
	return 0;
}

/* ---- options ---- */

static int
read_limit(const char *text, uint64_t *limit)
{
	int64_t number;

	if (strcmp(text, "unlimited") == 0 || strcmp(text, "-1") == 0) {
		*limit = UINT64_MAX;
		return 0;
	}
	if (number_parse(text, 0, INT64_MAX, &number) < 0)
		return -1;
	*limit = (uint64_t)number;
	return 0;
}

/* NAME=SOFT[:HARD] */
static int
option_ulimit(const struct option_row *row, const char *value, void *into)
{
	char text[128], *soft = NULL, *hard = NULL;
	uint64_t low, high;

	if ((size_t)snprintf(text, sizeof text, "%s", value) < sizeof text &&
	    (soft = strchr(text, '='))) {
		*soft++ = 0;
		hard = strchr(soft, ':');
		if (hard)
			*hard++ = 0;
	}
	if (!soft || read_limit(soft, &low) < 0 || read_limit(hard ?: soft, &high) < 0)
		return fail(EINVAL, "--%s %s: not NAME=SOFT[:HARD]", row->name, value);
	return attr_limit_add(into, text, low, high);
}

static int
option_oom_score_adj(const struct option_row *row, const char *value, void *into)
{
	struct attr_options *options = into;
	int64_t number;

	if (number_parse(value, -1000, 1000, &number) < 0)
		return fail(errno, "--%s %s: not in -1000…1000", row->name, value);
	options->oom_score_adj = (int)number;
	options->has_oom_score_adj = true;
	return 0;
}

static int
option_umask(const struct option_row *row, const char *value, void *into)
{
	struct attr_options *options = into;
	unsigned number = 0;
	size_t i = 0;

	for (; value[i] >= '0' && value[i] <= '7' && i < 4; i++)
		number = 8 * number + (unsigned)(value[i] - '0');
	if (!i || value[i] || number > 0777)
		return fail(EINVAL, "--%s %s: not an octal number up to 777", row->name, value);
	options->umask = number;
	options->has_umask = true;
	return 0;
}

const struct option_row attr_options[] = {
	{ "ulimit", 0, "NAME=SOFT[:HARD]", "RLIMIT_NAME", "a resource limit of the process",
	  option_ulimit, 0, 0 },
	{ "oom-score-adj", 0, "NUMBER", "oom_score_adj", "who is killed first, -1000 to 1000",
	  option_oom_score_adj, 0, 0 },
	{ "umask", 0, "MODE", "umask", "octal: what new files do not grant", option_umask, 0, 0 },
	{ 0 },
};

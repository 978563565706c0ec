/*
 * limit_flags.c: --memory 64m, --cpus 0.5, --io-max /dev/sda:rbps=1m and the others, read.
 * Follows docker-run(1), Documentation/admin-guide/cgroup-v2.rst. Explained in book/04-cgroups.md.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "step01-unshare/call.h"
#include "step04-cgroups/limit_flags.h"

#define FIELD(type) ((type *)((char *)into + row->offset))

static bool
is_max(const char *text)
{
	return strcmp(text, "max") == 0 || strcmp(text, "-1") == 0;
}

/* A size above 0; "max" or -1 for no limit. 0 would say "not set", so it is refused. */
static int
set_size(const struct option_row *row, const char *value, void *into)
{
	int64_t *bytes = FIELD(int64_t);

	*bytes = LIMIT_MAX;
	if (is_max(value) || (bytes_parse(value, bytes) == 0 && *bytes > 0))
		return 0;
	return fail(EINVAL, "--%s %s: not a size in bytes such as 67108864, 64m or max", row->name,
		    value);
}

/* A number from 1 (2 for v1's shares) to row->bits. */
static int
set_weight(const struct option_row *row, const char *value, void *into)
{
	int64_t min = strcmp(row->name, "cpu-shares") == 0 ? 2 : 1;

	if (number_parse(value, min, row->bits, FIELD(int64_t)) == 0)
		return 0;
	return fail(EINVAL, "--%s %s: not a whole number from %" PRId64 " to %ld", row->name, value,
		    min, row->bits);
}

static int
set_pids(const struct option_row *row, const char *value, void *into)
{
	*FIELD(int64_t) = LIMIT_MAX;
	if (is_max(value) || number_parse(value, 1, INT32_MAX, FIELD(int64_t)) == 0)
		return 0;
	return fail(EINVAL, "--%s %s: not a whole number from 1 to %d, or max", row->name, value,
		    INT32_MAX);
}

int64_t
limit_cpus(const char *text)
{
	size_t whole = strspn(text, "0123456789"), part = 0;
	char digits[16];
	int64_t quota;

	errno = EINVAL;
	if (text[whole] == '.')
		part = strspn(text + whole + 1, "0123456789");
	if (whole == 0 || whole > 5 || text[whole + (text[whole] == '.') + part] ||
	    (text[whole] == '.' && part == 0))
		return -1;
	/* 0.5 is 0 and 50000: five digits behind the point are microseconds of 100 ms */
	snprintf(digits, sizeof digits, "%.*s%.*s%.*s", (int)whole, text,
		 (int)(part < 5 ? part : 5), text + whole + 1, (int)(part < 5 ? 5 - part : 0),
		 "00000");
	quota = strtoll(digits, NULL, 10);
	errno = ERANGE;
	return quota < 1000 || quota > 65535LL * 100000 ? -1
							: quota; /* the kernel's minimum: 1 ms */
}

static int
set_cpus(const struct option_row *row, const char *value, void *into)
{
	struct limits *limits = into;
	int64_t quota = is_max(value) ? LIMIT_MAX : limit_cpus(value);

	if (!is_max(value) && quota < 0)
		return fail(EINVAL, "--%s %s: not a number of CPUs such as 0.5 or 2", row->name,
			    value);
	limits->cpu_quota = quota;
	limits->cpu_period = 100000;
	return 0;
}

static int
set_list(const struct option_row *row, const char *value, void *into)
{
	if (limits_check_list(value) < 0)
		return fail(EINVAL, "--%s %s: not a list such as 0-2,7", row->name, value);
	*FIELD(const char *) = value;
	return 0;
}

/* ---- io.max ---- */

/* "8:0" as two numbers. */
static bool
two_numbers(const char *device, struct io_limit *limit)
{
	char first[16];
	const char *colon = strchr(device, ':');
	int64_t high, low;

	if (!colon || colon - device >= (ptrdiff_t)sizeof first)
		return false;
	snprintf(first, sizeof first, "%.*s", (int)(colon - device), device);
	if (number_parse(first, 0, UINT32_MAX, &high) < 0 ||
	    number_parse(colon + 1, 0, UINT32_MAX, &low) < 0)
		return false;
	limit->major = (unsigned)high;
	limit->minor = (unsigned)low;
	return true;
}

/* The numbers of a device: 8:0, or those of the block device at a path. */
static int
device_numbers(const char *device, struct io_limit *limit)
{
	struct stat node;

	if (two_numbers(device, limit))
		return 0;
	if (stat(device, &node) < 0)
		return fail(errno, "stat(\"%s\")", device);
	if (!S_ISBLK(node.st_mode))
		return fail(ENOTBLK, "\"%s\" for --io-max", device);
	limit->major = major(node.st_rdev);
	limit->minor = minor(node.st_rdev);
	return 0;
}

/* "rbps=1m" into its field. */
static int
set_rate(const char *text, struct io_limit *limit)
{
	const struct {
		const char *name;
		int64_t *rate;
	} rates[] = { { "rbps=", &limit->rbps },
		      { "wbps=", &limit->wbps },
		      { "riops=", &limit->riops },
		      { "wiops=", &limit->wiops } };

	for (size_t i = 0; i < 4; i++) {
		const char *value = text + strlen(rates[i].name);

		if (strncmp(text, rates[i].name, strlen(rates[i].name)) != 0)
			continue;
		*rates[i].rate = LIMIT_MAX;
		if (is_max(value) || (bytes_parse(value, rates[i].rate) == 0 && *rates[i].rate > 0))
			return 0;
	}
	return -1;
}

int
limit_io(const char *text, struct io_limit *limit)
{
	char copy[512], *rates, *rest = NULL;
	bool good;

	memset(limit, 0, sizeof *limit);
	snprintf(copy, sizeof copy, "%s", text);
	/* the colon before the first key ends the device, which may hold one itself (8:0) */
	rates = copy + strcspn(copy, "=");
	while (rates > copy && *rates != ':')
		rates--;
	good = rates > copy && strlen(text) < sizeof copy;
	if (good) /* else there may be nothing behind it: the text is empty, or has no end */
		*rates++ = '\0';
	for (char *rate = good ? strtok_r(rates, ",", &rest) : NULL; good && rate;
	     rate = strtok_r(NULL, ",", &rest))
		good = set_rate(rate, limit) == 0;
	if (!good || (!limit->rbps && !limit->wbps && !limit->riops && !limit->wiops))
		return fail(EINVAL,
			    "--io-max %s: not DEVICE:rbps=BYTES,wbps=BYTES,riops=COUNT,wiops=COUNT",
			    text);
	return device_numbers(copy, limit);
}

static int
set_io_max(const struct option_row *row, const char *value, void *into)
{
	struct limits *limits = into;
	struct io_limit *grown = reallocarray(limits->io, limits->io_count + 1, sizeof *limits->io);

	if (!grown)
		return fail(ENOMEM, "memory for --%s", row->name);
	limits->io = grown;
	if (limit_io(value, &limits->io[limits->io_count]) < 0)
		return -1;
	limits->io_count++;
	return 0;
}

/* ---- any other file ---- */

static int
set_unified(const struct option_row *row, const char *value, void *into)
{
	struct limits *limits = into;
	const char *equals = strchr(value, '=');
	struct unified *grown =
		reallocarray(limits->unified, limits->unified_count + 1, sizeof *limits->unified);
	char *file;

	if (!grown)
		return fail(ENOMEM, "memory for --%s", row->name);
	limits->unified = grown;
	if (!equals || equals == value || !(file = strndup(value, (size_t)(equals - value))))
		return fail(EINVAL, "--%s %s: not FILE=VALUE such as memory.high=32m", row->name,
			    value);
	limits->unified[limits->unified_count++] = (struct unified){ file, equals + 1 };
	return 0;
}

const struct option_row limits_options[] = {
	{ "memory", 'm', "BYTES", "memory.max", "memory that may be used, page cache included",
	  set_size, offsetof(struct limits, memory), 0 },
	{ "memory-swap", 0, "BYTES", "memory.swap.max", "memory and swap together; -1: no limit",
	  set_size, offsetof(struct limits, memory_swap), 0 },
	{ "memory-reservation", 0, "BYTES", "memory.low",
	  "below this, memory is taken from others first", set_size,
	  offsetof(struct limits, memory_reservation), 0 },
	{ "oom-group", 0, NULL, "memory.oom.group",
	  "out of memory kills all of the container, not one process", option_flag,
	  offsetof(struct limits, oom_group), 0 },
	{ "cpus", 0, "CPUS", "cpu.max", "CPU time, as a number of CPUs such as 0.5", set_cpus, 0,
	  0 },
	{ "cpu-weight", 0, "1-10000", "cpu.weight", "share of busy CPUs beside others; usual 100",
	  set_weight, offsetof(struct limits, cpu_weight), 10000 },
	{ "cpu-shares", 0, "2-262144", "cpu.weight", "the same in cgroup v1's unit; usual 1024",
	  set_weight, offsetof(struct limits, cpu_shares), 262144 },
	{ "cpuset-cpus", 0, "LIST", "cpuset.cpus", "the CPUs that may be used, such as 0-2,7",
	  set_list, offsetof(struct limits, cpuset_cpus), 0 },
	{ "cpuset-mems", 0, "LIST", "cpuset.mems", "the memory nodes that may be used", set_list,
	  offsetof(struct limits, cpuset_mems), 0 },
	{ "pids-limit", 0, "COUNT", "pids.max", "processes and threads that may exist at once",
	  set_pids, offsetof(struct limits, pids), 0 },
	{ "io-max", 0, "DEVICE:RATES", "io.max",
	  "rbps=, wbps=, riops=, wiops= a second, by commas; may be repeated", set_io_max, 0, 0 },
	{ "io-weight", 0, "1-10000", "io.weight", "share of busy disks beside others; usual 100",
	  set_weight, offsetof(struct limits, io_weight), 10000 },
	{ "cgroup-conf", 0, "FILE=VALUE", "FILE", "any other file of a controller; may be repeated",
	  set_unified, 0, 0 },
	{ 0 },
};

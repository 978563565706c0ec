/*
 * limits.c: each limit is one write to one file of the cgroup.
 * Follows Documentation/admin-guide/cgroup-v2.rst; config-linux.md of the OCI runtime
 * specification. Explained in book/04-cgroups.md.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "step01-unshare/call.h"
#include "step04-cgroups/limits.h"

enum { PERIOD = 100000 }; /* µs: the kernel's own period of cpu.max */

/* ---- from cgroup v1's units ---- */

/* ANCHOR: shares */
int64_t
limits_shares_to_weight(int64_t shares)
{
	double l;

	if (shares <= 2)
		return 1;
	if (shares >= 262144)
		return 10000;
	l = log2((double)shares);
	return (int64_t)ceil(pow(10, (l * l + 125 * l) / 612.0 - 7.0 / 34.0));
}
/* ANCHOR_END: shares */

int64_t
limits_blkio_to_weight(int64_t weight)
{
	return 1 + (weight - 10) * 9999 / 990;
}

/* ---- checked before anything is made ---- */

int
limits_controllers(const struct limits *l)
{
	int set = 0;

	if (l->memory || l->memory_swap || l->memory_reservation || l->oom_group)
		set |= CONTROLLER_MEMORY;
	if (l->cpu_quota || l->cpu_period || l->cpu_burst || l->cpu_weight || l->cpu_shares ||
	    l->cpu_idle)
		set |= CONTROLLER_CPU;
	if (l->cpuset_cpus || l->cpuset_mems)
		set |= CONTROLLER_CPUSET;
	if (l->pids)
		set |= CONTROLLER_PIDS;
	if (l->io_weight || l->blkio_weight || l->io_count || l->io_weights_count)
		set |= CONTROLLER_IO;
	if (l->hugetlb_count)
		set |= CONTROLLER_HUGETLB;
	if (l->rdma_count)
		set |= CONTROLLER_RDMA;
	for (size_t i = 0; i < l->unified_count; i++)
		set |= controller_of_file(l->unified[i].file);
	return set;
}

static int
check_range(const char *name, int64_t value, int64_t min, int64_t max)
{
	if (value == 0 || (value >= min && value <= max))
		return 0;
	return fail(EINVAL, "%s %" PRId64 ": not from %" PRId64 " to %" PRId64, name, value, min,
		    max);
}

static int
check_numbers(const struct limits *l)
{
	const struct {
		const char *name;
		int64_t value, min, max;
	} rules[] = {
		{ "memory limit", l->memory, LIMIT_MAX, INT64_MAX },
		{ "memory and swap limit", l->memory_swap, LIMIT_MAX, INT64_MAX },
		{ "memory reservation", l->memory_reservation, LIMIT_MAX, INT64_MAX },
		{ "cpu quota", l->cpu_quota, l->cpu_quota == LIMIT_MAX ? LIMIT_MAX : 1000,
		  INT64_MAX },
		{ "cpu period", l->cpu_period, 1000, 1000000 }, /* the kernel's: 1 ms to 1 s */
		{ "cpu burst", l->cpu_burst, LIMIT_MAX, INT64_MAX },
		{ "cpu weight", l->cpu_weight, 1, 10000 },
		{ "cpu shares", l->cpu_shares, 1, INT64_MAX }, /* v1 took them to its nearest */
		{ "cpu idle", l->cpu_idle, LIMIT_MAX, 1 },
		{ "pids limit", l->pids, LIMIT_MAX, INT32_MAX },
		{ "io weight", l->io_weight, 1, 10000 },
		{ "blkio weight", l->blkio_weight, 10, 1000 },
	};

	for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++)
		if (check_range(rules[i].name, rules[i].value, rules[i].min, rules[i].max) < 0)
			return -1;
	for (size_t i = 0; i < l->io_weights_count; i++)
		if (check_range("io weight of a device", l->io_weights[i].weight, 1, 10000) < 0)
			return -1;
	return 0;
}

int
limits_check_list(const char *text)
{
	int64_t previous = -1;

	errno = EINVAL;
	while (*text) {
		char *end;
		int64_t first = strtoll(text, &end, 10), last = first;

		if (*text < '0' || *text > '9' || first <= previous || first > 65535)
			return -1;
		if (*end == '-') {
			text = end + 1;
			last = strtoll(text, &end, 10);
			if (*text < '0' || *text > '9' || last < first || last > 65535)
				return -1;
		}
		if (*end != ',')
			return *end ? -1 : 0;
		previous = last;
		text = end + 1;
	}
	return -1; /* nothing, or a comma at the end */
}

/* memory.swap.max counts swap alone; what OCI and docker call swap is memory and swap together. */
static int
check_swap(const struct limits *l)
{
	if (l->memory_swap <= 0)
		return 0;
	if (l->memory <= 0)
		return fail(EINVAL,
			    "a limit of memory and swap together (%" PRId64
			    ") wants a limit of memory beside it",
			    l->memory_swap);
	if (l->memory_swap < l->memory)
		return fail(EINVAL,
			    "memory and swap together (%" PRId64
			    ") cannot be less than memory alone (%" PRId64 ")",
			    l->memory_swap, l->memory);
	return 0;
}

/* A file of a controller, or one of the cgroup's own that holds a limit: the others are orders to
 * it (cgroup.procs, cgroup.kill, cgroup.freeze …). */
static bool
is_setting(const char *file)
{
	if (strncmp(file, "cgroup.", 7) == 0)
		return strcmp(file, "cgroup.max.depth") == 0 ||
		       strcmp(file, "cgroup.max.descendants") == 0 ||
		       strcmp(file, "cgroup.pressure") == 0;
	return strchr(file, '.') && !strchr(file, '/');
}

int
limits_check(const struct limits *l)
{
	if (l->v1_only) {
		fail(ENOTSUP, "%s", l->v1_only);
		return call_hint("cgroup v2 has no such setting; leave it out");
	}
	if (check_numbers(l) < 0 || check_swap(l) < 0)
		return -1;
	if (l->cpu_burst > 0 && l->cpu_quota > 0 && l->cpu_burst > l->cpu_quota)
		return fail(EINVAL, "cpu burst %" PRId64 " is above the quota %" PRId64,
			    l->cpu_burst, l->cpu_quota);
	if (l->cpuset_cpus && *l->cpuset_cpus && limits_check_list(l->cpuset_cpus) < 0)
		return fail(EINVAL, "cpuset.cpus \"%s\": not a list such as 0-2,7", l->cpuset_cpus);
	if (l->cpuset_mems && *l->cpuset_mems && limits_check_list(l->cpuset_mems) < 0)
		return fail(EINVAL, "cpuset.mems \"%s\": not a list such as 0-2,7", l->cpuset_mems);
	for (size_t i = 0; i < l->hugetlb_count; i++)
		if (!l->hugetlb[i].size || strchr(l->hugetlb[i].size, '/'))
			return fail(EINVAL, "\"%s\" is no size of a huge page",
				    l->hugetlb[i].size ? l->hugetlb[i].size : "");
	for (size_t i = 0; i < l->unified_count; i++)
		if (!is_setting(l->unified[i].file))
			return fail(EINVAL, "\"%s\" is no file of a controller",
				    l->unified[i].file);
	return 0;
}

/* ---- writes ---- */

static bool
has(const struct cgroup *cgroup, const char *file)
{
	return faccessat(cgroup->fd, file, F_OK, 0) == 0;
}

/* Nothing for 0, "max" for LIMIT_MAX, else the number. */
static int
write_number(const struct cgroup *cgroup, const char *file, int64_t value)
{
	char text[24] = "max";

	if (value == 0)
		return 0;
	if (value != LIMIT_MAX)
		snprintf(text, sizeof text, "%" PRId64, value);
	return cgroup_write(cgroup, file, text);
}

/* ANCHOR: memory */
/* What swap may take is told with the memory in it. A kernel that counts no swap has no such file:
 * then no limit is what there is, and none of it wants no limit. */
static int
write_swap(const struct limits *l, const struct cgroup *cgroup)
{
	int64_t swap = l->memory_swap == LIMIT_MAX ? LIMIT_MAX : l->memory_swap - l->memory;
	char text[24] = "max";

	if (!l->memory_swap || (swap <= 0 && !has(cgroup, "memory.swap.max")))
		return 0;
	if (swap != LIMIT_MAX)
		snprintf(text, sizeof text, "%" PRId64, swap);
	return cgroup_write(cgroup, "memory.swap.max", text) < 0
		       ? call_hint("this kernel does not count swap")
		       : 0;
}

static int
apply_memory(const struct limits *l, const struct cgroup *cgroup)
{
	int64_t used;

	if (l->memory_check && l->memory > 0 &&
	    (used = cgroup_read_number(cgroup, "memory.current")) > l->memory)
		return fail(EBUSY, "memory limit %" PRId64 " is below the %" PRId64 " bytes in use",
			    l->memory, used);
	/* swap first: what is above a lower limit then has somewhere to go */
	if (write_swap(l, cgroup) < 0 || write_number(cgroup, "memory.max", l->memory) < 0 ||
	    write_number(cgroup, "memory.low", l->memory_reservation) < 0)
		return -1;
	return l->oom_group ? cgroup_write(cgroup, "memory.oom.group", "1") : 0;
}
/* ANCHOR_END: memory */

/* "QUOTA PERIOD"; what is not set stays as it is: a missing period by the kernel's own rule, a
 * missing quota by writing the present one again. */
static int
write_cpu_max(const struct limits *l, const struct cgroup *cgroup)
{
	char text[64], quota[32] = "max";

	if (!l->cpu_quota && !l->cpu_period)
		return 0;
	if (l->cpu_quota > 0)
		snprintf(quota, sizeof quota, "%" PRId64, l->cpu_quota);
	else if (!l->cpu_quota && cgroup_read(cgroup, "cpu.max", text, sizeof text) == 0)
		snprintf(quota, sizeof quota, "%.*s", (int)strcspn(text, " "), text);
	if (l->cpu_period)
		snprintf(text, sizeof text, "%s %" PRId64, quota, l->cpu_period);
	else
		snprintf(text, sizeof text, "%s", quota);
	return cgroup_write(cgroup, "cpu.max", text);
}

static int
write_cpu_burst(const struct limits *l, const struct cgroup *cgroup)
{
	if (l->cpu_burst == LIMIT_MAX)
		return cgroup_write(cgroup, "cpu.max.burst", "0");
	return write_number(cgroup, "cpu.max.burst", l->cpu_burst);
}

static int
apply_cpu(const struct limits *l, const struct cgroup *cgroup)
{
	int64_t weight = l->cpu_weight, burst = l->cpu_burst == LIMIT_MAX ? 0 : l->cpu_burst;
	/* the burst may never be above the quota, not even between two writes: down first, up last
	 */
	bool burst_first = l->cpu_burst && cgroup_read_number(cgroup, "cpu.max.burst") > burst;

	if (!weight && l->cpu_shares)
		weight = limits_shares_to_weight(l->cpu_shares);
	if ((burst_first && write_cpu_burst(l, cgroup) < 0) || write_cpu_max(l, cgroup) < 0 ||
	    (!burst_first && write_cpu_burst(l, cgroup) < 0))
		return -1;
	if (l->cpu_idle && cgroup_write(cgroup, "cpu.idle", l->cpu_idle == 1 ? "1" : "0") < 0)
		return call_hint("cpu.idle exists since Linux 5.15");
	if (l->cpu_idle != 1 && write_number(cgroup, "cpu.weight", weight) < 0)
		return -1;
	if (l->cpuset_cpus && cgroup_write(cgroup, "cpuset.cpus", l->cpuset_cpus) < 0)
		return call_hint("the CPUs of this host: /sys/devices/system/cpu/online");
	if (l->cpuset_mems && cgroup_write(cgroup, "cpuset.mems", l->cpuset_mems) < 0)
		return call_hint("the memory nodes of this host: /sys/devices/system/node/online");
	return 0;
}

/* " rbps=1048576", " rbps=max", or nothing. */
static size_t
add_rate(char *text, size_t size, const char *name, int64_t rate)
{
	if (rate == 0)
		return 0;
	return (size_t)(rate == LIMIT_MAX ? snprintf(text, size, " %s=max", name)
					  : snprintf(text, size, " %s=%" PRId64, name, rate));
}

static int
write_io_max(const struct cgroup *cgroup, const struct io_limit *io)
{
	char text[192];
	size_t used = (size_t)snprintf(text, sizeof text, "%u:%u", io->major, io->minor),
	       before = used;

	used += add_rate(text + used, sizeof text - used, "rbps", io->rbps);
	used += add_rate(text + used, sizeof text - used, "wbps", io->wbps);
	used += add_rate(text + used, sizeof text - used, "riops", io->riops);
	used += add_rate(text + used, sizeof text - used, "wiops", io->wiops);
	if (used == before || cgroup_write(cgroup, "io.max", text) == 0)
		return 0;
	return call_hint("io.max takes whole disks, not partitions; lsblk shows MAJOR:MINOR");
}

/* The BFQ scheduler reads a file of its own, in v1's units; io.weight belongs to the cost model. */
static int
write_io_weight(const struct cgroup *cgroup, const char *key, int64_t weight, bool v1)
{
	bool bfq = has(cgroup, "io.bfq.weight");
	char text[64];

	if (v1 && !bfq)
		weight = limits_blkio_to_weight(weight);
	else if (!v1 && bfq && !has(cgroup, "io.weight"))
		weight = weight > 1000 ? 1000 : weight;
	snprintf(text, sizeof text, "%s %" PRId64, key, weight);
	if (cgroup_write(cgroup,
			 bfq && (v1 || !has(cgroup, "io.weight")) ? "io.bfq.weight" : "io.weight",
			 text) == 0)
		return 0;
	return call_hint("io weights need a kernel with the cost model (CONFIG_BLK_CGROUP_IOCOST) "
			 "or the BFQ scheduler");
}

static int
apply_io(const struct limits *l, const struct cgroup *cgroup)
{
	if (l->io_weight && write_io_weight(cgroup, "default", l->io_weight, false) < 0)
		return -1;
	if (!l->io_weight && l->blkio_weight &&
	    write_io_weight(cgroup, "default", l->blkio_weight, true) < 0)
		return -1;
	for (size_t i = 0; i < l->io_weights_count; i++) {
		const struct io_weight *w = &l->io_weights[i];
		char device[32];

		snprintf(device, sizeof device, "%u:%u", w->major, w->minor);
		if (w->weight && write_io_weight(cgroup, device, w->weight, true) < 0)
			return -1;
	}
	for (size_t i = 0; i < l->io_count; i++)
		if (write_io_max(cgroup, &l->io[i]) < 0)
			return -1;
	return 0;
}

/* hugetlb limits count reservations where the kernel can, else page faults (which kill); rdma takes
 * one device a write. */
static int
apply_devices(const struct limits *l, const struct cgroup *cgroup)
{
	char file[64], text[128];

	for (size_t i = 0; i < l->hugetlb_count; i++) {
		snprintf(file, sizeof file, "hugetlb.%.16s.rsvd.max", l->hugetlb[i].size);
		if (!has(cgroup, file))
			snprintf(file, sizeof file, "hugetlb.%.16s.max", l->hugetlb[i].size);
		snprintf(text, sizeof text, "%" PRId64, l->hugetlb[i].bytes);
		if (cgroup_write(cgroup, file, text) < 0)
			return call_hint("page sizes of this host: ls /sys/kernel/mm/hugepages");
	}
	for (size_t i = 0; i < l->rdma_count; i++) {
		const struct rdma_limit *r = &l->rdma[i];
		size_t used = (size_t)snprintf(text, sizeof text, "%.64s", r->device);

		used += add_rate(text + used, sizeof text - used, "hca_handle", r->handles);
		used += add_rate(text + used, sizeof text - used, "hca_object", r->objects);
		if (cgroup_write(cgroup, "rdma.max", text) < 0)
			return -1;
	}
	return 0;
}

/* Control files take one line a write. */
static int
apply_unified(const struct unified *u, const struct cgroup *cgroup)
{
	const char *line = u->value;

	do {
		char text[512];
		size_t length = strcspn(line, "\n");

		if (length >= sizeof text)
			return fail(EINVAL, "the value of \"%s\" is too long", u->file);
		snprintf(text, sizeof text, "%.*s", (int)length, line);
		if (cgroup_write(cgroup, u->file, text) < 0)
			return errno == ENOENT ? call_hint("no such file in this cgroup: its "
							   "controller or this kernel lacks it")
					       : -1;
		line += length + (line[length] == '\n');
	} while (*line);
	return 0;
}

/* ANCHOR: apply */
int
limits_apply(const struct limits *l, const struct cgroup *cgroup)
{
	if (limits_check(l) < 0)
		return -1;
	if (cgroup->fd < 0)
		return limits_controllers(l) ? hierarchy_refuse(limits_controllers(l), NULL) : 0;
	if (limits_controllers(l))
		stage("limits",
		      "A limit is a number in a file, and holds for all in the cgroup together.",
		      "grep . %s/*.max", cgroup->path);
	if (apply_memory(l, cgroup) < 0 || apply_cpu(l, cgroup) < 0 ||
	    write_number(cgroup, "pids.max", l->pids) < 0 || apply_io(l, cgroup) < 0 ||
	    apply_devices(l, cgroup) < 0)
		return -1;
	for (size_t i = 0; i < l->unified_count; i++)
		if (apply_unified(&l->unified[i], cgroup) < 0)
			return -1;
	return 0;
}
/* ANCHOR_END: apply */

/* ---- for a configuration that is read bit by bit ---- */

struct io_limit *
limits_io(struct limits *limits, unsigned major, unsigned minor)
{
	struct io_limit *grown;

	for (size_t i = 0; i < limits->io_count; i++)
		if (limits->io[i].major == major && limits->io[i].minor == minor)
			return limits->io + i;
	grown = reallocarray(limits->io, limits->io_count + 1, sizeof *grown);
	if (!grown) {
		fail(ENOMEM, "memory for the limits of a disk");
		return NULL;
	}
	limits->io = grown;
	grown[limits->io_count] = (struct io_limit){ .major = major, .minor = minor };
	return grown + limits->io_count++;
}

void
limits_free(struct limits *limits)
{
	free(limits->io);
	free(limits->hugetlb);
	free(limits->io_weights);
	free(limits->rdma);
	free(limits->unified);
	*limits = (struct limits){ 0 };
}

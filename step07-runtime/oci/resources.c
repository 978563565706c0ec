/*
 * resources.c: each number of linux.resources to its field of struct limits.
 * Follows config-linux.md, "Control groups", of the OCI runtime specification; there absence, and
 * for most of them 0, is "not set" and -1 is "no limit". Explained in book/07-runtime.md.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "step01-unshare/call.h"
#include "step05-overlay/json.h"
#include "step07-runtime/oci/resources.h"

static bool
flag(struct json_object *json, const char *key)
{
	struct json_object *member;

	return json_object_object_get_ex(json, key, &member) && json_object_get_boolean(member);
}

static void
read_memory(struct json_object *json, struct limits *limits, bool *bad)
{
	struct json_object *member;

	if (!json)
		return;
	limits->memory = json_number(json, "limit", bad);
	limits->memory_swap = json_number(json, "swap", bad);
	limits->memory_reservation = json_number(json, "reservation", bad);
	limits->memory_check = flag(json, "checkBeforeUpdate");
	if (json_object_object_get_ex(json, "swappiness", &member) && member)
		limits->v1_only = "memory.swappiness";
	/* true is the only way of v2 */
	if (json_object_object_get_ex(json, "useHierarchy", &member) && member &&
	    !json_object_get_boolean(member))
		limits->v1_only = "memory.useHierarchy false";
	if (json_number(json, "kernel", bad) > 0 || json_number(json, "kernelTCP", bad) > 0)
		limits->v1_only = "memory.kernel";
	if (flag(json, "disableOOMKiller"))
		limits->v1_only = "memory.disableOOMKiller";
}

/* A number for which 0 is a value: INSTEAD then. A limit that is 0 is one that is not set. */
static int64_t
number_or(struct json_object *json, const char *key, int64_t least, int64_t most, int64_t instead,
	  bool *bad)
{
	struct json_object *member;
	int64_t number;

	if (!json_object_object_get_ex(json, key, &member) || !member)
		return 0;
	number = json_number_in(json, key, least, most, bad);
	return number ? number : instead;
}

static void
read_cpu(struct json_object *json, struct limits *limits, bool *bad)
{
	if (!json)
		return;
	limits->cpu_shares = json_number(json, "shares", bad);
	limits->cpu_quota = json_number(json, "quota", bad);
	limits->cpu_period = json_number(json, "period", bad);
	limits->cpu_burst = number_or(json, "burst", 0, INT64_MAX, LIMIT_MAX, bad);
	limits->cpuset_cpus = json_text(json, "cpus", bad);
	limits->cpuset_mems = json_text(json, "mems", bad);
	limits->cpu_idle = (int)number_or(json, "idle", 0, 1, LIMIT_MAX, bad);
	if (json_number(json, "realtimeRuntime", bad) || json_number(json, "realtimePeriod", bad))
		limits->v1_only = "cpu.realtimeRuntime";
}

/* The line of io.max for a device; the four lists of the specification are merged into it. */
static struct io_limit *
io_line(struct limits *limits, unsigned major, unsigned minor)
{
	struct io_limit *grown;

	for (size_t i = 0; i < limits->io_count; i++)
		if (limits->io[i].major == major && limits->io[i].minor == minor)
			return limits->io + i;
	grown = reallocarray(limits->io, limits->io_count + 1, sizeof *grown);
	if (!grown)
		return NULL;
	limits->io = grown;
	grown[limits->io_count] = (struct io_limit){ .major = major, .minor = minor };
	return grown + limits->io_count++;
}

static void
read_io_list(struct json_object *json, const char *key, struct limits *limits, size_t offset,
	     bool *bad)
{
	struct json_object *list = json_array(json, key, bad);

	for (size_t i = 0; list && i < json_object_array_length(list); i++) {
		struct json_object *item = json_object_array_get_idx(list, i);
		struct io_limit *line;
		if (!json_object_is_type(item, json_type_object)) {
			*bad = true;
			return;
		}
		line = io_line(limits, (unsigned)json_number_in(item, "major", 0, 0xfff, bad),
			       (unsigned)json_number_in(item, "minor", 0, 0xfffff, bad));
		if (line)
			*(int64_t *)((char *)line + offset) = json_number(item, "rate", bad);
	}
}

static void
read_io_weights(struct json_object *list, struct limits *limits, bool *bad)
{
	size_t count = list ? json_object_array_length(list) : 0;

	limits->io_weights = count ? calloc(count, sizeof *limits->io_weights) : NULL;
	for (size_t i = 0; limits->io_weights && i < count; i++) {
		struct json_object *item = json_object_array_get_idx(list, i);
		if (!json_object_is_type(item, json_type_object)) {
			*bad = true;
			return;
		}
		if (json_number(item, "leafWeight", bad))
			limits->v1_only = "blockIO.weightDevice.leafWeight";
		limits->io_weights[limits->io_weights_count++] =
			(struct io_weight){ (unsigned)json_number(item, "major", bad),
					    (unsigned)json_number(item, "minor", bad),
					    json_number(item, "weight", bad) };
	}
}

static int
read_rdma(struct json_object *json, struct limits *limits, bool *bad)
{
	size_t count = json ? (size_t)json_object_object_length(json) : 0;

	limits->rdma = count ? calloc(count, sizeof *limits->rdma) : NULL;
	if (count && !limits->rdma)
		return fail(ENOMEM, "memory for linux.resources.rdma");
	if (!count)
		return 0;
	json_object_object_foreach(json, device, value)
	{
		if (!json_object_is_type(value, json_type_object))
			return fail(EINVAL, "linux.resources.rdma: %s is no object", device);
		limits->rdma[limits->rdma_count++] =
			(struct rdma_limit){ device, json_number(value, "hcaHandles", bad),
					     json_number(value, "hcaObjects", bad) };
	}
	return 0;
}

static void
read_io(struct json_object *json, struct limits *limits, bool *bad)
{
	if (!json)
		return;
	limits->blkio_weight = json_number(json, "weight", bad);
	if (json_number(json, "leafWeight", bad))
		limits->v1_only = "blockIO.leafWeight";
	read_io_weights(json_array(json, "weightDevice", bad), limits, bad);
	read_io_list(json, "throttleReadBpsDevice", limits, offsetof(struct io_limit, rbps), bad);
	read_io_list(json, "throttleWriteBpsDevice", limits, offsetof(struct io_limit, wbps), bad);
	read_io_list(json, "throttleReadIOPSDevice", limits, offsetof(struct io_limit, riops), bad);
	read_io_list(json, "throttleWriteIOPSDevice", limits, offsetof(struct io_limit, wiops),
		     bad);
}

static int
read_hugetlb(struct json_object *list, struct limits *limits, bool *bad)
{
	size_t count = list ? json_object_array_length(list) : 0;

	limits->hugetlb = count ? calloc(count, sizeof *limits->hugetlb) : NULL;
	if (count && !limits->hugetlb)
		return fail(ENOMEM, "memory for linux.resources.hugepageLimits");
	for (size_t i = 0; i < count; i++) {
		struct json_object *item = json_object_array_get_idx(list, i);
		if (!json_object_is_type(item, json_type_object))
			return fail(EINVAL,
				    "linux.resources.hugepageLimits: entry %zu is no object", i);
		limits->hugetlb[i].size = json_text(item, "pageSize", bad);
		limits->hugetlb[i].bytes = json_number(item, "limit", bad);
	}
	limits->hugetlb_count = count;
	return 0;
}

static int
read_unified(struct json_object *json, struct limits *limits)
{
	size_t count = json ? (size_t)json_object_object_length(json) : 0, i = 0;

	limits->unified = count ? calloc(count, sizeof *limits->unified) : NULL;
	if (count && !limits->unified)
		return fail(ENOMEM, "memory for linux.resources.unified");
	if (!count)
		return 0;
	json_object_object_foreach(json, file, value)
	{
		if (!json_object_is_type(value, json_type_string))
			return fail(EINVAL, "linux.resources.unified: %s is no string", file);
		limits->unified[i++] = (struct unified){ file, json_object_get_string(value) };
	}
	limits->unified_count = i;
	return 0;
}

int
oci_resources_read(struct json_object *json, unsigned minor, struct limits *limits)
{
	bool bad = false;
	struct json_object *pids;

	*limits = (struct limits){ 0 };
	if (!json)
		return 0;
	read_memory(json_member(json, "memory", &bad), limits, &bad);
	read_cpu(json_member(json, "cpu", &bad), limits, &bad);
	read_io(json_member(json, "blockIO", &bad), limits, &bad);
	/* 0, "nobody": the first process would not come to be. systemd takes 1 for it, and runc
	 * too. Before 1.3 callers had no other word for "not set". */
	if ((pids = json_member(json, "pids", &bad)))
		limits->pids = number_or(pids, "limit", LIMIT_MAX, INT32_MAX, minor >= 3, &bad);
	if (json_member(json, "network", &bad))
		limits->v1_only = "network.classID";
	if (read_hugetlb(json_array(json, "hugepageLimits", &bad), limits, &bad) < 0 ||
	    read_rdma(json_member(json, "rdma", &bad), limits, &bad) < 0 ||
	    read_unified(json_member(json, "unified", &bad), limits) < 0)
		return -1;
	if (bad)
		return call_error()->number
			       ? -1
			       : fail(EINVAL, "linux.resources: a member of the wrong type");
	return 0;
}

/* ---- devices ---- */

static int
read_rule(struct json_object *item, struct device_rule *rule, bool *bad)
{
	const char *type = json_text(item, "type", bad), *access = json_text(item, "access", bad);
	struct json_object *number;
	int bits = device_access_parse(access && access[0] ? access : "rwm");

	rule->allow = flag(item, "allow");
	rule->type = type && type[0] ? type[0] : 'a';
	rule->major = json_object_object_get_ex(item, "major", &number)
			      ? json_number_in(item, "major", -1, UINT32_MAX, bad)
			      : -1;
	rule->minor = json_object_object_get_ex(item, "minor", &number)
			      ? json_number_in(item, "minor", -1, UINT32_MAX, bad)
			      : -1;
	if (bits < 0 || !strchr("abcu", rule->type))
		return fail(EINVAL, "linux.resources.devices: type %c, access \"%s\"", rule->type,
			    access ? access : "");
	if (rule->type == 'u')
		rule->type = 'c';
	rule->access = (unsigned)bits;
	return 0;
}

int
oci_device_rules_read(struct json_object *json, struct device_rule **rules, size_t *count)
{
	bool bad = false;
	struct json_object *list = json ? json_array(json, "devices", &bad) : NULL;
	size_t given = list ? json_object_array_length(list) : 0;

	*rules = NULL;
	*count = 0;
	if (!given)
		return bad ? -1 : 0;
	*rules = calloc(given + device_rules_default_count, sizeof **rules);
	if (!*rules)
		return fail(ENOMEM, "memory for linux.resources.devices");
	for (size_t i = 0; i < given; i++) {
		struct json_object *item = json_object_array_get_idx(list, i);
		if (!json_object_is_type(item, json_type_object))
			return fail(EINVAL, "linux.resources.devices: entry %zu is no object", i);
		if (read_rule(item, *rules + i, &bad) < 0)
			return -1;
	}
	memcpy(*rules + given, device_rules_default, device_rules_default_count * sizeof **rules);
	*count = given + device_rules_default_count;
	return bad ? -1 : 0;
}

void
oci_resources_free(struct limits *limits)
{
	free(limits->io);
	free(limits->hugetlb);
	free(limits->io_weights);
	free(limits->rdma);
	free(limits->unified);
	*limits = (struct limits){ 0 };
}

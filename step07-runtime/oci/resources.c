/*
 * resources.c: each number of linux.resources to its field of struct limits.
 * Follows config-linux.md, "Control groups", of the OCI runtime specification; there absence, and
 * for most of them 0, is "not set" and -1 is "no limit". Explained in book/07-runtime.md.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "step01-unshare/call.h"
#include "step05-overlay/json.h"
#include "step07-runtime/oci/resources.h"

#define WHAT			     "linux.resources"
#define AT(field)		     JSON_AT(struct limits, field)
#define OR(field, least, most, zero) JSON_OR(struct limits, field, least, most, 0, zero)

static const struct json_row hugetlb_rows[] = {
	{ "pageSize", JSON_TEXT, JSON_AT(struct hugetlb_limit, size) },
	{ "limit", JSON_NUMBER, JSON_AT(struct hugetlb_limit, bytes) },
	{ 0 },
};
static const struct json_row weight_rows[] = {
	{ "major", JSON_NUMBER, JSON_IN(struct io_weight, major, 0, 0xfff) },
	{ "minor", JSON_NUMBER, JSON_IN(struct io_weight, minor, 0, 0xfffff) },
	{ "weight", JSON_NUMBER, JSON_AT(struct io_weight, weight) },
	{ 0 },
};
static const struct json_row rdma_rows[] = {
	{ "hcaHandles", JSON_NUMBER, JSON_AT(struct rdma_limit, handles) },
	{ "hcaObjects", JSON_NUMBER, JSON_AT(struct rdma_limit, objects) },
	{ 0 },
};
/* A number that is 0 is one that is not set, unless there is a value for it here. */
static const struct json_row limit_rows[] = {
	{ "memory.limit", JSON_NUMBER, AT(memory) },
	{ "memory.swap", JSON_NUMBER, AT(memory_swap) },
	{ "memory.reservation", JSON_NUMBER, AT(memory_reservation) },
	{ "memory.checkBeforeUpdate", JSON_FLAG, AT(memory_check) },
	{ "cpu.shares", JSON_NUMBER, AT(cpu_shares) },
	{ "cpu.quota", JSON_NUMBER, AT(cpu_quota) },
	{ "cpu.period", JSON_NUMBER, AT(cpu_period) },
	{ "cpu.burst", JSON_NUMBER, OR(cpu_burst, 0, INT64_MAX, LIMIT_MAX) },
	{ "cpu.idle", JSON_NUMBER, OR(cpu_idle, 0, 1, LIMIT_MAX) },
	{ "cpu.cpus", JSON_TEXT, AT(cpuset_cpus) },
	{ "cpu.mems", JSON_TEXT, AT(cpuset_mems) },
	{ "pids.limit", JSON_NUMBER, OR(pids, LIMIT_MAX, INT32_MAX, 0) },
	{ "blockIO.weight", JSON_NUMBER, AT(blkio_weight) },
	{ "blockIO.weightDevice", JSON_ITEMS,
	  JSON_OF(struct limits, io_weights, io_weights_count, weight_rows) },
	{ "hugepageLimits", JSON_ITEMS,
	  JSON_OF(struct limits, hugetlb, hugetlb_count, hugetlb_rows) },
	{ 0 },
};

/* What is merged, or made of another form. */
struct raw {
	struct rate {
		unsigned major, minor;
		int64_t rate;
	} * rate[4];
	struct raw_rule {
		struct device_rule rule;
		const char *access;
	} * rule;
	size_t rates[4], rules;
	struct json_object *rdma, *unified;
};
static const struct json_row rate_rows[] = {
	{ "major", JSON_NUMBER, JSON_IN(struct rate, major, 0, 0xfff) },
	{ "minor", JSON_NUMBER, JSON_IN(struct rate, minor, 0, 0xfffff) },
	{ "rate", JSON_NUMBER, JSON_AT(struct rate, rate) },
	{ 0 },
};
static const struct json_row rule_rows[] = {
	{ "allow", JSON_FLAG, JSON_AT(struct raw_rule, rule.allow) },
	{ "type", JSON_LETTER, JSON_AT(struct raw_rule, rule.type) },
	{ "major", JSON_NUMBER, JSON_OR(struct raw_rule, rule.major, -1, UINT32_MAX, -1, 0) },
	{ "minor", JSON_NUMBER, JSON_OR(struct raw_rule, rule.minor, -1, UINT32_MAX, -1, 0) },
	{ "access", JSON_TEXT, JSON_AT(struct raw_rule, access) },
	{ 0 },
};
#define RATES(n) JSON_OF(struct raw, rate[n], rates[n], rate_rows)
static const struct json_row raw_rows[] = {
	{ "blockIO.throttleReadBpsDevice", JSON_ITEMS, RATES(0) },
	{ "blockIO.throttleWriteBpsDevice", JSON_ITEMS, RATES(1) },
	{ "blockIO.throttleReadIOPSDevice", JSON_ITEMS, RATES(2) },
	{ "blockIO.throttleWriteIOPSDevice", JSON_ITEMS, RATES(3) },
	{ "devices", JSON_ITEMS, JSON_OF(struct raw, rule, rules, rule_rows) },
	{ "rdma", JSON_OBJECT, JSON_AT(struct raw, rdma) },
	{ "unified", JSON_TEXTS, JSON_AT(struct raw, unified) },
	{ 0 },
};

/* The four lists of the specification become one line of io.max for each device. */
static int
merge_rates(const struct raw *raw, struct limits *limits)
{
	static const size_t field[] = { offsetof(struct io_limit, rbps),
					offsetof(struct io_limit, wbps),
					offsetof(struct io_limit, riops),
					offsetof(struct io_limit, wiops) };

	for (size_t list = 0; list < 4; list++)
		for (size_t i = 0; i < raw->rates[list]; i++) {
			const struct rate *rate = &raw->rate[list][i];
			struct io_limit *line = limits_io(limits, rate->major, rate->minor);

			if (!line)
				return -1;
			*(int64_t *)((char *)line + field[list]) = rate->rate;
		}
	return 0;
}

static int
take_rdma(struct json_object *json, struct limits *limits)
{
	char place[128];

	if (!json)
		return 0;
	limits->rdma = calloc((size_t)json_object_object_length(json) + 1, sizeof *limits->rdma);
	if (!limits->rdma)
		return fail(ENOMEM, "memory for " WHAT ".rdma");
	json_object_object_foreach(json, device, value)
	{
		struct rdma_limit *limit = &limits->rdma[limits->rdma_count++];

		snprintf(place, sizeof place, WHAT ".rdma.%s", device);
		limit->device = device;
		if (json_fill(value, place, rdma_rows, limit) < 0)
			return -1;
	}
	return 0;
}

static int
take_unified(struct json_object *json, struct limits *limits)
{
	if (!json)
		return 0;
	limits->unified =
		calloc((size_t)json_object_object_length(json) + 1, sizeof *limits->unified);
	if (!limits->unified)
		return fail(ENOMEM, "memory for " WHAT ".unified");
	json_object_object_foreach(json, file, value)
	{
		limits->unified[limits->unified_count++] =
			(struct unified){ file, json_object_get_string(value) };
	}
	return 0;
}

/* What v2 has no file for. A number from LEAST to MOST (of a flag: 0 or 1) asks for nothing. */
static void
find_v1(struct json_object *json, struct limits *limits)
{
	static const struct {
		const char *path, *name;
		int64_t least, most;
	} of_v1[] = {
		{ "memory.swappiness", "memory.swappiness", 1, 0 },
		{ "memory.useHierarchy", "memory.useHierarchy false", 1, 1 },
		{ "memory.kernel", "memory.kernel", INT64_MIN, 0 },
		{ "memory.kernelTCP", "memory.kernel", INT64_MIN, 0 },
		{ "memory.disableOOMKiller", "memory.disableOOMKiller", 0, 0 },
		{ "cpu.realtimeRuntime", "cpu.realtimeRuntime", 0, 0 },
		{ "cpu.realtimePeriod", "cpu.realtimeRuntime", 0, 0 },
		{ "blockIO.leafWeight", "blockIO.leafWeight", 0, 0 },
		{ "network", "network.classID", 1, 0 },
	};
	struct json_object *weights = json_at(json, "blockIO.weightDevice");

	for (size_t i = 0; i < sizeof of_v1 / sizeof of_v1[0]; i++) {
		struct json_object *member = json_at(json, of_v1[i].path);
		int64_t number = json_object_get_int64(member);

		if (member && (number < of_v1[i].least || number > of_v1[i].most))
			limits->v1_only = of_v1[i].name;
	}
	for (size_t i = 0; i < limits->io_weights_count; i++)
		if (json_object_get_int64(
			    json_at(json_object_array_get_idx(weights, i), "leafWeight")))
			limits->v1_only = "blockIO.weightDevice.leafWeight";
}

/* Followed by what every engine allows. Without any all is allowed. */
static int
take_rules(const struct raw *raw, struct device_rule **rules, size_t *count)
{
	if (!raw->rules)
		return 0;
	*rules = calloc(raw->rules + device_rules_default_count, sizeof **rules);
	if (!*rules)
		return fail(ENOMEM, "memory for " WHAT ".devices");
	for (; *count < raw->rules; ++*count) {
		struct device_rule *rule = *rules + *count;
		const char *access = raw->rule[*count].access;
		int bits = device_access_parse(access && access[0] ? access : "rwm");

		*rule = raw->rule[*count].rule;
		if (bits < 0 || (rule->type && !strchr("abcu", rule->type)))
			return fail(EINVAL, WHAT ".devices[%zu]: type %c, access \"%s\"", *count,
				    rule->type ? rule->type : 'a', access ? access : "");
		rule->type = rule->type == 'u' ? 'c' : rule->type ? rule->type : 'a';
		rule->access = (unsigned)bits;
	}
	memcpy(*rules + raw->rules, device_rules_default,
	       device_rules_default_count * sizeof **rules);
	*count += device_rules_default_count;
	return 0;
}

int
oci_resources_read(struct json_object *json, unsigned minor, struct limits *limits,
		   struct device_rule **rules, size_t *count)
{
	struct raw raw = { 0 };
	int done = 0;

	*limits = (struct limits){ 0 };
	*rules = NULL;
	*count = 0;
	if (!json)
		return 0;
	if (json_fill(json, WHAT, limit_rows, limits) < 0 ||
	    json_fill(json, WHAT, raw_rows, &raw) < 0 || merge_rates(&raw, limits) < 0 ||
	    take_rdma(raw.rdma, limits) < 0 || take_unified(raw.unified, limits) < 0 ||
	    take_rules(&raw, rules, count) < 0)
		done = -1;
	/* 0, "nobody": the first process would not come to be. systemd takes 1 for it, and runc
	 * too. Before 1.3 callers had no other word for "not set". */
	if (minor >= 3 && !limits->pids && json_at(json, "pids.limit"))
		limits->pids = 1;
	if (done == 0)
		find_v1(json, limits);
	for (size_t i = 0; i < 4; i++)
		free(raw.rate[i]);
	free(raw.rule);
	return done;
}

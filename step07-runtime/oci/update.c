/*
 * update.c: the verb update: other limits for a container that lives; what is not named stays.
 * Follows linux.resources of the OCI runtime specification (config-linux.md), whose words the flags
 * are. Explained in book/07-runtime.md.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "step01-unshare/call.h"
#include "step04-cgroups/scope.h"
#include "step05-overlay/json.h"
#include "step07-runtime/oci/commands.h"
#include "step07-runtime/oci/config.h"
#include "step07-runtime/oci/resources.h"
#include "step07-runtime/oci/state.h"

struct update_options {
	struct json_object *flags; /* the resources object that they make */
	const char *file;
};

/* Where a flag's value goes in linux.resources; NULL: nowhere. */
static const char *const paths[] = { "memory.limit",	    "memory.swap",    "memory.reservation",
				     "cpu.period",	    "cpu.quota",      "cpu.burst",
				     "cpu.shares",	    "cpu.idle",	      "cpu.realtimePeriod",
				     "cpu.realtimeRuntime", "cpu.cpus",	      "cpu.mems",
				     "pids.limit",	    "blockIO.weight", NULL };

static int
set_value(const struct option_row *row, const char *value, void *into)
{
	struct json_object *flags = ((struct update_options *)into)->flags, *section, *made = NULL;
	bool bytes = strcmp(row->unit, "BYTES") == 0;
	const char *path = paths[row->bits];
	int64_t number = -1;
	char name[16];

	if (strcmp(row->unit, "SCHEMA") == 0)
		return fail(ENOTSUP, "--%s: this runtime does not manage resctrl", row->name);
	if (!path)
		return 0;
	if (strcmp(row->unit, "LIST") == 0)
		made = json_object_new_string(value);
	else if (bytes && strcmp(value, "-1") != 0 && bytes_parse(value, &number) < 0)
		return fail(EINVAL, "--%s %s: not a size in bytes, nor -1", row->name, value);
	else if (!bytes && number_parse(value, -1, INT64_MAX, &number) < 0)
		return fail(EINVAL, "--%s %s: not a number", row->name, value);
	snprintf(name, sizeof name, "%.*s", (int)strcspn(path, "."), path);
	if (!json_object_object_get_ex(flags, name, &section))
		section = json_put_object(flags, name);
	return json_object_object_add(section, strchr(path, '.') + 1,
				      made ? made : json_object_new_int64(number));
}

#define FLAG(name, unit, file, path, about)                    \
	{                                                      \
		name, 0, unit, file, about, set_value, 0, path \
	}
static const struct option_row update_rows[] = {
	{ "resources", 'r', "FILE", "-", "linux.resources as JSON; -: from standard input",
	  option_text, offsetof(struct update_options, file), 0 },
	FLAG("memory", "BYTES", "memory.max", 0, "memory; -1: no limit"),
	FLAG("memory-swap", "BYTES", "memory.swap.max", 1, "memory and swap; -1: no limit"),
	FLAG("memory-reservation", "BYTES", "memory.low", 2, "below it others are reclaimed first"),
	FLAG("cpu-period", "USEC", "cpu.max", 3, "the time over which the quota counts"),
	FLAG("cpu-quota", "USEC", "cpu.max", 4, "CPU time in a period; -1: no limit"),
	FLAG("cpu-burst", "USEC", "cpu.max.burst", 5, "what may be saved up"),
	FLAG("cpu-share", "SHARES", "cpu.weight", 6, "share of busy CPUs, in cgroup v1's unit"),
	FLAG("cpu-idle", "0-1", "cpu.idle", 7, "1: only when nobody else wants the CPU"),
	FLAG("cpu-rt-period", "USEC", "-", 8, "refused: cgroup v2 has none"),
	FLAG("cpu-rt-runtime", "USEC", "-", 9, "refused: cgroup v2 has none"),
	FLAG("cpuset-cpus", "LIST", "cpuset.cpus", 10, "the CPUs that may be used"),
	FLAG("cpuset-mems", "LIST", "cpuset.mems", 11, "the memory nodes that may be used"),
	FLAG("pids-limit", "COUNT", "pids.max", 12, "processes and threads; -1: no limit"),
	FLAG("blkio-weight", "10-1000", "io.weight", 13, "share of busy disks"),
	FLAG("kernel-memory", "BYTES", "-", 14, "accepted: cgroup v2 counts it as memory"),
	FLAG("kernel-memory-tcp", "BYTES", "-", 14, "accepted: the same"),
	FLAG("l3-cache-schema", "SCHEMA", "-", 14, "refused: this runtime does not manage resctrl"),
	FLAG("mem-bw-schema", "SCHEMA", "-", 14, "refused: the same"),
	{ 0 },
};

/* Swap is told with the memory in it, so one of the two alone says nothing yet. */
static void
complete(struct limits *limits, const struct cgroup *cgroup)
{
	int64_t now;

	if (limits->memory == LIMIT_MAX && !limits->memory_swap)
		limits->memory_swap = LIMIT_MAX;
	if (limits->memory_swap > 0 && !limits->memory &&
	    (now = cgroup_read_number(cgroup, "memory.max")) > 0 && now != CGROUP_MAX)
		limits->memory = now;
}

/* Its own idea of the limits, which it would write again. */
static int
tell_systemd(const struct oci_state *state, const struct limits *limits,
	     const struct device_rule *rules, size_t count)
{
	struct scope scope;

	return scope_name(&scope, state->scope, state->id) < 0
		       ? -1
		       : scope_set(&scope, limits, rules, count);
}

static int
apply(struct json_object *json, const struct oci_state *state, const struct cgroup *cgroup)
{
	struct device_rule *rules = NULL;
	struct limits limits = { 0 };
	struct oci_config config;
	size_t count = 0;
	int done = -1;

	/* what a 0 means is said by the version that the container is written for */
	if (oci_config_read(state->dir, "config.json", state->bundle, &config) < 0)
		return -1;
	if (oci_resources_read(json, config.minor, &limits, &rules, &count) == 0) {
		complete(&limits, cgroup);
		if (limits_check(&limits) == 0 &&
		    cgroup_require(cgroup, limits_controllers(&limits)) == 0 &&
		    limits_apply(&limits, cgroup) == 0 &&
		    device_rules_apply(rules, count, cgroup) >= 0)
			done = state->scope ? tell_systemd(state, &limits, rules, count) : 0;
	}
	oci_config_free(&config);
	limits_free(&limits);
	free(rules);
	return done;
}

int
command_update(const struct globals *globals, int argc, char **argv)
{
	struct update_options options = { .flags = json_object_new_object() };
	struct json_object *json = NULL;
	struct oci_state state;
	struct cgroup cgroup;
	int first = command_operands(argc, argv, update_rows, &options), done = -1;

	if (first <= 0)
		done = first;
	else if (open_running(globals, argv[first], &state, &cgroup) == 0) {
		json = options.file ? json_read_given(options.file, "--resources")
				    : json_object_get(options.flags);
		if (json)
			done = apply(json, &state, &cgroup);
		cgroup_close(&cgroup);
		oci_state_close(&state);
	}
	json_object_put(json);
	json_object_put(options.flags);
	return done;
}

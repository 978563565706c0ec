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

static const struct option_row update_rows[] = {
	{ "resources", 'r', "FILE", "-", "linux.resources as JSON; -: from standard input",
	  option_text, offsetof(struct update_options, file), 0 },
	{ "memory", 0, "BYTES", "memory.max", "memory; -1: no limit", set_value, 0, 0 },
	{ "memory-swap", 0, "BYTES", "memory.swap.max", "memory and swap; -1: no limit", set_value,
	  0, 1 },
	{ "memory-reservation", 0, "BYTES", "memory.low", "below it others are reclaimed first",
	  set_value, 0, 2 },
	{ "cpu-period", 0, "USEC", "cpu.max", "the time over which the quota counts", set_value, 0,
	  3 },
	{ "cpu-quota", 0, "USEC", "cpu.max", "CPU time in a period; -1: no limit", set_value, 0,
	  4 },
	{ "cpu-burst", 0, "USEC", "cpu.max.burst", "what may be saved up", set_value, 0, 5 },
	{ "cpu-share", 0, "SHARES", "cpu.weight", "share of busy CPUs, in cgroup v1's unit",
	  set_value, 0, 6 },
	{ "cpu-idle", 0, "0-1", "cpu.idle", "1: only when nobody else wants the CPU", set_value, 0,
	  7 },
	{ "cpu-rt-period", 0, "USEC", "-", "refused: cgroup v2 has none", set_value, 0, 8 },
	{ "cpu-rt-runtime", 0, "USEC", "-", "refused: cgroup v2 has none", set_value, 0, 9 },
	{ "cpuset-cpus", 0, "LIST", "cpuset.cpus", "the CPUs that may be used", set_value, 0, 10 },
	{ "cpuset-mems", 0, "LIST", "cpuset.mems", "the memory nodes that may be used", set_value,
	  0, 11 },
	{ "pids-limit", 0, "COUNT", "pids.max", "processes and threads; -1: no limit", set_value, 0,
	  12 },
	{ "blkio-weight", 0, "10-1000", "io.weight", "share of busy disks", set_value, 0, 13 },
	{ "kernel-memory", 0, "BYTES", "-", "accepted: cgroup v2 counts it as memory", set_value, 0,
	  14 },
	{ "kernel-memory-tcp", 0, "BYTES", "-", "accepted: the same", set_value, 0, 14 },
	{ 0 },
};

/* A pipe cannot be asked for its size. */
static struct json_object *
read_stream(FILE *file)
{
	char *text = malloc(JSON_BYTES + 1);
	size_t length = text ? fread(text, 1, JSON_BYTES + 1, file) : 0;
	struct json_object *json = NULL;

	if (!text || length > JSON_BYTES)
		fail(text ? EFBIG : ENOMEM, "--resources: %d bytes are the most", JSON_BYTES);
	else
		json = json_read(text, length, "--resources");
	free(text);
	return json;
}

static struct json_object *
resources_json(struct update_options *options)
{
	struct json_object *json;
	FILE *file;

	if (!options->file)
		return json_object_get(options->flags);
	if (strcmp(options->file, "-") == 0)
		return read_stream(stdin);
	if (!(file = fopen(options->file, "re"))) {
		fail(errno, "open(\"%s\") for --resources", options->file);
		return NULL;
	}
	json = read_stream(file);
	fclose(file);
	return json;
}

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
	size_t count = 0;
	int done = -1;

	if (oci_resources_read(json, OCI_MINOR, &limits, &rules, &count) == 0) {
		complete(&limits, cgroup);
		if (limits_check(&limits) == 0 &&
		    cgroup_require(cgroup, limits_controllers(&limits)) == 0 &&
		    limits_apply(&limits, cgroup) == 0 &&
		    device_rules_apply(rules, count, cgroup) >= 0)
			done = state->scope ? tell_systemd(state, &limits, rules, count) : 0;
	}
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
		if ((json = resources_json(&options)))
			done = apply(json, &state, &cgroup);
		cgroup_close(&cgroup);
		oci_state_close(&state);
	}
	json_object_put(json);
	json_object_put(options.flags);
	return done;
}

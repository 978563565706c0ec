/*
 * events.c: the verb events: what a container uses, and that it ran out of memory, a JSON object a
 * line. Follows the shape that the usual runtimes print and go-runc parses;
 * Documentation/admin-guide/cgroup-v2.rst ("memory.events"). Explained in book/07-runtime.md.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "step01-unshare/call.h"
#include "step04-cgroups/stats.h"
#include "step05-overlay/json.h"
#include "step07-runtime/oci/commands.h"
#include "step07-runtime/oci/state.h"

struct event_options {
	bool once;
	int64_t interval; /* ms */
};

static const struct option_row event_rows[] = {
	{ "stats", 0, NULL, "memory.current, cpu.stat", "once, and leave", option_flag,
	  offsetof(struct event_options, once), 0 },
	{ "interval", 0, "DURATION", "-", "time between two; default: 5s", option_duration,
	  offsetof(struct event_options, interval), 0 },
	{ 0 },
};

/* ---- numbers to JSON ---- */

/* What this kernel or cgroup does not have is left out. */
static void
put(struct json_object *json, const char *key, int64_t value)
{
	if (value == CGROUP_MAX)
		json_object_object_add(json, key, json_object_new_uint64(UINT64_MAX));
	else if (value >= 0)
		json_object_object_add(json, key, json_object_new_int64(value));
}

static void
put_pressure(struct json_object *json, const struct pressure *pressure)
{
	const struct {
		const char *name;
		const struct pressure_line *line;
	} lines[] = { { "some", &pressure->some }, { "full", &pressure->full } };
	struct json_object *psi = pressure->some.total < 0 ? NULL : json_put_object(json, "psi");

	for (size_t i = 0; psi && i < 2; i++) {
		struct json_object *one = json_put_object(psi, lines[i].name);

		json_object_object_add(one, "avg10", json_object_new_double(lines[i].line->avg10));
		json_object_object_add(one, "avg60", json_object_new_double(lines[i].line->avg60));
		json_object_object_add(one, "avg300",
				       json_object_new_double(lines[i].line->avg300));
		put(one, "total", lines[i].line->total);
	}
}

/* µs → ns */
static int64_t
ns(int64_t us)
{
	return us < 0 ? us : us * 1000;
}

static void
put_cpu(struct json_object *data, const struct stats *s)
{
	struct json_object *cpu = json_put_object(data, "cpu"),
			   *usage = json_put_object(cpu, "usage"),
			   *throttling = json_put_object(cpu, "throttling");

	put(usage, "total", ns(s->cpu_usage));
	put(usage, "kernel", ns(s->cpu_system));
	put(usage, "user", ns(s->cpu_user));
	put(throttling, "periods", s->cpu_periods);
	put(throttling, "throttledPeriods", s->cpu_throttled_periods);
	put(throttling, "throttledTime", ns(s->cpu_throttled));
	put_pressure(cpu, &s->cpu_pressure);
}

static void
put_entry(struct json_object *memory, const char *name, int64_t limit, int64_t usage, int64_t max,
	  int64_t failures)
{
	struct json_object *entry = json_put_object(memory, name);

	put(entry, "limit", limit < 0 ? 0 : limit);
	put(entry, "usage", usage);
	put(entry, "max", max);
	put(entry, "failcnt", failures < 0 ? 0 : failures);
}

/* All of memory.stat as it stands. */
static void
put_raw(struct json_object *memory, const struct cgroup *cgroup)
{
	struct json_object *raw = json_put_object(memory, "raw");
	char text[16384], key[64], *rest = NULL;
	long long value;

	if (cgroup_read(cgroup, "memory.stat", text, sizeof text) < 0)
		return;
	for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
		if (sscanf(line, "%63s %lld", key, &value) == 2)
			put(raw, key, value);
}

static void
put_memory(struct json_object *data, const struct stats *s, const struct cgroup *cgroup)
{
	struct json_object *memory = json_put_object(data, "memory");

	put(memory, "cache", s->file);
	put_entry(memory, "usage", s->memory_max, s->memory_current, s->memory_peak,
		  s->reclaims_max);
	put_entry(memory, "swap", s->swap_max, s->swap_current, -1, 0);
	put_entry(memory, "kernel", 0, s->kernel, -1, 0);
	put_entry(memory, "kernelTCP", 0, s->sock, -1, 0);
	put_raw(memory, cgroup);
	put_pressure(memory, &s->memory_pressure);
}

static void
put_io(struct json_object *list, const struct io_stats *io, const char *op, int64_t value)
{
	struct json_object *entry = json_object_new_object();

	put(entry, "major", io->major);
	put(entry, "minor", io->minor);
	json_put_text(entry, "op", op);
	put(entry, "value", value);
	json_object_array_add(list, entry);
}

static void
put_devices(struct json_object *data, const struct stats *s)
{
	struct json_object *blkio = json_put_object(data, "blkio"),
			   *bytes = json_put_list(blkio, "ioServiceBytesRecursive"),
			   *times = json_put_list(blkio, "ioServicedRecursive"),
			   *huge = json_put_object(data, "hugetlb");

	for (size_t i = 0; i < s->io_count; i++) {
		put_io(bytes, &s->io[i], "Read", s->io[i].rbytes);
		put_io(bytes, &s->io[i], "Write", s->io[i].wbytes);
		put_io(times, &s->io[i], "Read", s->io[i].rios);
		put_io(times, &s->io[i], "Write", s->io[i].wios);
	}
	put_pressure(blkio, &s->io_pressure);
	for (size_t i = 0; i < s->hugetlb_count; i++) {
		struct json_object *one = json_put_object(huge, s->hugetlb[i].size);

		put(one, "usage", s->hugetlb[i].current);
		put(one, "max", s->hugetlb[i].max);
		put(one, "failcnt", s->hugetlb[i].failures < 0 ? 0 : s->hugetlb[i].failures);
	}
}

/* ---- events ---- */

static int
print_event(const char *type, const char *id, struct json_object *data)
{
	struct json_object *event = json_object_new_object();
	int done;

	json_put_text(event, "type", type);
	json_put_text(event, "id", id);
	if (data)
		json_object_object_add(event, "data", data);
	done = puts(json_object_to_json_string_ext(event, JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(event);
	return done < 0 || fflush(stdout) != 0 ? fail(errno, "write of an event") : 0;
}

static int
print_stats(const char *id, const struct cgroup *cgroup)
{
	struct json_object *data;
	struct stats stats;

	if (stats_read(cgroup, &stats) < 0)
		return -1;
	data = json_object_new_object();
	put_cpu(data, &stats);
	put_memory(data, &stats, cgroup);
	if (stats.pids_current >= 0) {
		struct json_object *pids = json_put_object(data, "pids");

		put(pids, "current", stats.pids_current);
		put(pids, "limit", stats.pids_max == CGROUP_MAX ? 0 : stats.pids_max);
	}
	put_devices(data, &stats);
	return print_event("stats", id, data);
}

/* Until the container has ended: its numbers at each interval, and each kill for want of memory
 * when the kernel says that memory.events has changed. */
static int
follow(const struct oci_state *state, const struct cgroup *cgroup, int64_t interval)
{
	struct pollfd events[2] = {
		{ .fd = oci_state_pidfd(state), .events = POLLIN },
		{ .fd = openat(cgroup->fd, "memory.events", O_RDONLY | O_CLOEXEC),
		  .events = POLLPRI },
	};
	int64_t next = now_ms(), kills = cgroup_read_key(cgroup, "memory.events", "oom_kill"), now;
	bool ended = events[0].fd < 0;
	char text[256];
	int done = 0;

	while (done == 0 && !ended) {
		if (now_ms() >= next) {
			done = print_stats(state->id, cgroup);
			next += interval;
		}
		now = next - now_ms();
		poll(events, 2, now > 0 ? (int)now : 0);
		ended = events[0].revents != 0;
		if (events[1].fd >= 0 && pread(events[1].fd, text, sizeof text, 0) < 0)
			ended = true; /* the cgroup is gone */
		now = cgroup_read_key(cgroup, "memory.events", "oom_kill");
		if (done == 0 && now > kills)
			done = print_event("oom", state->id, NULL);
		kills = now;
	}
	for (int i = 0; i < 2; i++)
		close_fd(events[i].fd);
	return done;
}

int
command_events(const struct globals *globals, int argc, char **argv)
{
	struct event_options options = { .interval = 5000 };
	struct oci_state state;
	struct cgroup cgroup;
	int first = command_operands(argc, argv, event_rows, &options), done;

	if (first <= 0)
		return first;
	if (open_running(globals, argv[first], &state, &cgroup) < 0)
		return -1;
	done = options.once ? print_stats(state.id, &cgroup)
			    : follow(&state, &cgroup, options.interval);
	if (done < 0 && !options.once && oci_state_status(&state) == OCI_STOPPED) {
		call_forget(); /* it ended, and its cgroup went, while it was read */
		done = 0;
	}
	cgroup_close(&cgroup);
	oci_state_close(&state);
	return done;
}

/*
 * stats.c: counters of a cgroup as numbers, and as lines for a person.
 * Follows Documentation/admin-guide/cgroup-v2.rst, Documentation/accounting/psi.rst.
 * Explained in book/04-cgroups.md.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "step01-unshare/call.h"
#include "step04-cgroups/stats.h"

const struct option_row stats_options[] = {
	{ "stats", 0, NULL, "memory.peak, cpu.stat", "print at the end what was used", option_flag,
	  offsetof(struct stats_options, show), 0 },
	{ 0 },
};

int
stats_controllers(const struct stats_options *options)
{
	return options->show ? CONTROLLER_MEMORY | CONTROLLER_CPU | CONTROLLER_PIDS | CONTROLLER_IO
			     : 0;
}

/* ---- reading ---- */

struct wanted { /* one number: a file, a key in it (NULL: the file is the number), a field */
	const char *file, *key;
	size_t field;
};

#define AT(name) offsetof(struct stats, name)
/* Ordered by file, so that each is read once. */
static const struct wanted wanted[] = {
	{ "memory.current", NULL, AT(memory_current) },
	{ "memory.peak", NULL, AT(memory_peak) },
	{ "memory.max", NULL, AT(memory_max) },
	{ "memory.low", NULL, AT(memory_low) },
	{ "memory.swap.current", NULL, AT(swap_current) },
	{ "memory.swap.max", NULL, AT(swap_max) },
	{ "memory.stat", "anon", AT(anon) },
	{ "memory.stat", "file", AT(file) },
	{ "memory.stat", "kernel", AT(kernel) },
	{ "memory.stat", "sock", AT(sock) },
	{ "memory.stat", "shmem", AT(shmem) },
	{ "memory.stat", "slab", AT(slab) },
	{ "memory.stat", "inactive_file", AT(inactive_file) },
	{ "memory.stat", "pgfault", AT(page_faults) },
	{ "memory.stat", "pgmajfault", AT(major_faults) },
	{ "memory.events", "low", AT(reclaims_low) },
	{ "memory.events", "high", AT(reclaims_high) },
	{ "memory.events", "max", AT(reclaims_max) },
	{ "memory.events", "oom", AT(ooms) },
	{ "memory.events", "oom_kill", AT(oom_kills) },
	{ "memory.events", "oom_group_kill", AT(oom_group_kills) },
	{ "cpu.stat", "usage_usec", AT(cpu_usage) },
	{ "cpu.stat", "user_usec", AT(cpu_user) },
	{ "cpu.stat", "system_usec", AT(cpu_system) },
	{ "cpu.stat", "nr_periods", AT(cpu_periods) },
	{ "cpu.stat", "nr_throttled", AT(cpu_throttled_periods) },
	{ "cpu.stat", "throttled_usec", AT(cpu_throttled) },
	{ "pids.current", NULL, AT(pids_current) },
	{ "pids.peak", NULL, AT(pids_peak) },
	{ "pids.max", NULL, AT(pids_max) },
	{ "pids.events", "max", AT(pids_refused) },
};

/* The number behind KEY in a flat-keyed text; −1 when the key is not in it. */
static int64_t
value_of(const char *text, const char *key)
{
	size_t length = strlen(key);

	for (const char *line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, key, length) == 0 && line[length] == ' ')
			return strtoll(line + length, NULL, 10);
	}
	return -1;
}

static int64_t
number_in(const char *text)
{
	return strncmp(text, "max", 3) == 0 ? CGROUP_MAX : strtoll(text, NULL, 10);
}

static void
read_numbers(const struct cgroup *cgroup, struct stats *stats)
{
	const char *file = "";
	char text[8192];
	bool there = false;

	for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
		int64_t *field = (int64_t *)((char *)stats + wanted[i].field);

		if (strcmp(file, wanted[i].file) != 0) {
			file = wanted[i].file;
			there = cgroup_read(cgroup, file, text, sizeof text) == 0;
		}
		if (!there)
			*field = -1;
		else
			*field = wanted[i].key ? value_of(text, wanted[i].key) : number_in(text);
	}
}

static void
read_cpu_max(const struct cgroup *cgroup, struct stats *stats)
{
	char text[64], quota[24];

	stats->cpu_quota = stats->cpu_period = -1;
	if (cgroup_read(cgroup, "cpu.max", text, sizeof text) == 0 &&
	    sscanf(text, "%23s %" SCNd64, quota, &stats->cpu_period) == 2)
		stats->cpu_quota = number_in(quota);
}

/* "8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6"; some kernels print devices without any
 * numbers, and further keys. */
static void
read_io(const struct cgroup *cgroup, struct stats *stats)
{
	char text[8192], *rest = NULL;

	stats->io_count = 0;
	if (cgroup_read(cgroup, "io.stat", text, sizeof text) < 0)
		return;
	for (char *line = strtok_r(text, "\n", &rest); line && stats->io_count < STATS_DEVICES;
	     line = strtok_r(NULL, "\n", &rest)) {
		struct io_stats *io = &stats->io[stats->io_count];

		memset(io, 0, sizeof *io);
		if (sscanf(line,
			   "%u:%u rbytes=%" SCNd64 " wbytes=%" SCNd64 " rios=%" SCNd64
			   " wios=%" SCNd64 " dbytes=%" SCNd64 " dios=%" SCNd64,
			   &io->major, &io->minor, &io->rbytes, &io->wbytes, &io->rios, &io->wios,
			   &io->dbytes, &io->dios) >= 6)
			stats->io_count++;
	}
}

static void
read_pressure(const struct cgroup *cgroup, const char *file, struct pressure *pressure)
{
	static const struct pressure_line none = { .total = -1 };
	const char form[] = " avg10=%lf avg60=%lf avg300=%lf total=%" SCNd64;
	char text[512];
	const char *full;

	pressure->some = pressure->full = none;
	if (cgroup_read(cgroup, file, text, sizeof text) < 0 || strncmp(text, "some", 4) != 0)
		return;
	sscanf(text + 4, form, &pressure->some.avg10, &pressure->some.avg60, &pressure->some.avg300,
	       &pressure->some.total);
	full = strstr(text, "\nfull");
	if (full)
		sscanf(full + 5, form, &pressure->full.avg10, &pressure->full.avg60,
		       &pressure->full.avg300, &pressure->full.total);
}

static void
read_hugetlb(const struct cgroup *cgroup, struct stats *stats)
{
	static const char *const sizes[] = { "64KB", "2MB", "32MB", "1GB" };

	stats->hugetlb_count = 0;
	for (size_t i = 0; i < STATS_HUGETLB; i++) {
		struct hugetlb_stats *h = &stats->hugetlb[stats->hugetlb_count];
		char file[48];

		snprintf(file, sizeof file, "hugetlb.%s.current", sizes[i]);
		h->current = cgroup_read_number(cgroup, file);
		if (h->current < 0)
			continue;
		snprintf(file, sizeof file, "hugetlb.%s.max", sizes[i]);
		h->max = cgroup_read_number(cgroup, file);
		snprintf(file, sizeof file, "hugetlb.%s.events", sizes[i]);
		h->failures = cgroup_read_key(cgroup, file, "max");
		strcpy(h->size, sizes[i]);
		stats->hugetlb_count++;
	}
}

int
stats_read(const struct cgroup *cgroup, struct stats *stats)
{
	char text[16];

	memset(stats, 0, sizeof *stats);
	read_numbers(cgroup, stats);
	read_cpu_max(cgroup, stats);
	read_io(cgroup, stats);
	read_pressure(cgroup, "cpu.pressure", &stats->cpu_pressure);
	read_pressure(cgroup, "memory.pressure", &stats->memory_pressure);
	read_pressure(cgroup, "io.pressure", &stats->io_pressure);
	read_hugetlb(cgroup, stats);
	if (cgroup->fd < 0)
		return 0;
	/* a removed cgroup answers ENODEV, or ENOENT, to everything */
	if (cgroup_read(cgroup, "cgroup.controllers", text, sizeof text) < 0)
		return fail(errno, "read(\"%s/cgroup.controllers\")", cgroup->path);
	return 0;
}

/* ---- for a person ---- */

const char *
stats_bytes(int64_t bytes, char buffer[32])
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB" };
	double value = (double)bytes;
	int unit = 0;

	while (value >= 1024 && unit < 4) {
		value /= 1024;
		unit++;
	}
	if (bytes < 0)
		snprintf(buffer, 32, "unknown");
	else if (bytes == CGROUP_MAX)
		snprintf(buffer, 32, "max");
	else
		snprintf(buffer, 32, "%.*f %s",
			 unit && value < 100 && (double)(int64_t)value != value, value,
			 units[unit]);
	return buffer;
}

static void
print_memory(FILE *to, const char *name, const struct stats *s, int64_t process_peak)
{
	char peak[32], max[32];

	if (s->memory_current < 0) {
		if (process_peak > 0)
			fprintf(to, "%s: memory: largest process %s; no memory controller\n", name,
				stats_bytes(process_peak, peak));
		return;
	}
	if (s->memory_peak >= 0)
		fprintf(to, "%s: memory: peak %s of %s", name, stats_bytes(s->memory_peak, peak),
			stats_bytes(s->memory_max, max));
	else
		fprintf(to, "%s: memory: largest process %s of %s (memory.peak is since 5.19)",
			name, stats_bytes(process_peak > 0 ? process_peak : -1, peak),
			stats_bytes(s->memory_max, max));
	fprintf(to, ", limit hit %" PRId64 " times, %" PRId64 " killed\n", s->reclaims_max,
		s->oom_kills);
}

static void
print_cpu(FILE *to, const char *name, const struct stats *s)
{
	if (s->cpu_usage < 0)
		return;
	fprintf(to, "%s: cpu: %.3f s (user %.3f, system %.3f)", name, (double)s->cpu_usage / 1e6,
		(double)s->cpu_user / 1e6, (double)s->cpu_system / 1e6);
	if (s->cpu_periods > 0)
		fprintf(to, ", throttled in %" PRId64 " of %" PRId64 " periods for %.3f s",
			s->cpu_throttled_periods, s->cpu_periods, (double)s->cpu_throttled / 1e6);
	fputc('\n', to);
}

static void
print_pids(FILE *to, const char *name, const struct stats *s)
{
	if (s->pids_current < 0)
		return;
	fprintf(to, "%s: pids: ", name);
	if (s->pids_peak >= 0)
		fprintf(to, "peak %" PRId64, s->pids_peak);
	else
		fputs("peak unknown (pids.peak is since 6.1)", to);
	if (s->pids_max == CGROUP_MAX)
		fputs(" of max", to);
	else
		fprintf(to, " of %" PRId64, s->pids_max);
	fprintf(to, ", %" PRId64 " forks refused\n", s->pids_refused);
}

static void
print_io(FILE *to, const char *name, const struct stats *s)
{
	char read[32], written[32];

	for (size_t i = 0; i < s->io_count; i++)
		fprintf(to,
			"%s: io: %u:%u read %s in %" PRId64 " operations, written %s in %" PRId64
			"\n",
			name, s->io[i].major, s->io[i].minor, stats_bytes(s->io[i].rbytes, read),
			s->io[i].rios, stats_bytes(s->io[i].wbytes, written), s->io[i].wios);
}

static void
print_pressure(FILE *to, const char *name, const struct stats *s)
{
	const struct pressure *all[] = { &s->cpu_pressure, &s->memory_pressure, &s->io_pressure };
	static const char *const what[] = { "cpu", "memory", "io" };

	if (s->cpu_pressure.some.total < 0)
		return;
	fprintf(to, "%s: waited for:", name);
	for (int i = 0; i < 3; i++)
		fprintf(to, "%s %s %.3f s", i ? "," : "", what[i],
			(double)all[i]->some.total / 1e6);
	fputc('\n', to);
}

void
stats_print(FILE *to, const char *name, const struct stats *stats, int64_t process_peak)
{
	print_memory(to, name, stats, process_peak);
	print_cpu(to, name, stats);
	print_pids(to, name, stats);
	print_io(to, name, stats);
	print_pressure(to, name, stats);
}

int
stats_report(const struct stats_options *options, const struct cgroup *cgroup, const char *name)
{
	struct rusage usage = { 0 };
	struct stats stats;

	if (!options->show)
		return 0;
	getrusage(RUSAGE_CHILDREN, &usage);
	if (stats_read(cgroup, &stats) < 0)
		return -1;
	if (cgroup->fd < 0)
		fprintf(stderr, "%s: no cgroup of its own here, so little is counted\n", name);
	stats_print(stderr, name, &stats, (int64_t)usage.ru_maxrss * 1024);
	return 0;
}

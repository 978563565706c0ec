/*
 * stats: what a cgroup has used, as numbers.
 *
 * Follows Documentation/admin-guide/cgroup-v2.rst, Documentation/accounting/psi.rst, and the fields
 * of the OCI runtimes' `events`. Explained in book/04-cgroups.md.
 */
#ifndef BOXSTEP_STATS_H
#define BOXSTEP_STATS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include "step04-cgroups/cgroup.h"

struct stats_options {
	bool show; /* --stats */
};
extern const struct option_row stats_options[];

/* The controllers without which some of the numbers are missing: WANTED of cgroup_create. */
int stats_controllers(const struct stats_options *options);

enum { STATS_DEVICES = 16, STATS_HUGETLB = 4 };

struct pressure_line { /* share of time in which some, or all, had to wait: percent, total in µs */
	double avg10, avg60, avg300;
	int64_t total; /* −1: the kernel has no pressure information */
};
struct pressure {
	struct pressure_line some, full;
};

struct io_stats { /* one device since the cgroup was made */
	unsigned major, minor;
	int64_t rbytes, wbytes, rios, wios, dbytes, dios;
};

struct hugetlb_stats {
	char size[16]; /* "2MB" */
	int64_t current, max, failures;
};

/* Counters and limits. −1: this kernel or cgroup does not have it; CGROUP_MAX: no limit. */
struct stats {
	/* bytes */
	int64_t memory_current, memory_peak, memory_max, memory_low, swap_current, swap_max;
	int64_t anon, file, kernel, sock, shmem, slab, inactive_file; /* parts of memory_current */
	/* memory.events: how often */
	int64_t reclaims_low, reclaims_high, reclaims_max, ooms, oom_kills, oom_group_kills;
	int64_t page_faults, major_faults;
	/* µs */
	int64_t cpu_usage, cpu_user, cpu_system, cpu_throttled;
	int64_t cpu_periods, cpu_throttled_periods; /* how many */
	int64_t cpu_quota, cpu_period;		    /* µs; the quota may be CGROUP_MAX */
	int64_t pids_current, pids_peak, pids_max, pids_refused;
	struct io_stats io[STATS_DEVICES];
	size_t io_count;
	struct hugetlb_stats hugetlb[STATS_HUGETLB];
	size_t hugetlb_count;
	struct pressure cpu_pressure, memory_pressure, io_pressure;
};

/* Reads them all. Missing files are no error: −1 in the field. −1 with errno when the cgroup is
 * gone. With CGROUP_NONE everything is −1. */
int stats_read(const struct cgroup *cgroup, struct stats *stats);

/*
 * Prints them for a person, one line a resource, with NAME before each ("step04: memory …").
 * PROCESS_PEAK, in bytes, is the largest resident set of a single process (ru_maxrss): printed,
 * and called that, when the kernel keeps no memory.peak (before 5.19). 0: not known.
 */
void stats_print(FILE *to, const char *name, const struct stats *stats, int64_t process_peak);
/* The whole for step 4: --stats, if asked for, of CGROUP to stderr, after the wait. */
int stats_report(const struct stats_options *options, const struct cgroup *cgroup,
		 const char *name);

/* Bytes as people write them: "64 MiB", "1.5 GiB", "512 B", "max"; in BUFFER, which it gives. */
const char *stats_bytes(int64_t bytes, char buffer[32]);

#endif

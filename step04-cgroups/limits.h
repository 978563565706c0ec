/*
 * limits: flags become writes. `--memory 64m` is 67108864 written to memory.max, and nothing else.
 *
 * Follows Documentation/admin-guide/cgroup-v2.rst, and for the conversion of what cgroup v1 called
 * otherwise linux.resources of the OCI runtime specification (config-linux.md).
 * Explained in book/04-cgroups.md.
 */
#ifndef BOXSTEP_LIMITS_H
#define BOXSTEP_LIMITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "step04-cgroups/cgroup.h"

#define LIMIT_MAX (-1) /* "max": no limit. In every number below, 0 says: not set */

struct io_limit { /* one line of io.max */
	unsigned major, minor;
	int64_t rbps, wbps; /* bytes a second */
	int64_t riops, wiops;
};

struct io_weight { /* one line of io.weight */
	unsigned major, minor;
	int64_t weight; /* as given: see limits.io_weight */
};

struct hugetlb_limit {
	const char *size; /* "2MB", "1GB": part of the file's name */
	int64_t bytes;
};

struct rdma_limit {
	const char *device;
	int64_t handles, objects;
};

struct unified { /* a control file of cgroup v2 by its name, value as it is */
	const char *file, *value;
};

struct limits {
	int64_t memory;	     /* bytes → memory.max */
	int64_t memory_swap; /* bytes of memory + swap → memory.swap.max = this − memory */
	int64_t memory_reservation; /* bytes → memory.low: below it, others are reclaimed first */
	bool memory_check;	    /* refuse a limit below what is used now, as v1 did */
	bool oom_group;		    /* → memory.oom.group: all of the cgroup dies, or nothing */
	int64_t cpu_quota;	    /* µs in a period → cpu.max */
	int64_t cpu_period;	    /* µs → cpu.max; 0: as it is, 100 ms at first */
	int64_t cpu_burst;	    /* µs → cpu.max.burst; LIMIT_MAX → 0, none */
	int64_t cpu_weight;	    /* 1…10000, 100 is usual → cpu.weight */
	int64_t cpu_shares;	    /* the same as v1 had it: 2…262144 and what is taken for
				     * the nearest of them; 1024 is usual */
	int cpu_idle;		    /* 1 → cpu.idle 1; LIMIT_MAX → 0 (since 5.15) */
	const char *cpuset_cpus;    /* "0-2,7" → cpuset.cpus */
	const char *cpuset_mems;    /* → cpuset.mems */
	int64_t pids;		    /* processes and threads → pids.max */
	int64_t io_weight;	    /* 1…10000, 100 is usual → io.weight */
	int64_t blkio_weight; /* the same as v1 had it: 10…1000; → io.bfq.weight if there */
	struct io_limit *io;
	struct io_weight *io_weights; /* for one device each; as v1 had it, 10…1000 */
	struct hugetlb_limit *hugetlb;
	struct rdma_limit *rdma;
	struct unified *unified; /* written last, so that they win */
	size_t io_count, io_weights_count, hugetlb_count, rdma_count, unified_count;
	const char *v1_only; /* the name of a setting without a counterpart in v2: refused */
};

/* The controllers that LIMITS need, for cgroup_create. */
int limits_controllers(const struct limits *limits);

/* Checks what can be known before anything is made: ranges, swap without memory, swap below
 * memory, names with a slash. −1 with EINVAL or ENOTSUP. Called by limits_apply too. */
int limits_check(const struct limits *limits);

/* For a configuration that names a disk more than once: its line of io.max, added when there is
 * none yet, in the array that limits_free frees. NULL: ENOMEM, recorded. */
struct io_limit *limits_io(struct limits *limits, unsigned major, unsigned minor);
/* Frees the arrays of limits that were read from a configuration; their strings are its own. */
void limits_free(struct limits *limits);

/*
 * Writes the limits, one write for each (for each device of io.max). Also for a live cgroup: what
 * is not set stays as it is. With memory_check a limit below memory.current is EBUSY.
 * ENOENT when this kernel or this cgroup has no such file: the sentence says which and why.
 */
int limits_apply(const struct limits *limits, const struct cgroup *cgroup);

/* v1's shares as a weight: 2 → 1, 1024 → 100, 262144 → 10000, and a curve through the three that
 * is quadratic between the logarithms (the one that runc 1.3.2, crun 1.23 and Kubernetes use). */
int64_t limits_shares_to_weight(int64_t shares);
/* v1's blkio.weight 10…1000 as io.weight 1…10000, linear. */
int64_t limits_blkio_to_weight(int64_t weight);
/* A list of CPUs or memory nodes ("0-2,7"): 0 or −1 with EINVAL. */
int limits_check_list(const char *text);

#endif

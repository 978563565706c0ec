/*
 * attrs: what a single process carries into exec beside the limits of its group: limits of its own,
 * priorities, places.
 *
 * Follows setrlimit(2), proc(5), sched_setattr(2), ioprio_set(2), sched_setaffinity(2),
 * personality(2), set_mempolicy(2), umask(2), and the `process` object of the OCI runtime
 * specification. Explained in book/04-cgroups.md.
 */
#ifndef BOXSTEP_ATTRS_H
#define BOXSTEP_ATTRS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "step01-unshare/options.h"

struct attr_limit {
	int resource;	     /* RLIMIT_… */
	uint64_t soft, hard; /* RLIM_INFINITY: none */
};

#define ATTR_LIMITS 16

struct attr_scheduler {			    /* process.scheduler */
	const char *policy;		    /* "SCHED_OTHER" …; NULL: left alone */
	int nice, priority;		    /* −20…19; 0…99 */
	char **flags;			    /* "SCHED_FLAG_RESET_ON_FORK" …, NULL; or NULL */
	uint64_t runtime, deadline, period; /* SCHED_DEADLINE, ns */
};

struct attr_io_priority {  /* process.ioPriority */
	const char *class; /* "IOPRIO_CLASS_BE", "IOPRIO_CLASS_RT", "IOPRIO_CLASS_IDLE"; or NULL */
	int level;	   /* 0…7 */
};

struct attr_memory_policy { /* linux.memoryPolicy */
	const char *mode;   /* "MPOL_BIND" …; NULL: left alone */
	const char *nodes;  /* "0-3,7" */
	char **flags;	    /* "MPOL_F_STATIC_NODES" …, NULL; or NULL */
};

struct attr_options {
	struct attr_limit limits[ATTR_LIMITS];
	size_t limit_count;
	bool has_oom_score_adj, has_umask;
	int oom_score_adj; /* −1000…1000 */
	mode_t umask;
	const char *cpu_affinity; /* "0-3,7"; NULL: left alone */
	struct attr_scheduler scheduler;
	struct attr_io_priority io_priority;
	struct attr_memory_policy memory_policy;
	const char *personality; /* "LINUX" or "LINUX32"; NULL: left alone */
};
extern const struct option_row attr_options[]; /* --ulimit, --oom-score-adj, --umask, … */

/* "RLIMIT_NOFILE" for its number; NULL for one that is none. */
const char *attr_resource_name(int resource);

/* Adds one limit. The same resource twice is an error of the specification: EINVAL; soft above
 * hard: EINVAL. */
int attr_limit_add(struct attr_options *options, const char *name, uint64_t soft, uint64_t hard);

/* The Nth mode and flag of a memory policy that are known, or NULL. */
const char *attr_memory_mode_name(size_t n);
const char *attr_memory_flag_name(size_t n);

/* sched_setaffinity(2) of the caller to a list such as "0-3,7"; NULL: nothing is done. For an
 * exec that has one set of CPUs before it enters the cgroup and another after. */
int attr_affinity(const char *list);
/* Is LIST one? NULL is: nothing is asked for. */
int attr_affinity_check(const char *list);

/* Looks at every name and number without changing anything, so that an error is told before a
 * container is made. 0, or −1 with EINVAL and fail(). */
int attrs_check(const struct attr_options *options);

/* oom_score_adj of process PID (0: the caller), when it is given; for who has the right to lower
 * it, which is not to be had in a user namespace. attrs_apply does it too, unless it is not given
 * any more. PROC is a descriptor of a checked procfs (procfs.h); −1: it is opened for this. */
int attrs_oom_score_adj(const struct attr_options *options, int proc, pid_t pid);

/* Raises the hard limits of process PID (0: the caller) to those that are asked for, where they are
 * lower; the process then sets them itself. Only with CAP_SYS_RESOURCE over the host, so in advance
 * for one that is in a user namespace; what cannot be raised is left to its own error. */
void attrs_make_room(const struct attr_options *options, pid_t pid);

/*
 * In the child, while it still has its capabilities, but after all that takes descriptors, memory
 * or the umask, because a limit holds for this program at once: oom_score_adj, limits, scheduler,
 * io priority, memory policy, affinity, personality, umask. PROC as above.
 */
int attrs_apply(const struct attr_options *options, int proc);

#endif

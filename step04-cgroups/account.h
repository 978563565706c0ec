/*
 * account: all that step 4 does, in two calls, for the steps above it.
 *
 * What has been met is one line from here on: the cgroup of one run, from its limits to its
 * counters. Explained in book/04-cgroups.md.
 */
#ifndef BOXSTEP_ACCOUNT_H
#define BOXSTEP_ACCOUNT_H

#include "step04-cgroups/attrs.h"
#include "step04-cgroups/limit_flags.h"
#include "step04-cgroups/oom.h"
#include "step04-cgroups/stats.h"

struct account {
	struct cgroup_options group; /* the four that the tables of options set */
	struct limits limits;
	struct stats_options stats;
	struct attr_options attrs; /* limits of the process itself */
	struct cgroup cgroup;	   /* cgroup.fd for spawn_clone: −1 where there is none */
	struct oom_count before;
};

/* Its tables of options, for the list of a program. */
#define ACCOUNT_TABLES(account)                                 \
	{ "limits", limits_options, &(account).limits },        \
		{ "cgroup", cgroup_options, &(account).group }, \
		{ "process", attr_options, &(account).attrs },  \
	{                                                       \
		"counters", stats_options, &(account).stats     \
	}

/* Before clone3: checks the limits, sweeps what killed runs left, makes the cgroup "boxstep-ID" (ID
 * NULL: a run id) with its limits written. On failure nothing is left. */
int account_open(struct account *account, const char *id);

/* After the wait (INFO as spawn_wait filled it; NULL: the run failed): says an OOM kill and prints
 * --stats to stderr as PROGRAM, and removes the cgroup with whatever is left inside. */
int account_close(struct account *account, const siginfo_t *info, const char *program);

#endif

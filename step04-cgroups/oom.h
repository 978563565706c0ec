/*
 * oom: whether the OOM killer was in a cgroup, told from memory.events and never from the signal.
 *
 * SIGKILL looks the same from whomever it comes. The kernel counts its own kills for each cgroup;
 * the difference between two moments is the answer. Follows
 * Documentation/admin-guide/cgroup-v2.rst ("memory.events"). Explained in book/04-cgroups.md.
 */
#ifndef BOXSTEP_OOM_H
#define BOXSTEP_OOM_H

#include <sys/wait.h>
#include "step04-cgroups/cgroup.h"

struct oom_count {		     /* a moment */
	int64_t kills, groups, ooms; /* −1: no memory controller, nothing can be told */
};

struct oom_report {
	int64_t killed;	     /* processes that the OOM killer took; of a group maybe one too many */
	bool group;	     /* by memory.oom.group: all of them on purpose */
	bool own_limit;	     /* the limit of this cgroup (else a parent's, or the host was out) */
	bool init_killed;    /* PID 1 ended by SIGKILL */
	int64_t limit, peak; /* bytes; CGROUP_MAX: none, −1: not known */
};

void oom_begin(const struct cgroup *cgroup, struct oom_count *before);
/* The difference to now, with how PID 1 ended (NULL: it has not). Gives killed > 0. A SIGKILL by
 * hand, with no kill counted, is no OOM. */
bool oom_happened(const struct cgroup *cgroup, const struct oom_count *before,
		  const siginfo_t *info, struct oom_report *report);
/* One sentence, without a newline, into TEXT. */
void oom_text(const struct oom_report *report, char *text, size_t size);
/* The whole for a program: says it to stderr as "NAME: …" if it happened. */
void oom_say(const struct cgroup *cgroup, const struct oom_count *before, const siginfo_t *info,
	     const char *name);

#endif

/*
 * oom.c: an OOM kill is a difference of two readings of memory.events.
 * Follows Documentation/admin-guide/cgroup-v2.rst. Explained in book/04-cgroups.md.
 */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>

#include "step04-cgroups/oom.h"
#include "step04-cgroups/stats.h"

void
oom_begin(const struct cgroup *cgroup, struct oom_count *before)
{
	*before = (struct oom_count){ -1, -1, -1 };
	if ((before->kills = cgroup_read_key(cgroup, "memory.events", "oom_kill")) < 0)
		return; /* nobody counts memory here */
	before->ooms = cgroup_read_key(cgroup, "memory.events", "oom");
	/* since 5.17 */
	before->groups = cgroup_read_key(cgroup, "memory.events", "oom_group_kill");
}

/* ANCHOR: happened */
bool
oom_happened(const struct cgroup *cgroup, const struct oom_count *before, const siginfo_t *info,
	     struct oom_report *report)
{
	struct oom_count now;

	*report = (struct oom_report){ 0 };
	if (before->kills < 0)
		return false;
	oom_begin(cgroup, &now);
	*report = (struct oom_report){
		.killed = now.kills - before->kills,
		/* the counter itself, or, before 5.17, that the group was asked for */
		.group = now.groups < 0 ? cgroup_read_number(cgroup, "memory.oom.group") == 1
					: now.groups > before->groups,
		.own_limit = now.ooms > before->ooms,
		.init_killed = info && info->si_code == CLD_KILLED && info->si_status == SIGKILL,
		.limit = cgroup_read_number(cgroup, "memory.max"),
		.peak = cgroup_read_number(cgroup, "memory.peak"),
	};
	return report->killed > 0;
}
/* ANCHOR_END: happened */

void
oom_text(const struct oom_report *r, char *text, size_t size)
{
	char limit[32], peak[32], who[64];

	/* of a group the first victim may be counted twice, so no number is said */
	if (r->group)
		snprintf(who, sizeof who, "all of this container (memory.oom.group)");
	else
		snprintf(who, sizeof who, "%" PRId64 " process%s of this container", r->killed,
			 r->killed == 1 ? "" : "es");
	snprintf(text, size, "out of memory: the kernel killed %s; PID 1 %s; %s %s, peak %s", who,
		 r->init_killed ? "was killed" : "lived on",
		 r->own_limit ? "limit" : "not by its own limit, which is",
		 stats_bytes(r->limit, limit), stats_bytes(r->peak, peak));
}

void
oom_say(const struct cgroup *cgroup, const struct oom_count *before, const siginfo_t *info,
	const char *name)
{
	struct oom_report report;
	char text[256];

	if (!oom_happened(cgroup, before, info, &report))
		return;
	oom_text(&report, text, sizeof text);
	fprintf(stderr, "%s: %s\n", name, text);
}

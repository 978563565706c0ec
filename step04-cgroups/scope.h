/*
 * scope: a cgroup that systemd makes and knows, for hosts where it is the only one that may.
 *
 * systemd is asked over D-Bus by a program of its own, boxstep-scope, because a static program
 * cannot load what that takes. The helper puts itself into a new scope unit and stays until the
 * container's first process is there: a scope without a process is gone at once. So it also goes
 * away by itself when the runtime is killed. Follows systemd.scope(5),
 * org.freedesktop.systemd1(5), https://systemd.io/CGROUP_DELEGATION. Explained in
 * book/04-cgroups.md.
 */
#ifndef BOXSTEP_SCOPE_H
#define BOXSTEP_SCOPE_H

#include <sys/types.h>

#include "step04-cgroups/cgroup.h"
#include "step04-cgroups/device_rules.h"
#include "step04-cgroups/limits.h"

struct scope {
	char unit[300], slice[300];
	pid_t helper; /* 0: it has ended */
	int hold;     /* the helper's stdin: it ends when the last copy is closed; −1 */
};

/* Takes OCI's cgroupsPath "SLICE:PREFIX:NAME" apart: unit PREFIX-NAME.scope in SLICE. NULL or "":
 * boxstep-ID.scope in system.slice, or user.slice for who is not root. −1 with EINVAL. */
int scope_name(struct scope *scope, const char *cgroups_path, const char *id);

/* Starts the unit with the limits as properties, and opens its cgroup. −1 with what systemd said.
 */
int scope_start(struct scope *scope, const struct limits *limits, const struct device_rule *rules,
		size_t count, struct cgroup *cgroup);
/* When somebody else is in it: lets the helper go, and waits for that. */
void scope_release(struct scope *scope);

/* Changes the properties of a unit that there is. */
int scope_set(const struct scope *scope, const struct limits *limits,
	      const struct device_rule *rules, size_t count);
/* Stops it, and waits until it is gone. One that is not there: 0. */
int scope_stop(const struct scope *scope);

#endif

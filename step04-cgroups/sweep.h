/*
 * sweep: what a killed program leaves behind is found by its name, and removed.
 *
 * A cgroup outlives the program that made it: the directory stays until somebody removes it. So
 * its name says who its owner is. Follows cgroups(7), proc_pid_stat(5).
 * Explained in book/04-cgroups.md.
 */
#ifndef BOXSTEP_SWEEP_H
#define BOXSTEP_SWEEP_H

#include "step04-cgroups/cgroup.h"

/* An id that names this process and the moment it began ("run-4711-88123456", the second number in
 * clock ticks after boot, because pids are used again): for programs whose container lives no
 * longer than they do. In a static buffer. */
const char *sweep_run_id(void);

/*
 * Removes the cgroups "boxstep-ID" in the parent (as cgroup_create chooses it) that nobody is in
 * and whose owner is gone: for run ids the process that the id names, for others what OWNER_GONE
 * says (NULL: its owner lives). With KILL, those whose owner is gone are emptied first.
 * One that cannot be removed stays, and is no error. Gives the number removed.
 */
int sweep_cgroups(const struct cgroup_options *options, bool (*owner_gone)(const char *id),
		  bool kill);

#endif

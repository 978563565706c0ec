/*
 * account.c: the calls of step04.c in the same order.
 * Follows cgroups(7). Explained in book/04-cgroups.md.
 */
#include <errno.h>

#include "step04-cgroups/account.h"
#include "step04-cgroups/sweep.h"

int
account_open(struct account *a, const char *id)
{
	int number;

	a->cgroup.fd = -1;
	if (limits_check(&a->limits) < 0 || attrs_check(&a->attrs) < 0)
		return -1;
	sweep_cgroups(&a->group, NULL, false);
	if (cgroup_create(&a->group, id ? id : sweep_run_id(), limits_controllers(&a->limits),
			  stats_controllers(&a->stats), &a->cgroup) < 0)
		return -1;
	oom_begin(&a->cgroup, &a->before);
	if (limits_apply(&a->limits, &a->cgroup) == 0)
		return 0;
	number = errno;
	cgroup_remove(&a->cgroup);
	errno = number;
	return -1;
}

int
account_close(struct account *a, const siginfo_t *info, const char *program)
{
	int result = 0;

	if (info) {
		oom_say(&a->cgroup, &a->before, info, program);
		result = stats_report(&a->stats, &a->cgroup, program);
	}
	return cgroup_remove(&a->cgroup) < 0 ? -1 : result;
}

/*
 * wall.c: the parts of the wall put in their order. Follows capabilities(7), seccomp(2), prctl(2).
 * Explained in book/07-runtime.md.
 */
#include <errno.h>
#include <linux/capability.h>
#include <sched.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "step01-unshare/call.h"
#include "step01-unshare/procfs.h"
#include "step04-cgroups/device_rules.h"
#include "step07-runtime/wall.h"

int
wall_prepare(struct wall *wall, struct view *view, int kinds)
{
	bool privileged = wall->rights.privileged;

	view->devices.only_these |= privileged;
	view->mounts.writable_sys |= privileged;
	if (caps_from_options(&wall->rights, caps_available(CAPS_ALL, kinds & CLONE_NEWUSER),
			      &wall->caps) < 0 ||
	    seccomp_prepare(&wall->calls, wall->caps.bounding, privileged, &wall->filter) < 0)
		return -1;
	if (wall->filter.notify) /* without a listener such a call would only look missing */
		return fail(ENOTSUP, "--seccomp %s: SCMP_ACT_NOTIFY, which needs a supervisor",
			    wall->calls.profile);
	return sysctl_check(&wall->sysctl, kinds) < 0 || labels_check(&wall->labels) < 0 ? -1 : 0;
}

int
wall_devices(struct wall *wall, const struct cgroup *cgroup, int kinds)
{
	int done;

	if (wall->rights.privileged)
		return 0;
	done = device_rules_apply(device_rules_default, device_rules_default_count, cgroup);
	if (done == 0 && !(kinds & CLONE_NEWUSER))
		caps_restrict(&wall->caps, ~(UINT64_C(1) << CAP_MKNOD));
	return done < 0 ? -1 : 0;
}

int
wall_begin(const struct wall *wall)
{
	int proc = procfs_open(), done = -1;

	if (proc < 0)
		return -1;
	if (sysctl_apply(&wall->sysctl, proc) == 0 && labels_enter(&wall->labels, proc) == 0)
		done = 0;
	close(proc);
	return done;
}

int
wall_become(struct wall *wall, const struct user *user)
{
	if (user->uid != 0)
		wall->caps.permitted = wall->caps.effective = wall->caps.ambient;
	/* after this nobody inside can read or change this process through /proc (CVE-2019-5736) */
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return fail(errno, "prctl(PR_SET_DUMPABLE, 0)");
	return caps_become_user(user->uid, user->gid, user->groups, user->count);
}

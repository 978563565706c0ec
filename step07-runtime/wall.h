/*
 * wall: what a container may do, gathered for step 7: rights, calls, limits, settings, devices.
 *
 * The primitives are in security/; here is what they need of each other. --privileged takes all of
 * it down. Explained in book/07-runtime.md.
 */
#ifndef BOXSTEP_WALL_H
#define BOXSTEP_WALL_H

#include "step01-unshare/sysctl.h"
#include "step03-mounts/view.h"
#include "step04-cgroups/cgroup.h"
#include "step05-overlay/user.h"
#include "step07-runtime/seal.h"
#include "step07-runtime/security/caps.h"
#include "step07-runtime/security/labels.h"
#include "step07-runtime/security/seccomp.h"

struct wall {
	struct cap_options rights; /* the four that the tables of options set */
	struct seccomp_options calls;
	struct label_options labels;
	struct sysctl_options sysctl;
	struct cap_sets caps;
	struct seccomp filter;
};

/* Its tables of options, for the list of a program. */
#define WALL_TABLES(wall)                                           \
	{ "rights", cap_options, &(wall).rights },                  \
		{ "system calls", seccomp_options, &(wall).calls }, \
		{ "labels", label_options, &(wall).labels },        \
	{                                                           \
		"kernel settings", sysctl_options, &(wall).sysctl   \
	}

/* Parent, before view_begin: decides the capability sets, compiles the filter, checks the rest.
 * With
 * --privileged nothing is masked and /sys is writable: the view is told. */
int wall_prepare(struct wall *wall, struct view *view, int kinds);

/* Parent, before the clone: only the usual devices may be used by who is in CGROUP. Where that
 * cannot be enforced, CAP_MKNOD goes, because a node of the host's disk would be the host's disk
 * (not so in a user namespace: KINDS).
 */
int wall_devices(struct wall *wall, const struct cgroup *cgroup, int kinds);

/* Child, before view_enter: kernel settings of its namespaces and the labels, through the host's
 * /proc, which is checked. */
int wall_begin(const struct wall *wall);

/* Child: becomes USER and keeps the permitted set until caps_set; for another than root that leaves
 * nothing permitted, as an exec would, or a file's own capabilities came on top of no_new_privs. */
int wall_become(struct wall *wall, const struct user *user);

#endif

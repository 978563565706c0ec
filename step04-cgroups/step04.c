/*
 * step04: the child begins its life in a cgroup that counts and limits what it uses.
 * Follows cgroups(7), clone(2). Explained in book/04-cgroups.md.
 */
#include "step01-unshare/call.h"
#include "step01-unshare/idmap.h"
#include "step01-unshare/namespaces.h"
#include "step01-unshare/sysctl.h"
#include "step02-pidns/handshake.h"
#include "step02-pidns/init.h"
#include "step02-pidns/spawn.h"
#include "step03-mounts/view.h"
#include "step04-cgroups/account.h"
#include "step04-cgroups/cgroup_mount.h"
#include "step04-cgroups/sweep.h"

extern char **environ;

static struct spawn_options spawn;
static struct ns_options ns = { .kinds = CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC };
static struct idmap_options idmap;
static struct sysctl_options sysctl;
static struct view view; /* what the container sees, see step03.c */
static struct account account = { .cgroup = CGROUP_NONE };

static const struct option_table tables[] = {
	VIEW_TABLES(view),
	{ "limits", limits_options, &account.limits },
	{ "cgroup", cgroup_options, &account.group },
	{ "counters", stats_options, &account.stats },
	{ "process", attr_options, &account.attrs },
	{ "processes", spawn_options, &spawn },
	{ "namespaces", ns_options, &ns },
	{ "ids", idmap_options, &idmap },
	{ "kernel settings", sysctl_options, &sysctl },
	{ "narration", call_options, NULL },
	{ 0 },
};

static const struct program program = {
	.name = "step04",
	.synopsis = "[OPTIONS] --rootfs DIR -- COMMAND [ARG...]",
	.operand = "COMMAND",
	.about = "Runs a command in a root of its own, and in a cgroup with limits.",
	.tables = tables,
	.examples = { "step04 --rootfs build/rootfs --stats -- cat /proc/self/cgroup",
		      "step04 --rootfs build/rootfs --memory 64m --cpus 0.5 -- ls /sys/fs/cgroup",
		      "step04 --user --map-root --rootfs build/rootfs -- id -u" },
};

/* ANCHOR: child */
static void
child(char **argv, struct handshake *shake)
{
	handshake_in_child(shake);
	/* the maps are written by the parent, from outside: until then this process is nobody */
	if (handshake_wait_go(shake) < 0 || (idmap_kind(&idmap) && idmap_become_root() < 0) ||
	    /* in a user namespace the right to a time namespace begins here */
	    ((ns.kinds & CLONE_NEWUSER) && ns_enter_time(&ns) < 0) ||
	    /* it was born in its cgroup: a cgroup2 mount shows that one as the root */
	    sysctl_set(&sysctl, ns.kinds) < 0 || view_enter(&view) < 0 ||
	    ns_set_hostname(&ns) < 0 || attrs_apply(&account.attrs, -1) < 0 ||
	    spawn_die_with_parent() < 0 || handshake_ready(shake) < 0)
		handshake_fail(shake);
	init_or_exec(spawn.no_init, argv, environ, 0, shake);
}
/* ANCHOR_END: child */

static int
run(char **argv)
{
	struct handshake shake = { -1, -1 };
	struct spawn made = { 0, -1 };
	siginfo_t info;
	int status = -1;

	/* ANCHOR: parent */
	ns.kinds |= CLONE_NEWCGROUP | idmap_kind(&idmap);
	if (view_begin(&view) < 0 || cgroup_mount_add(&view.list, ns.kinds) < 0 ||
	    spawn_share_pidns(&spawn, &ns.kinds) < 0 || view_prepare(&view, ns.kinds, &idmap) < 0 ||
	    /* offsets of a time namespace can be written only until somebody is in it */
	    (!(ns.kinds & CLONE_NEWUSER) && ns_prepare_time(&ns) < 0) ||
	    spawn_block_signals() < 0 || handshake_open(&shake) < 0 ||
	    limits_check(&account.limits) < 0 || attrs_check(&account.attrs) < 0)
		return -1;
	/* a cgroup outlives its maker: what killed runs have left goes first, if it can */
	sweep_cgroups(&account.group, NULL, false);
	if (cgroup_create(&account.group, sweep_run_id(), limits_controllers(&account.limits),
			  stats_controllers(&account.stats), &account.cgroup) < 0)
		return -1;
	oom_begin(&account.cgroup, &account.before);
	/* limits hold before anybody is in it; the clone is born inside, not moved there */
	if (limits_apply(&account.limits, &account.cgroup) == 0 &&
	    spawn_clone(ns.kinds & ~CLONE_NEWTIME, account.cgroup.fd, &made) == 0)
		child(argv, &shake);
	handshake_in_parent(&shake);
	/* end of file on the handshake is the exec: from here on the status is the command's */
	if (made.pidfd >= 0 && idmap_write(&idmap, made.pid) == 0 &&
	    cgroup_delegate_to_root_of(&account.cgroup, made.pid) == 0 &&
	    handshake_go(&shake, made.pid) == 0 && handshake_wait_ready(&shake) == 0 &&
	    handshake_wait_exec(&shake) == 0) {
		spawn_announce(&made, &spawn, argv[0]);
		if (spawn_wait(&made, &info) == 0 && (status = spawn_status(&info)) >= 0)
			oom_say(&account.cgroup, &account.before, &info, program.name);
	}
	handshake_close(&shake);
	spawn_end(&made);
	/* counted until the end, PID 1's own last moments too; then whatever is left is killed */
	if ((status >= 0 && stats_report(&account.stats, &account.cgroup, program.name) < 0) ||
	    cgroup_remove(&account.cgroup) < 0)
		return -1;
	return status;
	/* ANCHOR_END: parent */
}

int
main(int argc, char **argv)
{
	return program_main(&program, argc, argv, run);
}

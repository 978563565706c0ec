/*
 * step07: step 6, and then the wall: rights taken away, calls filtered, a user, a log.
 * Follows capabilities(7), seccomp(2), credentials(7). Explained in book/07-runtime.md.
 */
#include "step01-unshare/call.h"
#include "step01-unshare/namespaces.h"
#include "step02-pidns/init.h"
#include "step04-cgroups/account.h"
#include "step04-cgroups/cgroup_mount.h"
#include "step05-overlay/contents.h"
#include "step06-net/network.h"
#include "step07-runtime/monitor.h"
#include "step07-runtime/wall.h"

static struct spawn_options spawn;
static struct ns_options ns = { .kinds = CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC };
static struct idmap_options idmap;
static struct view view;       /* what the container sees, see step03.c */
static struct account account; /* what it may use, see step04.c */
static struct contents contents;
static struct network network;
static struct wall wall;       /* what it may do */
static struct monitor monitor; /* what it says */

static const struct option_table tables[] = { WALL_TABLES(wall),
					      { "log", monitor_options, &monitor.options },
					      NETWORK_TABLES(network),
					      CONTENTS_TABLES(contents),
					      VIEW_TABLES(view),
					      ACCOUNT_TABLES(account),
					      { "processes", spawn_options, &spawn },
					      { "namespaces", ns_options, &ns },
					      { "ids", idmap_options, &idmap },
					      { "narration", call_options, NULL },
					      { 0 } };

static const struct program program = {
	.name = "step07",
	.synopsis = "[OPTIONS] IMAGE [COMMAND [ARG...]]",
	.operand = "IMAGE (DIR[:TAG], an archive, or a name of the store)",
	.about = "Runs a command in an image behind the wall of the usual engines.",
	.tables = tables,
	.examples = { "step07 build/images/demo:latest grep -E 'Cap|Seccomp' /proc/self/status",
		      "step07 --cap-drop ALL --network none --rootfs build/rootfs -- id",
		      "step07 --log build/log.json build/images/demo:latest echo hello" },
};

/* ANCHOR: child */
static void
child(struct handshake *shake)
{
	handshake_in_child(shake);
	if (handshake_wait_go(shake) < 0 || (idmap_kind(&idmap) && idmap_become_root() < 0) ||
	    ((ns.kinds & CLONE_NEWUSER) && ns_enter_time(&ns) < 0) ||
	    network_in_child(&network) < 0 || contents_mount(&contents, &view) < 0 ||
	    wall_begin(&wall) < 0 || view_enter(&view) < 0 || ns_set_hostname(&ns) < 0 ||
	    contents_settle(&contents) < 0 || monitor_in_child(&monitor) < 0 ||
	    attrs_apply(&account.attrs, -1) < 0 ||
	    /* the bounding set while there is CAP_SETPCAP, the ids while there is CAP_SETUID */
	    caps_drop_bounding(&wall.caps) < 0 || seccomp_install_early(&wall.filter) < 0 ||
	    wall_become(&wall, &contents.user) < 0 || caps_set(&wall.caps) < 0 ||
	    seccomp_no_new_privs(&wall.filter) < 0 || spawn_die_with_parent() < 0 ||
	    /* last, so that nothing of ours has to pass the filter but execve */
	    handshake_ready(shake) < 0 || seccomp_install_last(&wall.filter) < 0)
		handshake_fail(shake);
	init_or_exec(spawn.no_init, contents.argv, contents.env, 0, shake);
}
/* ANCHOR_END: child */

static int
run(char **words)
{
	struct handshake shake = { -1, -1 };
	struct spawn made = { 0, -1 };
	siginfo_t info;
	int status;
	/* ANCHOR: parent */
	/* -d: a monitor goes on from here, and the caller is done once the command runs */
	if (monitor_begin(&monitor, &status))
		return status;
	ns.kinds |= CLONE_NEWCGROUP | idmap_kind(&idmap);
	if (network_open(&network, NULL, &ns.kinds) < 0 ||
	    contents_find(&contents, &view, words, ns.kinds, &idmap) < 0)
		return monitor_end(&monitor, network_close(&network, -1));
	if (wall_prepare(&wall, &view, ns.kinds) < 0 || view_begin(&view) < 0 ||
	    network_add_mounts(&network, &view.list) < 0 ||
	    cgroup_mount_add(&view.list, ns.kinds) < 0 ||
	    spawn_share_pidns(&spawn, &ns.kinds) < 0 ||
	    contents_prepare(&contents, &view, ns.kinds, &idmap) < 0 ||
	    view_prepare(&view, ns.kinds, &idmap) < 0 || spawn_block_signals() < 0 ||
	    (!(ns.kinds & CLONE_NEWUSER) && ns_prepare_time(&ns) < 0) ||
	    handshake_open(&shake) < 0 || account_open(&account, NULL) < 0)
		return monitor_end(&monitor,
				   network_close(&network, contents_close(&contents, -1)));
	/* a device node is worth what the cgroup lets it be; without rules CAP_MKNOD goes */
	if (wall_devices(&wall, &account.cgroup, ns.kinds) == 0 &&
	    spawn_clone(ns.kinds & ~CLONE_NEWTIME, account.cgroup.fd, &made) == 0)
		child(&shake);
	handshake_in_parent(&shake);
	if (made.pidfd >= 0 && idmap_write(&idmap, made.pid) == 0 &&
	    cgroup_delegate_to_root_of(&account.cgroup, made.pid) == 0 &&
	    network_attach(&network, made.pid, ns.hostname) == 0 &&
	    contents_used_by(&contents, made.pid) == 0 && handshake_go(&shake, made.pid) == 0 &&
	    handshake_wait_ready(&shake) == 0 && handshake_wait_exec(&shake) == 0 &&
	    monitor_started(&monitor) == 0) {
		spawn_announce(&made, &spawn, contents.argv[0]);
		status = monitor_wait(&monitor, &made, &info) < 0 ? -1 : spawn_status(&info);
	}
	handshake_close(&shake);
	spawn_end(&made);
	status = account_close(&account, status < 0 ? NULL : &info, program.name) < 0 ? -1 : status;
	return monitor_end(&monitor, network_close(&network, contents_close(&contents, status)));
	/* ANCHOR_END: parent */
}

int
main(int argc, char **argv)
{
	return seal_main(&program, argc, argv, run);
}

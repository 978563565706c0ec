/*
 * step06: the container gets a network: a cable to the host, an address, ports, names.
 * Follows network_namespaces(7), veth(4). Explained in book/06-net.md.
 */
#include <sched.h>

#include "step01-unshare/call.h"
#include "step01-unshare/idmap.h"
#include "step01-unshare/namespaces.h"
#include "step01-unshare/options.h"
#include "step01-unshare/sysctl.h"
#include "step02-pidns/handshake.h"
#include "step02-pidns/init.h"
#include "step02-pidns/spawn.h"
#include "step03-mounts/view.h"
#include "step04-cgroups/account.h"
#include "step04-cgroups/cgroup_mount.h"
#include "step05-overlay/contents.h"
#include "step06-net/network.h"

static struct spawn_options spawn;
static struct ns_options ns = { .kinds = CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC };
static struct idmap_options idmap;
static struct sysctl_options sysctl;
static struct view view;       /* what the container sees, see step03.c */
static struct account account; /* what it may use, see step04.c */
static struct contents contents;
static struct network network;

static const struct option_table tables[] = {
	{ "network", network_options, &network.wanted },
	{ "names", resolv_options, &network.names },
	CONTENTS_TABLES(contents),
	VIEW_TABLES(view),
	ACCOUNT_TABLES(account),
	{ "processes", spawn_options, &spawn },
	{ "namespaces", ns_options, &ns },
	{ "ids", idmap_options, &idmap },
	{ "kernel settings", sysctl_options, &sysctl },
	{ "narration", call_options, NULL },
	{ 0 },
};

static const struct program program = {
	.name = "step06",
	.synopsis = "[OPTIONS] IMAGE [COMMAND [ARG...]]",
	.operand = "IMAGE (DIR[:TAG], an archive, or a name of the store)",
	.about = "Runs a command in an image, on a network: veth pair, bridge, published ports.",
	.tables = tables,
	.examples = { "step06 build/images/demo:latest ip address",
		      "step06 -p 127.0.0.1:8080:80 --dns 192.0.2.53 build/images/demo:latest true",
		      "step06 --network none --rootfs build/rootfs -- ping -c 1 127.0.0.1" },
};

/* ANCHOR: child */
static void
child(struct handshake *shake)
{
	handshake_in_child(shake);
	if (handshake_wait_go(shake) < 0 || (idmap_kind(&idmap) && idmap_become_root() < 0) ||
	    ((ns.kinds & CLONE_NEWUSER) && ns_enter_time(&ns) < 0) ||
	    /* a network namespace begins with its lo down */
	    network_in_child(&network) < 0 || contents_mount(&contents, &view) < 0 ||
	    sysctl_set(&sysctl, ns.kinds) < 0 || view_enter(&view) < 0 ||
	    ns_set_hostname(&ns) < 0 || contents_settle(&contents) < 0 ||
	    attrs_apply(&account.attrs, -1) < 0 || contents_become(&contents) < 0 ||
	    spawn_die_with_parent() < 0 || handshake_ready(shake))
		handshake_fail(shake);
	init_or_exec(spawn.no_init, contents.argv, contents.env, 0, shake);
}
/* ANCHOR_END: child */

/* ANCHOR: parent */
static int
run(char **words)
{
	struct handshake shake = { -1, -1 };
	struct spawn made = { 0, -1 };
	siginfo_t info;
	int status = -1;

	ns.kinds |= CLONE_NEWCGROUP | idmap_kind(&idmap);
	/* published ports are held from here on; a neighbour's network is entered here */
	if (network_open(&network, NULL, &ns.kinds) < 0 ||
	    contents_find(&contents, &view, words, ns.kinds, &idmap) < 0)
		return network_close(&network, -1);
	if (view_begin(&view) < 0 || network_add_mounts(&network, &view.list) < 0 ||
	    cgroup_mount_add(&view.list, ns.kinds) < 0 ||
	    spawn_share_pidns(&spawn, &ns.kinds) < 0 ||
	    contents_prepare(&contents, &view, ns.kinds, &idmap) < 0 ||
	    view_prepare(&view, ns.kinds, &idmap) < 0 || spawn_block_signals() < 0 ||
	    (!(ns.kinds & CLONE_NEWUSER) && ns_prepare_time(&ns) < 0) ||
	    handshake_open(&shake) < 0 || account_open(&account, NULL) < 0)
		return network_close(&network, contents_close(&contents, -1));
	if (spawn_clone(ns.kinds & ~CLONE_NEWTIME, account.cgroup.fd, &made) == 0)
		child(&shake);
	handshake_in_parent(&shake);
	if (made.pidfd >= 0 && idmap_write(&idmap, made.pid) == 0 &&
	    cgroup_delegate_to_root_of(&account.cgroup, made.pid) == 0 &&
	    /* from outside, where both ends of the cable are in reach */
	    network_attach(&network, made.pid, ns.hostname) == 0 &&
	    contents_used_by(&contents, made.pid) == 0 && handshake_go(&shake, made.pid) == 0 &&
	    handshake_wait_ready(&shake) == 0 && handshake_wait_exec(&shake) == 0) {
		spawn_announce(&made, &spawn, contents.argv[0]);
		status = spawn_wait(&made, &info) < 0 ? -1 : spawn_status(&info);
	}
	handshake_close(&shake);
	spawn_end(&made);
	status = account_close(&account, status < 0 ? NULL : &info, program.name) < 0 ? -1 : status;
	/* the upper layer goes, or is shown, or kept; with the last container goes the bridge */
	return network_close(&network, contents_close(&contents, status));
}
/* ANCHOR_END: parent */

int
main(int argc, char **argv)
{
	return program_main(&program, argc, argv, run);
}

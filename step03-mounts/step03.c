/*
 * step03: the child gets a root of its own: its mounts, its devices, and no way back.
 * Follows pivot_root(2), mount_namespaces(7). Explained in book/03-mounts.md.
 */
#include <sched.h>
#include <unistd.h>

#include "step01-unshare/call.h"
#include "step01-unshare/idmap.h"
#include "step01-unshare/namespaces.h"
#include "step01-unshare/options.h"
#include "step01-unshare/sysctl.h"
#include "step02-pidns/handshake.h"
#include "step02-pidns/init.h"
#include "step02-pidns/spawn.h"
#include "step03-mounts/devices.h"
#include "step03-mounts/mounts.h"
#include "step03-mounts/rootfs.h"

extern char **environ;

static struct spawn_options spawn;
static struct ns_options ns = { .kinds = CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC };
static struct idmap_options idmap;
static struct sysctl_options sysctl;
static struct rootfs_options rootfs;
static struct mounts_options mounts;
static struct devices_options devices;
static struct mount_list list; /* all that is mounted, in order */

static const struct option_table tables[] = {
	{ "root", rootfs_options, &rootfs },
	{ "mounts", mounts_options, &mounts },
	{ "hidden paths", devices_options, &devices },
	{ "processes", spawn_options, &spawn },
	{ "namespaces", ns_options, &ns },
	{ "ids", idmap_options, &idmap },
	{ "kernel settings", sysctl_options, &sysctl },
	{ "narration", call_options, NULL },
	{ 0 },
};

static const struct program program = {
	.name = "step03",
	.synopsis = "[OPTIONS] --rootfs DIR -- COMMAND [ARG...]",
	.operand = "COMMAND",
	.about = "Runs a command in a root of its own: pivot_root, /proc, /sys, /dev.",
	.tables = tables,
	.examples = { "step03 --rootfs build/rootfs -- ls /",
		      "step03 --rootfs build/rootfs --read-only --tmpfs /tmp -- touch /tmp/x",
		      "step03 --user --map-root --rootfs build/rootfs -- mount" },
};

/* ANCHOR: child */
static void
child(char **argv, int tree, struct handshake *shake)
{
	int root = -1;

	handshake_in_child(shake);
	/* the maps are written by the parent, from outside: until then this process is nobody */
	if (handshake_wait_go(shake) < 0 || (idmap_kind(&idmap) && idmap_become_root() < 0) ||
	    /* in a user namespace the right to a time namespace begins here */
	    ((ns.kinds & CLONE_NEWUSER) && ns_enter_time(&ns) < 0) ||
	    /* sources first, while mounts spread as they do on the host */
	    mounts_open(&list) < 0 || sysctl_set(&sysctl, ns.kinds) < 0 ||
	    (root = rootfs_attach(&rootfs, tree)) < 0 ||
	    /* while the host's /proc is in sight, without which a user namespace gets no own */
	    mounts_apply(&list, root) < 0 || devices_make(&devices, &list, root) < 0 ||
	    /* what had to be writable until here; then what the command is not to see */
	    mounts_seal(&list) < 0 || devices_hide(&devices, root) < 0 ||
	    rootfs_pivot(&rootfs, root) < 0 || ns_set_hostname(&ns) < 0 ||
	    spawn_die_with_parent() < 0 || handshake_ready(shake) < 0)
		handshake_fail(shake);
	init_or_exec(spawn.no_init, argv, environ, 0, shake);
}
/* ANCHOR_END: child */

/* ANCHOR: parent */
static int
run(char **argv)
{
	struct handshake shake = { -1, -1 };
	struct spawn made = { 0, -1 };
	siginfo_t info;
	int tree;

	ns.kinds |= idmap_kind(&idmap); /* a map makes sense in a user namespace only */
	/* what everybody expects to be mounted, and what the user wants on top of it */
	if (mounts_add_defaults(&list, &mounts) < 0 || mounts_add_wanted(&list, &mounts) < 0 ||
	    spawn_share_pidns(&spawn, &ns.kinds) < 0 ||
	    /* what the root of a user namespace could not reach is opened out here */
	    (tree = rootfs_open(&rootfs, ns.kinds)) == -1 ||
	    mounts_open_in_parent(&list, ns.kinds, &idmap) < 0 ||
	    /* offsets of a time namespace can be written only until somebody is in it */
	    (!(ns.kinds & CLONE_NEWUSER) && ns_prepare_time(&ns) < 0) ||
	    spawn_block_signals() < 0 || handshake_open(&shake) < 0)
		return -1;
	if (spawn_clone(ns.kinds & ~CLONE_NEWTIME, -1, &made) == 0)
		child(argv, tree, &shake);
	handshake_in_parent(&shake);
	/* end of file on the handshake is the exec: from here on the status is the command's */
	if (made.pidfd >= 0 && idmap_write(&idmap, made.pid) == 0 &&
	    handshake_go(&shake, made.pid) == 0 && handshake_wait_ready(&shake) == 0 &&
	    handshake_wait_exec(&shake) == 0) {
		spawn_announce(&made, &spawn, argv[0]);
		if (spawn_wait(&made, &info) == 0)
			return spawn_status(&info);
	}
	handshake_close(&shake);
	spawn_end(&made);
	return -1;
}
/* ANCHOR_END: parent */

int
main(int argc, char **argv)
{
	return program_main(&program, argc, argv, run);
}

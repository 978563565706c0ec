/*
 * step05: the root is an image: layers that every container shares, and one of its own on top.
 * Follows overlayfs.rst. Explained in book/05-overlay.md.
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

static struct spawn_options spawn;
static struct ns_options ns = { .kinds = CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC };
static struct idmap_options idmap;
static struct sysctl_options sysctl;
static struct view view;       /* what the container sees, see step03.c */
static struct account account; /* what it may use, see step04.c */
static struct contents contents;

static const struct option_table tables[] = {
	{ "layers", overlay_options, &contents.parts },
	{ "image", image_options, &contents.how },
	{ "store", store_options, &contents.place },
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
	.name = "step05",
	.synopsis = "[OPTIONS] IMAGE [COMMAND [ARG...]]",
	.operand = "IMAGE (DIR[:TAG], an archive, or a name of the store)",
	.about = "Runs a command in an image: its layers and one of its own, merged by overlayfs.",
	.tables = tables,
	.examples = { "step05 build/images/demo:latest cat /etc/motd",
		      "step05 --diff build/images/demo:latest sh -c 'echo new > /etc/motd'",
		      "step05 --lower build/rootfs -- ls /" },
};

/* ANCHOR: child */
static void
child(struct handshake *shake)
{
	handshake_in_child(shake);
	/* the maps are written by the parent, from outside: until then this process is nobody */
	if (handshake_wait_go(shake) < 0 || (idmap_kind(&idmap) && idmap_become_root() < 0) ||
	    /* in a user namespace the right to a time namespace begins here */
	    ((ns.kinds & CLONE_NEWUSER) && ns_enter_time(&ns) < 0) ||
	    /* here, so that it ends with this mount namespace, whatever happens to the parent */
	    contents_mount(&contents, &view) < 0 || sysctl_set(&sysctl, ns.kinds) < 0 ||
	    view_enter(&view) < 0 || ns_set_hostname(&ns) < 0 ||
	    /* names mean what the image's own files say, and those are in sight now */
	    contents_settle(&contents) < 0 || attrs_apply(&account.attrs, -1) < 0 ||
	    contents_become(&contents) < 0 || spawn_die_with_parent() < 0 ||
	    handshake_ready(shake) < 0)
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
	/* the image: looked up, or brought in; from here on its layers are locked */
	if (contents_find(&contents, &view, words, ns.kinds, &idmap) < 0)
		return -1;
	if (view_begin(&view) < 0 || cgroup_mount_add(&view.list, ns.kinds) < 0 ||
	    /* a place for what the container will change, and for its volumes */
	    contents_prepare(&contents, &view, ns.kinds, &idmap) < 0 ||
	    spawn_share_pidns(&spawn, &ns.kinds) < 0 || view_prepare(&view, ns.kinds, &idmap) < 0 ||
	    /* offsets of a time namespace can be written only until somebody is in it */
	    (!(ns.kinds & CLONE_NEWUSER) && ns_prepare_time(&ns) < 0) ||
	    spawn_block_signals() < 0 || handshake_open(&shake) < 0 ||
	    account_open(&account, NULL) < 0)
		return contents_close(&contents, -1);
	if (spawn_clone(ns.kinds & ~CLONE_NEWTIME, account.cgroup.fd, &made) == 0)
		child(&shake);
	handshake_in_parent(&shake);
	/* end of file on the handshake is the exec: from here on the status is the command's */
	if (made.pidfd >= 0 && idmap_write(&idmap, made.pid) == 0 &&
	    cgroup_delegate_to_root_of(&account.cgroup, made.pid) == 0 &&
	    contents_used_by(&contents, made.pid) == 0 && handshake_go(&shake, made.pid) == 0 &&
	    handshake_wait_ready(&shake) == 0 && handshake_wait_exec(&shake) == 0) {
		spawn_announce(&made, &spawn, contents.argv[0]);
		status = spawn_wait(&made, &info) < 0 ? -1 : spawn_status(&info);
	}
	handshake_close(&shake);
	spawn_end(&made);
	if (account_close(&account, status < 0 ? NULL : &info, program.name) < 0)
		status = -1;
	/* the upper layer goes, or is shown, or kept; the lower ones may be removed again */
	return contents_close(&contents, status);
}
/* ANCHOR_END: parent */

int
main(int argc, char **argv)
{
	return program_main(&program, argc, argv, run);
}

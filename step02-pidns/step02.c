/*
 * step02: the command as a child made inside its namespaces: PID 1 there, an ordinary number
 * outside. Follows clone(2), pid_namespaces(7). Explained in book/02-pidns.md.
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

extern char **environ;

static struct spawn_options spawn;
static struct ns_options ns = { .kinds = CLONE_NEWNS };
static struct idmap_options idmap;
static struct sysctl_options sysctl;

static const struct option_table tables[] = {
	{ "processes", spawn_options, &spawn },
	{ "namespaces", ns_options, &ns },
	{ "ids", idmap_options, &idmap },
	{ "kernel settings", sysctl_options, &sysctl }, /* of these namespaces */
	{ "narration", call_options, NULL },
	{ 0 },
};

static const struct program program = {
	.name = "step02",
	.synopsis = "[OPTIONS] -- COMMAND [ARG...]",
	.about = "Runs a command in a PID namespace of its own, below a small init.",
	.tables = tables,
	.operand = "COMMAND",
	.examples = { "step02 -- ps -ef", "step02 --no-init -- sh -c 'echo I am $$'",
		      "step02 --user --map-root -- id -u" },
};

/* ANCHOR: child */
static void
child(char **argv, struct handshake *shake)
{
	handshake_in_child(shake);
	/* the maps are written by the parent, from outside: until then this process is nobody */
	if (handshake_wait_go(shake) < 0)
		handshake_fail(shake);
	if (idmap_kind(&idmap) && idmap_become_root() < 0)
		handshake_fail(shake);
	/* in a user namespace the right to a time namespace begins here */
	if ((ns.kinds & CLONE_NEWUSER) && ns_enter_time(&ns) < 0)
		handshake_fail(shake);
	/* a fresh /proc, where nobody else sees it */
	if (ns_private_mounts() < 0 || spawn_fresh_proc() < 0 || sysctl_set(&sysctl, ns.kinds) < 0)
		handshake_fail(shake);
	if (ns_set_hostname(&ns) < 0 || spawn_die_with_parent() < 0 || handshake_ready(shake) < 0)
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

	ns.kinds |= idmap_kind(&idmap); /* a map makes sense in a user namespace only */
	if (spawn_share_pidns(&spawn, &ns.kinds) < 0)
		return -1;
	/* offsets of a time namespace can be written only until somebody is in it */
	if (!(ns.kinds & CLONE_NEWUSER) && ns_prepare_time(&ns) < 0)
		return -1;
	if (spawn_block_signals() < 0 || handshake_open(&shake) < 0)
		return -1;
	if (spawn_clone(ns.kinds & ~CLONE_NEWTIME, -1, &made) == 0)
		child(argv, &shake);
	handshake_in_parent(&shake);
	if (made.pidfd < 0 || idmap_write(&idmap, made.pid) < 0)
		goto failed;
	if (handshake_go(&shake, made.pid) < 0 || handshake_wait_ready(&shake) < 0)
		goto failed;
	/* end of file on the handshake is the exec: from here on the status is the command's */
	if (handshake_wait_exec(&shake) < 0)
		goto failed;
	spawn_announce(&made, &spawn, argv[0]);
	if (spawn_wait(&made, &info) < 0)
		goto failed;
	return spawn_status(&info);
failed:
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

/*
 * step01: a command in new namespaces, or in those of another process. No child is made.
 * Follows unshare(1) and nsenter(1). Explained in book/01-unshare.md.
 */
#include <errno.h>
#include <sched.h>
#include <unistd.h>

#include "step01-unshare/call.h"
#include "step01-unshare/exec.h"
#include "step01-unshare/idmap.h"
#include "step01-unshare/namespaces.h"
#include "step01-unshare/options.h"
#include "step01-unshare/sysctl.h"

extern char **environ;

static struct ns_options ns;
static struct idmap_options idmap;
static struct sysctl_options sysctl;

static const struct option_table tables[] = {
	{ "namespaces", ns_options, &ns },
	{ "ids", idmap_options, &idmap },
	{ "kernel settings", sysctl_options, &sysctl },
	{ "other processes", ns_view_options, &ns },
	{ "narration", call_options, NULL },
	{ 0 },
};

static const struct program program = {
	.name = "step01",
	.synopsis = "[OPTIONS] -- COMMAND [ARG...]\n       step01 --show [PID]\n"
		    "       step01 --join PID [KINDS] -- COMMAND [ARG...]",
	.about = "Runs a command in namespaces of its own: unshare, then exec.",
	.tables = tables,
	.examples = { "step01 --uts --hostname box -- hostname",
		      "step01 --user --map-root -- id -u", "step01 --show" },
};

/* ANCHOR: create */
static int
create(void)
{
	struct idmap_writer writer;

	/* a range of ids is written from outside, so the writer is made while this is outside */
	if (idmap_writer_start(&idmap, &writer) < 0)
		return -1;
	/* the time namespace takes its offsets before anybody is in it, and cannot come back to the
	 * rights of a user namespace made earlier: it goes with the others, the offsets follow */
	if (ns_unshare(ns.kinds & ~CLONE_NEWTIME) < 0)
		return -1;
	if ((ns.kinds & CLONE_NEWUSER) && idmap_writer_finish(&idmap, &writer) < 0)
		return -1;
	if ((ns.kinds & CLONE_NEWUSER) && (idmap.root || idmap.automatic) &&
	    idmap_become_root() < 0)
		return -1;
	if (ns_enter_time(&ns) < 0)
		return -1;
	/* a mount seen outside would not be a namespace's: on most hosts / is shared */
	if ((ns.kinds & CLONE_NEWNS) && ns_private_mounts() < 0)
		return -1;
	return sysctl_set(&sysctl, ns.kinds) < 0 ? -1 : ns_set_hostname(&ns);
}
/* ANCHOR_END: create */

static int
join(void)
{
	if (ns.monotonic || ns.boottime) /* nobody may be in it yet */
		return fail(EINVAL, "--monotonic and --boottime: not for what is joined");
	/* what the target shares with this process is not its own, and may be the host's */
	if ((ns.kinds = ns_join(ns.join, ns.kinds)) < 0)
		return -1;
	/* the user namespace gave rights to a process that is nobody in it yet */
	if ((ns.kinds & CLONE_NEWUSER) && idmap_become_root() < 0)
		return -1;
	if (sysctl_set(&sysctl, ns.kinds) < 0 || ns_set_hostname(&ns) < 0)
		return -1;
	/* a process never changes its own PID namespace: the command is a child */
	return ns.kinds & (CLONE_NEWPID | CLONE_NEWTIME) ? ns_fork_into() : 0;
}

static int
run(char **words)
{
	ns.kinds |= idmap_kind(&idmap); /* a map makes sense in a user namespace only */
	if (ns.show)
		return ns_show_words(ns.show, words);
	if (!words[0])
		return fail(EINVAL, "no COMMAND: step01 [OPTIONS] -- COMMAND");
	if ((ns.join ? join() : create()) < 0)
		return -1;
	return exec_command(words, environ, 0);
}

int
main(int argc, char **argv)
{
	return program_main(&program, argc, argv, run);
}

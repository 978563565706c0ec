/*
 * ids.c: root shares the host's ids unless asked; an ordinary user needs a user namespace for
 * anything. Follows user_namespaces(7). Explained in book/07-runtime.md.
 */
#include <errno.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>

#include "step01-unshare/call.h"
#include "step07-runtime/engine/ids.h"

int
ids_choose(const char *mode, struct idmap_options *maps)
{
	*maps = (struct idmap_options){ 0 };
	if (mode && strcmp(mode, "host") != 0 && strcmp(mode, "auto") != 0)
		return fail(EINVAL, "--userns %s: not host or auto", mode);
	if (geteuid() == 0 && (!mode || strcmp(mode, "host") == 0))
		return 0;
	if (geteuid() != 0 && mode && strcmp(mode, "host") == 0)
		return fail(EINVAL, "--userns host: only root may do without a user namespace");
	maps->automatic = idmap_has_range();
	maps->root = !maps->automatic;
	return CLONE_NEWUSER;
}

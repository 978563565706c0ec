/*
 * leftover.c: by the state that the runtime wrote down, and by the id. The processes are gone with
 * the monitor (PR_SET_PDEATHSIG). Follows prctl(2), cgroups(7). Explained in book/07-runtime.md.
 */
#include <errno.h>

#include "step01-unshare/call.h"
#include "step04-cgroups/cgroup.h"
#include "step06-net/network.h"
#include "step07-runtime/engine/leftover.h"
#include "step07-runtime/oci/state.h"

static void
remove_cgroup(const char *path)
{
	struct cgroup cgroup = CGROUP_NONE;

	if (path[0] && cgroup_open(path, &cgroup) == 0)
		cgroup_remove(&cgroup);
}

void
leftover_clear(const char *id, const char *cgroup)
{
	struct call_error error = *call_error();
	struct oci_state state;

	if (oci_state_open(oci_root_default(), id, &state) == 0) {
		remove_cgroup(state.cgroup);
		oci_state_remove(oci_root_default(), &state);
	} else if (call_error()->number != ENOENT) { /* damaged: what it says is lost */
		remove_cgroup(cgroup);
		oci_state_discard(oci_root_default(), id);
	}
	network_remove(id, NULL);
	call_forget();
	if (error.number)
		call_adopt(&error);
}

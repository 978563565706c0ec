/*
 * enter: another process in a container that runs: what `exec` does.
 *
 * Not only its namespaces: its cgroup, its capabilities, its filter, its user. (nsenter(1) leaves
 * the caller's cgroup and rights, which is why it is no substitute.) Follows setns(2), clone(2).
 * Explained in book/07-runtime.md.
 */
#ifndef BOXSTEP_OCI_ENTER_H
#define BOXSTEP_OCI_ENTER_H

#include "step02-pidns/handshake.h"
#include "step02-pidns/spawn.h"
#include "step07-runtime/oci/config.h"
#include "step07-runtime/oci/state.h"

struct enter {
	const struct oci_state *state;
	struct oci_process *process;
	const struct oci_config *config; /* the container's: its filter is put on */
	const char *user_name; /* NAME[:GROUP] looked up in the root; NULL: process->user */
	const char *below;     /* a cgroup below the container's; NULL: that of its first process */
	int stdio[3];	       /* −1: the caller's */
	int console;	       /* −1: no terminal */
	unsigned keep;
	bool die_with_parent;
	struct spawn child; /* what has become of it */
};

void enter_init(struct enter *enter, const struct oci_state *state, const struct oci_config *config,
		struct oci_process *process);

/*
 * Starts the process and waits for its exec. The caller's own namespaces have changed afterwards
 * (paths are the container's): open before what is needed later. 0 with ENTER->child, or −1 with
 * the error recorded.
 */
int enter_run(struct enter *enter);

#endif

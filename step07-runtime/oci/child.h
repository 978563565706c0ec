/*
 * child: what happens in the container's first process, and in one that joins it later, between the
 * clone and the exec. Follows the OCI runtime specification, `process`. Explained in
 * book/07-runtime.md.
 */
#ifndef BOXSTEP_OCI_CHILD_H
#define BOXSTEP_OCI_CHILD_H

#include "step01-unshare/exec.h"
#include "step02-pidns/handshake.h"
#include "step07-runtime/oci/config.h"
#include "step07-runtime/oci/hooks.h"
#include "step07-runtime/security/seccomp.h"

/* What both have in common. */
struct child {
	const struct oci_config *config;
	struct oci_process *process;
	const char *user_name; /* NAME[:GROUP] looked up in the root that is `/` then; NULL: none */
	struct hook_subject subject; /* what a supervisor is told of */
	struct seccomp *seccomp;
	int proc; /* a checked procfs (procfs.h) */
	struct handshake *shake;
	bool old_keyring, die_with_parent;
	unsigned keep;	      /* so many descriptors after 2 stay open */
	char path[EXEC_PATH]; /* of the command: child_become has found it */
};

/* What PROCESS has as 0, 1 and 2: a pty of the devpts below ROOT, whose master goes over the socket
 * CONSOLE (with BIND it is /dev/console too), or each of STDIO that is not −1. */
int child_stdio(int root, int console, bool bind, const int stdio[3],
		const struct oci_process *process);

/* In the finished world: keyring, user, attributes, working directory, capabilities, ids and
 * no_new_privs, in the only order that works; the environment (HOME from the container's passwd
 * when it has none, and what tells of descriptors that are open already); the command found. Then
 * READY, or −1. */
int child_become(struct child *child);

/* May others with the same rights look into this process? */
int child_dumpable(bool yes);

/* The last steps: label, filter, execve (with INIT: below an init). Returns only −1. */
int child_exec(const struct child *child, bool init);

#endif

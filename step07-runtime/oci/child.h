/*
 * child: what happens in the container's first process, and in one that joins it later, between the
 * clone and the exec. Follows the OCI runtime specification, `process`. Explained in
 * book/07-runtime.md.
 */
#ifndef BOXSTEP_OCI_CHILD_H
#define BOXSTEP_OCI_CHILD_H

#include "step02-pidns/handshake.h"
#include "step07-runtime/oci/config.h"
#include "step07-runtime/security/seccomp.h"

/* "boxstep.user": NAME[:GROUP] looked up in the root that is `/` now, into PROCESS. NULL: nothing.
 */
int child_resolve_user(const char *name, struct oci_process *process);

/* Attributes, capabilities, ids, working directory, no_new_privs, in the only order that works.
 * PROC is a checked procfs (procfs.h). */
int child_rights(const struct oci_process *process, const struct seccomp *seccomp, int proc);

/* Completes the environment of the process: HOME from the container's passwd when it has none, and
 * what tells it of descriptors that are open already. */
int child_environment(struct oci_process *process);

/* A pty of the devpts below ROOT becomes the terminal; its master goes over the socket CONSOLE.
 * With BIND it is /dev/console too. */
int child_open_terminal(int root, int console, bool bind, const struct oci_process *process);

/* For a filter with a supervisor: what it will be told of this process, and of its container. */
struct hook_subject;
int child_supervise(const struct oci_config *config, const struct hook_subject *subject,
		    struct seccomp *seccomp);

/* May others with the same rights look into this process? */
int child_dumpable(bool yes);

/* Each that is not −1 becomes 0, 1, 2. */
int child_use_stdio(const int stdio[3]);

/* The last steps: label, filter, execve of PATH (with INIT: below an init). Returns only −1. */
int child_exec(const struct oci_process *process, const struct seccomp *seccomp, int proc,
	       bool init, unsigned keep, const char *path, struct handshake *shake);

#endif

/*
 * launch: the life of a container from its configuration to the exec, for both command lines.
 *
 *	launch_prepare   everything that can fail before a process exists: cgroup, filter, sources
 *	launch_clone     the child is there, mapped, and makes its namespaces
 *	launch_entered   it has them, and waits for GO: time for its network
 *	launch_ready     GO; it builds its world, and waits at the gate
 *	launch_start     through the gate; the command runs
 *
 * It is the order of step07.c, driven by config.json instead of options.
 * Follows runtime.md, "Lifecycle", of the OCI runtime specification. Explained in
 *book/07-runtime.md.
 */
#ifndef BOXSTEP_OCI_LAUNCH_H
#define BOXSTEP_OCI_LAUNCH_H

#include "step02-pidns/handshake.h"
#include "step02-pidns/spawn.h"
#include "step04-cgroups/cgroup.h"
#include "step04-cgroups/scope.h"
#include "step07-runtime/oci/config.h"
#include "step07-runtime/security/seccomp.h"

struct overlay;

struct launch {
	/* what is wanted; the caller's, valid until launch_start has returned */
	const char *id, *bundle;
	struct oci_config *config;
	const struct overlay *layers; /* the root is this overlay; NULL: config's root.path */
	int stdio[3];		      /* the command's 0, 1, 2; −1: the caller's */
	int console;		      /* socket that gets the pty's master; −1: none is wanted */
	int gate;		      /* directory of exec.fifo; −1: the gate is the handshake */
	unsigned keep;		      /* descriptors kept above stderr (--preserve-fds) */
	bool die_with_parent;
	bool straight;	  /* from READY to the exec, or the gate, without another GO */
	bool no_cgroup;	  /* the caller's one, as it is */
	bool systemd;	  /* its cgroup is a scope of systemd's: scope_name is done */
	bool old_keyring; /* the caller's session keyring, as it is */

	/* what has become of it */
	struct cgroup cgroup;
	struct scope scope;
	struct spawn child;
	struct handshake shake;
	struct seccomp seccomp;
	int root_tree, mount_namespace, time_namespace; /* the last two: to be joined; or −1 */
	int rtnl;	 /* a netlink socket of its network namespace, if that is a new one; −1 */
	bool other_user; /* its user namespace is a new or a joined one */
	bool entered;	 /* launch_entered has been there */
};

/* Sets what is wanted to nothing: −1 for descriptors, CGROUP_NONE. */
void launch_init(struct launch *launch, const char *id, struct oci_config *config);

/*
 * The filter of a container: linux.seccomp, or the built-in profile, or none. For launch and for
 * exec, which puts the same on. Before the clone, what needs the host: a profile with a supervisor.
 * After it, while the child has other things to do, the program, which the child takes
 * (seccomp_take).
 */
int launch_seccomp(const struct oci_config *config, const struct oci_process *process,
		   struct seccomp *seccomp);
int launch_filter(const struct oci_config *config, const struct oci_process *process,
		  struct seccomp *seccomp, struct handshake *shake);

/* Leaves out the capabilities that this host's root cannot hand on, and tells which, as the
 * specification demands. */
void launch_restrict_caps(struct oci_process *process, bool new_user);

/* Takes CAP_MKNOD from PROCESS where the device rules of CONFIG cannot be in force in CGROUP: it
 * would be a way to the host's disks. With OTHER_USER, in a user namespace, it opens nothing. */
void launch_restrict_devices(struct oci_process *process, const struct oci_config *config,
			     const struct cgroup *cgroup, bool other_user);

/* Each gives 0, or −1 with the error recorded (the child's own, if it failed there). */
int launch_prepare(struct launch *launch);
int launch_clone(struct launch *launch);
int launch_entered(struct launch *launch);
int launch_ready(struct launch *launch);
/* Waits for the exec; with `gate`, once the state is written, it does not: the container stays, and
 * waits there for `start`. */
int launch_start(struct launch *launch);

/* After a failure: kills the child, removes the cgroup, frees what was prepared. */
void launch_abort(struct launch *launch);
/* After success: frees and closes in this process what the container does not need (the pidfd too).
 */
void launch_close(struct launch *launch);

/* The child's half, in child.c: from the clone to exec; and its first step, the namespaces that
 * clone3 has left to it. */
int launch_unshare(struct launch *launch);
void launch_child(struct launch *launch) __attribute__((noreturn));

#endif

/*
 * hooks: programs of whoever made the bundle, run at six moments of a container's life.
 *
 *	prestart, createRuntime   the world is built, the root not yet turned; on the host's side
 *	createContainer           the same moment; a program of the host in the container's
 *namespaces startContainer            after `start`, before the command; a program of the image,
 *with its rights poststart                 the command runs; on the host's side poststop the
 *container is gone; on the host's side
 *
 * Follows config.md, "POSIX-platform Hooks", and runtime.md, "Lifecycle", of the OCI runtime
 * specification. Explained in book/07-runtime.md.
 */
#ifndef BOXSTEP_OCI_HOOKS_H
#define BOXSTEP_OCI_HOOKS_H

#include <sys/types.h>

struct json_object;
struct oci_config;
struct seccomp;

enum hook_stage {
	HOOK_PRESTART,
	HOOK_CREATE_RUNTIME,
	HOOK_CREATE_CONTAINER,
	HOOK_START_CONTAINER,
	HOOK_POSTSTART,
	HOOK_POSTSTOP,
	HOOK_STAGES
};

/* Whose hooks they are; told to each on its stdin. */
struct hook_subject {
	const char *id, *bundle, *status;
	pid_t pid;		       /* as the hook sees it; 0: it has ended */
	const struct seccomp *seccomp; /* for a hook inside that is the container's; NULL: none */
};

/* The state of the specification, as JSON; the caller's to put. NULL: ENOMEM, recorded. */
struct json_object *hook_state(const struct oci_config *config, const struct hook_subject *subject);

/* Looks at every hook of the object `hooks` (NULL: there are none): an absolute path, args and env
 * of strings, a timeout above 0. −1 with EINVAL, which names the hook. */
int hooks_check(struct json_object *hooks);

/*
 * Runs the hooks of STAGE in their order. The first that cannot be run, fails, or is still there
 * after its timeout (then it is killed, with what it started) ends it: −1, recorded; what it said
 * goes to stderr. Only poststop goes on, because nothing is left to be undone: its failures go to
 * oci_warn.
 */
int hooks_run(const struct oci_config *config, enum hook_stage stage,
	      const struct hook_subject *subject);

/* A runtime that joins namespaces is no longer in its own. Before that: a process that stays
 * outside, in which hooks_run then runs those of the host's side. hooks_leave ends it; a child lets
 * go of it with hooks_forget. */
int hooks_stay_outside(const struct oci_config *config);
/* Calls ACT there, or here when there is none: the memory behind WHAT is as it was before the
 * fork. 0, or −1 with the error recorded. */
int hooks_outside(int (*act)(void *), void *what);
void hooks_leave(void);
void hooks_forget(void);

#endif

/*
 * seccomp: the filter of system calls, prepared before the clone and put on as the last thing
 * before exec; and no_new_privs, without which only CAP_SYS_ADMIN may put one on.
 *
 * Follows seccomp(2), prctl(2), seccomp_unotify(2), `linux.seccomp` of the OCI runtime
 * specification. Explained in book/07a-security.md.
 */
#ifndef BOXSTEP_SECCOMP_H
#define BOXSTEP_SECCOMP_H

#include <stdbool.h>
#include <stdint.h>

#include "step01-unshare/options.h"
#include "step07-runtime/security/filter.h"

struct seccomp_options {
	const char *profile; /* a file, or "unconfined"; NULL: the default, or, for a privileged
			      * container, none */
	bool new_privileges; /* --no-new-privileges=false: a setuid program may gain rights */
};
extern const struct option_row seccomp_options[]; /* --seccomp, --no-new-privileges */

/* What is put on. All zero: nothing. */
struct seccomp {
	struct filter *filter; /* NULL: unconfined */
	bool no_new_privs;
	bool notify;	     /* some call is answered by a supervisor: a listener comes of it */
	char *listener_path; /* where its descriptor is to be sent; or NULL */
	char *listener_metadata;
	/* Set before it is put on: the connected socket over which the listener goes at once, with
	 * the container process state of the specification as JSON text. NULL: nobody gets it. */
	int supervisor;
	char *state;
};

/*
 * In the parent, before the clone: reads or builds the profile and compiles it, for a process that
 * will have the capabilities CAPS (its bounding set). PRIVILEGED (--privileged): unconfined and
 * with new privileges, unless a profile was asked for.
 */
int seccomp_prepare(const struct seccomp_options *options, uint64_t caps, bool privileged,
		    struct seccomp *seccomp);

/* The same from a profile that the caller has read (the OCI runtime: profile_from_json).
 * NULL: unconfined. The profile can be freed afterwards; what it says of the listener is taken from
 * it. */
struct profile;
int seccomp_prepare_profile(struct profile *profile, bool no_new_privs, struct seccomp *seccomp);

/*
 * The filter from the parent to a child that was cloned before it was compiled: while the child
 * mounts, there is time for it. The rest of *SECCOMP both must have already.
 */
struct handshake;
int seccomp_give(const struct seccomp *seccomp, struct handshake *shake);
int seccomp_take(struct seccomp *seccomp, struct handshake *shake);

/*
 * In the child. With no_new_privs anybody may put on a filter, so it is put on last: nothing of
 * ours then needs to be allowed by it but exec. Without, CAP_SYS_ADMIN is needed, so it is put on
 * before the capabilities go. Call both; the one whose time it is not does nothing.
 * A listener that comes of it goes to the supervisor; here it is close-on-exec.
 */
int seccomp_install_early(const struct seccomp *seccomp);
int seccomp_install_last(const struct seccomp *seccomp);

/* In a child of that child, which executes something else beside the command: the one that is put
 * on last, without a listener. What a supervisor would answer is refused there (ENOSYS). */
int seccomp_install_beside(const struct seccomp *seccomp);

/* In the child, between them: prctl(PR_SET_NO_NEW_PRIVS), when it is wanted. Irrevocable. */
int seccomp_no_new_privs(const struct seccomp *seccomp);

/* Frees all of it, and closes the connection to the supervisor: in the parent as soon as the child
 * has its copy. Nothing is left, so a second time does nothing. */
void seccomp_free(struct seccomp *seccomp);

#endif

/*
 * caps: root's power, cut into 41 pieces, of which a container keeps few.
 *
 * Follows capabilities(7), capget(2), prctl(2), and `process.capabilities` of the OCI runtime
 * specification. Explained in book/07a-security.md.
 */
#ifndef BOXSTEP_CAPS_H
#define BOXSTEP_CAPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "step01-unshare/options.h"

#define CAPS_NAMED   41				  /* 0…40: CAP_CHOWN … CAP_CHECKPOINT_RESTORE */
#define CAPS_ALL     ((UINT64_C(1) << 41) - 1)	  /* every one that has a name here */
#define CAPS_DEFAULT UINT64_C(0x00000000a80425fb) /* the 14 that the usual engines leave */

/* The five sets of a process; bit N is capability N. A bit set that is no more than a number goes
 * by uint64_t. */
struct cap_sets {
	uint64_t bounding;    /* the most that a file's own permitted set gives at an exec */
	uint64_t permitted;   /* what can be switched on */
	uint64_t effective;   /* what the kernel looks at */
	uint64_t inheritable; /* leave empty: it outlives exec (CVE-2022-29162) */
	uint64_t ambient;     /* what an ordinary user keeps over exec */
};

struct cap_options {
	struct text_list add, drop; /* names, in the order given */
	bool privileged;	    /* all that there is; also read by the program for the rest of
				     * --privileged: devices, masked paths, seccomp */
};
extern const struct option_row cap_options[]; /* --cap-add, --cap-drop, --privileged */

/* ---- names and numbers ---- */

/* "CAP_CHOWN" for 0, NULL above 40. */
const char *cap_name(size_t number);

/* The number of "CAP_SYS_ADMIN", "sys_admin", "Cap_Sys_Admin"; −1 with EINVAL (no fail()). */
int cap_number(const char *name);

/* Adds it to *SET by that name. 0, or −1 with EINVAL (no fail()). */
int cap_add(const char *name, uint64_t *set);

/* "CAP_CHOWN|CAP_KILL" …, "0" for none; in a static buffer. */
const char *caps_text(uint64_t set);

/* ---- what is wanted, and what there is ---- */

/* What is in any of the five. */
uint64_t caps_in(const struct cap_sets *sets);

/* What of WANTED the caller could hand on: the kernel's capabilities that are in its bounding and
 * permitted sets. With NEW_USER_NAMESPACE: all that the kernel knows, because the child will get
 * them. */
uint64_t caps_available(uint64_t wanted, bool new_user_namespace);

/*
 * The sets of a container from the command line: the default 14, or all with --privileged or
 * `--cap-add ALL`; then what is added and dropped (`--cap-drop ALL --cap-add X` leaves X alone, in
 * whatever order). Inheritable and ambient are empty. What AVAILABLE lacks is left out silently
 * where it was not named; where it was, −1 with EPERM. An unknown name: EINVAL.
 */
int caps_from_options(const struct cap_options *options, uint64_t available, struct cap_sets *sets);

/* Takes from all five SETS what AVAILABLE lacks, and what the kernel would refuse besides:
 * effective ones that are not permitted, inheritable ones that are not in the bounding set, and
 * ambient ones that are not permitted and inheritable; gives the set of what was taken, so that it
 * can be warned of. */
uint64_t caps_restrict(struct cap_sets *sets, uint64_t available);

/* ---- becoming it, in this order ---- */

/* The first: takes everything else out of the bounding set. Needs CAP_SETPCAP, therefore comes
 * before the user changes. */
int caps_drop_bounding(const struct cap_sets *sets);

/* The second: groups, gid, and then uid, because leaving 0 takes away the right to the others. The
 * permitted set is kept over the change (PR_SET_KEEPCAPS) until caps_set. GROUPS replaces the
 * supplementary groups (COUNT 0: none are left); where the user namespace denies setgroups(2)
 * COUNT must be 0, and the call is left out. Ids above INT32_MAX: EINVAL. */
int caps_become_user(uid_t uid, gid_t gid, const gid_t *groups, size_t count);

/* The third: capset(2) of permitted, effective, inheritable; then the ambient set from empty. */
int caps_set(const struct cap_sets *sets);

#endif

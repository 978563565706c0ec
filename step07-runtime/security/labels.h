/*
 * labels: what a security module of the kernel knows a process by: AppArmor's profile, SELinux's
 * label.
 *
 * Follows apparmor(7), selinux(8), proc(5) (attr/exec), and `process` of the OCI runtime
 * specification. Explained in book/07a-security.md.
 */
#ifndef BOXSTEP_LABELS_H
#define BOXSTEP_LABELS_H

#include <stdbool.h>

#include "step01-unshare/options.h"

struct label_options {	      /* entered at exec; NULL or "": none asked for */
	const char *apparmor; /* the profile's name */
	const char *selinux;
};
extern const struct option_row label_options[]; /* --apparmor, --selinux */

/* Is SELinux on in this kernel? */
bool labels_selinux_enabled(void);

/* 0, or −1 with EOPNOTSUPP for a label of a module that is not on. */
int labels_check(const struct label_options *options);

/* In the child, last but the filter: the label that the coming exec enters. PROC: see procfs.h. */
int labels_enter(const struct label_options *options, int proc);

#endif

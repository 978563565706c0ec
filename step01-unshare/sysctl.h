/*
 * sysctl: the kernel's settings that belong to a namespace, and therefore to a container.
 *
 * All others are the host's, on some kernels at least, and are refused. Follows sysctl(8),
 * ipc_namespaces(7), network_namespaces(7), `linux.sysctl` of the OCI runtime specification.
 * Explained in book/01-unshare.md.
 */
#ifndef BOXSTEP_SYSCTL_H
#define BOXSTEP_SYSCTL_H

#include "step01-unshare/options.h"

struct sysctl_options {
	struct text_list set; /* "net.ipv4.ip_forward=1", or with slashes as sysctl(8) takes them */
};
extern const struct option_row sysctl_options[]; /* --sysctl */

/* Adds KEY=VALUE, copied; for callers that have the two apart. 0, or −1 with ENOMEM. */
int sysctl_add(struct sysctl_options *options, const char *key, const char *value);

/* In the parent: every key belongs to a namespace of KINDS (CLONE_NEW…, those that the container
 * has for itself). −1 with EPERM (the host's) or EINVAL (no key), and fail(). */
int sysctl_check(const struct sysctl_options *options, int kinds);

/* In the child, in its namespaces, before /proc/sys is made read-only. PROC: see procfs.h. */
int sysctl_apply(const struct sysctl_options *options, int proc);

/* Both, in a process that is in its namespaces, for who can do no more than fail there: KINDS are
 * those that are its own. Nothing without settings. */
int sysctl_set(const struct sysctl_options *options, int kinds);

#endif

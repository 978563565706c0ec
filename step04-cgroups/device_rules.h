/*
 * device_rules: which device nodes may be used in a cgroup, whoever made the node.
 *
 * cgroup v1 had a file for it; v2 has none. The kernel asks a small BPF program of the cgroup each
 * time a device is opened or a node is made, and refuses with EPERM. It needs no controller, so it
 * works wherever cgroup2 is mounted. Follows bpf(2), linux/bpf.h
 * (BPF_PROG_TYPE_CGROUP_DEVICE), linux.resources.devices of the OCI runtime specification.
 * Explained in book/04-cgroups.md.
 */
#ifndef BOXSTEP_DEVICE_RULES_H
#define BOXSTEP_DEVICE_RULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "step04-cgroups/cgroup.h"

enum device_access { DEVICE_MKNOD = 1, DEVICE_READ = 2, DEVICE_WRITE = 4 }; /* the kernel's bits */

struct device_rule {
	bool allow;
	char type;	      /* 'c', 'b', or 'a': both */
	int64_t major, minor; /* −1: any */
	unsigned access;      /* DEVICE_* */
};

/* What every engine allows: mknod of anything, and the use of null, zero, full, random, urandom,
 * tty, ptmx, the pseudoterminals. To be appended to a container's own rules. */
extern const struct device_rule device_rules_default[];
extern const size_t device_rules_default_count;

/* "r", "rw", "rwm" as bits; −1 with EINVAL, nothing recorded. */
int device_access_parse(const char *text);

/* Can rules be in force in CGROUP? Not when there is none, and not without rights over the host,
 * in a user namespace too: there no node of the host's devices can be made anyway. */
bool device_rules_possible(const struct cgroup *cgroup);

/*
 * Sets the rules of CGROUP, in the place of earlier ones (an update). Each kind of access is
 * decided by the last rule that fits; what no rule decides is refused. No rules at all: nothing is
 * done. Gives 1 when they are in force; 0 when they cannot be. −1 with the error recorded.
 */
int device_rules_apply(const struct device_rule *rules, size_t count, const struct cgroup *cgroup);

/* ---- for tests ---- */

enum { DEVICE_PROGRAM_MAX = 4096 }; /* instructions: the kernel's limit without CAP_BPF */

struct bpf_insn;
/* Compiles the rules; gives the number of instructions, or −1 with E2BIG. */
int device_rules_compile(const struct device_rule *rules, size_t count, struct bpf_insn *program);

#endif

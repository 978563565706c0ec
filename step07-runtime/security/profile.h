/*
 * profile: which system calls a container may make, as a list of rules.
 *
 * Follows `linux.seccomp` of the OCI runtime specification and the profile files of the usual
 * engines (archMap, includes, excludes), seccomp(2). Explained in book/07a-security.md.
 */
#ifndef BOXSTEP_PROFILE_H
#define BOXSTEP_PROFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How an argument is compared; the names in a profile are SCMP_CMP_NE and so on. */
enum profile_op { OP_NE, OP_LT, OP_LE, OP_EQ, OP_GE, OP_GT, OP_MASKED_EQ };

struct profile_arg {
	unsigned index; /* 0…5 */
	enum profile_op op;
	uint64_t value;	 /* what it is compared with; for OP_MASKED_EQ the mask … */
	uint64_t second; /* … and what must be left after the mask */
};

#define PROFILE_ARGS 6

/* ACTION for each of CALLS whose arguments satisfy all of ARGS. */
struct profile_rule {
	uint32_t action;       /* SECCOMP_RET_…, with the errno in its lower 16 bits */
	const uint16_t *calls; /* rows of the table, see sys_table.h */
	size_t call_count;
	struct profile_arg args[PROFILE_ARGS];
	unsigned arg_count;
};

/*
 * A rule without arguments decides a call alone, wherever it stands (the first of them, if there
 * are several). Otherwise the first rule whose arguments match decides; the default action, if none
 * does. Rules with the default action say nothing. All of this is what libseccomp does.
 */
struct profile {
	uint32_t default_action;
	uint32_t bad_arch_action; /* for calls of an architecture that is not in ARCHES: kill */
	unsigned arches;	  /* SYS_ARCH_BITs */
	unsigned flags;		  /* SECCOMP_FILTER_FLAG_… */
	bool new_calls_enosys;	  /* ENOSYS instead of the default action for numbers above the
				   * highest that the profile names, so that a C library newer than
				   * the profile falls back to older calls */
	struct profile_rule *rules;
	size_t count;
	size_t unknown;	     /* names of calls that the table does not have; they are skipped */
	char *listener_path; /* where the descriptor of SECCOMP_RET_USER_NOTIF goes; or NULL */
	char *listener_metadata;
	uint16_t *calls; /* of the rules; NULL: they are a table's */
	size_t call_count;
};

/* The allow-list of the usual engines, for a container with the capabilities CAPS on this kernel.
 * No file is read and nothing parsed. Gives 0, or −1 with ENOMEM. */
int profile_default(uint64_t caps, struct profile *profile);

/*
 * Reads a profile from a file, or from a parsed object (`linux.seccomp` of a configuration), in the
 * format of the OCI configuration or of the engines' files; `includes` and `excludes` are decided
 * for CAPS, this kernel and this machine. Unknown actions, operators, architectures, flags and
 * malformed values are refused: −1 with EINVAL and fail(), which names NAME and the place. Unknown
 * names of calls are counted, as engines do.
 */
struct json_object;
int profile_read(const char *path, uint64_t caps, struct profile *profile);
int profile_from_json(struct json_object *object, const char *name, uint64_t caps,
		      struct profile *profile);

/* The words of a profile; each list ends with NULL. */
struct profile_word {
	const char *name;
	uint32_t value; /* SECCOMP_RET_…, enum profile_op, SECCOMP_FILTER_FLAG_… */
};
extern const struct profile_word profile_actions[], profile_operators[], profile_flags[];

void profile_free(struct profile *profile);

#endif

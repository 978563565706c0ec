/*
 * idmap: who a process is, inside a user namespace and outside of it.
 *
 * Follows user_namespaces(7), newuidmap(1), subuid(5). Explained in book/01-unshare.md.
 */
#ifndef BOXSTEP_IDMAP_H
#define BOXSTEP_IDMAP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "step01-unshare/options.h"

struct id_range { /* one line of a map: COUNT ids from INSIDE on are OUTSIDE… on the other side */
	uint32_t inside, outside, count;
};

#define IDMAP_LINES 340 /* the kernel's limit since 4.15 */

struct idmap_options {
	bool root;	/* --map-root: 0 inside is the caller outside, nothing else */
	bool automatic; /* --map-auto: a whole range, from subuid(5) */
	/* explicit maps, as the OCI configuration gives them; used when uid_count > 0 */
	struct id_range *uid, *gid;
	size_t uid_count, gid_count;
	const char *joined; /* path of a user namespace that has its maps already; NULL: none */
};

extern const struct option_row idmap_options[]; /* --map-root, --map-auto */

/* CLONE_NEWUSER when a map is asked for, because there is nothing to map without one; else 0. */
int idmap_kind(const struct idmap_options *options);

/* The COUNT lines of MAP, for the error found at WHERE: no more than the kernel takes, none of no
 * ids and none that reaches beyond 2^32. −1 with EINVAL. */
int idmap_check(const struct id_range *map, size_t count, const char *where);

/* Whether /etc/subuid and /etc/subgid give the caller a range, for --map-auto; root always has one.
 */
bool idmap_has_range(void);

/*
 * Writes the maps of process PID, which is in a new user namespace, from its parent's namespace:
 * `deny` to setgroups first where the kernel demands it (a writer without CAP_SETGID), then
 * gid_map and uid_map with one write each; ranges of an ordinary user by newuidmap(1) and
 * newgidmap(1).
 * --map-auto: root gets 0…65535 on the range of `root` in /etc/subuid, else on 100000…165535; an
 * ordinary user 0 = itself and 1…n = the range of its line. Without one: EINVAL, and what to add.
 * PID is never the caller itself here; for that see idmap_writer_finish.
 */
int idmap_write(const struct idmap_options *options, pid_t pid);

/* With true, idmap_set_groups leaves this process and its children the groups that they have. */
void idmap_keep_groups(bool keep);

/* setgroups(2). Gives 0; 1 when this user namespace denies it for
 * good (/proc/self/setgroups), so that the groups stay; −1 with the error. */
int idmap_set_groups(size_t count, const gid_t *groups);

/* Becomes uid 0, gid 0 of the new user namespace with no supplementary groups, where these may be
 * given up. */
int idmap_become_root(void);

/*
 * For the program without a child (step 1): unshare(2) takes its rights over the ids outside, so a
 * range has to be written by a process that stays there. idmap_writer_start, before the unshare,
 * forks one where it is needed; idmap_writer_finish, after it, has the maps written (a single line
 * by the caller itself) and waits. 0, or −1 with the writer's error adopted.
 */
struct idmap_writer {
	pid_t pid; /* 0: none is needed */
	int fd;
	uint32_t uid, gid; /* the caller's, before the unshare */
};
int idmap_writer_start(const struct idmap_options *options, struct idmap_writer *writer);
int idmap_writer_finish(const struct idmap_options *options, struct idmap_writer *writer);

#endif

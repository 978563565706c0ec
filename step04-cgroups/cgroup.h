/*
 * cgroup: what a process may use. A group of processes with a directory of its own, whose files
 * count and limit them together.
 *
 * Made before the first process exists and entered by clone3(CLONE_INTO_CGROUP), so that nothing
 * runs outside of it, not for an instant. Follows cgroups(7), cgroup_namespaces(7), clone(2).
 * Explained in book/04-cgroups.md.
 */
#ifndef BOXSTEP_CGROUP_H
#define BOXSTEP_CGROUP_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include "step01-unshare/options.h"
#include "step04-cgroups/hierarchy.h"

struct cgroup_options {
	const char *parent; /* --cgroup-parent: below the mount; NULL: chosen, see cgroup_create */
	const char *path;   /* exactly this one (OCI's cgroupsPath), below the mount; NULL: by id */
};
extern const struct option_row cgroup_options[]; /* --cgroup-parent */

struct cgroup {
	char path[PATH_MAX]; /* of its directory: /sys/fs/cgroup/boxstep-ID */
	size_t made_from;    /* length of the part of PATH that was there before us */
	int fd;		     /* of the directory, close-on-exec; −1: there is no cgroup */
};

/* A struct cgroup that stands for none; every function below accepts it and does nothing. */
#define CGROUP_NONE      \
	{                \
		.fd = -1 \
	}

/*
 * Makes the cgroup "boxstep-ID" below the parent: the one named by the options; else, for root, the
 * top of the mount; else the caller's own cgroup, if it has been delegated to this user. The
 * controllers NEEDED (by limits) are enabled from the top down to the parent, those WANTED (to
 * count) where that changes nothing else. A cgroup with processes of its own cannot give
 * controllers of domains to children ("no internal processes"): the parent's go into a leaf
 * "boxstep-leaf" beside ours, and back by cgroup_remove.
 *
 * Where no cgroup can be made (no cgroup2 mount, no right to write) and nothing is NEEDED, gives 0
 * with CGROUP->fd −1: a container without a cgroup of its own still runs. Where something is
 * needed, −1 with the one sentence that says why. EEXIST when the id is in use, EBUSY when somebody
 * is in the cgroup that the options name, or it is frozen. After −1 CGROUP stands for none.
 */
int cgroup_create(const struct cgroup_options *options, const char *id, int needed, int wanted,
		  struct cgroup *cgroup);

/* What cgroup_create would make, without making it: PATH and MADE_FROM, or an empty path when there
 * can be none. For who writes down what has to be removed should it be killed. */
int cgroup_plan(const struct cgroup_options *options, const char *id, struct cgroup *planned);
/* cgroup_create where CGROUP is what cgroup_plan has found: it is not looked for again. */
int cgroup_make(const struct cgroup_options *options, const char *id, int needed, int wanted,
		struct cgroup *cgroup);

/* Opens an existing one: by the path of its directory; by a process that is in it (the right one
 * to enter for an exec, because a container may have made groups of its own inside). */
int cgroup_open(const char *path, struct cgroup *cgroup);
int cgroup_open_of(pid_t pid, struct cgroup *cgroup);
/* By path; a failure is an answer: nothing recorded. */
int cgroup_try_open(const char *path, struct cgroup *cgroup);
/* The CONTROLLER_* that its files offer; 0 when it does not say. */
int cgroup_controllers(const struct cgroup *cgroup);
/* Closes the descriptor; the cgroup stays. */
void cgroup_close(struct cgroup *cgroup);

/* For a limit that comes later: the controllers NEEDED are enabled for one that exists. */
int cgroup_require(const struct cgroup *cgroup, int needed);

/* Gives it to another user, as cgroups(7) defines delegation: the directory and the files that
 * /sys/kernel/cgroup/delegate lists, none of which sets a limit of the cgroup itself. */
int cgroup_delegate(const struct cgroup *cgroup, uid_t uid, gid_t gid);
/* The same for the user who is 0 in the user namespace of process PID. */
int cgroup_delegate_to_root_of(const struct cgroup *cgroup, pid_t pid);

/* Stops (true) or continues (false) everything in it and below, and waits until that is so;
 * EAGAIN after ten seconds. A frozen process can be killed. */
int cgroup_freeze(const struct cgroup *cgroup, bool frozen);
int cgroup_is_frozen(const struct cgroup *cgroup); /* 1, 0, or −1 */

/* Kills everything in it and below in one go (cgroup.kill), forks in flight included, and what that
 * passes over. */
int cgroup_kill(const struct cgroup *cgroup);

/* 1 when a process is in it or below, 0 when none is, −1 with errno. */
int cgroup_populated(const struct cgroup *cgroup);

/* The pids in it and below that the caller's PID namespace shows; *PIDS by malloc, the caller frees
 * it. */
int cgroup_processes(const struct cgroup *cgroup, pid_t **pids, size_t *count);

/* Sends a signal to all of them. They are frozen for the time, so that none can fork away. */
int cgroup_signal(const struct cgroup *cgroup, int number);

/* Kills what is left inside, waits until it is gone, removes the nested cgroups, the cgroup, and
 * those of its parents that cgroup_create made. Closes. Gone already: 0. EBUSY after ten
 * seconds. */
int cgroup_remove(struct cgroup *cgroup);
/* The same for who has only noted the path, and MADE_FROM of it (0: not known). A maker that was
 * killed half-way may have left the parents without it: they go too. */
int cgroup_remove_at(const char *path, size_t made_from);

/* ---- reading control files, for limits and stats ---- */

/* The text of a control file without its last newline, in BUFFER; −1 with errno, nothing recorded
 * (a missing file says that this kernel, or this cgroup, does not have it). */
int cgroup_read(const struct cgroup *cgroup, const char *file, char *buffer, size_t size);
/* One number; CGROUP_MAX for "max", −1 if it cannot be read. */
int64_t cgroup_read_number(const struct cgroup *cgroup, const char *file);
/* The value of a key in a flat-keyed file ("oom_kill" in memory.events), −1 if there is none. */
int64_t cgroup_read_key(const struct cgroup *cgroup, const char *file, const char *key);
#define CGROUP_MAX INT64_MAX

/* Writes a control file: write("/sys/fs/cgroup/…/memory.max", "67108864"). */
int cgroup_write(const struct cgroup *cgroup, const char *file, const char *value);

#endif

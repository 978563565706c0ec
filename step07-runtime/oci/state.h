/*
 * state: what the runtime remembers of a container between two commands, and finds out anew.
 *
 *	ROOT/ID/        made first, mode 0700, locked (flock) while a command changes it
 *	  making        a symbolic link to what will be made on the host: the cgroup
 *	  config.json   the bundle's, as it was at create
 *	  state.json    pid, its start time, bundle, cgroup …; written aside, renamed
 *	  exec.fifo     the gate: it is here until `start`
 *
 * The status is never stored: a fifo says "created", a process that is gone says "stopped". Before
 * there is a state.json the link alone tells: it is there before anything is made on the host, and
 * if the lock is free, its maker was killed, and whoever comes by removes what it made.
 * Follows runtime.md, "State", of the OCI runtime specification. Explained in book/07-runtime.md.
 */
#ifndef BOXSTEP_OCI_STATE_H
#define BOXSTEP_OCI_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct json_object;
struct oci_config;
struct cgroup;

enum oci_status { OCI_CREATING, OCI_CREATED, OCI_RUNNING, OCI_PAUSED, OCI_STOPPED };
const char *oci_status_name(enum oci_status status);

struct oci_state {
	/* The file, which owns the texts. NULL while creating: then they are those of the note,
	 * until the next one is read. */
	struct json_object *json;
	int dir; /* ROOT/ID, close-on-exec */
	const char *id;
	pid_t pid;
	uint64_t start_time; /* of that pid, field 22 of /proc/PID/stat: pids are used again */
	const char *bundle, *cgroup; /* cgroup: path of its directory, "" for none */
	size_t cgroup_made_from;     /* how much of that path was there before: struct cgroup */
	const char *scope;	     /* cgroupsPath as systemd's unit; NULL: the cgroup is ours */
	bool hooks;		     /* its configuration has some: worth reading at its end */
	bool old_keyring;	     /* it has its maker's session keyring: none of its own */
};

/*
 * "/run/boxstep/oci", or below $BOXSTEP_RUN, or without root of the host below $XDG_RUNTIME_DIR,
 * or, where that is not set either, a directory of the user's own in /tmp; static.
 */
const char *oci_root_default(void);

/* 1…255 of [A-Za-z0-9_.+-], not "." or ".."; −1 with EINVAL. */
int oci_id_check(const char *id);

/* Makes ROOT/ID and locks it: EEXIST when the name is taken. Sweeps what a killed create left. */
int oci_state_make(const char *root, const char *id, struct oci_state *state);
/* Opens and locks one that is there: ENOENT, "container ID does not exist". */
int oci_state_open(const char *root, const char *id, struct oci_state *state);
/* The same for who only looks, and does not wait for a command that works on it. */
int oci_state_look(const char *root, const char *id, struct oci_state *state);
/* Calls SEE for each id below ROOT, in order, that matches the extended regular expression PATTERN
 * (NULL: all), until it gives −1. */
int oci_state_each(const char *root, const char *pattern, int (*see)(const char *id, void *into),
		   void *into);
/* Notes, before anything is made on the host, what will be: the scope of STATE, or its cgroup. */
int oci_state_note(const struct oci_state *state);
/* Writes state.json for the process PID. */
int oci_state_write(struct oci_state *state, const struct oci_config *config, const char *bundle,
		    const struct cgroup *cgroup, pid_t pid);
/* Removes the cgroup, and kills who is in it. */
int oci_state_release(const struct oci_state *state);
/* Lets go of the lock and keeps the directory open: other commands may have it. */
void oci_state_unlock(struct oci_state *state);
/* Takes it again, of the same directory: −1 with EIDRM, nothing recorded, when somebody has removed
 * the container meanwhile, and has perhaps made another of its name. */
int oci_state_lock(const char *root, const struct oci_state *state);
/* Removes the directory and closes. */
int oci_state_remove(const char *root, struct oci_state *state);
void oci_state_close(struct oci_state *state);
/* Removes ROOT/ID without reading it: its state.json is damaged. */
int oci_state_discard(const char *root, const char *id);

enum oci_status oci_state_status(const struct oci_state *state);
/* A pidfd of the container's first process; −1 with ESRCH (recorded) when it has ended. */
int oci_state_pidfd(const struct oci_state *state);
/* The state as the specification prints it; to be put by the caller. NULL: ENOMEM. */
struct json_object *oci_state_json(const struct oci_state *state);

#endif

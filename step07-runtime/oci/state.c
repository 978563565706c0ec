/*
 * state.c: a directory for each container, and the truth asked of the kernel.
 * Follows runtime.md of the OCI runtime specification, proc(5), flock(2). Explained in
 * book/07-runtime.md.
 */
#include <dirent.h>
#include <errno.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "step01-unshare/call.h"
#include "step01-unshare/namespaces.h"
#include "step04-cgroups/cgroup.h"
#include "step04-cgroups/process.h"
#include "step04-cgroups/scope.h"
#include "step05-overlay/json.h"
#include "step05-overlay/tree.h"
#include "step07-runtime/gate.h"
#include "step07-runtime/oci/commands.h"
#include "step07-runtime/oci/config.h"
#include "step07-runtime/oci/state.h"

const char *
oci_status_name(enum oci_status status)
{
	static const char *const name[] = { "creating", "created", "running", "paused", "stopped" };

	return name[status];
}

#define OWN_IN_TMP "/tmp/boxstep-oci-" /* for a login that has no XDG_RUNTIME_DIR, such as su */

const char *
oci_root_default(void)
{
	static char path[4096];
	const char *run = getenv("BOXSTEP_RUN"), *user = getenv("XDG_RUNTIME_DIR");

	if (run && run[0])
		snprintf(path, sizeof path, "%s/oci", run);
	else if (user && user[0] && !ns_root_of_host()) /* as under podman without root */
		snprintf(path, sizeof path, "%s/boxstep/oci", user);
	else if (geteuid() != 0)
		snprintf(path, sizeof path, OWN_IN_TMP "%u", geteuid());
	else
		snprintf(path, sizeof path, "/run/boxstep/oci");
	return path;
}

int
oci_id_check(const char *id)
{
	size_t length = strlen(id);

	if (length > 0 && length < 256 && strcmp(id, ".") != 0 && strcmp(id, "..") != 0 &&
	    strspn(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.+-") ==
		    length)
		return 0;
	return fail(EINVAL, "container id \"%.64s\": letters, digits and _ . + - only", id);
}

static int
open_root(const char *root)
{
	bool in_tmp = strncmp(root, OWN_IN_TMP, sizeof OWN_IN_TMP - 1) == 0;
	int fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC | (in_tmp ? O_NOFOLLOW : 0));
	struct stat st;

	if (fd < 0)
		return fail(errno, "open(\"%s\")", root);
	/* anybody may make anything in /tmp: a directory that is not our own is a trap */
	if (!in_tmp || (fstat(fd, &st) == 0 && st.st_uid == geteuid()))
		return fd;
	close(fd);
	return fail(EPERM, "open(\"%s\"): it belongs to somebody else", root);
}

/* ---- processes ---- */

/* ANCHOR: pidfd */
int
oci_state_pidfd(const struct oci_state *state)
{
	int fd = state->pid > 0 ? pidfd_open(state->pid, 0) : -1;

	/* the pidfd first, then the look: if the start time is right now, the descriptor is too */
	if (fd >= 0 && process_start_time(state->pid) == state->start_time)
		return fd;
	close_fd(fd);
	return fail(ESRCH, "container not running: the first process of %s has ended", state->id);
}
/* ANCHOR_END: pidfd */

enum oci_status
oci_state_status(const struct oci_state *state)
{
	struct cgroup cgroup = CGROUP_NONE;
	struct stat fifo;
	bool frozen = false;

	if (state->pid == 0)
		return OCI_CREATING;
	if (process_start_time(state->pid) != state->start_time || !state->start_time)
		return OCI_STOPPED;
	if (gate_is_far(state->pid))
		return OCI_CREATING;
	if (state->cgroup[0] && cgroup_try_open(state->cgroup, &cgroup) == 0) {
		frozen = cgroup_is_frozen(&cgroup) == 1;
		cgroup_close(&cgroup);
	}
	if (frozen)
		return OCI_PAUSED;
	/* a start that was killed may have left the fifo of one that is through */
	return fstatat(state->dir, "exec.fifo", &fifo, AT_SYMLINK_NOFOLLOW) == 0 &&
			       gate_is_closed(state->pid)
		       ? OCI_CREATED
		       : OCI_RUNNING;
}

/* ---- the directory ---- */

enum { STATE_DIR = O_RDONLY | O_DIRECTORY }; /* for tree_lock */

static int load(struct oci_state *state);

/* ANCHOR: remains */
/* A state without a process whose lock is ours: its maker was killed in between. What it may have
 * made on the host goes first, the note of it last. */
static bool
swept(int root, struct oci_state *state)
{
	if (state->pid > 0)
		return false;
	oci_state_release(state);
	tree_remove(root, state->id);
	return true;
}

/* One call, which is done or not: no reader finds the half of it. */
int
oci_state_note(const struct oci_state *state)
{
	char text[PATH_MAX];
	int length = state->scope ? snprintf(text, sizeof text, ":%s", state->scope)
				  : snprintf(text, sizeof text, "%zu:%s", state->cgroup_made_from,
					     state->cgroup);

	errno = ENAMETOOLONG;
	if (length >= (int)sizeof text || symlinkat(text, state->dir, "making") < 0)
		return fail(errno, "symlink(\"making\") of %s", state->id);
	return 0;
}
/* ANCHOR_END: remains */

/* What such a note says; nothing, when there is none. */
static void
read_note(struct oci_state *state)
{
	static char text[PATH_MAX]; /* until the next one is read */
	ssize_t length = readlinkat(state->dir, "making", text, sizeof text - 1);
	char *name;

	text[length > 0 ? length : 0] = '\0';
	state->cgroup_made_from = strtoul(text, &name, 10);
	if (*name == ':')
		*(name == text ? &state->scope : &state->cgroup) = name + 1;
}

static bool
sweep(int root, const char *id)
{
	struct oci_state state = { .dir = tree_lock(root, id, STATE_DIR, LOCK_EX | LOCK_NB),
				   .id = id,
				   .cgroup = "" };
	bool gone = state.dir >= 0 && load(&state) == 0 && swept(root, &state);

	oci_state_close(&state);
	return gone;
}

/* The directory ID made and locked. Between the two, another create may take it for what a killed
 * one left, and remove it: then once more. It may also have made it anew and be through with it:
 * then it is taken. */
static int
make_locked(int root, const char *id)
{
	struct stat file;
	int fd;

	for (int tries = 0; tries < 100; tries++) {
		if (mkdirat(root, id, 0700) < 0) {
			if (errno != EEXIST)
				return -1;
			if (sweep(root, id))
				continue;
			call_forget(); /* a damaged one is in the way, as any */
			errno = EEXIST;
			return -1;
		}
		fd = tree_lock(root, id, STATE_DIR, LOCK_EX);
		if (fd < 0 && (errno == ENOENT || errno == EIDRM))
			continue;
		if (fd < 0 || fstatat(fd, "state.json", &file, 0) < 0)
			return fd;
		close(fd);
		errno = EEXIST;
		return -1;
	}
	errno = EAGAIN;
	return -1;
}

int
oci_state_make(const char *root, const char *id, struct oci_state *state)
{
	int fd;

	*state = (struct oci_state){ .dir = -1, .id = id, .cgroup = "" };
	if (oci_id_check(id) < 0)
		return -1;
	if (tree_make(root, 0711) < 0)
		return fail(errno, "mkdir(\"%s\")", root);
	if ((fd = open_root(root)) < 0)
		return -1;
	state->dir = make_locked(fd, id);
	if (state->dir < 0 && errno == EEXIST)
		fail(EEXIST, "container %s already exists in %s", id, root);
	else if (state->dir < 0)
		fail(errno, "mkdir(\"%s/%s\")", root, id);
	close(fd);
	return state->dir < 0 ? -1 : 0;
}

#define AT(field)	       JSON_AT(struct oci_state, field)
#define IN(field, least, most) JSON_IN(struct oci_state, field, least, most)
static const struct json_row state_rows[] = {
	{ "pid", JSON_NUMBER, IN(pid, 0, INT32_MAX) },
	{ "startTime", JSON_NUMBER, AT(start_time) },
	{ "bundle", JSON_TEXT, AT(bundle) },
	{ "cgroup", JSON_TEXT, AT(cgroup) },
	{ "cgroupMadeFrom", JSON_NUMBER, IN(cgroup_made_from, 0, INT64_MAX) },
	{ "scope", JSON_TEXT, AT(scope) },
	{ "hooks", JSON_FLAG, AT(hooks) },
	{ "oldKeyring", JSON_FLAG, AT(old_keyring) },
	{ 0 },
};

/* Takes JSON over, and what it says. */
static int
adopt(struct oci_state *state, struct json_object *json)
{
	bool bad = false;
	const char *id = json_text(json, "id", &bad);
	int done = json_fill(json, "state.json", state_rows, state);

	json_object_put(state->json);
	state->json = json;
	/* that of another container would get its process killed */
	if (done < 0 || !state->bundle || !state->cgroup || !id || strcmp(id, state->id) != 0)
		return fail(EINVAL, "state.json of %s is damaged", state->id);
	return 0;
}

static int
load(struct oci_state *state)
{
	int fd = openat(state->dir, "state.json", O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct json_object *json;

	if (fd < 0 && errno == ENOENT) {
		read_note(state);
		return 0;
	}
	if (fd < 0)
		return fail(errno, "open(\"state.json\") of %s", state->id);
	json = json_read_fd(fd, "state.json");
	close(fd);
	return json && adopt(state, json) == 0
		       ? 0
		       : call_hint("it can be removed all the same: delete --force");
}

/* With WAIT the lock is taken; else it is enough to know whether somebody has it. */
static int
open_state(const char *root, const char *id, bool wait, struct oci_state *state)
{
	int fd, done = -1;
	bool locked;

	*state = (struct oci_state){ .dir = -1, .id = id, .cgroup = "" };
	if (oci_id_check(id) < 0)
		return -1;
	fd = open_root(root);
	if (fd < 0 && call_error()->number == ENOENT)
		call_forget();
	state->dir = fd < 0 ? -1 : tree_lock(fd, id, STATE_DIR, LOCK_EX | LOCK_NB);
	locked = state->dir >= 0 || wait;
	if (fd >= 0 && state->dir < 0 && errno == EWOULDBLOCK)
		state->dir = wait ? tree_lock(fd, id, STATE_DIR, LOCK_EX)
				  : openat(fd, id, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (state->dir >= 0 && load(state) == 0 && !(locked && swept(fd, state)))
		done = 0;
	else if (!call_error()->number)
		fail(ENOENT, "container %s does not exist", id);
	if (done == 0 && locked && !wait)
		oci_state_unlock(state);
	if (done < 0)
		oci_state_close(state);
	close_fd(fd);
	return done;
}

int
oci_state_open(const char *root, const char *id, struct oci_state *state)
{
	return open_state(root, id, true, state);
}

int
oci_state_look(const char *root, const char *id, struct oci_state *state)
{
	return open_state(root, id, false, state);
}

int
oci_state_each(const char *root, const char *pattern, int (*see)(const char *id, void *into),
	       void *into)
{
	struct dirent **entry;
	int count, done = 0;
	regex_t regex;

	if (regcomp(&regex, pattern ? pattern : "", REG_EXTENDED | REG_NOSUB) != 0)
		return fail(EINVAL, "--regex: \"%s\" is no regular expression", pattern);
	count = scandir(root, &entry, NULL, alphasort);
	for (int i = 0; i < count; i++) {
		const char *id = entry[i]->d_name;

		if (done == 0 && strcmp(id, ".") != 0 && strcmp(id, "..") != 0 &&
		    regexec(&regex, id, 0, NULL, 0) == 0)
			done = see(id, into);
		free(entry[i]);
	}
	if (count >= 0)
		free(entry);
	regfree(&regex);
	return done;
}

int
oci_state_write(struct oci_state *state, const struct oci_config *config, const char *bundle,
		const struct cgroup *cgroup, pid_t pid)
{
	struct json_object *json = json_object_new_object();
	char owner[16];

	if (!json)
		return fail(ENOMEM, "memory for state.json");
	json_put_text(json, "ociVersion", OCI_VERSION);
	json_put_text(json, "id", state->id);
	json_put_number(json, "pid", pid);
	json_put_number(json, "startTime", (int64_t)process_start_time(pid));
	json_put_text(json, "bundle", bundle);
	json_put_text(json, "rootfs", config->root.path);
	json_put_now(json, "created");
	json_put_text(json, "cgroup", cgroup->fd >= 0 ? cgroup->path : "");
	json_put_number(json, "cgroupMadeFrom", (int64_t)cgroup->made_from);
	json_put_text(json, "scope", state->scope);
	json_put_flag(json, "hooks", config->hooks != NULL);
	json_put_flag(json, "oldKeyring", state->old_keyring);
	snprintf(owner, sizeof owner, "%u", geteuid());
	json_put_text(json, "owner", owner);
	if (config->annotations)
		json_object_object_add(json, "annotations", json_object_get(config->annotations));
	if (json_write(state->dir, "state.json", json, false) == 0)
		return adopt(state, json);
	json_object_put(json);
	return -1;
}

void
oci_state_unlock(struct oci_state *state)
{
	flock(state->dir, LOCK_UN);
}

int
oci_state_lock(const char *root, const struct oci_state *state)
{
	int fd = open_root(root),
	    done = fd < 0 ? -1 : tree_hold(state->dir, fd, state->id, LOCK_EX);

	close_fd(fd);
	return done;
}

int
oci_state_release(const struct oci_state *state)
{
	struct scope scope;

	/* the path of one that is still being made may be that of somebody else's */
	if (state->cgroup[0] &&
	    (state->pid > 0 || state->cgroup_made_from < strlen(state->cgroup)) &&
	    cgroup_remove_at(state->cgroup, state->cgroup_made_from) < 0)
		return -1;
	if (!state->scope)
		return 0;
	return scope_name(&scope, state->scope, state->id) < 0 ? -1 : scope_stop(&scope);
}

int
oci_state_remove(const char *root, struct oci_state *state)
{
	static const char *const files[] = { "config.json", "exec.fifo", "making", "state.json" };
	int fd = open_root(root), done = fd < 0 ? -1 : 0;

	for (size_t i = 0; done == 0 && i < sizeof files / sizeof files[0]; i++)
		unlinkat(state->dir, files[i], 0);
	if (done == 0 && unlinkat(fd, state->id, AT_REMOVEDIR) < 0)
		done = tree_remove(fd, state->id); /* whatever else there is */
	close_fd(fd);
	oci_state_close(state);
	return done;
}

int
oci_state_discard(const char *root, const char *id)
{
	struct oci_state state = { .dir = -1, .id = id, .cgroup = "" };
	int fd = oci_id_check(id) < 0 ? -1 : open_root(root);

	if (fd < 0)
		return -1;
	state.dir = tree_lock(fd, id, STATE_DIR, LOCK_EX);
	close(fd);
	if (state.dir < 0)
		return errno == ENOENT || errno == EIDRM ? 0
							 : fail(errno, "open(\"%s/%s\")", root, id);
	return oci_state_remove(root, &state);
}

void
oci_state_close(struct oci_state *state)
{
	json_object_put(state->json);
	close_fd(state->dir);
	*state = (struct oci_state){ .dir = -1, .cgroup = "" };
}

struct json_object *
oci_state_json(const struct oci_state *state)
{
	static const char *const copied[] = { "bundle", "rootfs", "created", "annotations",
					      "owner" };
	struct json_object *json = json_object_new_object(), *member;
	enum oci_status status = oci_state_status(state);

	if (!json)
		return NULL;
	/* in the order in which runc prints them: somebody reads it by lines */
	json_put_text(json, "ociVersion", OCI_VERSION);
	json_put_text(json, "id", state->id);
	json_put_number(json, "pid", status == OCI_STOPPED ? 0 : state->pid);
	json_put_text(json, "status", oci_status_name(status));
	for (size_t i = 0; state->json && i < sizeof copied / sizeof copied[0]; i++)
		if (json_object_object_get_ex(state->json, copied[i], &member))
			json_object_object_add(json, copied[i], json_object_get(member));
	return json;
}

/*
 * control.c: the verbs for a container that exists: start, state, kill, delete, pause, resume.
 * Follows runtime.md, "Operations", of the OCI runtime specification. Explained in
 * book/07-runtime.md.
 */
#include <errno.h>
#include <json-c/json.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "step01-unshare/call.h"
#include "step04-cgroups/cgroup.h"
#include "step05-overlay/image_config.h"
#include "step07-runtime/gate.h"
#include "step07-runtime/oci/commands.h"
#include "step07-runtime/oci/config.h"
#include "step07-runtime/oci/hooks.h"
#include "step07-runtime/service.h"
#include "step07-runtime/oci/state.h"

struct control {
	const struct globals *globals;
	bool all, force, regex;
	int number; /* of the signal */
};

#define AT(field) offsetof(struct control, field)
#define REGEX	  "regex", 'r', NULL, "-", "ID is a regular expression: all that match it"
enum { KILL_ONLY = 1 }; /* the first row is not for state */
static const struct option_row kill_rows[] = {
	{ "all", 'a', NULL, "cgroup.procs", "every process of the container", option_flag, AT(all),
	  0 },
	{ REGEX, option_flag, AT(regex), 0 },
	{ 0 },
};
static const struct option_row delete_rows[] = {
	{ "force", 'f', NULL, "SIGKILL", "kill it first; one that does not exist is no error",
	  option_flag, AT(force), 0 },
	{ REGEX, option_flag, AT(regex), 0 },
	{ 0 },
};
/* For the container of that id, or with --regex for each whose id matches. */
static int
for_each(struct control *control, const char *word, int (*act)(const char *, void *))
{
	return control->regex ? oci_state_each(control->globals->root, word, act, control)
			      : act(word, control);
}

/* ---- the end, for delete and for a start that failed ---- */

/* Kills the first process and waits until it is gone; its namespace's others go with it. */
static void
kill_first(const struct oci_state *state)
{
	struct pollfd event = { .fd = oci_state_pidfd(state), .events = POLLIN };

	if (event.fd < 0) {
		call_forget(); /* ended meanwhile */
		return;
	}
	if (pidfd_send_signal(event.fd, SIGKILL, NULL, 0) == 0)
		poll(&event, 1, 10000);
	close(event.fd);
}

/* The end of a container, whatever it does at the moment: its process, its cgroup, its state, and
 * then its poststop hooks. Closes STATE. */
static int
destroy(const struct globals *globals, struct oci_state *state)
{
	struct json_object *kept = json_object_get(state->json); /* its strings */
	const struct hook_subject subject = { state->id, state->bundle, "stopped", 0, NULL };
	struct oci_config config = { 0 };
	int done = -1;

	if (state->hooks && oci_config_read(state->dir, "config.json", state->bundle, &config) < 0)
		call_forget(); /* damaged since: the container goes all the same */
	if (oci_state_status(state) != OCI_STOPPED)
		kill_first(state);
	if (oci_state_release(state) < 0)
		oci_state_close(state);
	else
		done = oci_state_remove(globals->root, state);
	if (done == 0 && subject.bundle)
		done = hooks_run(&config, HOOK_POSTSTOP, &subject);
	oci_config_free(&config);
	json_object_put(kept);
	return done;
}

/* ---- start and state ---- */

/* poststart, if the command runs. When a hook of either side of the gate has failed, the container
 * goes, as if nobody had made it. */
static int
after_start(const struct globals *globals, struct oci_state *state, int started)
{
	const struct hook_subject subject = { state->id, state->bundle, "running", state->pid,
					      NULL };
	struct oci_config config = { 0 };
	struct call_error error;

	if (started == 0 && oci_config_read(state->dir, "config.json", state->bundle, &config) == 0)
		started = hooks_run(&config, HOOK_POSTSTART, &subject);
	oci_config_free(&config);
	error = *call_error();
	if (started < 0 && strncmp(error.what, "hooks.", strlen("hooks.")) == 0) {
		call_forget();
		destroy(globals, state);
		call_forget();
		call_adopt(&error);
	}
	return started;
}

int
command_start(const struct globals *globals, int argc, char **argv)
{
	struct oci_state state;
	struct service service = { -1, -1 };
	int first = command_operands(argc, argv, NULL, NULL), pidfd, done = -1;

	if (first <= 0)
		return first;
	if (oci_state_open(globals->root, argv[first], &state) < 0)
		return -1;
	if (oci_state_status(&state) == OCI_PAUSED)
		fail(EBUSY, "container %s is paused", state.id);
	else if (oci_state_status(&state) == OCI_RUNNING)
		fail(EINVAL, "container %s is not in the state created: it runs", state.id);
	else if ((pidfd = oci_state_pidfd(&state)) >= 0) {
		if ((done = oci_warn_of(service_open(state.dir, &service))) == 0)
			done = gate_open(state.dir, state.pid, pidfd);
		if (state.hooks)
			done = after_start(globals, &state, done);
		if (done == 0) {
			oci_state_unlock(&state); /* it may be long */
			done = service_await(&service, state.pid, pidfd);
		}
		close(pidfd);
	}
	oci_state_close(&state);
	return done;
}

void
print_json(struct json_object *json)
{
	puts(json_object_to_json_string_ext(json, JSON_C_TO_STRING_PRETTY |
							  JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(json);
}

static int
show(const char *id, void *into)
{
	const struct control *control = into;
	struct oci_state state;
	struct json_object *json;

	if (oci_state_look(control->globals->root, id, &state) < 0)
		return -1;
	json = oci_state_json(&state);
	if (json)
		print_json(json);
	oci_state_close(&state);
	return json ? 0 : fail(ENOMEM, "memory for the state");
}

int
command_state(const struct globals *globals, int argc, char **argv)
{
	struct control control = { .globals = globals };
	int first = command_operands(argc, argv, kill_rows + KILL_ONLY, &control);

	return first <= 0 ? first : for_each(&control, argv[first], show);
}

/* ---- signals ---- */

static int
send_signal(const struct oci_state *state, const struct control *control)
{
	struct cgroup cgroup = CGROUP_NONE;
	int number = control->number, pidfd, done = 0;

	if (control->all && state->cgroup[0]) {
		/* gone: then nobody is in it */
		if (cgroup_try_open(state->cgroup, &cgroup) == 0)
			done = cgroup_signal(&cgroup, number);
		cgroup_close(&cgroup);
		return done;
	}
	if ((pidfd = oci_state_pidfd(state)) < 0)
		return -1;
	done = call(pidfd_send_signal(pidfd, number, NULL, 0),
		    "pidfd_send_signal(%d, %s%s, NULL, 0)", pidfd, number ? "SIG" : "0",
		    number ? sigabbrev_np(number) : "");
	close(pidfd);
	return done;
}

static int
kill_one(const char *id, void *into)
{
	const struct control *control = into;
	struct oci_state state;
	int done;

	if (oci_state_look(control->globals->root, id, &state) < 0)
		return -1;
	done = send_signal(&state, control);
	oci_state_close(&state);
	return done;
}

int
command_kill(const struct globals *globals, int argc, char **argv)
{
	struct control control = { .globals = globals, .number = SIGTERM };
	int first = command_operands(argc, argv, kill_rows, &control);

	if (first <= 0)
		return first;
	if (argv[first + 1] && strcmp(argv[first + 1], "0") == 0)
		control.number = 0; /* no signal: is it there, and may one be sent? */
	else if (argv[first + 1] && (control.number = signal_parse(argv[first + 1])) < 0)
		return -1;
	return for_each(&control, argv[first], kill_one);
}

/* ---- delete ---- */

/* ANCHOR: discard */
/* A damaged state does not say which process was the container's, and none is killed by guess: what
 * has that number now, or is in a cgroup of that name, may be somebody else's. An empty cgroup is
 * nobody's. */
static int
discard(const struct globals *globals, const char *id)
{
	struct cgroup planned = CGROUP_NONE;
	struct oci_config config;
	char path[PATH_MAX];

	if (oci_id_check(id) < 0)
		return -1;
	call_forget();
	snprintf(path, sizeof path, "%s/%s", globals->root, id);
	int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (dir >= 0 && oci_config_read(dir, "config.json", path, &config) == 0) {
		if (cgroup_plan(&config.cgroup, id, &planned) < 0 ||
		    call_try(rmdir(planned.path), "rmdir(\"%s\")", planned.path) == 0 ||
		    errno == ENOENT)
			planned.path[0] = '\0';
		oci_config_free(&config);
	}
	close_fd(dir);
	call_forget();
	if (oci_state_discard(globals->root, id) < 0)
		return -1;
	fail(EINVAL, "what was known of %s was damaged: its processes, if there are any, go on%s%s",
	     id, planned.path[0] ? "; they may be in " : "", planned.path);
	oci_warn();
	return 0;
}
/* ANCHOR_END: discard */

static int
delete_one(const char *id, void *into)
{
	const struct control *control = into;
	struct oci_state state;
	enum oci_status status;

	if (oci_state_open(control->globals->root, id, &state) < 0) {
		if (!control->force || call_error()->number == EPERM) /* it is somebody else's */
			return -1;
		if (call_error()->number != ENOENT)
			return discard(control->globals, id);
		call_forget();
		return 0;
	}
	status = oci_state_status(&state);
	if (!control->force && (status == OCI_RUNNING || status == OCI_PAUSED)) {
		fail(EBUSY, "container %s is not stopped: %s", state.id, oci_status_name(status));
		oci_state_close(&state);
		return call_hint("kill it first, or delete --force");
	}
	return destroy(control->globals, &state);
}

int
command_delete(const struct globals *globals, int argc, char **argv)
{
	struct control control = { .globals = globals };
	int first = command_operands(argc, argv, delete_rows, &control);

	return first <= 0 ? first : for_each(&control, argv[first], delete_one);
}

/* ---- pause and resume ---- */

int
open_running(const struct globals *globals, const char *id, struct oci_state *state,
	     struct cgroup *cgroup)
{
	*cgroup = (struct cgroup)CGROUP_NONE;
	if (oci_state_look(globals->root, id, state) < 0)
		return -1;
	if (oci_state_status(state) == OCI_STOPPED)
		fail(ESRCH, "container not running: %s", id);
	else if (!state->cgroup[0])
		fail(ENOTSUP, "container %s has no cgroup of its own", id);
	else if (cgroup_open(state->cgroup, cgroup) == 0)
		return 0;
	oci_state_close(state);
	return -1;
}

/* One verb's word or the other's. */
int
command_freeze(const struct globals *globals, int argc, char **argv)
{
	struct oci_state state;
	struct cgroup cgroup;
	int first = command_operands(argc, argv, NULL, NULL), done;

	if (first <= 0)
		return first;
	if (open_running(globals, argv[first], &state, &cgroup) < 0)
		return -1;
	done = cgroup_freeze(&cgroup, strcmp(argv[0], "pause") == 0);
	cgroup_close(&cgroup);
	oci_state_close(&state);
	return done;
}

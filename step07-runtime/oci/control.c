/*
 * control.c: the verbs for a container that exists: start, state, kill, delete, list, ps, pause,
 * resume. Follows runtime.md, "Operations", of the OCI runtime specification. Explained in
 * book/07-runtime.md.
 */
#include <dirent.h>
#include <errno.h>
#include <json-c/json.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "step01-unshare/call.h"
#include "step04-cgroups/cgroup.h"
#include "step05-overlay/image_config.h"
#include "step07-runtime/oci/commands.h"
#include "step07-runtime/oci/gate.h"
#include "step07-runtime/oci/state.h"

struct control_options {
	bool all, force, quiet;
	const char *format;
};

static int
set_format(const struct option_row *row, const char *value, void *into)
{
	((struct control_options *)into)->format = value;
	if (strcmp(value, "json") != 0 && strcmp(value, "table") != 0)
		return fail(EINVAL, "--%s %s: neither json nor table", row->name, value);
	return 0;
}

#define AT(field) offsetof(struct control_options, field)
static const struct option_row kill_rows[] = {
	{ "all", 'a', NULL, "cgroup.procs", "every process of the container", option_flag, AT(all),
	  0 },
	{ 0 },
};
static const struct option_row delete_rows[] = {
	{ "force", 'f', NULL, "SIGKILL", "kill it first; one that does not exist is no error",
	  option_flag, AT(force), 0 },
	{ 0 },
};
static const struct option_row list_rows[] = {
	{ "format", 'f', "FORMAT", "-", "json or table", set_format, 0, 0 },
	{ "quiet", 'q', NULL, "-", "ids only", option_flag, AT(quiet), 0 },
	{ 0 },
};
static const struct option_row no_rows[] = { { 0 } };

/* The common beginning: options, the ID, its state, locked. Gives the index of ID, 0 (help), −1. */
static int
begin(const struct globals *globals, int argc, char **argv, const struct option_row *rows, int max,
      struct control_options *options, struct oci_state *state)
{
	char name[64];
	const struct program program = {
		.name = name,
		.synopsis = max > 1 ? "[OPTIONS] ID [SIGNAL]" : "[OPTIONS] ID",
		.about = "One verb of the OCI runtime's command line.",
		.tables = (struct option_table[]){ { "options", rows, options },
						   { "narration", call_options, NULL },
						   { 0 } },
		.examples = { "boxstep-oci create web", "boxstep-oci start web",
			      "boxstep-oci delete web" },
	};
	int first;

	snprintf(name, sizeof name, "boxstep-oci %s", argv[0]);
	first = command_operands(&program, argc, argv, 1, max);
	if (first <= 0)
		return first;
	return oci_state_open(globals->root, argv[first], state) < 0 ? -1 : first;
}

int
command_start(const struct globals *globals, int argc, char **argv)
{
	struct control_options options = { 0 };
	struct oci_state state;
	int first = begin(globals, argc, argv, no_rows, 1, &options, &state), pidfd, done = -1;

	if (first <= 0)
		return first;
	if ((pidfd = oci_state_pidfd(&state)) >= 0) {
		done = gate_open(state.dir, pidfd);
		close(pidfd);
	}
	oci_state_close(&state);
	return done;
}

static void
print_json(struct json_object *json)
{
	puts(json_object_to_json_string_ext(json, JSON_C_TO_STRING_PRETTY |
							  JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(json);
}

int
command_state(const struct globals *globals, int argc, char **argv)
{
	struct control_options options = { 0 };
	struct oci_state state;
	struct json_object *json;
	int first = begin(globals, argc, argv, no_rows, 1, &options, &state);

	if (first <= 0)
		return first;
	json = oci_state_json(&state);
	if (json)
		print_json(json);
	oci_state_close(&state);
	return json ? 0 : fail(ENOMEM, "memory for the state");
}

/* ---- signals ---- */

static int
send_signal(const struct oci_state *state, int number, bool all)
{
	struct cgroup cgroup = CGROUP_NONE;
	int pidfd, done;

	if (all && state->cgroup[0] && cgroup_open(state->cgroup, &cgroup) == 0) {
		done = cgroup_signal(&cgroup, number);
		cgroup_close(&cgroup);
		return done;
	}
	if ((pidfd = oci_state_pidfd(state)) < 0)
		return -1;
	done = call(pidfd_send_signal(pidfd, number, NULL, 0),
		    "pidfd_send_signal(%d, SIG%s, NULL, 0)", pidfd, sigabbrev_np(number));
	close(pidfd);
	return done;
}

int
command_kill(const struct globals *globals, int argc, char **argv)
{
	struct control_options options = { 0 };
	struct oci_state state;
	int first = begin(globals, argc, argv, kill_rows, 2, &options, &state), number, done = -1;

	if (first <= 0)
		return first;
	number = argv[first + 1] ? signal_parse(argv[first + 1]) : SIGTERM;
	if (number > 0)
		done = send_signal(&state, number, options.all);
	oci_state_close(&state);
	return done;
}

/* ---- the end ---- */

/* Kills the first process and waits until it is gone; its namespace's others go with it. */
static int
kill_first(const struct oci_state *state)
{
	struct pollfd event = { .events = POLLIN };

	event.fd = oci_state_pidfd(state);
	if (event.fd < 0) {
		call_forget(); /* ended meanwhile */
		return 0;
	}
	if (pidfd_send_signal(event.fd, SIGKILL, NULL, 0) == 0)
		poll(&event, 1, 10000);
	close(event.fd);
	return 0;
}

static int
remove_cgroup(const struct oci_state *state)
{
	struct cgroup cgroup = CGROUP_NONE;

	if (!state->cgroup[0])
		return 0;
	if (cgroup_open(state->cgroup, &cgroup) < 0) {
		call_forget(); /* gone already */
		return 0;
	}
	/* parents that were made for it go with it, unless somebody else has moved in */
	if (state->cgroup_made_from && state->cgroup_made_from < cgroup.made_from)
		cgroup.made_from = state->cgroup_made_from;
	return cgroup_remove(&cgroup);
}

int
command_delete(const struct globals *globals, int argc, char **argv)
{
	struct control_options options = { 0 };
	struct oci_state state;
	int first = begin(globals, argc, argv, delete_rows, 1, &options, &state);
	enum oci_status status;

	if (first < 0 && options.force && call_error()->number == ENOENT)
		return 0;
	if (first <= 0)
		return first;
	status = oci_state_status(&state);
	if (!options.force && (status == OCI_RUNNING || status == OCI_PAUSED)) {
		fail(EBUSY, "container %s is not stopped: %s", state.id, oci_status_name(status));
		oci_state_close(&state);
		return call_hint("kill it first, or delete --force");
	}
	if (status != OCI_STOPPED)
		kill_first(&state);
	if (remove_cgroup(&state) < 0) {
		oci_state_close(&state);
		return -1;
	}
	return oci_state_remove(globals->root, &state);
}

/* ---- many ---- */

static int
show(const struct globals *globals, const char *id, bool quiet, struct json_object *list)
{
	struct oci_state state;
	struct json_object *json;

	if (oci_state_open(globals->root, id, &state) < 0) {
		call_forget(); /* deleted while we looked */
		return 0;
	}
	json = oci_state_json(&state);
	oci_state_close(&state);
	if (!json)
		return fail(ENOMEM, "memory for the list");
	if (list)
		return json_object_array_add(list, json);
	if (quiet)
		puts(id);
	else
		printf("%-24s %-8d %-8s %s\n", id,
		       json_object_get_int(json_object_object_get(json, "pid")),
		       json_object_get_string(json_object_object_get(json, "status")),
		       json_object_get_string(json_object_object_get(json, "bundle")));
	json_object_put(json);
	return 0;
}

int
command_list(const struct globals *globals, int argc, char **argv)
{
	struct control_options options = { 0 };
	const struct program program = {
		.name = "boxstep-oci list",
		.synopsis = "[OPTIONS]",
		.about = "Lists the containers below --root.",
		.tables = (struct option_table[]){ { "list", list_rows, &options }, { 0 } },
		.examples = { "boxstep-oci list", "boxstep-oci list -q",
			      "boxstep-oci list --format json" },
	};
	int first = command_operands(&program, argc, argv, 0, 0);
	bool as_json = options.format && strcmp(options.format, "json") == 0;
	struct json_object *list = as_json ? json_object_new_array() : NULL;
	struct dirent *entry;
	DIR *dir = first > 0 ? opendir(globals->root) : NULL;

	if (first <= 0)
		return first;
	if (!as_json && !options.quiet)
		printf("%-24s %-8s %-8s %s\n", "ID", "PID", "STATUS", "BUNDLE");
	while (dir && (entry = readdir(dir)))
		if (entry->d_name[0] != '.' &&
		    show(globals, entry->d_name, options.quiet, list) < 0)
			break;
	if (dir)
		closedir(dir);
	if (list)
		print_json(list);
	return call_error()->number ? -1 : 0;
}

int
command_ps(const struct globals *globals, int argc, char **argv)
{
	struct control_options options = { 0 };
	struct oci_state state;
	struct cgroup cgroup = CGROUP_NONE;
	int first = begin(globals, argc, argv, list_rows, 1, &options, &state);
	bool as_json = options.format && strcmp(options.format, "json") == 0;
	pid_t *pids = NULL;
	size_t count = 0;

	if (first <= 0)
		return first;
	if (!state.cgroup[0] || cgroup_open(state.cgroup, &cgroup) < 0 ||
	    cgroup_processes(&cgroup, &pids, &count) < 0)
		fail(ENOTSUP, "container %s has no cgroup in which to look for its processes",
		     state.id);
	for (size_t i = 0; i < count; i++)
		printf(as_json ? "%s%d%s" : "%s%d%s\n", as_json ? (i ? "," : "[") : "", pids[i],
		       as_json && i + 1 == count ? "]\n" : "");
	free(pids);
	cgroup_close(&cgroup);
	oci_state_close(&state);
	return call_error()->number ? -1 : 0;
}

static int
freeze(const struct globals *globals, int argc, char **argv, bool frozen)
{
	struct control_options options = { 0 };
	struct oci_state state;
	struct cgroup cgroup = CGROUP_NONE;
	int first = begin(globals, argc, argv, no_rows, 1, &options, &state), done = -1;

	if (first <= 0)
		return first;
	if (oci_state_status(&state) == OCI_STOPPED)
		fail(ESRCH, "container not running: %s", state.id);
	else if (!state.cgroup[0])
		fail(ENOTSUP, "container %s has no cgroup of its own to freeze", state.id);
	else if (cgroup_open(state.cgroup, &cgroup) == 0)
		done = cgroup_freeze(&cgroup, frozen);
	cgroup_close(&cgroup);
	oci_state_close(&state);
	return done;
}

int
command_pause(const struct globals *globals, int argc, char **argv)
{
	return freeze(globals, argc, argv, true);
}

int
command_resume(const struct globals *globals, int argc, char **argv)
{
	return freeze(globals, argc, argv, false);
}

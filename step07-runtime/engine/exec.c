/*
 * exec.c: the verb exec: one more process in a container, with or without a terminal.
 * Follows docker exec. Explained in book/07-runtime.md.
 */
#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "step01-unshare/call.h"
#include "step07-runtime/engine/commands.h"
#include "step07-runtime/console.h"
#include "step07-runtime/oci/enter.h"
#include "step07-runtime/terminal.h"

struct exec_options {
	bool interactive, tty, detach;
	const char *workdir, *user;
	struct text_list env;
};

#define AT(field) offsetof(struct exec_options, field)
static const struct option_row exec_rows[] = {
	{ "interactive", 'i', NULL, "-", "keep standard input open", option_flag, AT(interactive),
	  0 },
	{ "tty", 't', NULL, "pty(7)", "a terminal of its own", option_flag, AT(tty), 0 },
	{ "detach", 'd', NULL, "-", "do not wait for its end", option_flag, AT(detach), 0 },
	{ "workdir", 'w', "DIR", "chdir(2)", "where it starts", option_text, AT(workdir), 0 },
	{ "user", 'u', "USER[:GROUP]", "setresuid(2)", "who it runs as", option_text, AT(user), 0 },
	{ "env", 'e', "NAME=VALUE", "execve(2)", "one more variable", option_list, AT(env), 0 },
	{ 0 },
};

/* NAME=VALUE takes the place of the one that is there: getenv(3) finds the first. NAME alone: as
 * the caller has it. */
static void
set_variable(struct json_object *env, const char *word)
{
	size_t name = strcspn(word, "="), i;
	char *value = NULL;

	if (!word[name]) {
		if (!getenv(word) || asprintf(&value, "%s=%s", word, getenv(word)) < 0)
			return;
		word = value;
	}
	for (i = 0; i < json_object_array_length(env); i++) {
		const char *old = json_object_get_string(json_object_array_get_idx(env, i));
		if (strncmp(old, word, name + 1) == 0)
			break;
	}
	json_object_array_put_idx(env, i, json_object_new_string(word));
	free(value);
}

/* The container's own process object with another command. */
static struct json_object *
process_json(const struct exec_options *options, const struct oci_config *config,
	     char *const command[])
{
	struct json_object *json = NULL, *args = json_object_new_array(), *env;

	if (json_object_deep_copy(config->process.json, &json, NULL) < 0) {
		fail(ENOMEM, "memory for the process");
		return NULL;
	}
	for (; *command; command++)
		json_object_array_add(args, json_object_new_string(*command));
	json_object_object_add(json, "args", args);
	json_object_object_add(json, "terminal", json_object_new_boolean(options->tty));
	json_object_object_del(json, "consoleSize");
	if (options->workdir)
		json_object_object_add(json, "cwd", json_object_new_string(options->workdir));
	env = json_object_object_get(json, "env");
	for (size_t i = 0; i < options->env.count && env; i++)
		set_variable(env, options->env.item[i]);
	return json;
}

/*
 * The caller's 0, 1 and 2 as they are, but no terminal: a process of the container that holds one
 * could read what is typed later, and type itself (TIOCSTI). Its bytes go through pipes.
 */
static int
prepare_stdio(const struct exec_options *options, struct enter *enter, struct monitor *monitor)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC), ends[2];

	if (null < 0)
		return fail(errno, "open(\"/dev/null\")");
	if (options->detach || !options->interactive)
		enter->stdio[0] = null;
	else if (isatty(STDIN_FILENO)) {
		if (pipe2(ends, O_CLOEXEC) < 0)
			return fail(errno, "pipe for the command's input");
		enter->stdio[0] = ends[0];
		monitor->input = STDIN_FILENO;
		monitor->input_to = ends[1];
	}
	if (options->detach)
		enter->stdio[1] = enter->stdio[2] = null;
	else if (isatty(STDOUT_FILENO) || isatty(STDERR_FILENO)) {
		monitor_show(monitor, 0, STDOUT_FILENO);
		monitor_show(monitor, 1, STDERR_FILENO);
		return monitor_pipes(monitor, enter->stdio + 1);
	}
	return 0;
}

/* Carries until the command ends. */
static int
attend(const struct exec_options *options, struct enter *enter, struct console *console)
{
	struct monitor *monitor = &console->monitor;
	siginfo_t info = { 0 };

	for (int i = 0; i < 3; i++) /* a pipe ends when its last writer is gone: this one too */
		if (enter->stdio[i] >= 0)
			close(enter->stdio[i]);
	if (console_show(console, options->interactive) < 0 ||
	    monitor_wait(monitor, &enter->child, &info) < 0)
		return -1;
	int done = monitor_flush(monitor);
	terminal_restore();
	return done < 0 ? -1 : spawn_status(&info);
}

static int
run(const struct exec_options *options, const struct container *container, struct oci_state *state,
    char *const command[])
{
	struct oci_config config;
	struct oci_process process = { 0 };
	struct json_object *json;
	struct console console;
	struct enter enter;
	int status = -1;

	if (oci_config_read(container->dir, "config.json", state->bundle, &config) < 0)
		return -1;
	json = process_json(options, &config, command);
	if (!json || oci_process_read(json, &process) < 0)
		goto out;
	enter_init(&enter, state, &config, &process);
	enter.user_name = options->user ? options->user : config.user_name;
	if (console_open(NULL, options->tty, &process.size, &console) < 0 ||
	    (!options->tty && prepare_stdio(options, &enter, &console.monitor) < 0))
		goto out;
	enter.console = console.socket;
	enter.die_with_parent = !options->detach;
	/* others may stop or enter the container meanwhile */
	oci_state_unlock(state);
	if (spawn_block_signals() == 0 && enter_run(&enter) == 0)
		status = options->detach ? 0 : attend(options, &enter, &console);
out:
	oci_process_free(&process);
	oci_config_free(&config);
	return status;
}

int
engine_exec(struct store *store, int argc, char **argv)
{
	struct exec_options options = { 0 };
	const struct verb_help help = {
		.synopsis = "[OPTIONS] CONTAINER COMMAND [ARG...]",
		.about = "Runs one more process in a container.",
		.tables = (struct option_table[]){ { "exec", exec_rows, &options },
						   { "narration", call_options, NULL },
						   { 0 } },
		.examples = { "boxstep exec web ps", "boxstep exec -it web sh",
			      "boxstep exec -u 33 web id" },
	};
	struct container container;
	struct oci_state state;
	int first = engine_operands(&help, argc, argv, 2, -1), status = -1;

	if (first <= 0)
		return first;
	if (options.tty && options.interactive && !isatty(STDIN_FILENO))
		return fail(EINVAL, "-t: standard input is not a terminal; leave -t out");
	if (container_find(store, argv[first], &container) < 0)
		return -1;
	if (engine_state(&container, &state) == 0) {
		status = run(&options, &container, &state, argv + first + 1);
		oci_state_close(&state);
		/* it ended while its namespaces were being opened: say that, not which one */
		if (status < 0 && strncmp(call_error()->what, "open(\"/proc/", 12) == 0 &&
		    container_wait_end(&container, 1) == 1) {
			call_forget();
			fail(ESRCH, "container %s is not running", container.name);
		}
	}
	container_close(&container);
	return status;
}

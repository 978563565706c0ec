/*
 * exec.c: the verb exec: one more process in a container that runs.
 * Follows what conmon and containerd's shim ask for. Explained in book/07-runtime.md.
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
#include "step05-overlay/json.h"
#include "step07-runtime/oci/commands.h"
#include "step07-runtime/oci/enter.h"

struct exec_options {
	const char *process, *pid_file, *console, *cwd;
	struct text_list env;
	bool detach, tty;
	int64_t preserve_fds;
};

#define AT(field) offsetof(struct exec_options, field)
static const struct option_row exec_rows[] = {
	{ "process", 'p', "FILE", "-", "the process object, instead of a command", option_text,
	  AT(process), 0 },
	{ "pid-file", 0, "FILE", "-", "write the pid there", option_text, AT(pid_file), 0 },
	{ "console-socket", 0, "SOCKET", "unix(7)", "send the pty's master there", option_text,
	  AT(console), 0 },
	{ "detach", 'd', NULL, "-", "do not wait for its end", option_flag, AT(detach), 0 },
	{ "tty", 't', NULL, "pty(7)", "with a terminal of its own", option_flag, AT(tty), 0 },
	{ "cwd", 0, "DIR", "chdir(2)", "where it starts", option_text, AT(cwd), 0 },
	{ "env", 'e', "NAME=VALUE", "-", "one more variable; may be repeated", option_list, AT(env),
	  0 },
	{ "preserve-fds", 0, "N", "close_range(2)", "keep N descriptors after 2", option_count,
	  AT(preserve_fds), 0 },
	{ 0 },
};

static struct json_object *
words(char *const argv[])
{
	struct json_object *list = json_object_new_array();

	for (; list && *argv; argv++)
		json_object_array_add(list, json_object_new_string(*argv));
	return list;
}

/* The process object: of a file, or the container's own with the command in place of its args. */
static struct json_object *
process_json(const struct exec_options *options, const struct oci_config *config,
	     char *const command[])
{
	struct json_object *json = NULL, *env;
	int fd;

	if (options->process) {
		fd = open(options->process, O_RDONLY | O_CLOEXEC);
		if (fd < 0) {
			fail(errno, "open(\"%s\") for --process", options->process);
			return NULL;
		}
		json = json_read_fd(fd, options->process);
		close(fd);
		return json;
	}
	if (json_object_deep_copy(config->process.json, &json, NULL) < 0) {
		fail(ENOMEM, "memory for the process");
		return NULL;
	}
	json_object_object_add(json, "args", words(command));
	json_object_object_add(json, "terminal", json_object_new_boolean(options->tty));
	if (options->cwd)
		json_object_object_add(json, "cwd", json_object_new_string(options->cwd));
	if (!json_object_object_get_ex(json, "env", &env))
		json_object_object_add(json, "env", env = json_object_new_array());
	for (size_t i = 0; i < options->env.count; i++)
		json_object_array_add(env, json_object_new_string(options->env.item[i]));
	return json;
}

static int
run(struct exec_options *options, struct oci_state *state, char *const command[])
{
	struct oci_config config;
	struct oci_process process = { 0 };
	struct enter enter;
	struct json_object *json;
	siginfo_t info = { 0 };
	int pid_file, done = -1;

	if (oci_config_read(state->dir, state->bundle, &config) < 0)
		return -1;
	json = process_json(options, &config, command);
	if (!json || oci_process_read(json, &process) < 0)
		goto out;
	enter_init(&enter, state, &config, &process);
	enter.keep = (unsigned)options->preserve_fds;
	/* opened here: afterwards the paths are the container's */
	if ((pid_file = pid_file_open(options->pid_file)) < 0 && options->pid_file)
		goto out;
	if (options->console && (enter.console = console_connect(options->console)) < 0)
		goto out;
	oci_state_unlock(state); /* others may stop or enter the container meanwhile */
	if ((!options->detach && spawn_block_signals() < 0) || enter_run(&enter) < 0 ||
	    pid_file_write(pid_file, enter.child.pid) < 0)
		goto out;
	done = 0;
	if (!options->detach)
		done = spawn_wait(&enter.child, &info) < 0 ? -1 : spawn_status(&info);
out:
	oci_process_free(&process);
	oci_config_free(&config);
	return done;
}

int
command_exec(const struct globals *globals, int argc, char **argv)
{
	struct exec_options options = { 0 };
	const struct program program = {
		.name = "boxstep-oci exec",
		.synopsis =
			"[OPTIONS] ID COMMAND [ARG...]\n       boxstep-oci exec --process FILE ID",
		.about = "Runs one more process in a container.",
		.tables = (struct option_table[]){ { "exec", exec_rows, &options },
						   { "narration", call_options, NULL },
						   { 0 } },
		.examples = { "boxstep-oci exec web ps", "boxstep-oci exec --cwd / web ls",
			      "boxstep-oci exec --process P --detach web" },
	};
	struct oci_state state;
	enum oci_status status;
	int first = command_operands(&program, argc, argv, 1, argc), done = -1;

	if (first <= 0)
		return first;
	if (!options.process && !argv[first + 1])
		return fail(EINVAL, "exec: no command");
	if (oci_state_open(globals->root, argv[first], &state) < 0)
		return -1;
	status = oci_state_status(&state);
	if (status == OCI_STOPPED)
		fail(ESRCH, "container not running: %s", state.id);
	else if (status == OCI_PAUSED)
		fail(EBUSY, "container %s is paused", state.id);
	else
		done = run(&options, &state, argv + first + 1);
	oci_state_close(&state);
	return done;
}

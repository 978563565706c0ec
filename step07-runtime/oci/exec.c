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
#include "step07-runtime/oci/console.h"
#include "step07-runtime/oci/enter.h"
#include "step07-runtime/oci/service.h"

/* What callers know as "the process never ran": no status of a command looks like it by chance. */
enum { EXIT_NOT_RUN = 255 };

struct exec_options {
	const char *process, *pid_file, *console, *cwd, *user, *apparmor, *label, *cgroup;
	struct text_list env, caps, groups;
	bool detach, tty, no_new_privs, ignore_paused, ignored;
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
	{ "user", 'u', "UID[:GID]", "setresuid(2)", "who runs it; names are the container's",
	  option_text, AT(user), 0 },
	{ "additional-gids", 'g', "GID", "setgroups(2)", "one more group; may be repeated",
	  option_list, AT(groups), 0 },
	{ "cap", 'c', "CAP", "capset(2)", "one more capability; may be repeated", option_list,
	  AT(caps), 0 },
	{ "no-new-privs", 0, NULL, "PR_SET_NO_NEW_PRIVS", "no program gives more rights",
	  option_flag, AT(no_new_privs), 0 },
	{ "apparmor", 0, "PROFILE", "attr/apparmor/exec", "the AppArmor profile", option_text,
	  AT(apparmor), 0 },
	{ "process-label", 0, "LABEL", "attr/exec", "the SELinux label", option_text, AT(label),
	  0 },
	{ "cgroup", 0, "PATH", "cgroup.procs",
	  "a cgroup that the container has made, below its own", option_text, AT(cgroup), 0 },
	{ "ignore-paused", 0, NULL, "cgroup.freeze", "wait for a paused container to be resumed",
	  option_flag, AT(ignore_paused), 0 },
	{ "preserve-fds", 0, "N", "close_range(2)", "keep N descriptors after 2", option_count,
	  AT(preserve_fds), 0 },
	{ "no-subreaper", 0, NULL, "-", "accepted: orphans go to the caller's reaper anyway",
	  option_flag, AT(ignored), 0 },
	{ 0 },
};

static struct json_object *
words(const char *const *word, size_t count)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; list && i < count; i++)
		json_object_array_add(list, json_object_new_string(word[i]));
	return list;
}

/* The list KEY of JSON, made when there is none. */
static struct json_object *
list_of(struct json_object *json, const char *key)
{
	struct json_object *list;

	if (!json_object_object_get_ex(json, key, &list) ||
	    !json_object_is_type(list, json_type_array))
		json_object_object_add(json, key, list = json_object_new_array());
	return list;
}

/* The object KEY of JSON, made when there is none. */
static struct json_object *
object_of(struct json_object *json, const char *key)
{
	struct json_object *object;

	if (!json_object_object_get_ex(json, key, &object) || !object)
		json_object_object_add(json, key, object = json_object_new_object());
	return object;
}

static void
add_texts(struct json_object *list, const struct text_list *texts)
{
	for (size_t i = 0; i < texts->count; i++)
		json_object_array_add(list, json_object_new_string(texts->item[i]));
}

/* A variable that is given again takes the place of the earlier one: getenv(3) finds the first. */
static void
add_variable(struct json_object *list, const char *variable)
{
	size_t name = strcspn(variable, "=") + 1;

	for (size_t i = json_object_array_length(list); i-- > 0;) {
		const char *old = json_object_get_string(json_object_array_get_idx(list, i));

		if (old && strncmp(old, variable, name) == 0)
			json_object_array_del_idx(list, i, 1);
	}
	json_object_array_add(list, json_object_new_string(variable));
}

/* UID[:GID], as numbers; a name is for who can look into the container's passwd. */
static int
set_user(struct json_object *json, const struct exec_options *options)
{
	struct json_object *user = object_of(json, "user");
	int64_t uid, gid;
	char number[16];
	const char *colon = options->user ? strchr(options->user, ':') : NULL;

	for (size_t i = 0; i < options->groups.count; i++) {
		if (number_parse(options->groups.item[i], 0, INT32_MAX, &gid) < 0)
			return fail(EINVAL, "--additional-gids %s: not a group id",
				    options->groups.item[i]);
		json_object_array_add(list_of(user, "additionalGids"), json_object_new_int64(gid));
	}
	if (!options->user || !strchr("0123456789", options->user[0]))
		return 0;
	snprintf(number, sizeof number, "%.*s", (int)strcspn(options->user, ":"), options->user);
	if (number_parse(number, 0, INT32_MAX, &uid) < 0 ||
	    (colon && number_parse(colon + 1, 0, INT32_MAX, &gid) < 0))
		return fail(EINVAL, "--user %s: not UID[:GID], each up to 2147483647",
			    options->user);
	json_object_object_add(user, "uid", json_object_new_int64(uid));
	if (colon)
		json_object_object_add(user, "gid", json_object_new_int64(gid));
	return 0;
}

static int
set_rights(struct json_object *json, const struct exec_options *options)
{
	static const char *const sets[] = { "bounding", "effective", "permitted" };
	bool bad = false;

	/* json-c asserts that what it adds to is an object */
	json_member(json, "capabilities", &bad);
	json_member(json, "user", &bad);
	if (bad)
		return -1;
	for (size_t i = 0; options->caps.count && i < 3; i++)
		add_texts(list_of(object_of(json, "capabilities"), sets[i]), &options->caps);
	if (options->no_new_privs)
		json_object_object_add(json, "noNewPrivileges", json_object_new_boolean(true));
	if (options->apparmor)
		json_object_object_add(json, "apparmorProfile",
				       json_object_new_string(options->apparmor));
	if (options->label)
		json_object_object_add(json, "selinuxLabel",
				       json_object_new_string(options->label));
	return set_user(json, options);
}

static struct json_object *
process_of_file(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct json_object *json;

	if (fd < 0) {
		fail(errno, "open(\"%s\") for --process", path);
		return NULL;
	}
	json = json_read_fd(fd, path);
	close(fd);
	return json;
}

/* The process object: of a file, or the container's own with the command in place of its args; and
 * what the options say of it. */
static struct json_object *
process_json(const struct exec_options *options, const struct oci_config *config,
	     char *const command[])
{
	struct json_object *json = NULL;
	size_t count = 0;

	if (options->process)
		json = process_of_file(options->process);
	else if (json_object_deep_copy(config->process.json, &json, NULL) < 0)
		fail(ENOMEM, "memory for the process");
	if (!json)
		return NULL;
	while (!options->process && command[count])
		count++;
	if (count) {
		json_object_object_add(json, "args", words((const char *const *)command, count));
		json_object_object_add(json, "terminal", json_object_new_boolean(options->tty));
	}
	if (options->tty)
		json_object_object_add(json, "terminal", json_object_new_boolean(true));
	if (options->cwd)
		json_object_object_add(json, "cwd", json_object_new_string(options->cwd));
	for (size_t i = 0; i < options->env.count; i++)
		add_variable(list_of(json, "env"), options->env.item[i]);
	if (set_rights(json, options) == 0)
		return json;
	json_object_put(json);
	return NULL;
}

static int
run(struct exec_options *options, struct oci_state *state, char *const command[])
{
	struct oci_config config;
	struct oci_process process = { 0 };
	struct enter enter;
	struct console console;
	struct json_object *json;
	siginfo_t info = { 0 };
	int pid_file, done = -1;

	if (oci_config_read(state->dir, state->bundle, &config) < 0)
		return -1;
	json = process_json(options, &config, command);
	if (!json || oci_process_read(json, &process) < 0)
		goto out;
	enter_init(&enter, state, &config, &process);
	process.listen_fds = service_descriptors();
	enter.keep = (unsigned)options->preserve_fds + process.listen_fds;
	enter.below = options->cgroup;
	if (options->user && !strchr("0123456789", options->user[0]))
		enter.user_name = options->user;
	/* opened here: afterwards the paths are the container's */
	if ((pid_file = pid_file_open(options->pid_file)) < 0 && options->pid_file)
		goto out;
	if (console_open(options->console, !options->detach, &process, &console) < 0)
		goto out;
	enter.console = console.socket;
	if ((!options->detach && spawn_block_signals() < 0) || enter_run(&enter) < 0)
		goto out;
	if (pid_file_write(pid_file, options->pid_file, enter.child.pid) < 0 ||
	    console_show(&console) < 0) {
		spawn_end(&enter.child);
		goto out;
	}
	done = 0;
	if (!options->detach)
		done = console_wait(&console, &enter.child, &info) < 0 ? -1 : spawn_status(&info);
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
	int first = command_words(&program, argc, argv), done = -1;

	if (first <= 0)
		return first;
	if (!options.process && !argv[first + 1])
		return fail(EINVAL, "exec: no command");
	if (oci_state_look(globals->root, argv[first], &state) < 0)
		return -1;
	status = oci_state_status(&state);
	if (status == OCI_STOPPED)
		fail(ESRCH, "container not running: %s", state.id);
	else if (status == OCI_PAUSED && !options.ignore_paused)
		fail(EBUSY, "container %s is paused", state.id);
	else
		done = run(&options, &state, argv + first + 1);
	oci_state_close(&state);
	if (done < 0)
		call_error()->status = EXIT_NOT_RUN;
	return done;
}

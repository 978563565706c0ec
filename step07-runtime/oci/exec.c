/*
 * exec.c: the verb exec: one more process in a container that runs.
 * Follows what conmon and containerd's shim ask for. Explained in book/07-runtime.md.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "step01-unshare/call.h"
#include "step05-overlay/json.h"
#include "step07-runtime/environment.h"
#include "step07-runtime/oci/commands.h"
#include "step07-runtime/console.h"
#include "step07-runtime/oci/enter.h"
#include "step07-runtime/service.h"
#include "step07-runtime/pid_file.h"

/* What callers know as "the process never ran": no status of a command looks like it by chance. */
enum { EXIT_NOT_RUN = 255 };

struct exec_options {
	const char *process, *pid_file, *pidfd_socket, *console, *cwd, *user, *apparmor, *label,
		*cgroup;
	struct text_list env, caps, groups;
	bool detach, tty, no_new_privs, ignore_paused, ignored;
	int64_t preserve_fds;
};

#define AT(field) offsetof(struct exec_options, field)
static const struct option_row exec_rows[] = {
	{ "process", 'p', "FILE", "-", "the process object, instead of a command", option_text,
	  AT(process), 0 },
	{ "pid-file", 0, "FILE", "-", "write the pid there", option_text, AT(pid_file), 0 },
	{ "pidfd-socket", 0, "SOCKET", "pidfd_open(2)", "send its pidfd there", option_text,
	  AT(pidfd_socket), 0 },
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
	{ "preserve-fds", 0, "N", "close_range(2)", "keep N descriptors after 2", option_up_to,
	  AT(preserve_fds), PRESERVE_MOST },
	{ "no-subreaper", 0, NULL, "-", "accepted: orphans go to the caller's reaper anyway",
	  option_flag, AT(ignored), 0 },
	{ 0 },
};

/* ---- what the options say of the process ---- */

static bool
is_number(const char *user)
{
	return user && strchr("0123456789", user[0]);
}

/* UID[:GID], as numbers; a name is for who can look into the container's passwd. */
static int
set_user(struct user *user, const struct exec_options *options)
{
	const char *colon = options->user ? strchr(options->user, ':') : NULL;
	int64_t uid, gid = user->gid;
	char number[16];

	if (!is_number(options->user))
		return 0;
	snprintf(number, sizeof number, "%.*s", (int)strcspn(options->user, ":"), options->user);
	if (number_parse(number, 0, INT32_MAX, &uid) < 0 ||
	    (colon && number_parse(colon + 1, 0, INT32_MAX, &gid) < 0))
		return fail(EINVAL, "--user %s: not UID[:GID], each up to 2147483647",
			    options->user);
	user->uid = (uid_t)uid;
	user->gid = (gid_t)gid;
	return 0;
}

static int
add_groups(struct user *user, const struct text_list *groups)
{
	gid_t *grown = reallocarray(user->groups, user->count + groups->count + 1, sizeof *grown);
	int64_t gid;

	if (!grown)
		return fail(ENOMEM, "memory for --additional-gids");
	user->groups = grown;
	for (size_t i = 0; i < groups->count; i++) {
		if (number_parse(groups->item[i], 0, INT32_MAX, &gid) < 0)
			return fail(EINVAL, "--additional-gids %s: not a group id",
				    groups->item[i]);
		grown[user->count++] = (gid_t)gid;
	}
	return 0;
}

static void
add_caps(struct oci_process *process, const struct text_list *names)
{
	struct cap_sets *caps = &process->caps;
	uint64_t set = 0;

	for (size_t i = 0; i < names->count; i++)
		if (cap_add(names->item[i], &set) < 0)
			process->unknown_cap = names->item[i];
	caps->bounding |= set;
	caps->effective |= set;
	caps->permitted |= set;
	caps->ambient |= set & caps->inheritable; /* the others could not be */
}

static int
set_command(struct oci_process *process, char *const command[])
{
	size_t count = 1;
	char **args;

	while (command[count - 1])
		count++;
	if (!(args = reallocarray(process->args, count, sizeof *args)))
		return fail(ENOMEM, "memory for the command");
	process->args = memcpy(args, command, count * sizeof *args);
	return 0;
}

static int
apply(const struct exec_options *options, char *const command[], struct oci_process *process)
{
	if (!options->process) {
		process->terminal = false;
		if (set_command(process, command) < 0)
			return -1;
	}
	process->terminal |= options->tty;
	process->no_new_privs |= options->no_new_privs;
	if (options->cwd)
		process->cwd = options->cwd;
	if (options->apparmor)
		process->labels.apparmor = options->apparmor;
	if (options->label)
		process->labels.selinux = options->label;
	add_caps(process, &options->caps);
	for (size_t i = 0; i < options->env.count; i++)
		if (environment_set(&process->env, (char *)(uintptr_t)options->env.item[i]) < 0)
			return -1;
	if (add_groups(&process->user, &options->groups) < 0 ||
	    set_user(&process->user, options) < 0)
		return -1;
	return oci_process_check(process);
}

/* Of a file, or the container's own with another command; and what the options say of it. */
static int
read_process(const struct exec_options *options, const struct oci_config *config,
	     char *const command[], struct oci_process *process)
{
	struct json_object *json = options->process ? json_read_given(options->process, "--process")
						    : json_object_get(config->process.json);

	if (!json || oci_process_read(json, process) < 0)
		return -1;
	/* what a file does not say of its rights is no way past the container's, as in runc */
	if (!json_at(json, "capabilities"))
		process->caps = config->process.caps;
	if (!process->labels.apparmor)
		process->labels.apparmor = config->process.labels.apparmor;
	if (!process->labels.selinux)
		process->labels.selinux = config->process.labels.selinux;
	return apply(options, command, process);
}

static int
run(struct exec_options *options, struct oci_state *state, char *const command[])
{
	struct oci_config config;
	struct oci_process process = { 0 };
	struct enter enter;
	struct console console;
	siginfo_t info = { 0 };
	struct pid_file pid_file;
	int done = -1;

	if (oci_config_read(state->dir, "config.json", state->bundle, &config) < 0)
		return -1;
	config.no_process = false; /* this one has its own command */
	if (read_process(options, &config, command, &process) < 0)
		goto out;
	/* of the whole container: what `uname -m` says, and of which nodes memory is */
	process.attrs.personality = config.process.attrs.personality;
	process.attrs.memory_policy = config.process.attrs.memory_policy;
	config.process.attrs.memory_policy.flags = NULL; /* the process frees them */
	enter_init(&enter, state, &config, &process);
	process.listen_fds = service_descriptors();
	enter.keep = (unsigned)options->preserve_fds + process.listen_fds;
	enter.below = options->cgroup;
	if (!is_number(options->user))
		enter.user_name = options->user;
	/* opened here: afterwards the paths are the container's */
	if (pid_file_open(options->pid_file, options->pidfd_socket, &pid_file) < 0)
		goto out;
	if (console_open(options->console, !options->detach && process.terminal, &process.size,
			 &console) < 0)
		goto out;
	process.into_pipe = console.receive >= 0 && !isatty(STDOUT_FILENO);
	enter.console = console.socket;
	if ((!options->detach && spawn_block_signals() < 0) || enter_run(&enter) < 0)
		goto out;
	if (pid_file_write(&pid_file, enter.child.pid, enter.child.pidfd) < 0 ||
	    console_show(&console, true) < 0) {
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
	struct oci_state state;
	enum oci_status status;
	int first = command_operands(argc, argv, exec_rows, &options), done = -1;

	if (first <= 0)
		return first;
	if (!options.process && !argv[first + 1])
		return fail(EINVAL, "exec: no command");
	if (oci_state_look(globals->root, argv[first], &state) < 0)
		return -1;
	status = oci_state_status(&state);
	if (status == OCI_STOPPED)
		fail(ESRCH, "container not running: %s", state.id);
	else if (status == OCI_CREATING) /* its root may be the host's still */
		fail(EBUSY, "container %s is being created", state.id);
	else if (status == OCI_PAUSED && !options.ignore_paused) {
		fail(EBUSY, "cannot exec in a paused container: %s", state.id);
		call_hint("with --ignore-paused it waits until that is resumed");
	} else
		done = run(&options, &state, argv + first + 1);
	oci_state_close(&state);
	if (done < 0)
		call_error()->status = EXIT_NOT_RUN;
	return done;
}

/*
 * create.c: create and run, from a bundle. Follows runtime.md, "Create", of the OCI runtime
 * specification. Explained in book/07-runtime.md.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "step01-unshare/call.h"
#include "step07-runtime/environment.h"
#include "step07-runtime/oci/commands.h"
#include "step07-runtime/oci/hooks.h"
#include "step07-runtime/console.h"
#include "step07-runtime/oci/launch.h"
#include "step07-runtime/pid_file.h"
#include "step07-runtime/service.h"
#include "step07-runtime/oci/state.h"

struct create_options {
	const char *bundle, *config, *pid_file, *pidfd_socket, *console;
	int64_t preserve_fds;
	bool no_pivot, old_keyring, detach, keep, ignored;
};

#define AT(field) offsetof(struct create_options, field)
enum { RUN_ONLY = 2 }; /* the first rows are not for create */
static const struct option_row run_rows[] = {
	{ "detach", 'd', NULL, "-", "leave when the command runs", option_flag, AT(detach), 0 },
	{ "keep", 0, NULL, "-", "what is left of it stays, for delete", option_flag, AT(keep), 0 },
	{ "bundle", 'b', "DIR", "-", "where config.json is; default: here", option_text, AT(bundle),
	  0 },
	{ "pid-file", 0, "FILE", "-", "write the pid of the first process there", option_text,
	  AT(pid_file), 0 },
	{ "pidfd-socket", 0, "SOCKET", "pidfd_open(2)", "send the first process's pidfd there",
	  option_text, AT(pidfd_socket), 0 },
	{ "console-socket", 0, "SOCKET", "unix(7)", "send the pty's master there", option_text,
	  AT(console), 0 },
	{ "preserve-fds", 0, "N", "close_range(2)", "keep N descriptors after 2", option_up_to,
	  AT(preserve_fds), PRESERVE_MOST },
	{ "no-pivot", 0, NULL, "chroot(2)", "no pivot_root, for a host on a ramfs", option_flag,
	  AT(no_pivot), 0 },
	{ "no-new-keyring", 0, NULL, "keyrings(7)", "keep the caller's session keyring",
	  option_flag, AT(old_keyring), 0 },
	{ "config", 'f', "FILE", "-", "instead of config.json, from the bundle", option_text,
	  AT(config), 0 },
	{ "no-subreaper", 0, NULL, "-", "accepted: orphans go to the caller's reaper anyway",
	  option_flag, AT(ignored), 0 },
	{ 0 },
};

/* ---- small files ---- */

static int
read_config(const char *bundle, const char *name, struct oci_config *config)
{
	char path[2 * PATH_MAX];

	name = name ? name : "config.json";
	snprintf(path, sizeof path, "%s/%s", name[0] == '/' ? "" : bundle, name);
	return oci_config_read(AT_FDCWD, path, bundle, config);
}

/* The configuration as it was read: `exec` must not see what somebody changes in the bundle later.
 */
static int
keep_config(const struct oci_config *config, int state)
{
	int fd = openat(state, "config.json", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	ssize_t n = fd < 0 ? -1 : write(fd, config->text, config->length);

	close_fd(fd);
	if (n == (ssize_t)config->length)
		return 0;
	return fail(n < 0 ? errno : ENOSPC, "writing a copy of config.json");
}

/* ---- the order ---- */

/* One for the process, whose end gives back what was read: to walk through it all once more, page
 * by page of a memory that a child has come to share, would take longer than that end. */
struct job {
	struct create_options options;
	const char *root; /* of the states */
	char bundle[PATH_MAX];
	struct oci_config config;
	struct oci_state state;
	struct launch launch;
	struct console console;
	struct service service;
	bool foreground; /* it waits for the end */
	struct pid_file pid_file;
};

/* Parses the command line, takes the name, and reads the configuration. Gives 1, 0 after --help,
 * −1. */
static int
begin(const struct option_row *rows, const struct globals *globals, int argc, char **argv,
      struct job *job)
{
	int first = command_operands(argc, argv, rows, &job->options);
	struct create_options *options = &job->options;
	char *variable;

	job->root = globals->root;
	job->state.dir = -1;
	launch_init(&job->launch, NULL, &job->config);
	if (first <= 0)
		return first;
	if (!realpath(options->bundle ? options->bundle : ".", job->bundle))
		return fail(errno, "--bundle %s", options->bundle ? options->bundle : ".");
	if (oci_state_make(globals->root, argv[first], &job->state) < 0 ||
	    read_config(job->bundle, options->config, &job->config) < 0)
		return -1;
	launch_init(&job->launch, job->state.id, &job->config);
	job->config.root.no_pivot = options->no_pivot;
	job->launch.bundle = job->bundle;
	job->config.process.listen_fds = service_descriptors();
	job->launch.keep = (unsigned)options->preserve_fds + job->config.process.listen_fds;
	job->launch.old_keyring = job->state.old_keyring = options->old_keyring;
	job->launch.no_cgroup = !strcmp(globals->cgroup_manager, "disabled");
	job->launch.systemd =
		!job->launch.no_cgroup &&
		(globals->systemd_cgroup || !strcmp(globals->cgroup_manager, "systemd"));
	if (options->no_pivot)
		fputs("boxstep-oci: --no-pivot: who has CAP_SYS_CHROOT can leave such a root\n",
		      stderr);
	if (service_offer(job->state.dir, globals->root, job->state.id, &job->config.mounts,
			  &variable) < 0 ||
	    (variable && environment_set(&job->config.process.env, variable) < 0))
		return -1;
	return 1;
}

/* Before anything is made on the host: what there will be, so that it is found if this process is
 * killed. */
static int
note(struct job *job)
{
	if (job->launch.systemd) {
		job->state.scope = job->config.cgroup.path ? job->config.cgroup.path : "";
		if (scope_name(&job->launch.scope, job->state.scope, job->state.id) < 0)
			return -1;
	} else if (!job->launch.no_cgroup &&
		   cgroup_plan(&job->config.cgroup, job->state.id, &job->launch.cgroup) < 0)
		return -1;
	job->state.cgroup = job->launch.cgroup.path;
	job->state.cgroup_made_from = job->launch.cgroup.made_from;
	return oci_state_note(&job->state);
}

static int
build(struct job *job)
{
	struct oci_process *process = &job->config.process;
	struct launch *launch = &job->launch;

	if (pid_file_open(job->options.pid_file, job->options.pidfd_socket, &job->pid_file) < 0)
		return -1;
	if (console_open(job->options.console, job->foreground && process->terminal, &process->size,
			 &job->console) < 0)
		return -1;
	process->into_pipe = job->console.receive >= 0 && !isatty(STDOUT_FILENO);
	launch->console = job->console.socket;
	/* nothing else is to be done here between what it builds and the gate, or its command */
	launch->straight = launch->gate >= 0 || (job->pid_file.dir < 0 && job->pid_file.socket < 0);
	if (note(job) < 0 || launch_prepare(launch) < 0 || launch_clone(launch) < 0)
		return -1;
	/* before the GO after its namespaces: if this process is killed, the child that waits for
	 * it ends, and one that has come to the gate is known */
	if (keep_config(&job->config, job->state.dir) < 0 ||
	    oci_state_write(&job->state, &job->config, job->bundle, &launch->cgroup,
			    launch->child.pid) < 0 ||
	    launch_ready(launch) < 0)
		return -1;
	return pid_file_write(&job->pid_file, launch->child.pid, launch->child.pidfd);
}

/* Who has joined a user namespace has lost the right to it: see hooks_outside. The copy of JOB
 * there is of before the clone: its state is what has been noted, its cgroup what was made. */
static int
remove_made(void *what)
{
	struct job *job = what;

	if (oci_state_lock(job->root, &job->state) < 0)
		return fail(errno, "flock of the state of %s", job->state.id);
	job->state.cgroup_made_from = job->launch.cgroup.made_from;
	return oci_state_release(&job->state) < 0 ? -1 : oci_state_remove(job->root, &job->state);
}

static int
give_up(const struct globals *globals, struct job *job)
{
	struct call_error error = *call_error();
	const struct hook_subject subject = { job->launch.id, job->bundle, "stopped", 0, NULL };
	bool begun = job->launch.child.pid > 0;

	launch_abort(&job->launch);
	if (begun)
		console_drain(&job->console);
	if (job->config.idmap.joined) {
		call_forget();
		hooks_outside(remove_made, job);
	} else if (job->state.dir >= 0 && oci_state_lock(globals->root, &job->state) == 0)
		oci_state_remove(globals->root, &job->state);
	call_forget();
	if (begun)
		hooks_run(&job->config, HOOK_POSTSTOP, &subject);
	hooks_leave();
	oci_config_free(&job->config);
	call_forget();
	call_adopt(&error);
	return -1;
}

/* What is left of it after its end, or for the hooks that look at it then. */
static int
clean_up(struct job *job)
{
	const struct hook_subject subject = { job->launch.id, job->bundle, "stopped", 0, NULL };

	if ((job->config.idmap.joined ? hooks_outside(remove_made, job) : remove_made(job)) < 0) {
		if (call_error()->number != EIDRM)
			return -1;
		/* it was deleted meanwhile, with its hooks, and its name may be another's by now */
		call_forget();
		return 0;
	}
	return hooks_run(&job->config, HOOK_POSTSTOP, &subject);
}

int
command_create(const struct globals *globals, int argc, char **argv)
{
	static struct job job;
	int begun = begin(run_rows + RUN_ONLY, globals, argc, argv, &job);

	if (begun == 0)
		return 0;
	job.launch.gate = job.state.dir;
	if (begun < 0 || build(&job) < 0 || launch_start(&job.launch) < 0)
		return give_up(globals, &job);
	hooks_leave();
	launch_close(&job.launch);
	/* the lock belongs to the open directory, and the child has that too, for the gate */
	oci_state_unlock(&job.state);
	oci_state_close(&job.state);
	return 0;
}

/* Waits for the end, and removes what is left. */
static int
attend(const struct globals *globals, struct job *job)
{
	siginfo_t info = { 0 };

	oci_state_unlock(&job->state); /* for state, kill and exec */
	if (service_attend(&job->service, job->launch.child.pid, job->launch.child.pidfd) < 0 ||
	    console_wait(&job->console, &job->launch.child, &info) < 0)
		return give_up(globals, job);
	if (!job->options.keep)
		clean_up(job);
	return call_error()->number ? -1 : spawn_status(&info);
}

int
command_run(const struct globals *globals, int argc, char **argv)
{
	static struct job job;
	int begun = begin(run_rows, globals, argc, argv, &job), status = 0;

	if (begun == 0)
		return 0;
	job.foreground = !job.options.detach;
	if (begun < 0 || (job.foreground && spawn_block_signals() < 0) ||
	    oci_warn_of(service_open(job.state.dir, &job.service)) < 0 || build(&job) < 0 ||
	    console_show(&job.console, true) < 0 || launch_start(&job.launch) < 0 ||
	    hooks_run(&job.config, HOOK_POSTSTART,
		      &(struct hook_subject){ job.launch.id, job.bundle, "running",
					      job.launch.child.pid, NULL }) < 0)
		return give_up(globals, &job);
	if (job.foreground)
		status = attend(globals, &job);
	else
		status = service_await(&job.service, job.launch.child.pid, job.launch.child.pidfd);
	hooks_leave();
	launch_close(&job.launch);
	oci_state_close(&job.state);
	return status;
}

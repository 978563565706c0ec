/*
 * child.c: the child's half: from GO to the exec, every wall in its order.
 * Follows the OCI runtime specification, credentials(7). Explained in book/07-runtime.md.
 */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "step01-unshare/call.h"
#include "step01-unshare/exec.h"
#include "step01-unshare/procfs.h"
#include "step02-pidns/init.h"
#include "step02-pidns/unixsock.h"
#include "step03-mounts/inside.h"
#include "step05-overlay/overlay.h"
#include "step05-overlay/json.h"
#include "step07-runtime/environment.h"
#include "step07-runtime/gate.h"
#include "step07-runtime/keyring.h"
#include "step07-runtime/oci/child.h"
#include "step07-runtime/oci/commands.h"
#include "step07-runtime/oci/hooks.h"
#include "step07-runtime/oci/launch.h"
#include "step07-runtime/terminal.h"

/* ---- what it sees ---- */

static int
open_terminal(int root, int console, bool bind, const struct oci_process *process)
{
	int master, slave;

	if (console < 0)
		return fail(EINVAL, "process.terminal is true, and there is no --console-socket");
	if (devices_pty(root, &master, &slave) < 0 || (bind && devices_console(root, slave) < 0) ||
	    unix_send(console, "/dev/ptmx", master) < 0)
		return -1;
	close(master);
	return terminal_take(slave, &process->size, process->into_pipe);
}

int
child_stdio(int root, int console, bool bind, const int stdio[3], const struct oci_process *process)
{
	/* In the caller's, its terminal would be this process's too, which could type into it
	 * (TIOCSTI). EPERM: it leads one already. */
	setsid();
	if (process->terminal)
		return open_terminal(root, console, bind, process);
	for (int fd = 0; fd < 3; fd++)
		if (stdio[fd] >= 0 && dup2(stdio[fd], fd) < 0)
			return fail(errno, "dup2(%d, %d)", stdio[fd], fd);
	return 0;
}

static int
names(const struct oci_config *config)
{
	const char *domain = config->domainname;
	struct ns_options ns = config->ns;

	ns.kinds |= CLONE_NEWUTS; /* launch_prepare has seen to it; it may be a joined one */
	if (ns_set_hostname(&ns) < 0)
		return -1;
	if (domain)
		return call(setdomainname(domain, strlen(domain)), "setdomainname(\"%s\", %zu)",
			    domain, strlen(domain));
	return 0;
}

/* A working directory that the image lacks is made, as every engine does; what cannot be made is
 * reported by the chdir. */
static void
make_cwd(int root, const char *cwd)
{
	int fd = inside_make(root, cwd, S_IFDIR | 0755);

	if (fd < 0)
		call_forget();
	close_fd(fd);
}

/* The host's side has its turn, then the programs of the host that look from inside. */
static int
run_hooks(struct launch *launch)
{
	const struct hook_subject subject = { launch->id, launch->bundle, "creating", getpid(),
					      NULL };

	if (handshake_ready(&launch->shake) < 0 || handshake_wait_go(&launch->shake) < 0)
		return -1;
	return hooks_run(launch->config, HOOK_CREATE_CONTAINER, &subject);
}

static int
build_root(struct launch *launch, int proc)
{
	struct oci_config *config = launch->config;
	int tree = launch->root_tree, root;

	config->root.in_place = config->hooks && !launch->layers && !config->mount_path;
	if (mounts_open(&config->mounts) < 0 ||
	    (launch->layers ? tree < 0 && (tree = overlay_mount(launch->layers)) < 0
			    : mounts_take_root(&config->mounts, &config->root, &tree) < 0) ||
	    (root = rootfs_attach(&config->root, tree)) < 0)
		return -1;
	if (mounts_apply(&config->mounts, root) < 0 ||
	    devices_make(&config->devices, &config->mounts, root) < 0 ||
	    child_stdio(root, launch->console, true, launch->stdio, &config->process) < 0 ||
	    mounts_seal(&config->mounts) < 0)
		return -1;
	make_cwd(root, config->process.cwd);
	if (seccomp_take(&launch->seccomp, &launch->shake) < 0 ||
	    (config->hooks && run_hooks(launch) < 0))
		return -1;
	if (sysctl_apply(&config->sysctl, proc) < 0 || devices_hide(&config->devices, root) < 0)
		return -1;
	return rootfs_pivot(&config->root, root);
}

/* No process of a container may look into this one (CVE-2019-5736): see spawn_clone too. */
int
child_dumpable(bool yes)
{
	return prctl(PR_SET_DUMPABLE, yes, 0, 0, 0) < 0
		       ? fail(errno, "prctl(PR_SET_DUMPABLE, %d)", yes)
		       : 0;
}

static int
build_world(struct launch *launch, int proc)
{
	struct oci_config *config = launch->config;
	int dumpable = prctl(PR_GET_DUMPABLE, 0, 0, 0, 0);

	/* before a change of ids, by which its files in /proc become those of the host's root */
	if ((config->ns.kinds & CLONE_NEWUSER) && ns_enter_time(&config->ns) < 0)
		return -1;
	if (launch->other_user &&
	    (idmap_become_root() < 0 ||
	     /* such a change makes it undumpable, to hooks of an ordinary user too */
	     child_dumpable(dumpable == 1) < 0 ||
	     /* the message queues of an IPC namespace belong to whoever makes it */
	     ((config->ns.kinds & CLONE_NEWIPC) && ns_unshare(CLONE_NEWIPC) < 0)))
		return -1;
	return names(config) < 0 || build_root(launch, proc) < 0 ? -1 : 0;
}

/* ---- what it may do ---- */

/* HOME is not the image's to say: it is in the passwd of the container, for the user it runs as. */
static int
set_home(struct oci_process *process)
{
	static char home[sizeof "HOME=" + USER_HOME] = "HOME=";

	for (size_t i = 0; process->env[i]; i++)
		if (strncmp(process->env[i], "HOME=", 5) == 0 && process->env[i][5])
			return 0;
	user_home_here(process->user.uid, home + strlen("HOME="));
	return environment_set(&process->env, home);
}

static int
complete_environment(struct oci_process *process)
{
	static char count[32], pid[32];
	char *names = getenv("LISTEN_FDNAMES");

	if (set_home(process) < 0)
		return -1;
	if (!process->listen_fds)
		return 0;
	snprintf(count, sizeof count, "LISTEN_FDS=%u", process->listen_fds);
	snprintf(pid, sizeof pid, "LISTEN_PID=%d", getpid()); /* as it is inside */
	if (environment_set(&process->env, count) < 0 || environment_set(&process->env, pid) < 0)
		return -1;
	return names ? environment_set(&process->env, names - strlen("LISTEN_FDNAMES=")) : 0;
}

/* The working directory of a user who may go where root may not, or the other way round. */
static int
enter_cwd(const char *cwd)
{
	char now[4096];

	if (chdir(cwd) < 0)
		return -1;
	/* a cwd outside of the root (CVE-2024-21626) has no name inside: "(unreachable)…" or ENOENT
	 */
	if (!getcwd(now, sizeof now) || now[0] != '/')
		return fail(EPERM, "process.cwd \"%s\" is outside of the container", cwd);
	return 0;
}

static int
supervise(const struct oci_config *config, const struct hook_subject *subject,
	  struct seccomp *seccomp)
{
	struct json_object *json, *state;

	if (!seccomp->notify)
		return 0;
	if (!(state = hook_state(config, subject)) || !(json = json_object_new_object()))
		return fail(ENOMEM, "memory for a state");
	json_put_text(json, "ociVersion", OCI_VERSION);
	json_object_array_add(json_put_list(json, "fds"), json_object_new_string("seccompFd"));
	json_put_number(json, "pid", call_pid());
	json_put_text(json, "metadata", seccomp->listener_metadata);
	json_object_object_add(json, "state", state);
	seccomp->state = strdup(json_object_to_json_string(json));
	json_object_put(json);
	return seccomp->state ? 0 : fail(ENOMEM, "memory for a state");
}

/* ANCHOR: rights */
static int
take_rights(const struct oci_process *process, const struct seccomp *seccomp, int proc)
{
	int root_went = enter_cwd(process->cwd);

	if (call_error()->number || attrs_apply(&process->attrs, proc) < 0 ||
	    child_dumpable(false) < 0 || caps_drop_bounding(&process->caps) < 0 ||
	    seccomp_install_early(seccomp) < 0 ||
	    caps_become_user(process->user.uid, process->user.gid, process->user.groups,
			     process->user.count) < 0 ||
	    caps_set(&process->caps) < 0)
		return -1;
	if (root_went < 0 && enter_cwd(process->cwd) < 0)
		return fail(errno, "chdir(\"%s\")", process->cwd);
	return seccomp_no_new_privs(seccomp);
}
/* ANCHOR_END: rights */

/* A name (of the image's USER) means what the container's own passwd says. */
static int
resolve_user(const char *name, struct oci_process *process)
{
	struct user user;

	if (!name || !name[0])
		return 0;
	if (user_resolve_here(name, &user) < 0)
		return -1;
	user_free(&process->user);
	process->user = user;
	if (user.uid != 0) /* as exec would leave them, or a file's own came on top */
		process->caps.permitted = process->caps.effective = process->caps.ambient;
	return 0;
}

/* ---- from GO to exec ---- */

/* The state's directory is open on the descriptor that has its lock, and an flock lives as long as
 * any copy of its descriptor does: a child at the gate would keep everybody out. */
static int
let_go_of_lock(struct launch *launch)
{
	int fifo;

	if (launch->gate < 0)
		return 0;
	fifo = gate_hold(launch->gate);
	close(launch->gate);
	launch->gate = fifo;
	return fifo < 0 ? -1 : 0;
}

int
child_become(struct child *c)
{
	struct oci_process *process = c->process;

	if ((!c->old_keyring && keyring_join(c->subject.id) < 0) ||
	    resolve_user(c->user_name, process) < 0 ||
	    terminal_give(process->terminal, process->user.uid, process->user.gid) < 0 ||
	    supervise(c->config, &c->subject, c->seccomp) < 0 ||
	    /* before a filter that may be older than openat2 and close_range */
	    complete_environment(process) < 0 || exec_close_others(c->keep) < 0 ||
	    take_rights(process, c->seccomp, c->proc) < 0 ||
	    (c->die_with_parent && spawn_die_with_parent() < 0))
		return -1;
	/* a command that is not there is an error of create, not of start */
	if (!c->config->no_process && exec_find(process->args[0], process->env, c->path, true) < 0)
		return -1;
	return handshake_ready(c->shake);
}

int
child_exec(const struct child *c, bool init)
{
	const struct oci_process *process = c->process;

	if (labels_enter(&process->labels, c->proc) < 0)
		return -1;
	exec_default_signals();
	if (!init && exec_prepare(c->keep) < 0)
		return -1;
	/* nothing of ours is left to be allowed by the filter but execve */
	if (seccomp_install_last(c->seccomp) < 0)
		return -1;
	if (init)
		init_or_exec(false, process->args, process->env, c->keep, c->shake);
	return exec_now(c->path, process->args, process->env);
}

void
launch_child(struct launch *launch)
{
	struct oci_config *config = launch->config;
	struct child c = { .config = config,
			   .process = &config->process,
			   .user_name = config->user_name,
			   .subject = { launch->id, launch->bundle, "creating", 0, NULL },
			   .seccomp = &launch->seccomp,
			   .shake = &launch->shake,
			   .old_keyring = launch->old_keyring,
			   .keep = launch->keep,
			   .die_with_parent = launch->die_with_parent };
	int gate = -1;

	idmap_keep_groups(config->keep_groups);
	handshake_in_child(&launch->shake);
	hooks_forget();
	close_fd(launch->scope.hold); /* copies of the parent's */
	cgroup_close(&launch->cgroup);
	if (let_go_of_lock(launch) < 0 || handshake_wait_go(&launch->shake) < 0 ||
	    (c.proc = procfs_open()) < 0 || launch_unshare(launch) < 0 ||
	    handshake_wait_go(&launch->shake) < 0 || build_world(launch, c.proc) < 0)
		handshake_fail(&launch->shake);
	gate_name(true); /* before READY: after it comes start, and this process may have no turn */
	c.subject.pid = call_pid();
	if (launch->gate >= 0)
		exec_close_inherited(c.proc, launch->keep);
	if (child_become(&c) < 0)
		handshake_fail(&launch->shake);
	/* the last GO: whatever the parent had to do first is done */
	if (handshake_wait_go(&launch->shake) == 0 && launch->gate >= 0)
		gate = gate_wait(c.proc, launch->gate);
	if (config->init) /* which stays, and is at no gate any more */
		prctl(PR_SET_NAME, "init", 0, 0, 0);
	c.subject.status = "created";
	c.subject.pid = getpid();
	c.subject.seccomp = &launch->seccomp; /* a program of the image: it is held to it too */
	if (config->no_process)
		fail(EINVAL, "config.json: there is no object `process` that could be started");
	if (!call_error()->number && hooks_run(config, HOOK_START_CONTAINER, &c.subject) == 0)
		child_exec(&c, config->init);
	gate_fail(gate);
	handshake_fail(&launch->shake);
}

/*
 * enter.c: setns by the pidfd of the container's first process, clone3 into its cgroup, then the
 * walls again. Follows setns(2), cgroup_namespaces(7). Explained in book/07-runtime.md.
 */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "step01-unshare/call.h"
#include "step01-unshare/procfs.h"
#include "step04-cgroups/cgroup.h"
#include "step07-runtime/oci/child.h"
#include "step07-runtime/oci/enter.h"
#include "step07-runtime/oci/launch.h"

void
enter_init(struct enter *enter, const struct oci_state *state, const struct oci_config *config,
	   struct oci_process *process)
{
	*enter = (struct enter){ .state = state,
				 .config = config,
				 .process = process,
				 .stdio = { -1, -1, -1 },
				 .console = -1,
				 .child = { 0, -1 } };
}

/* What has to be opened while paths still mean the host's. */
struct held {
	int kinds; /* in which the container differs from the caller */
	int pidfd, proc, cgroup_namespace;
	int root; /* where the mount namespace does not lead to it: it is attached nowhere, or the
		   * caller is in that namespace already, with another root; else −1 */
	struct cgroup cgroup;
	struct seccomp seccomp;
};

static void
child(struct enter *enter, struct handshake *shake, struct held *held)
{
	const struct oci_state *state = enter->state;
	struct child c = { .config = enter->config,
			   .process = enter->process,
			   .user_name = enter->user_name,
			   .subject = { state->id, state->bundle, "running", state->pid, NULL },
			   .seccomp = &held->seccomp,
			   .proc = held->proc,
			   .shake = shake,
			   .old_keyring = state->old_keyring,
			   .keep = enter->keep,
			   .die_with_parent = enter->die_with_parent };
	int root;

	idmap_keep_groups(enter->config->keep_groups);
	handshake_in_child(shake);
	if (handshake_wait_go(shake) < 0 ||
	    ((held->kinds & CLONE_NEWUSER) && idmap_become_root() < 0))
		handshake_fail(shake);
	/* after the clone: with nsdelegate nobody may be moved into a cgroup from inside its
	 * namespace */
	if (held->cgroup_namespace >= 0 &&
	    call(setns(held->cgroup_namespace, CLONE_NEWCGROUP), "setns(%d, CLONE_NEWCGROUP)",
		 held->cgroup_namespace) < 0)
		handshake_fail(shake);
	if (held->root >= 0 && (fchdir(held->root) < 0 || call(chroot("."), "chroot(\".\")") < 0)) {
		fail(errno, "chroot into the container's root");
		handshake_fail(shake);
	}
	if ((root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC)) < 0)
		fail(errno, "open(\"/\")");
	if (root < 0 || child_stdio(root, enter->console, false, enter->stdio, c.process) < 0 ||
	    seccomp_take(&held->seccomp, shake) < 0 || child_become(&c) < 0)
		handshake_fail(shake);
	child_exec(&c, false);
	handshake_fail(shake);
}

/* That of the first process, which may have moved: the container's own must stay empty if it has
 * made others. */
static int
open_cgroup(const struct enter *enter, struct cgroup *cgroup)
{
	char path[2 * PATH_MAX];

	if (!enter->below)
		return cgroup_open_of(enter->state->pid, cgroup);
	snprintf(path, sizeof path, "/%s/", enter->below);
	if (strstr(path, "/../"))
		return fail(EINVAL, "--cgroup %s: not below the container's", enter->below);
	snprintf(path, sizeof path, "%s/%s", enter->state->cgroup, enter->below);
	return cgroup_open(path, cgroup);
}

static int
hold(const struct enter *enter, struct held *held)
{
	pid_t pid = enter->state->pid;
	char path[64];

	*held = (struct held){
		.pidfd = -1, .proc = -1, .cgroup_namespace = -1, .root = -1, .cgroup = CGROUP_NONE
	};
	if ((held->pidfd = oci_state_pidfd(enter->state)) < 0 || (held->proc = procfs_open()) < 0)
		return -1;
	held->kinds = ns_different_kinds(pid);
	launch_restrict_caps(enter->process, held->kinds & CLONE_NEWUSER);
	if (launch_seccomp(enter->config, enter->process, &held->seccomp) < 0 ||
	    (enter->state->cgroup[0] && open_cgroup(enter, &held->cgroup) < 0))
		return -1;
	launch_restrict_devices(enter->process, enter->config, &held->cgroup,
				held->kinds & CLONE_NEWUSER);
	snprintf(path, sizeof path, "/proc/%d/ns/cgroup", pid);
	if ((held->kinds & CLONE_NEWCGROUP) &&
	    (held->cgroup_namespace = open(path, O_RDONLY | O_CLOEXEC)) < 0)
		return fail(errno, "open(\"%s\")", path);
	snprintf(path, sizeof path, "/proc/%d/root", pid);
	if ((enter->config->root.nowhere || !(held->kinds & CLONE_NEWNS)) &&
	    (held->root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC)) < 0)
		return fail(errno, "open(\"%s\")", path);
	/* what was looked up by number was the container's, if that process is still there: only
	 * then can the number not have become somebody else's meanwhile */
	if (pidfd_send_signal(held->pidfd, 0, NULL, 0) < 0)
		return fail(ESRCH, "container not running: the first process of %s has ended",
			    enter->state->id);
	return 0;
}

static void
release(struct held *held)
{
	int number = errno;

	close_fd(held->pidfd);
	close_fd(held->proc);
	close_fd(held->cgroup_namespace);
	close_fd(held->root);
	cgroup_close(&held->cgroup);
	seccomp_free(&held->seccomp);
	errno = number;
}

/* From setns on, others of the container could look into this process if it were dumpable, and it
 * has no right over the host any more. */
static int
give_what_is_the_hosts(struct enter *enter, const struct held *held)
{
	struct oci_process *process = enter->process;

	process->attrs.cpu_affinity = process->last_cpus;
	if (attr_affinity(process->first_cpus) < 0)
		return -1;
	if (!(held->kinds & CLONE_NEWUSER))
		return 0;
	attrs_make_room(&process->attrs, 0);
	if (attrs_oom_score_adj(&process->attrs, held->proc, 0) < 0)
		return -1;
	process->attrs.has_oom_score_adj = false;
	return child_dumpable(false);
}

int
enter_run(struct enter *enter)
{
	struct handshake shake = { -1, -1 };
	struct held held;
	int joined, done = -1;

	if (hold(enter, &held) < 0)
		goto out;
	joined = held.kinds & ~CLONE_NEWCGROUP;
	if (give_what_is_the_hosts(enter, &held) < 0)
		goto out;
	stage("enter",
	      "The namespaces of the container's first process become those of the next child.",
	      "ls -l /proc/%d/ns", enter->state->pid);
	if (joined &&
	    call(setns(held.pidfd, joined), "setns(%d, %s)", held.pidfd, ns_flag_names(joined)) < 0)
		goto out;
	if (handshake_open(&shake) < 0)
		goto out;
	if (spawn_clone(0, held.cgroup.fd, &enter->child) == 0)
		child(enter, &shake, &held);
	handshake_in_parent(&shake);
	if (enter->child.pidfd < 0 || handshake_go(&shake, enter->child.pid) < 0 ||
	    launch_filter(enter->config, enter->process, &held.seccomp, &shake) < 0 ||
	    handshake_wait_ready(&shake) < 0 || handshake_wait_exec(&shake) < 0)
		spawn_end(&enter->child);
	else
		done = 0;
out:
	handshake_close(&shake);
	release(&held);
	return done;
}

/*
 * launch.c: the parent's half of a container's start. Follows runtime.md, "Lifecycle", of the OCI
 * runtime specification. Explained in book/07-runtime.md.
 */
#include <errno.h>
#include <linux/capability.h>
#include <linux/netlink.h>
#include <sched.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "step01-unshare/call.h"
#include "step02-pidns/unixsock.h"
#include "step04-cgroups/sweep.h"
#include "step05-overlay/json.h"
#include "step06-net/link.h"
#include "step06-net/netlink.h"
#include "step07-runtime/gate.h"
#include "step07-runtime/oci/child.h"
#include "step07-runtime/oci/hooks.h"
#include "step07-runtime/oci/launch.h"
#include "step07-runtime/security/profile.h"

void
launch_init(struct launch *launch, const char *id, struct oci_config *config)
{
	*launch = (struct launch){ .id = id,
				   .config = config,
				   .stdio = { -1, -1, -1 },
				   .console = -1,
				   .gate = -1,
				   .cgroup = CGROUP_NONE,
				   .scope = { .hold = -1 },
				   .child = { 0, -1 },
				   .shake = { -1, -1 },
				   .root_tree = ROOTFS_IN_CHILD,
				   .mount_namespace = -1,
				   .time_namespace = -1,
				   .rtnl = -1 };
}

/* ---- before there is a process ---- */

/* A profile with a supervisor needs the host, where its socket is; any other can wait until the
 * child is there. */
static bool
has_supervisor(const struct oci_config *config)
{
	static const char word[] = "\"listenerPath\"";

	return config->seccomp.text &&
	       memmem(config->seccomp.text, config->seccomp.length, word, strlen(word));
}

static int
compile(const struct oci_config *config, const struct oci_process *process, struct seccomp *seccomp)
{
	const struct json_part *part = &config->seccomp;
	uint64_t caps = process->caps.bounding;
	struct json_object *json = NULL;
	struct profile profile;
	int done;

	if (part->text && !(json = json_read(part->text, part->length, "linux.seccomp")))
		return -1;
	if (!json && !config->seccomp_default)
		return 0;
	done = json ? profile_from_json(json, "linux.seccomp", caps, &profile)
		    : profile_default(caps, &profile);
	json_object_put(json);
	if (done < 0)
		return -1;
	done = seccomp_prepare_profile(&profile, process->no_new_privs, seccomp);
	profile_free(&profile);
	return done;
}

int
launch_seccomp(const struct oci_config *config, const struct oci_process *process,
	       struct seccomp *seccomp)
{
	if (seccomp_prepare_profile(NULL, process->no_new_privs, seccomp) < 0 ||
	    (has_supervisor(config) && compile(config, process, seccomp) < 0))
		return -1;
	if (seccomp->notify)
		seccomp->supervisor =
			unix_connect(seccomp->listener_path, SOCK_STREAM, "listenerPath");
	return seccomp->notify && seccomp->supervisor < 0 ? -1 : 0;
}

int
launch_filter(const struct oci_config *config, const struct oci_process *process,
	      struct seccomp *seccomp, struct handshake *shake)
{
	bool early = seccomp->filter; /* launch_seccomp has compiled it */
	int done = early ? 0 : compile(config, process, seccomp);

	if (done == 0 && seccomp->notify && !early)
		done = fail(EINVAL, "linux.seccomp: listenerPath is not spelt as it is");
	done = done < 0 ? -1 : seccomp_give(seccomp, shake);
	seccomp_free(seccomp);
	return done;
}

void
launch_restrict_caps(struct oci_process *process, bool new_user)
{
	uint64_t missing;

	/* What root executes has the rights without ambient ones: nothing is lost when buildah asks
	 * for these and makes none inheritable. */
	if (process->user.uid == 0)
		process->caps.ambient &= process->caps.inheritable;
	missing = caps_restrict(&process->caps, caps_available(caps_in(&process->caps), new_user));

	if (process->unknown_cap) {
		fail(EINVAL, "process.capabilities: %s is not known here, and left out",
		     process->unknown_cap);
		oci_warn();
	}
	if (missing) {
		fail(EINVAL, "process.capabilities: %s cannot be granted, and is left out",
		     caps_text(missing));
		oci_warn();
	}
}

void
launch_restrict_devices(struct oci_process *process, const struct oci_config *config,
			const struct cgroup *cgroup, bool other_user)
{
	struct cap_sets without = process->caps;

	if (config->device_rule_count && !other_user &&
	    caps_restrict(&without, ~(UINT64_C(1) << CAP_MKNOD)) && !device_rules_possible(cgroup))
		process->caps = without;
}

static int
apply_devices(struct launch *launch)
{
	const struct oci_config *config = launch->config;

	return device_rules_apply(config->device_rules, config->device_rule_count,
				  &launch->cgroup) < 0
		       ? -1
		       : 0;
}

/* This id's directory of states was just made, so an empty cgroup of that name is what a killed
 * create left. One with processes in it can be a container of another --root: only the engine's
 * ids, 64 digits of chance, are nobody else's. */
static const char *own_id;

static bool
is_own(const char *id)
{
	return strcmp(id, own_id) == 0;
}

static int
make_cgroup(struct launch *launch, int needed)
{
	const struct cgroup_options *options = &launch->config->cgroup;
	int wanted = CONTROLLER_CPU | CONTROLLER_MEMORY | CONTROLLER_PIDS | CONTROLLER_IO;

	if (cgroup_make(options, launch->id, needed, wanted, &launch->cgroup) == 0)
		return 0;
	own_id = launch->id;
	if (errno != EEXIST || sweep_cgroups(options, is_own, launch->layers) <= 0)
		return -1;
	call_forget();
	return cgroup_make(options, launch->id, needed, wanted, &launch->cgroup);
}

static int
prepare_cgroup(struct launch *launch)
{
	struct oci_config *config = launch->config;
	const struct limits *limits = &config->limits;

	if (!launch->no_cgroup &&
	    (limits_check(limits) < 0 ||
	     (launch->systemd ? scope_start(&launch->scope, limits, config->device_rules,
					    config->device_rule_count, &launch->cgroup)
			      : make_cgroup(launch, limits_controllers(limits))) < 0 ||
	     limits_apply(limits, &launch->cgroup) < 0))
		return -1;
	launch_restrict_devices(&config->process, config, &launch->cgroup, launch->other_user);
	/* who has joined a user namespace has no right to them any more; otherwise launch_clone */
	return config->joins ? apply_devices(launch) : 0;
}

static int
join_namespaces(struct oci_config *config)
{
	struct attr_options *attrs = &config->process.attrs;

	for (size_t i = 0; i < config->joins; i++) {
		if (config->join[i].flag != CLONE_NEWUSER)
			continue;
		/* who is in that namespace must not look into this process, which has no right
		 * over the host from then on */
		attrs_make_room(attrs, 0);
		if (attrs_oom_score_adj(attrs, -1, 0) < 0 || child_dumpable(false) < 0)
			return -1;
		attrs->has_oom_score_adj = false;
	}
	return ns_join_paths(config->join, config->joins);
}

int
launch_prepare(struct launch *launch)
{
	struct oci_config *config = launch->config;
	const char *name = config->ns.hostname ? config->ns.hostname : config->domainname;
	/* a joined one may be that of this process: what is set there is set for the host */
	int own = config->ns.kinds | ns_other_kinds(config->join, config->joins);
	int kinds = config->ns.kinds | (own & CLONE_NEWUSER);
	struct stat root;

	if (config->mount_path &&
	    (launch->mount_namespace = ns_open_other(config->mount_path, CLONE_NEWNS)) < 0)
		return -1;
	/* not by this process, to whom /proc would tell when others began by the clock inside */
	if (config->time_path &&
	    ns_other_kinds(&(struct ns_at){ CLONE_NEWTIME, config->time_path }, 1) &&
	    (launch->time_namespace = ns_open_other(config->time_path, CLONE_NEWTIME)) < 0)
		return -1;
	if (name && !(own & CLONE_NEWUTS))
		return fail(EINVAL,
			    "hostname or domainname %s without a UTS namespace would be the host's",
			    name);
	if (config->netdevs.count && !(own & CLONE_NEWNET))
		return fail(EINVAL, "linux.netDevices without a network namespace to move them to");
	if (!launch->layers && stat(config->root.path, &root) < 0)
		return fail(errno, "root.path \"%s\"", config->root.path);
	launch->other_user = own & CLONE_NEWUSER;
	launch_restrict_caps(&config->process, launch->other_user);
	if (attrs_check(&config->process.attrs) < 0 || labels_check(&config->process.labels) < 0 ||
	    sysctl_check(&config->sysctl, own) < 0 ||
	    launch_seccomp(config, &config->process, &launch->seccomp) < 0 ||
	    netdev_look(&config->netdevs) < 0 || prepare_cgroup(launch) < 0)
		return -1;
	if (launch->gate >= 0 &&
	    gate_make(launch->gate,
		      config->idmap.uid_count ? config->idmap.uid[0].outside : geteuid(),
		      config->idmap.gid_count ? config->idmap.gid[0].outside : getegid()) < 0)
		return -1;
	/* what only this side can open or make, while it is still outside of everything */
	if (launch->other_user)
		devices_make_outside(&config->devices, &config->idmap);
	if (!launch->layers && (launch->root_tree = rootfs_open(&config->root, kinds)) == -1)
		return -1;
	if (mounts_open_in_parent(&config->mounts, kinds, &config->idmap) < 0 ||
	    (config->joins && hooks_stay_outside(config) < 0) || join_namespaces(config) < 0)
		return -1;
	return config->ns.kinds & CLONE_NEWUSER ? 0 : ns_prepare_time(&config->ns);
}

/* ---- the process ---- */

/* What clone3(2) has to make: a PID namespace is for children, and a user namespace owns those that
 * come after it. The child makes the others itself: a network namespace is half of the time that a
 * start takes, and the parent would sleep in clone3 meanwhile. */
enum { AT_CLONE = CLONE_NEWPID | CLONE_NEWUSER };

/* ANCHOR: unshare */
int
launch_unshare(struct launch *launch)
{
	int kinds = launch->config->ns.kinds, rtnl = -1, done;
	int late = CLONE_NEWTIME | (launch->other_user ? CLONE_NEWIPC : 0); /* by build_world */

	if (ns_unshare(kinds & ~(AT_CLONE | late)) < 0 ||
	    (launch->mount_namespace >= 0 &&
	     ns_join_fd(launch->mount_namespace, CLONE_NEWNS, launch->config->mount_path) < 0) ||
	    (launch->time_namespace >= 0 &&
	     ns_join_fd(launch->time_namespace, CLONE_NEWTIME, launch->config->time_path) < 0) ||
	    ((kinds & CLONE_NEWNET) && (rtnl = nl_open(NETLINK_ROUTE)) < 0))
		return -1;
	done = handshake_ready_with(&launch->shake, rtnl);
	close_fd(rtnl);
	return done;
}
/* ANCHOR_END: unshare */

int
launch_entered(struct launch *launch)
{
	if (launch->entered)
		return 0;
	launch->entered = true;
	return handshake_wait_ready_with(&launch->shake, &launch->rtnl);
}

/* A socket stays in the network namespace in which it was made, whoever has it. */
static int
raise_lo(struct launch *launch)
{
	if (launch_entered(launch) < 0)
		return -1;
	return launch->rtnl < 0 ? 0 : link_up(launch->rtnl, "lo");
}

int
launch_clone(struct launch *launch)
{
	struct oci_config *config = launch->config;
	struct attr_options attrs = config->process.attrs;
	bool outside = attrs.has_oom_score_adj && (config->ns.kinds & CLONE_NEWUSER);
	char name[16];

	if (outside)
		config->process.attrs.has_oom_score_adj = false;
	if (handshake_open(&launch->shake) < 0)
		return -1;
	prctl(PR_GET_NAME, name, 0, 0, 0);
	gate_name(false);
	if (spawn_clone(config->ns.kinds & AT_CLONE, launch->cgroup.fd, &launch->child) == 0)
		launch_child(launch);
	prctl(PR_SET_NAME, name, 0, 0, 0);
	handshake_in_parent(&launch->shake);
	scope_release(&launch->scope); /* the child is in it, or there will be none */
	if (launch->child.pidfd < 0 || handshake_go(&launch->shake, launch->child.pid) < 0 ||
	    /* who listens is told one thing after the other */
	    (call_mode != CALL_SILENT && raise_lo(launch) < 0) ||
	    (!config->joins && apply_devices(launch) < 0) ||
	    ((config->ns.kinds & CLONE_NEWUSER) &&
	     idmap_write(&config->idmap, launch->child.pid) < 0) ||
	    /* root of a user namespace may not lower it */
	    (outside && attrs_oom_score_adj(&attrs, -1, launch->child.pid) < 0))
		return -1;
	if (!(config->ns.kinds & CLONE_NEWUSER))
		return 0;
	attrs_make_room(&attrs, launch->child.pid);
	return cgroup_delegate_to_root_of(&launch->cgroup, launch->child.pid);
}

/* The hooks of the host's side, while the child waits with its world built and its root not yet
 * turned. */
static int
run_hooks(struct launch *launch)
{
	const struct oci_config *config = launch->config;
	const struct hook_subject subject = { launch->id, launch->bundle, "creating",
					      launch->child.pid, NULL };

	if (handshake_wait_ready(&launch->shake) < 0 ||
	    hooks_run(config, HOOK_PRESTART, &subject) < 0 ||
	    hooks_run(config, HOOK_CREATE_RUNTIME, &subject) < 0)
		return -1;
	return handshake_go(&launch->shake, launch->child.pid);
}

/* What the child does not have to wait for: it mounts meanwhile. */
static int
work_beside(struct launch *launch)
{
	const struct oci_config *config = launch->config;

	if (launch_filter(config, &config->process, &launch->seccomp, &launch->shake) < 0 ||
	    (call_mode == CALL_SILENT && raise_lo(launch) < 0))
		return -1;
	close_fd(launch->rtnl); /* it would keep the namespace */
	launch->rtnl = -1;
	return 0;
}

int
launch_ready(struct launch *launch)
{
	struct oci_config *config = launch->config;

	if (config->netdevs.count &&
	    (launch_entered(launch) < 0 ||
	     netdev_move(&config->netdevs, launch->rtnl, launch->child.pid) < 0))
		return -1;
	if (handshake_go(&launch->shake, launch->child.pid) < 0 || work_beside(launch) < 0 ||
	    (config->hooks && run_hooks(launch) < 0) ||
	    (launch->straight && handshake_go(&launch->shake, launch->child.pid) < 0))
		return -1;
	return handshake_wait_ready(&launch->shake);
}

int
launch_start(struct launch *launch)
{
	if ((!launch->straight && handshake_go(&launch->shake, launch->child.pid) < 0) ||
	    (launch->gate < 0 && handshake_wait_exec(&launch->shake) < 0))
		return -1;
	netdev_free(&launch->config->netdevs); /* they are the container's from now on */
	return 0;
}

void
launch_abort(struct launch *launch)
{
	int number = errno;

	handshake_close(&launch->shake);
	spawn_end(&launch->child);
	netdev_give_back(&launch->config->netdevs);
	cgroup_remove(&launch->cgroup);
	launch_close(launch);
	errno = number;
}

void
launch_close(struct launch *launch)
{
	handshake_close(&launch->shake);
	scope_release(&launch->scope);
	close_fd(launch->child.pidfd);
	close_fd(launch->root_tree);
	close_fd(launch->mount_namespace);
	close_fd(launch->time_namespace);
	close_fd(launch->rtnl);
	launch->child.pidfd = launch->root_tree = launch->rtnl = -1;
	launch->mount_namespace = launch->time_namespace = -1;
	cgroup_close(&launch->cgroup);
	seccomp_free(&launch->seccomp);
}

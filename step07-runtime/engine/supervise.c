/*
 * supervise.c: create, network, start, wait, clean up. Follows runtime.md, "Lifecycle", of the OCI
 * runtime specification. Explained in book/07-runtime.md.
 */
#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "step01-unshare/call.h"
#include "step04-cgroups/oom.h"
#include "step04-cgroups/process.h"
#include "step05-overlay/json.h"
#include "step05-overlay/overlay.h"
#include "step07-runtime/engine/supervise.h"
#include "step07-runtime/monitor.h"
#include "step07-runtime/oci/launch.h"
#include "step07-runtime/oci/state.h"
#include "step07-runtime/terminal.h"

/* All that exists while the container runs. */
struct running {
	char bundle[PATH_MAX], upper[PATH_MAX + 8];
	struct overlay overlay;
	struct network network;
	struct oci_config config;
	struct oci_state state;
	struct launch launch;
	struct monitor monitor;
	struct log log;
	struct oom_count before;
	int console[2];
	bool networked; /* network_open was called */
};

/* ---- the start ---- */

static int
prepare_root(const struct supervise *s, struct running *r)
{
	struct overlay_options options = { .upper = r->upper };

	snprintf(r->bundle, sizeof r->bundle, "%s/containers/%s", s->store->path, s->container->id);
	snprintf(r->upper, sizeof r->upper, "%s/upper", r->bundle);
	if (mkdirat(s->container->dir, "upper", 0755) < 0 && errno != EEXIST)
		return fail(errno, "mkdir(\"%s\")", r->upper);
	if (image_add_layers(s->store, s->image, &r->overlay) < 0 ||
	    overlay_map_ids(&r->overlay, s->store, s->options->user_kinds, &s->options->maps) < 0 ||
	    overlay_open_upper(&r->overlay, &options, s->store) < 0)
		return -1;
	/* of a user namespace made by root: only out here it can be mounted */
	r->launch.root_tree = overlay_in_parent(&r->overlay);
	return r->launch.root_tree == -1 ? -1 : 0;
}

/*
 * Standard input without a terminal: nothing, or with -i the caller's, which a terminal is not: a
 * container that holds it could read what is typed later, and type itself (TIOCSTI). With -d a
 * pipe that stays open and empty.
 */
static int
prepare_input(const struct run_options *options, struct running *r)
{
	int ends[2] = { -1, -1 };

	if (options->interactive && !options->detach && !isatty(STDIN_FILENO))
		return 0;
	if (options->interactive) {
		if (pipe2(ends, O_CLOEXEC) < 0)
			return fail(errno, "pipe for the command's input");
		r->monitor.input_to = ends[1];
		r->monitor.input = options->detach ? -1 : STDIN_FILENO;
	} else
		ends[0] = open("/dev/null", O_RDONLY | O_CLOEXEC);
	r->launch.stdio[0] = ends[0];
	return ends[0] < 0 ? fail(errno, "open(\"/dev/null\")") : 0;
}

/* What the command's 0, 1 and 2 are, and where they come out again. */
static int
prepare_stdio(const struct supervise *s, struct running *r)
{
	const struct run_options *options = s->options;
	int ends[2];

	monitor_init(&r->monitor);
	r->console[0] = r->console[1] = -1;
	if (log_open(&r->log, s->container->dir, "log.json") < 0)
		return -1;
	r->monitor.log = &r->log;
	if (!options->detach) {
		monitor_show(&r->monitor, 0, STDOUT_FILENO);
		monitor_show(&r->monitor, 1, STDERR_FILENO);
		r->monitor.control = s->report;
	}
	if (options->tty) {
		r->config.process.size = terminal_size(STDIN_FILENO);
		if (terminal_sockets(r->console) < 0)
			return -1;
		r->launch.console = r->console[1];
		return 0;
	}
	if (monitor_pipes(&r->monitor, ends) < 0)
		return -1;
	r->launch.stdio[1] = ends[0];
	r->launch.stdio[2] = ends[1];
	return prepare_input(options, r);
}

/* The parent's copies of what the child has: a pipe ends only when its last writer is gone. */
static void
close_childs_ends(struct running *r)
{
	for (int i = 0; i < 3; i++)
		if (r->launch.stdio[i] >= 0)
			close(r->launch.stdio[i]);
	if (r->console[1] >= 0)
		close(r->console[1]);
	r->launch.stdio[0] = r->launch.stdio[1] = r->launch.stdio[2] = r->console[1] = -1;
}

static int
receive_terminal(const struct supervise *s, struct running *r)
{
	if (!s->options->tty)
		return 0;
	r->monitor.from[0] = terminal_receive(r->console[0]);
	if (!s->options->detach && s->options->interactive) {
		r->monitor.input = STDIN_FILENO;
		r->monitor.input_to = r->monitor.from[0];
	}
	return r->monitor.from[0] < 0 ? -1 : 0;
}

/* Before anything is made on the host: what there will be, for whoever clears away after this
 * process if it is killed. */
static int
note(struct running *r)
{
	if (cgroup_plan(&r->config.cgroup, r->state.id, &r->launch.cgroup) < 0)
		return -1;
	r->state.cgroup = r->launch.cgroup.path;
	r->state.cgroup_made_from = r->launch.cgroup.made_from;
	return oci_state_note(&r->state);
}

/* ANCHOR: start */
static int
start(const struct supervise *s, struct running *r)
{
	const char *id = s->container->id;

	launch_init(&r->launch, id, &r->config);
	if (prepare_root(s, r) < 0 ||
	    oci_config_read(s->container->dir, "config.json", r->bundle, &r->config) < 0 ||
	    oci_state_make(oci_root_default(), id, &r->state) < 0 || note(r) < 0 ||
	    prepare_stdio(s, r) < 0)
		return -1;
	r->launch.layers = &r->overlay;
	r->config.idmap = s->options->maps;
	r->config.ns.kinds |= s->options->user_kinds;
	r->launch.die_with_parent = true; /* without a monitor nobody would learn of its end */
	r->networked = true;
	/* the ports are held, and the files that the container will read are named, before the
	 * clone */
	r->network.wanted = s->options->network;
	r->network.names = s->options->names;
	if (network_open(&r->network, id, &r->config.ns.kinds) < 0 ||
	    network_add_mounts(&r->network, &r->config.mounts) < 0 || spawn_block_signals() < 0 ||
	    launch_prepare(&r->launch) < 0)
		return -1;
	oom_begin(&r->launch.cgroup, &r->before);
	if (launch_clone(&r->launch) < 0)
		return -1;
	close_childs_ends(r);
	/* its network namespace is there, and it waits for GO: the moment for the cable */
	if (launch_entered(&r->launch) < 0 ||
	    network_attach(&r->network, r->launch.child.pid, r->config.ns.hostname) < 0 ||
	    launch_ready(&r->launch) < 0 || receive_terminal(s, r) < 0)
		return -1;
	if (oci_state_write(&r->state, &r->config, r->bundle, &r->launch.cgroup,
			    r->launch.child.pid) < 0)
		return -1;
	/* unlocked: from now on `exec` and `kill` may use it */
	return launch_start(&r->launch);
}
/* ANCHOR_END: start */

/* ---- the record ---- */

static int
record_start(const struct supervise *s, const struct running *r)
{
	struct container *c = s->container;
	struct json_object *ports = json_object_new_array();

	for (size_t i = 0; i < r->network.ports.count; i++)
		json_object_array_add(ports,
				      json_object_new_string(port_text(r->network.ports.item + i)));
	json_object_object_add(c->json, "ports", ports);
	if (r->network.v4.family)
		json_put_text(c->json, "ip", address_text(&r->network.v4));
	json_put_text(c->json, "status", "running");
	json_put_number(c->json, "pid", r->launch.child.pid);
	json_put_text(c->json, "cgroup", r->launch.cgroup.fd >= 0 ? r->launch.cgroup.path : "");
	json_put_number(c->json, "startTime", (int64_t)process_start_time(r->launch.child.pid));
	json_put_now(c->json, "startedAt");
	return container_save(c);
}

static void
record_end(const struct supervise *s, const struct running *r, const siginfo_t *info)
{
	struct container *c = s->container;
	struct oom_report report;
	char text[256];

	if (oom_happened(&r->launch.cgroup, &r->before, info, &report)) {
		oom_text(&report, text, sizeof text);
		json_put_flag(c->json, "oomKilled", report.init_killed);
		json_put_text(c->json, "error", text);
		if (!s->options->detach)
			fprintf(stderr, "boxstep: %s\n", text);
	}
	if (r->monitor.log_error && !container_text(c, "error")[0]) {
		snprintf(text, sizeof text, "lines of the log are missing: %s",
			 strerror(r->monitor.log_error));
		json_put_text(c->json, "error", text);
	}
	json_put_text(c->json, "status", "exited");
	json_put_number(c->json, "pid", 0);
	json_put_number(c->json, "exitCode", spawn_status(info));
	json_put_now(c->json, "finishedAt");
}

/* ---- the end ---- */

static void
clean_up(struct running *r)
{
	struct call_error error = *call_error();

	if (r->networked)
		network_close(&r->network, 0);
	launch_abort(&r->launch); /* kills nothing that has ended; removes the cgroup */
	if (r->state.dir >= 0)
		oci_state_remove(oci_root_default(), &r->state);
	log_close(&r->log);
	overlay_close(&r->overlay);
	oci_config_free(&r->config);
	call_adopt(&error);
}

void
supervise(struct supervise *s)
{
	static struct running r = { .state = { .dir = -1 }, .log = { .fd = -1 } };
	siginfo_t info = { 0 };
	int status, client;

	overlay_init(&r.overlay);
	if (start(s, &r) < 0 || record_start(s, &r) < 0) {
		clean_up(&r);
		container_remove(s->store, s->container);
		monitor_report(s->report);
		_exit(EXIT_OURS);
	}
	oci_state_unlock(&r.state);
	monitor_report(s->report);
	if (s->options->detach)
		monitor_leave_terminal();
	if (monitor_wait(&r.monitor, &r.launch.child, &info) < 0)
		info.si_status = EXIT_OURS;
	call_forget();
	status = spawn_status(&info);
	record_end(s, &r, &info);
	clean_up(&r);
	/* "exited" says as well that nothing of it is left on the host */
	if (s->options->remove)
		container_remove(s->store, s->container);
	else
		container_save(s->container);
	/* whoever waits for that knows it now; the reader of a pipe may take its time */
	container_close(s->container);
	call_forget();
	if (monitor_flush(&r.monitor) == 0)
		call_error()->status = status;
	client = s->options->detach || r.monitor.control >= 0 ? s->report : -1;
	if (client >= 0)
		monitor_report(client);
	_exit(0);
}

/*
 * control.c: stop, kill, rm, logs: for a container that is there. Follows docker's verbs.
 * Explained in book/07-runtime.md.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <time.h>
#include <unistd.h>

#include "step01-unshare/call.h"
#include "step05-overlay/image_config.h"
#include "step07-runtime/engine/commands.h"
#include "step07-runtime/engine/leftover.h"
#include "step07-runtime/engine/unreaped.h"
#include "step07-runtime/log.h"

struct control_options {
	const char *signal, *tail;
	int64_t time;
	bool force, follow, timestamps;
	int number;   /* of signal */
	bool orphans; /* of rm: an image that was removed by force is needed by nobody now */
};

static int
set_seconds(const struct option_row *row, const char *value, void *into)
{
	int64_t *field = (int64_t *)((char *)into + row->offset);

	if (number_parse(value, 0, 86400, field) < 0)
		return fail(EINVAL, "--%s %s: not a number of seconds from 0 to 86400", row->name,
			    value);
	return 0;
}

#define AT(field) offsetof(struct control_options, field)
static const struct option_row stop_rows[] = {
	{ "time", 't', "SECONDS", "SIGKILL", "so long it may take, then it is killed (10)",
	  set_seconds, AT(time), 0 },
	{ "signal", 's', "SIGNAL", "kill(2)", "the first signal; default: the image's, or TERM",
	  option_text, AT(signal), 0 },
	{ 0 },
};
static const struct option_row kill_rows[] = {
	{ "signal", 's', "SIGNAL", "kill(2)", "name or number (KILL)", option_text, AT(signal), 0 },
	{ 0 },
};
static const struct option_row rm_rows[] = {
	{ "force", 'f', NULL, "SIGKILL", "kill it first", option_flag, AT(force), 0 },
	{ 0 },
};
static const struct option_row logs_rows[] = {
	{ "follow", 'f', NULL, "-", "go on as long as it runs", option_flag, AT(follow), 0 },
	{ "tail", 'n', "LINES", "-", "only the last LINES, or all", option_text, AT(tail), 0 },
	{ "timestamps", 't', NULL, "-", "the time before each line", option_flag, AT(timestamps),
	  0 },
	{ 0 },
};

/* ---- signals ---- */

int
engine_state(const struct container *container, struct oci_state *state)
{
	if (container_status(container) != CONTAINER_RUNNING)
		return fail(ESRCH, "container %s is not running", container->name);
	if (oci_state_open(oci_root_default(), container->id, state) == 0)
		return 0;
	if (call_error()->number != ENOENT)
		return -1;
	call_forget(); /* its monitor has cleared it away, and is about to write that down */
	return fail(ESRCH, "container %s is not running", container->name);
}

/* By the record alone: the runtime's state may be damaged, and `rm -f` has to work all the same. */
static int
send_signal(const struct container *container, int number)
{
	const struct oci_state state = {
		.dir = -1,
		.id = container->name,
		.pid = (pid_t)container_number(container, "pid"),
		.start_time = (uint64_t)container_number(container, "startTime"),
	};
	int pidfd, done;

	if (container_status(container) != CONTAINER_RUNNING)
		return fail(ESRCH, "container %s is not running", container->name);
	if ((pidfd = oci_state_pidfd(&state)) < 0)
		return -1;
	done = call(pidfd_send_signal(pidfd, number, NULL, 0),
		    "pidfd_send_signal(%d, SIG%s, NULL, 0)", pidfd, sigabbrev_np(number));
	close(pidfd);
	return done;
}

#define KILLED_ENDS 60 /* seconds; a great deal of memory takes a while to be given back */

/*
 * SIGKILL, and the wait for the end. PID 1 of a namespace does not end before all others are
 * reaped, by their parent: what exec started has one out here, which may be stopped, or not care.
 */
static int
kill_and_wait(const struct container *container)
{
	pid_t zombie, parent;

	if (send_signal(container, SIGKILL) < 0)
		call_forget(); /* it may have ended by itself a moment before */
	for (int waited = 0; waited < KILLED_ENDS; waited += 2) {
		if (container_wait_end(container, 2) == 1)
			return 0;
		if (unreaped((pid_t)container_number(container, "pid"), &zombie, &parent)) {
			fail(EBUSY,
			     "container %s is killed, but cannot end: process %d has ended, and "
			     "its "
			     "parent %d has not asked for its status",
			     container->name, zombie, parent);
			return call_hint("wake the parent up or end it: ps -fp %d", parent);
		}
	}
	return fail(EBUSY, "container %s is killed, and has not ended after %d seconds",
		    container->name, KILLED_ENDS);
}

/* After a signal that found nobody: it may have ended by itself a moment before. */
static int
has_ended(const struct container *container)
{
	if (container_wait_end(container, 1) != 1)
		return -1;
	call_forget();
	return 0;
}

static int
stop_one(const struct store *store, struct container *container, void *with)
{
	const struct control_options *options = with;
	int number =
		options->number ? options->number : (int)container_number(container, "stopSignal");

	if (container_await_start(store, container) < 0)
		return -1;
	if (container_status(container) != CONTAINER_RUNNING)
		return 0;
	if (send_signal(container, number > 0 ? number : SIGTERM) < 0)
		return has_ended(container);
	if (container_wait_end(container, (int)options->time) == 1)
		return 0;
	/* PID 1 drops a signal for which it has no handler; nothing drops this one */
	return kill_and_wait(container);
}

int
engine_stop(struct store *store, int argc, char **argv)
{
	struct control_options options = { .time = 10 };
	const struct verb_help help = {
		.synopsis = "[OPTIONS] CONTAINER...",
		.about = "Asks the container's first process to end, then kills it.",
		.tables = (struct option_table[]){ { "stop", stop_rows, &options },
						   { "narration", call_options, NULL },
						   { 0 } },
		.examples = { "boxstep stop web", "boxstep stop -t 2 web", "boxstep stop web db" },
	};
	int first = engine_operands(&help, argc, argv, 1, -1);

	if (first <= 0)
		return first;
	if (options.signal && (options.number = signal_parse(options.signal)) < 0)
		return -1;
	return engine_for_each(store, argv + first, stop_one, &options);
}

static int
kill_one(const struct store *store, struct container *container, void *with)
{
	(void)store;
	return send_signal(container, ((const struct control_options *)with)->number);
}

int
engine_kill(struct store *store, int argc, char **argv)
{
	struct control_options options = { .number = SIGKILL };
	const struct verb_help help = {
		.synopsis = "[OPTIONS] CONTAINER...",
		.about = "Sends a signal to the container's first process.",
		.tables = (struct option_table[]){ { "kill", kill_rows, &options },
						   { "narration", call_options, NULL },
						   { 0 } },
		.examples = { "boxstep kill web", "boxstep kill -s HUP web",
			      "boxstep kill -s 15 web db" },
	};
	int first = engine_operands(&help, argc, argv, 1, -1);

	if (first <= 0)
		return first;
	if (options.signal && (options.number = signal_parse(options.signal)) < 0)
		return -1;
	return engine_for_each(store, argv + first, kill_one, &options);
}

/* ---- rm ---- */

static bool
image_is_known(const struct store *store, const struct container *container)
{
	struct image_record record;

	if (store_image_find(store, container_text(container, "manifest"), &record) < 0) {
		call_forget();
		return false;
	}
	image_record_free(&record);
	return true;
}

static int
remove_one(const struct store *store, struct container *container, void *with)
{
	struct control_options *options = with;
	bool killed = container_status(container) != CONTAINER_EXITED;

	if (container_status(container) == CONTAINER_RUNNING) {
		if (!options->force) {
			fail(EBUSY, "container %s is running", container->name);
			return call_hint("stop it first, or rm -f");
		}
		if (kill_and_wait(container) < 0)
			return -1;
	}
	if (faccessat(container->dir, "container.json", F_OK, 0) < 0)
		return 0; /* --rm: its monitor has removed it */
	if (container_lock(container) < 0) {
		if (errno == ENOENT)
			return 0; /* by another rm, just now */
		return fail(EBUSY, "container %s is in use by another command", container->name);
	}
	if (killed)
		leftover_clear(
			container->id,
			container_text(container,
				       "cgroup")); /* its monitor may have been killed meanwhile */
	options->orphans |= !image_is_known(store, container);
	return container_remove(store, container);
}

int
engine_rm(struct store *store, int argc, char **argv)
{
	struct control_options options = { 0 };
	const struct verb_help help = {
		.synopsis = "[OPTIONS] CONTAINER...",
		.about = "Removes containers, with what they wrote and said.",
		.tables = (struct option_table[]){ { "rm", rm_rows, &options }, { 0 } },
		.examples = { "boxstep rm web", "boxstep rm -f web", "boxstep rm web db" },
	};
	int first = engine_operands(&help, argc, argv, 1, -1), status;

	if (first <= 0)
		return first;
	status = engine_for_each(store, argv + first, remove_one, &options);
	return options.orphans && store_collect(store, NULL, NULL) < 0 ? -1 : status;
}

/* ---- logs ---- */

int
engine_logs(struct store *store, int argc, char **argv)
{
	struct control_options options = { 0 };
	const struct verb_help help = {
		.synopsis = "[OPTIONS] CONTAINER",
		.about = "Prints what a container has said.",
		.tables = (struct option_table[]){ { "logs", logs_rows, &options }, { 0 } },
		.examples = { "boxstep logs web", "boxstep logs -f web",
			      "boxstep logs --tail 10 -t web" },
	};
	struct log_print how = { .tail = -1 };
	struct timespec pause = { 0, 50000000 };
	struct container container;
	int first = engine_operands(&help, argc, argv, 1, 1), fd = -1, ended;

	if (first <= 0)
		return first;
	if (options.tail && strcmp(options.tail, "all") != 0 &&
	    number_parse(options.tail, 0, INT32_MAX, &how.tail) < 0)
		return fail(EINVAL, "--tail %s: neither a number of lines nor all", options.tail);
	how.times = options.timestamps;
	if (container_find(store, argv[first], &container) < 0)
		return -1;
	do { /* once more after the end is seen: the last words come before it */
		ended = !options.follow || container_wait_end(&container, 0);
		if (fd < 0) /* one that is being started has none yet */
			fd = openat(container.dir, "log.json", O_RDONLY | O_CLOEXEC);
		if (fd >= 0 && log_print(fd, &how) < 0)
			break;
		if (fd >= 0)
			how.tail = -1;
		if (!ended)
			nanosleep(&pause, NULL);
	} while (!ended);
	if (fd >= 0)
		close(fd);
	container_close(&container);
	return call_error()->number ? -1 : 0;
}

/*
 * run.c: the verb run: an image, options and a command become a container and its monitor.
 * Follows docker run. Explained in book/07-runtime.md.
 */
#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "step01-unshare/call.h"
#include "step04-cgroups/limit_flags.h"
#include "step05-overlay/json.h"
#include "step07-runtime/engine/commands.h"
#include "step07-runtime/engine/enforce.h"
#include "step07-runtime/engine/ids.h"
#include "step07-runtime/engine/supervise.h"
#include "step07-runtime/monitor.h"
#include "step07-runtime/terminal.h"

#define AT(field) offsetof(struct run_options, field)
static const struct option_row run_rows[] = {
	{ "detach", 'd', NULL, "-", "print the id and return", option_flag, AT(detach), 0 },
	{ "interactive", 'i', NULL, "-", "keep standard input open", option_flag, AT(interactive),
	  0 },
	{ "tty", 't', NULL, "pty(7)", "a terminal of its own", option_flag, AT(tty), 0 },
	{ "rm", 0, NULL, "-", "remove the container when it has ended", option_flag, AT(remove),
	  0 },
	{ "name", 0, "NAME", "-", "its name; default: one is made up", option_text, AT(name), 0 },
	{ "init", 0, NULL, "PID 1", "a built-in init as PID 1, the command below it", option_flag,
	  AT(init), 0 },
	{ "env", 'e', "NAME[=VALUE]", "execve(2)", "one more variable; may be repeated",
	  option_list, AT(env), 0 },
	{ "env-file", 0, "FILE", "execve(2)", "variables, one NAME=VALUE a line", option_list,
	  AT(env_file), 0 },
	{ "volume", 'v', "SRC:DST[:OPTIONS]", "move_mount(2)",
	  "a directory of the host, or a named volume, at DST", option_list, AT(volume), 0 },
	{ "tmpfs", 0, "DST[:OPTIONS]", "fsopen(2)", "an empty file system in memory at DST",
	  option_list, AT(tmpfs), 0 },
	{ "read-only", 0, NULL, "MOUNT_ATTR_RDONLY", "the root cannot be written", option_flag,
	  AT(read_only), 0 },
	{ "shm-size", 0, "BYTES", "tmpfs size=", "size of /dev/shm (64m)", option_bytes,
	  AT(shm_size), 0 },
	{ "workdir", 'w', "DIR", "chdir(2)", "where the command starts", option_text, AT(workdir),
	  0 },
	{ "user", 'u', "USER[:GROUP]", "setresuid(2)",
	  "who it runs as: names of the image, or numbers", option_text, AT(user), 0 },
	{ "entrypoint", 0, "WORD", "execve(2)", "in place of the image's entrypoint", option_text,
	  AT(entrypoint), 0 },
	{ "hostname", 'h', "NAME", "sethostname(2)", "default: the beginning of the id",
	  option_text, AT(hostname), 0 },
	{ "pid", 0, "MODE", "CLONE_NEWPID", "host: see the host's processes", option_text, AT(pid),
	  0 },
	{ "ipc", 0, "MODE", "CLONE_NEWIPC", "host: the host's IPC objects", option_text, AT(ipc),
	  0 },
	{ "uts", 0, "MODE", "CLONE_NEWUTS", "host: the host's name", option_text, AT(uts), 0 },
	{ "userns", 0, "MODE", "CLONE_NEWUSER", "host (default for root), auto: own ids",
	  option_text, AT(userns), 0 },
	{ "stop-signal", 0, "SIGNAL", "kill(2)", "what `stop` sends first", option_text,
	  AT(stop_signal), 0 },
	{ "label", 'l', "NAME=VALUE", "-", "for people and programs; may be repeated", option_list,
	  AT(label), 0 },
	{ "cidfile", 0, "FILE", "-", "write the id there", option_text, AT(cidfile), 0 },
	{ "pull", 0, "WHEN", "-", "missing (default), always, never", option_text, AT(pull), 0 },
	{ "platform", 0, "OS/ARCH", "-", "choose this of an image for several", option_text,
	  AT(platform), 0 },
	{ 0 },
};

/* ---- before ---- */

/* A namespace is the container's own or the host's; another word must not be taken for the first.
 */
static int
check_mode(const char *option, const char *mode)
{
	if (!mode || strcmp(mode, "host") == 0 || strcmp(mode, "private") == 0)
		return 0;
	return fail(EINVAL, "--%s %s: neither host nor private", option, mode);
}

static int
check(const struct run_options *options)
{
	if (check_mode("pid", options->pid) < 0 || check_mode("ipc", options->ipc) < 0 ||
	    check_mode("uts", options->uts) < 0)
		return -1;
	if (options->stop_signal && signal_parse(options->stop_signal) < 0)
		return -1;
	if (options->tty && options->interactive && !options->detach && !isatty(STDIN_FILENO))
		return fail(EINVAL, "-t: standard input is not a terminal; leave -t out");
	if (options->pull && strcmp(options->pull, "missing") && strcmp(options->pull, "always") &&
	    strcmp(options->pull, "never"))
		return fail(EINVAL, "--pull %s: not missing, always or never", options->pull);
	return limits_check(&options->limits);
}

/* The image from the store, from a directory or an archive, or from its registry. */
static int
obtain(struct store *store, const struct run_options *options, const char *word,
       struct image *image)
{
	struct image_options how = { .platform = options->platform };
	const char *pull = options->pull ? options->pull : "missing";

	if (strcmp(pull, "always") == 0 && engine_fetch(store, word, options->platform) < 0)
		return -1;
	if (image_obtain(store, &how, word, &options->maps, options->user_kinds != 0, image) == 0)
		return 0;
	/* a path is no name that a registry could know */
	if (call_error()->number != ENOENT || strcmp(pull, "missing") != 0 || word[0] == '/' ||
	    word[0] == '.')
		return -1;
	call_forget();
	fprintf(stderr, "%s is not here yet: pulling it\n", word);
	return engine_fetch(store, word, options->platform) < 0 ||
			       image_obtain(store, &how, word, &options->maps,
					    options->user_kinds != 0, image) < 0
		       ? -1
		       : 0;
}

static void
record(struct container *container, const struct run_options *options, const struct image *image,
       const char *word, char *const command[], size_t count)
{
	char **argv = image_argv(&image->config, options->entrypoint, command, count);
	char text[256] = "";
	size_t used = 0;
	struct json_object *labels = json_object_new_object();

	for (size_t i = 0; argv && argv[i] && used < sizeof text - 1; i++)
		used += (size_t)snprintf(text + used, sizeof text - used, "%s%s", i ? " " : "",
					 argv[i]);
	free(argv);
	json_put_text(container->json, "image", word);
	json_put_text(container->json, "manifest", image->record.manifest);
	json_put_text(container->json, "imageId", image->record.config);
	json_put_text(container->json, "command", text);
	json_put_text(container->json, "network",
		      options->network.mode ? options->network.mode
		      : geteuid() == 0	    ? "bridge"
					    : "none");
	json_put_flag(container->json, "tty", options->tty);
	json_put_flag(container->json, "remove", options->remove);
	json_put_number(container->json, "stopSignal",
			options->stop_signal ? signal_parse(options->stop_signal)
					     : image_stop_signal(&image->config));
	for (size_t i = 0; i < options->label.count; i++) {
		const char *label = options->label.item[i], *equals = strchrnul(label, '=');
		char *key = strndup(label, (size_t)(equals - label));
		if (key)
			json_object_object_add(labels, key,
					       json_object_new_string(equals + (*equals != 0)));
		free(key);
	}
	json_object_object_add(container->json, "labels", labels);
}

static int
write_cidfile(const struct run_options *options, const struct container *container)
{
	int fd;

	if (!options->cidfile)
		return 0;
	fd = open(options->cidfile, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (fd < 0)
		return fail(errno, "open(\"%s\") for --cidfile", options->cidfile);
	if (dprintf(fd, "%s", container->id) < 0) {
		fail(errno, "write of \"%s\"", options->cidfile);
		unlink(options->cidfile);
	}
	close(fd);
	return call_error()->number ? -1 : 0;
}

/* ---- the client's half ---- */

/* Stays until the monitor says how it ended; signals go to it, and it passes them on. */
static int
stay(int report, pid_t monitor)
{
	struct pollfd events[2] = { { report, POLLIN, 0 }, { spawn_signals(), POLLIN, 0 } };
	int pidfd = pidfd_open(monitor, 0);

	if (events[1].fd < 0 || pidfd < 0)
		return pidfd < 0 ? fail(errno, "pidfd_open(%d)", monitor) : -1;
	for (;;) {
		struct signalfd_siginfo info;
		if (poll(events, 2, -1) < 0) {
			if (errno == EINTR)
				continue;
			return fail(errno, "poll");
		}
		if (events[0].revents)
			break;
		if (!events[1].revents ||
		    read(events[1].fd, &info, sizeof info) != (ssize_t)sizeof info)
			continue;
		if (info.ssi_signo == SIGWINCH) {
			struct winsize size = terminal_size(STDIN_FILENO);
			send(report, &size, sizeof size, MSG_NOSIGNAL);
		} else if (info.ssi_signo != SIGCHLD && info.ssi_signo != SIGPIPE)
			pidfd_send_signal(pidfd, (int)info.ssi_signo, NULL, 0);
	}
	close(events[1].fd);
	close(pidfd);
	return monitor_await(report, "before the container did");
}

static int
launch(struct supervise *s)
{
	const struct run_options *options = s->options;
	pid_t monitor;
	int status;

	/* before the first byte of the command could be shown, and translated twice */
	if (options->tty && options->interactive && !options->detach &&
	    terminal_raw(STDIN_FILENO) < 0)
		return -1;
	monitor = monitor_fork(&s->report);
	if (monitor == 0)
		supervise(s);
	if (monitor > 0) {
		/* an flock belongs to the open file that fork shares: a client that is stopped
		 * must not look like a monitor that lives */
		close(s->container->lock);
		s->container->lock = -1;
		status = monitor_await(s->report, "before the container ran");
		if (status < 0 && options->cidfile)
			unlink(options->cidfile); /* no such container any more */
		if (status == 0 && !options->detach)
			status = stay(s->report, monitor);
		else if (status == 0)
			status = puts(s->container->id) < 0 ? fail(errno, "write of the id") : 0;
	} else
		status = -1;
	terminal_restore();
	return status;
}

int
engine_run(struct store *store, int argc, char **argv)
{
	struct run_options options = { 0 };
	struct container container = { .dir = -1, .lock = -1 };
	struct image image;
	const struct verb_help help = {
		.synopsis = "[OPTIONS] IMAGE [COMMAND...]",
		.about = "Makes a container of an image and runs a command in it. What a service "
			 "manager gives (NOTIFY_SOCKET, LISTEN_FDS) stays outside, as with docker.",
		.tables = (struct option_table[]){ { "container", run_rows, &options },
						   { "network", network_options, &options.network },
						   { "names", resolv_options, &options.names },
						   { "limits", limits_options, &options.limits },
						   { "rights", cap_options, &options.caps },
						   { "filter", seccomp_options, &options.seccomp },
						   { "process", attr_options, &options.attrs },
						   { "labels", label_options, &options.labels },
						   { "kernel settings", sysctl_options,
						     &options.sysctl },
						   { "narration", call_options, NULL },
						   { 0 } },
		.examples = { "boxstep run --rm alpine echo hello",
			      "boxstep run -d --name web -p 8080:80 --memory 64m nginx",
			      "boxstep run -it --rm alpine sh" },
	};
	struct supervise supervise = { store, &container, &options, &image, -1 };
	int first = engine_operands(&help, argc, argv, 1, -1), status = -1;
	size_t count;

	if (first <= 0)
		return first;
	count = (size_t)(argc - first - 1);
	if ((options.user_kinds = ids_choose(options.userns, &options.maps)) < 0 ||
	    check(&options) < 0 || obtain(store, &options, argv[first], &image) < 0)
		return -1;
	enforce_what_can_be(&options.limits);
	if (container_make(store, options.name, &container) < 0)
		goto out;
	record(&container, &options, &image, argv[first], argv + first + 1, count);
	if (bundle_write(&container, &options, &image, argv + first + 1, count) == 0 &&
	    store_pin(store, container.id, image.record.manifest) == 0 &&
	    container_save(&container) == 0 && write_cidfile(&options, &container) == 0 &&
	    spawn_block_signals() == 0)
		status = launch(&supervise);
	else
		container_remove(store, &container);
out:
	container_close(&container);
	image_free(&image);
	return status;
}

/*
 * hooks.c: a hook is a program with a state on its stdin, a time limit, and a status that counts.
 * Follows config.md, "POSIX-platform Hooks", of the OCI runtime specification, memfd_create(2),
 * pidfd_open(2). Explained in book/07-runtime.md.
 */
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "step01-unshare/call.h"
#include "step01-unshare/exec.h"
#include "step02-pidns/spawn.h"
#include "step05-overlay/json.h"
#include "step07-runtime/oci/commands.h"
#include "step07-runtime/oci/config.h"
#include "step07-runtime/oci/hooks.h"
#include "step07-runtime/security/seccomp.h"

static const char *const stages[HOOK_STAGES] = {
	[HOOK_PRESTART] = "prestart",
	[HOOK_CREATE_RUNTIME] = "createRuntime",
	[HOOK_CREATE_CONTAINER] = "createContainer",
	[HOOK_START_CONTAINER] = "startContainer",
	[HOOK_POSTSTART] = "poststart",
	[HOOK_POSTSTOP] = "poststop",
};

/* ---- what is asked for ---- */

/* Those of a stage; NULL: there is none. */
static struct json_object *
list_of(const struct oci_config *config, enum hook_stage stage)
{
	bool bad = false;
	struct json_object *list =
		config->hooks ? json_array(config->hooks, stages[stage], &bad) : NULL;

	return list && json_object_array_length(list) > 0 ? list : NULL;
}

/* Milliseconds for poll(2): −1 without a limit. */
static int
timeout_of(struct json_object *hook)
{
	bool bad = false;
	int64_t seconds = json_number(hook, "timeout", &bad);

	return seconds <= 0 || seconds > INT_MAX / 1000 ? -1 : (int)seconds * 1000;
}

static int
check_hook(struct json_object *hook, const char *stage, size_t i)
{
	struct json_object *timeout;
	bool bad = false;
	const char *path;
	char **words;

	if (!json_object_is_type(hook, json_type_object))
		return fail(EINVAL, "hooks.%s: entry %zu is no object", stage, i);
	path = json_text(hook, "path", &bad);
	free(words = json_vector(hook, "args", &bad));
	if (words)
		free(words = json_vector(hook, "env", &bad));
	if (!words || bad)
		return -1;
	if (!path || path[0] != '/')
		return fail(EINVAL, "hooks.%s: entry %zu needs an absolute path", stage, i);
	if (json_object_object_get_ex(hook, "timeout", &timeout) && timeout && timeout_of(hook) < 0)
		return fail(EINVAL, "hooks.%s: the timeout of entry %zu is no number of seconds",
			    stage, i);
	return 0;
}

int
hooks_check(struct json_object *hooks)
{
	bool bad = false;

	for (size_t s = 0; hooks && s < HOOK_STAGES; s++) {
		struct json_object *list = json_array(hooks, stages[s], &bad);
		for (size_t i = 0; list && i < json_object_array_length(list); i++)
			if (check_hook(json_object_array_get_idx(list, i), stages[s], i) < 0)
				return -1;
	}
	return bad ? -1 : 0;
}

struct json_object *
hook_state(const struct oci_config *config, const struct hook_subject *subject)
{
	struct json_object *json = json_object_new_object();

	if (!json) {
		fail(ENOMEM, "memory for a state");
		return NULL;
	}
	json_put_text(json, "ociVersion", OCI_VERSION);
	json_put_text(json, "id", subject->id);
	json_put_text(json, "status", subject->status);
	if (subject->pid)
		json_put_number(json, "pid", subject->pid);
	json_put_text(json, "bundle", subject->bundle);
	if (config->annotations)
		json_object_object_add(json, "annotations", json_object_get(config->annotations));
	return json;
}

/* ---- one hook ---- */

/* A file in memory as stdin: a hook that does not read it blocks nobody. */
static int
state_file(const struct oci_config *config, const struct hook_subject *subject)
{
	struct json_object *json = hook_state(config, subject);
	const char *text = json ? json_object_to_json_string(json) : "";
	size_t length = strlen(text);
	int fd = json ? memfd_create("state", MFD_CLOEXEC) : -1;

	if (json && (fd < 0 || write(fd, text, length) != (ssize_t)length))
		fail(errno, "memfd_create for the state of a hook");
	json_object_put(json);
	if (call_error()->number && fd >= 0)
		close(fd);
	return call_error()->number ? -1 : fd;
}

_Noreturn static void
become(struct json_object *hook, char **inherited, int state, int output,
       const struct seccomp *seccomp)
{
	bool bad = false;
	const char *path = json_text(hook, "path", &bad);
	char **args = json_vector(hook, "args", &bad), **env = json_vector(hook, "env", &bad);
	char *only[] = { (char *)(uintptr_t)path, NULL };

	setpgid(0, 0); /* so that a timeout reaches what it has started too */
	exec_default_signals();
	lseek(state, 0, SEEK_SET);
	if (args && env && dup2(state, 0) == 0 && dup2(output, 1) == 1 && dup2(output, 2) == 2 &&
	    exec_prepare(0) == 0 && (!seccomp || seccomp_install_beside(seccomp) == 0)) {
		args = args[0] ? args : only;
		env = env[0] ? env : inherited;
		call(execve(path, args, env), "execve(\"%s\", %s, /* env of the hook */)", path,
		     call_argv(args));
	}
	dprintf(2, "it cannot be run: %s\n", strerrorname_np(errno));
	_exit(127);
}

/* What it said: not in the error's text, which callers sort by its words. */
static void
pass_on_output(int output)
{
	char text[4096];
	ssize_t n;
	off_t at = 0;

	while ((n = pread(output, text, sizeof text, at)) > 0 && at < 16 * (off_t)sizeof text) {
		at += n;
		if (write(STDERR_FILENO, text, (size_t)n) != n)
			return;
	}
}

static int
run_one(const struct oci_config *config, enum hook_stage of, size_t i, int state,
	const struct seccomp *seccomp)
{
	struct json_object *hook = json_object_array_get_idx(list_of(config, of), i);
	const char *stage = stages[of];
	bool bad = false;
	const char *path = json_text(hook, "path", &bad);
	int output = memfd_create("output", MFD_CLOEXEC), status;
	pid_t pid = output < 0 ? -1 : fork();

	if (pid == 0) /* a program of the container inherits what is the container's */
		become(hook, of == HOOK_START_CONTAINER ? config->process.env : environ, state,
		       output, seccomp);
	if (pid < 0) {
		fail(errno, "fork for hooks.%s[%zu] \"%s\"", stage, i, path);
	} else if ((status = spawn_reap(pid, timeout_of(hook))) != 0) {
		if (of != HOOK_POSTSTOP) /* what delete prints is an error to its callers */
			pass_on_output(output);
		if (status < 0)
			fail(ETIME, "hooks.%s[%zu] \"%s\"", stage, i, path);
		else if (WIFSIGNALED(status))
			fail(EINVAL, "hooks.%s[%zu] \"%s\" was killed by SIG%s", stage, i, path,
			     sigabbrev_np(WTERMSIG(status)));
		else
			fail(EINVAL, "hooks.%s[%zu] \"%s\" ended with status %d", stage, i, path,
			     WEXITSTATUS(status));
	}
	close_fd(output);
	return call_error()->number ? -1 : 0;
}

/* ---- all of a stage ---- */

static int
run_here(const struct oci_config *config, enum hook_stage stage, const struct hook_subject *subject)
{
	struct json_object *list = list_of(config, stage);
	int state = state_file(config, subject), done = 0;

	if (state < 0)
		return -1;
	for (size_t i = 0; done == 0 && i < json_object_array_length(list); i++) {
		done = run_one(config, stage, i, state, subject->seccomp);
		if (done < 0 && stage == HOOK_POSTSTOP) {
			oci_warn();
			done = 0;
		}
	}
	close(state);
	return done;
}

/* ---- the process that stays outside ---- */

static int outside = -1; /* its socket */
static pid_t outside_pid;

struct request {
	int (*act)(void *); /* NULL: the hooks of STAGE */
	void *what;
	enum hook_stage stage;
	pid_t pid;
	char id[256], bundle[PATH_MAX], status[16];
};

_Noreturn static void
serve(const struct oci_config *config, int socket)
{
	struct request request;

	while (recv(socket, &request, sizeof request, 0) == (ssize_t)sizeof request) {
		if (request.act)
			request.act(request.what);
		else
			run_here(config, request.stage,
				 &(struct hook_subject){ .id = request.id,
							 .bundle = request.bundle,
							 .status = request.status,
							 .pid = request.pid });
		send(socket, call_error(), sizeof(struct call_error), MSG_NOSIGNAL);
		call_forget();
	}
	_exit(0);
}

int
hooks_stay_outside(const struct oci_config *config)
{
	int ends[2];

	if (outside >= 0 || !(config->hooks || config->idmap.joined))
		return 0;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return fail(errno, "socketpair for the process that stays outside");
	if ((outside_pid = fork()) == 0) {
		close(ends[0]);
		serve(config, ends[1]);
	}
	if (outside_pid < 0) {
		fail(errno, "fork of the process that stays outside");
		close_fd(ends[0]); /* no process is there to be asked, or waited for */
	} else {
		outside = ends[0];
	}
	close_fd(ends[1]);
	return outside_pid < 0 ? -1 : 0;
}

void
hooks_forget(void)
{
	close_fd(outside);
	outside = -1;
}

void
hooks_leave(void)
{
	if (outside < 0)
		return;
	hooks_forget(); /* end of file: it ends */
	spawn_reap(outside_pid, -1);
}

static int
ask(const struct request *request)
{
	struct call_error error;

	if (send(outside, request, sizeof *request, MSG_NOSIGNAL) < 0 ||
	    recv(outside, &error, sizeof error, 0) != (ssize_t)sizeof error)
		return fail(EPIPE, "the process that stays outside is gone");
	if (!error.number)
		return 0;
	call_adopt(&error);
	return -1;
}

int
hooks_outside(int (*act)(void *), void *what)
{
	return outside >= 0 ? ask(&(struct request){ .act = act, .what = what }) : act(what);
}

static int
ask_outside(enum hook_stage stage, const struct hook_subject *subject)
{
	struct request request = { .stage = stage, .pid = subject->pid };

	snprintf(request.id, sizeof request.id, "%s", subject->id);
	snprintf(request.bundle, sizeof request.bundle, "%s", subject->bundle);
	snprintf(request.status, sizeof request.status, "%s", subject->status);
	return ask(&request);
}

int
hooks_run(const struct oci_config *config, enum hook_stage stage,
	  const struct hook_subject *subject)
{
	if (!list_of(config, stage))
		return 0;
	stage("hooks", "Programs of whoever made the bundle look at the container, or add to it.",
	      "cat /proc/%d/mountinfo", subject->pid);
	return outside >= 0 ? ask_outside(stage, subject) : run_here(config, stage, subject);
}

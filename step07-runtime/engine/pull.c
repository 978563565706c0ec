/*
 * pull.c: the verb pull: a program of its own does it, so that neither HTTP nor TLS is linked into
 * what runs containers. Explained in book/08-registry.md.
 */
#include <errno.h>
#include <stddef.h>
#include <sys/wait.h>
#include <unistd.h>

#include "step01-unshare/call.h"
#include "step01-unshare/exec.h"
#include "step02-pidns/spawn.h"
#include "step07-runtime/engine/commands.h"

struct pull_options {
	const char *platform;
	bool quiet;
};

static const struct option_row pull_rows[] = {
	{ "platform", 0, "OS/ARCH", "-", "choose this of an image for several", option_text,
	  offsetof(struct pull_options, platform), 0 },
	{ "quiet", 'q', NULL, "-", "no progress", option_flag, offsetof(struct pull_options, quiet),
	  0 },
	{ 0 },
};

static int
fetch(const struct store *store, const char *reference, const char *platform, bool quiet,
      bool to_stderr)
{
	char path[4096];
	char *argv[] = { path, "--root", (char *)store->path, NULL, NULL, NULL, NULL, NULL, NULL };
	int n = 3, status;
	pid_t parent = getpid(), child;

	if (program_beside("boxstep-pull", path) < 0)
		return -1;
	if (platform) {
		argv[n++] = "--platform";
		argv[n++] = (char *)platform;
	}
	if (quiet)
		argv[n++] = "--quiet";
	argv[n++] = "--"; /* whatever it begins with, it is no option */
	argv[n] = (char *)reference;
	child = fork();
	if (child == 0) {
		/* without its parent it would pull for nobody; a parent that has ended before the
		 * call sends no signal any more, and is another by now */
		if (spawn_die_with_parent() < 0 || getppid() != parent)
			_exit(EXIT_OURS);
		/* before a run, standard output is the command's alone */
		if (to_stderr && dup2(STDERR_FILENO, STDOUT_FILENO) < 0)
			_exit(EXIT_OURS);
		execv(path, argv);
		_exit(127);
	}
	if (child < 0)
		return fail(errno, "fork for boxstep-pull");
	if ((status = spawn_reap(child, -1)) < 0)
		return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int
engine_fetch(const struct store *store, const char *reference, const char *platform)
{
	int status = fetch(store, reference, platform, false, true);

	if (status > 0)
		return fail(EIO, "the image %s could not be pulled (boxstep-pull ended with %d)",
			    reference, status);
	return status;
}

int
engine_pull(struct store *store, int argc, char **argv)
{
	struct pull_options options = { 0 };
	const struct verb_help help = {
		.synopsis = "[OPTIONS] REF",
		.about = "Brings an image from its registry into the store.",
		.tables = (struct option_table[]){ { "pull", pull_rows, &options }, { 0 } },
		.examples = { "boxstep pull nginx", "boxstep pull localhost:5000/demo:1",
			      "boxstep pull --platform linux/arm64 alpine" },
	};
	int first = engine_operands(&help, argc, argv, 1, 1);

	return first <= 0 ? first
			  : fetch(store, argv[first], options.platform, options.quiet, false);
}

/*
 * boxstep.c: the program boxstep: a table of verbs over one store. No daemon: each verb finds what
 * it needs in the records, and each container has a monitor of its own. Follows docker's command
 * line. Explained in book/07-runtime.md.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "step01-unshare/call.h"
#include "step01-unshare/idmap.h"
#include "step07-runtime/engine/commands.h"
#include "step07-runtime/seal.h"

#define VERSION "0.1.0"

static struct store_options where;

static const struct option_table tables[] = { { "store", store_options, &where },
					      { "narration", call_options, NULL },
					      { 0 } };

static const struct program program = {
	.name = "boxstep",
	.synopsis = "[OPTIONS] COMMAND ...",
	.about = "Runs containers from images. Each command has a --help of its own.\n\n"
		 "commands:\n"
		 "  run        make a container of an image and run a command in it\n"
		 "  ps         list containers\n"
		 "  logs       show what a container has said\n"
		 "  exec       run one more process in a container\n"
		 "  stop       ask a container to end, then kill it\n"
		 "  kill       send a signal\n"
		 "  rm         remove containers\n"
		 "  inspect    show all that is known of a container\n"
		 "  pull       bring an image from its registry\n"
		 "  images     list images\n"
		 "  rmi        remove images",
	.tables = tables,
	.examples = { "boxstep run --help", "boxstep images", "boxstep ps -a" },
};

static const struct verb {
	const char *name;
	int (*run)(struct store *, int, char **);
} verbs[] = {
	{ "pull", engine_pull },     { "run", engine_run },   { "ps", engine_ps },
	{ "logs", engine_logs },     { "exec", engine_exec }, { "stop", engine_stop },
	{ "kill", engine_kill },     { "rm", engine_rm },     { "inspect", engine_inspect },
	{ "images", engine_images }, { "rmi", engine_rmi },
};

int
engine_operands(const struct verb_help *help, int argc, char **argv, int min, int max)
{
	char name[64];
	struct program verb = { .name = name,
				.synopsis = help->synopsis,
				.about = help->about,
				.tables = help->tables };
	int first;

	snprintf(name, sizeof name, "boxstep %s", argv[0]);
	memcpy(verb.examples, help->examples, sizeof verb.examples);
	first = options_parse(&verb, argc, argv);
	if (first <= 0)
		return first;
	if (argc - first < min || (max >= 0 && argc - first > max)) {
		fail(EINVAL, "%s: %d operand%s where it takes %s", name, argc - first,
		     argc - first == 1 ? "" : "s", help->synopsis);
		return call_hint("%s --help", name);
	}
	return first;
}

int
engine_for_each(struct store *store, char **words,
		int (*act)(const struct store *, struct container *, void *), void *with)
{
	int status = 0;

	for (; *words; words++) {
		struct container container;
		if (container_find(store, *words, &container) == 0 &&
		    act(store, &container, with) == 0)
			puts(*words);
		else {
			call_report(program.name);
			call_forget();
			status = 1;
		}
		container_close(&container);
	}
	return status;
}

static int
dispatch(int argc, char **argv)
{
	struct store store;
	int status;

	for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++)
		if (strcmp(argv[0], verbs[i].name) == 0) {
			/* without a range of ids owners cannot be kept: layers of another kind */
			where.flat = !idmap_has_range();
			if (store_open(&where, &store) < 0)
				return -1;
			status = verbs[i].run(&store, argc, argv);
			store_close(&store);
			return status;
		}
	fail(EINVAL, "%s: no such verb", argv[0]);
	return call_hint("boxstep --help lists them");
}

/* Those that have a child become a process of the container. */
const char *const seal_verbs[] = { "run", "exec", NULL };

int
main(int argc, char **argv)
{
	int first, status;

	program_begin();
	umask(022); /* in a container too, as from other engines: the caller's is not its affair */
	if (argc > 1 && strcmp(argv[1], "--version") == 0) {
		printf("boxstep version " VERSION "\n");
		return program_end(program.name, 0);
	}
	first = seal_self(argv);
	if (first == 0)
		first = options_parse(&program, argc, argv);
	if (first == 0)
		return program_end(program.name, 0);
	if (first > 0 && first == argc)
		first = fail(EINVAL, "no verb: boxstep --help lists them");
	status = first < 0 ? -1 : dispatch(argc - first, argv + first);
	return status < 0 ? call_report(program.name) : program_end(program.name, status);
}

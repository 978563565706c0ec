/*
 * boxstep_oci.c: the program boxstep-oci: a table of verbs, and the errors as its callers read
 * them. Follows runtime.md of the OCI runtime specification and the usual runtimes' command line.
 * Explained in book/07-runtime.md.
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "step01-unshare/call.h"
#include "step05-overlay/json.h"
#include "step07-runtime/oci/commands.h"
#include "step07-runtime/oci/config.h"
#include "step07-runtime/oci/state.h"
#include "step07-runtime/seal.h"

static struct globals globals;
static int log_fd = -1;

/* Opened at once: a verb that enters a container has other paths afterwards. */
static int
set_log(const struct option_row *row, const char *value, void *into)
{
	(void)row;
	(void)into;
	log_fd = open(value, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	return log_fd < 0 ? fail(errno, "open(\"%s\") for --log", value) : 0;
}

/* A word of a few; callers that ask for another must not get what they did not ask for. */
static int
set_one_of(const struct option_row *row, const char *value, const char *one, const char *other)
{
	if (strcmp(value, one) != 0 && strcmp(value, other) != 0)
		return fail(EINVAL, "--%s %s: neither %s nor %s", row->name, value, one, other);
	return 0;
}

static int
set_log_format(const struct option_row *row, const char *value, void *into)
{
	((struct globals *)into)->log_format = value;
	return set_one_of(row, value, "text", "json");
}

static int
set_manager(const struct option_row *row, const char *value, void *into)
{
	((struct globals *)into)->cgroup_manager = value;
	if (strcmp(value, "systemd") != 0)
		return set_one_of(row, value, "cgroupfs", "disabled");
	((struct globals *)into)->systemd_cgroup = true;
	return 0;
}

#define AT(field) offsetof(struct globals, field)
static const struct option_row global_rows[] = {
	{ "root", 0, "DIR", "-", "where the containers' states are; default /run/boxstep/oci",
	  option_text, AT(root), 0 },
	{ "log", 0, "FILE", "-", "append errors to FILE", set_log, 0, 0 },
	{ "log-format", 0, "FORMAT", "-", "text or json", set_log_format, 0, 0 },
	{ "cgroup-manager", 0, "NAME", "cgroups(7)", "cgroupfs (default), systemd or disabled",
	  set_manager, 0, 0 },
	{ "systemd-cgroup", 0, NULL, "-",
	  "as --cgroup-manager systemd: cgroupsPath is slice:prefix:name", option_flag,
	  AT(systemd_cgroup), 0 },
	{ "rootless", 0, "BOOL", "-", "accepted: it is seen from the user id", option_text,
	  AT(rootless), 0 },
	{ "debug", 0, NULL, "-", "accepted", option_flag, AT(debug), 0 },
	{ 0 },
};

static const struct option_table tables[] = { { "global", global_rows, &globals },
					      { "narration", call_options, NULL },
					      { 0 } };

static const struct verb {
	const char *name;
	int (*run)(const struct globals *, int, char **);
	const char *help;
} verbs[] = {
	{ "create", command_create, "build a container; its command waits for start" },
	{ "start", command_start, "let the command of a created container run" },
	{ "run", command_run, "create, start, wait, delete" },
	{ "exec", command_exec, "run one more process in a container" },
	{ "state", command_state, "show a container's state" },
	{ "list", command_list, "show the containers" },
	{ "ps", command_ps, "show a container's processes" },
	{ "kill", command_kill, "send a signal" },
	{ "pause", command_pause, "freeze all of its processes" },
	{ "resume", command_resume, "let them go on" },
	{ "update", command_update, "change limits" },
	{ "events", command_events, "show what it uses, and that memory ran out" },
	{ "delete", command_delete, "remove what is left of a container" },
	{ "spec", command_spec, "write a config.json to begin with" },
	{ "features", command_features, "show what this runtime can do" },
};
enum { VERBS = sizeof verbs / sizeof verbs[0] };

static char about[2048] = "An OCI runtime: containers from bundles. Each command has a --help of "
			  "its own.\n\ncommands:";

static const struct program program = {
	.name = "boxstep-oci",
	.synopsis = "[OPTIONS] COMMAND ...",
	.about = about,
	.tables = tables,
	.examples = { "boxstep-oci list", "boxstep-oci --version", "boxstep-oci run --help" },
};

static void
list_verbs(void)
{
	for (size_t i = 0, used = strlen(about); i < VERBS; i++)
		used += (size_t)snprintf(about + used, sizeof about - used, "\n  %-10s %s",
					 verbs[i].name, verbs[i].help);
}

static int
count_words(const struct program *verb, int count, int min, int max)
{
	if (count >= min && count <= max)
		return 0;
	fail(EINVAL, "%s: %d words where %d%s are expected", verb->name, count, min,
	     max > min ? " or more" : "");
	return call_hint("%s --help", verb->name);
}

int
command_operands(const struct program *verb, int argc, char **argv, int min, int max)
{
	int count = 0;

	for (int at = 1; at < argc;) {
		int first = options_parse(verb, argc - at + 1, argv + at - 1);
		bool end;

		if (first <= 0)
			return first;
		first += at - 1;
		end = first > at && strcmp(argv[first - 1], "--") == 0;
		do {
			if (first < argc) /* to the front, where the verb looks for it */
				argv[1 + count++] = argv[first++];
		} while (end && first < argc);
		at = first;
	}
	argv[1 + count] = NULL;
	return count_words(verb, count, min, max) < 0 ? -1 : 1;
}

int
command_words(const struct program *verb, int argc, char **argv)
{
	int first = options_parse(verb, argc, argv);

	return first > 0 && count_words(verb, argc - first, 1, argc) < 0 ? -1 : first;
}

/* One line in the log, as conmon and the shim parse it: the file as a whole is one JSON object. The
 * cause begins small, as Go spells it: docker's client finds 126 and 127 by these words. */
static void
log_line(const char *level)
{
	const struct call_error *error = call_error();
	struct json_object *json = json_object_new_object();
	char text[1400], when[32], cause[128] = "";
	time_t now = time(NULL);
	struct tm parts;

	if (!error->sentence) {
		snprintf(cause, sizeof cause, ": %s", strerror(error->number));
		cause[2] = (char)tolower(cause[2]);
	}
	snprintf(text, sizeof text, "%s%s%s%s", error->what, cause, error->hint[0] ? "; " : "",
		 error->hint);
	strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &parts));
	json_put_text(json, "msg", text);
	json_put_text(json, "level", level);
	json_put_text(json, "time", when);
	if (log_fd >= 0)
		dprintf(log_fd, "%s\n",
			globals.log_format && strcmp(globals.log_format, "json") == 0
				? json_object_to_json_string_ext(json,
								 JSON_C_TO_STRING_NOSLASHESCAPE)
				: text);
	json_object_put(json);
}

/* To the log alone, if there is one: callers of delete take what it prints for an error. */
static void
warn(void)
{
	if (log_fd >= 0)
		log_line("warning");
	else
		call_report("boxstep-oci: warning");
}

static int
dispatch(int argc, char **argv)
{
	for (size_t i = 0; i < VERBS; i++)
		if (strcmp(argv[0], verbs[i].name) == 0)
			return verbs[i].run(&globals, argc, argv);
	if (strcmp(argv[0], "checkpoint") == 0 || strcmp(argv[0], "restore") == 0)
		return fail(ENOTSUP, "%s: this runtime does not save or restore processes",
			    argv[0]);
	fail(EINVAL, "%s: no such verb", argv[0]);
	return call_hint("boxstep-oci --help");
}

/* Those that have a child become a process of the container. */
const char *const seal_verbs[] = { "create", "run", "exec", NULL };

/* callers know 1 for a runtime's own error; the command's own are told apart by the text */
enum { EXIT_RUNTIME = 1 };

/* With STATUS, which may be a command's, unless the answer cannot be written. */
static int
leave(int status)
{
	return program_end(program.name, status) == status ? status : EXIT_RUNTIME;
}

int
main(int argc, char **argv)
{
	int first, status;

	program_begin();
	umask(022); /* in a container too, as from other engines: the caller's is not its affair */
	if (argc > 1 && (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-v") == 0)) {
		printf("boxstep-oci version " OCI_PROGRAM_VERSION "\ncommit: " OCI_PROGRAM_VERSION
		       "\nspec: " OCI_VERSION "\n");
		return leave(0);
	}
	globals.root = oci_root_default();
	list_verbs();
	oci_warning = warn;
	first = seal_self(argv);
	if (first == 0)
		first = options_parse(&program, argc, argv);
	if (first == 0)
		return leave(0);
	if (first > 0 && first == argc)
		first = fail(EINVAL, "no verb: boxstep-oci --help lists them");
	status = first < 0 ? -1 : dispatch(argc - first, argv + first);
	if (status >= 0)
		return leave(status);
	log_line("error");
	status = call_report(program.name);
	return status == EXIT_OURS ? EXIT_RUNTIME : status;
}

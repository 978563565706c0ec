/*
 * boxstep_oci.c: the program boxstep-oci: a table of verbs, and the errors as its callers read
 * them. Follows runtime.md of the OCI runtime specification and the usual runtimes' command line.
 * Explained in book/07-runtime.md.
 */
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "step01-unshare/call.h"
#include "step05-overlay/json.h"
#include "step07-runtime/oci/commands.h"
#include "step07-runtime/oci/config.h"
#include "step07-runtime/oci/state.h"
#include "step07-runtime/seal.h"

static struct globals globals = { .log_format = "text", .cgroup_manager = "cgroupfs" };
static int log_fd = -1;
static off_t warned; /* bytes of warnings in the log */

/* Opened at once: a verb that enters a container has other paths afterwards. */
static int
set_log(const struct option_row *row, const char *value, void *into)
{
	(void)row;
	(void)into;
	log_fd = open(value, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	return log_fd < 0 ? fail(errno, "open(\"%s\") for --log", value) : 0;
}

#define AT(field) offsetof(struct globals, field)
static const struct option_row global_rows[] = {
	{ "root", 0, "DIR", "-", "where the containers' states are; default /run/boxstep/oci",
	  option_text, AT(root), 0 },
	{ "log", 0, "FILE", "-", "append errors to FILE", set_log, 0, 0 },
	{ "log-format", 0, "text|json", "-", "how; default: text", option_choice, AT(log_format),
	  0 },
	{ "cgroup-manager", 0, "cgroupfs|systemd|disabled", "cgroups(7)",
	  "who makes the cgroup; default: cgroupfs", option_choice, AT(cgroup_manager), 0 },
	{ "systemd-cgroup", 0, NULL, "-",
	  "as --cgroup-manager systemd: cgroupsPath is slice:prefix:name", option_flag,
	  AT(systemd_cgroup), 0 },
	{ "rootless", 0, "BOOL", "-", "accepted: it is seen from the user id", option_text,
	  AT(rootless), 0 },
	{ "debug", 0, NULL, "-", "accepted", option_flag, AT(debug), 0 },
	{ "version", 'v', NULL, "-", "print the version and leave", option_flag, AT(version), 0 },
	{ 0 },
};

static const struct option_table tables[] = { { "global", global_rows, &globals },
					      { "narration", call_options, NULL },
					      { 0 } };

enum { WORDS = INT_MAX }; /* an ID and somebody else's command line, whose options are not ours */
static const struct verb {
	const char *name;
	int (*run)(const struct globals *, int, char **);
	int min, max;			    /* how many operands */
	const char *operands, *about;	    /* for --help, its own and that of the program */
	const char *first, *second, *third; /* examples */
} verbs[] = {
	{ "create", command_create, 1, 1, "ID",
	  "Builds the container of a bundle; its command waits for `start`.",
	  "boxstep-oci create web", "boxstep-oci create --bundle B web",
	  "boxstep-oci create --pid-file P web && boxstep-oci start web" },
	{ "start", command_start, 1, 1, "ID", "Lets the command of a created container run.",
	  "boxstep-oci start web", "boxstep-oci --root R start web",
	  "boxstep-oci --log L start web" },
	{ "run", command_run, 1, 1, "ID",
	  "Creates, starts, waits and deletes: the status is the command's.",
	  "boxstep-oci run --bundle B once", "boxstep-oci run once",
	  "boxstep-oci run --detach --pid-file P once" },
	{ "exec", command_exec, 1, WORDS, "ID COMMAND [ARG...]",
	  "Runs one more process in a container; with --process there is no COMMAND.",
	  "boxstep-oci exec web ps", "boxstep-oci exec --cwd / web ls",
	  "boxstep-oci exec --process P --detach web" },
	{ "state", command_state, 1, 1, "ID", "Shows a container's state.", "boxstep-oci state web",
	  "boxstep-oci --root R state web", "boxstep-oci state --regex 'w.*'" },
	{ "list", command_list, 0, 0, "", "Lists the containers below --root.", "boxstep-oci list",
	  "boxstep-oci list -q", "boxstep-oci list --format json" },
	{ "ps", command_ps, 1, WORDS, "ID [WORDS for ps(1), default: -ef]",
	  "Shows a container's processes as the host sees them.", "boxstep-oci ps web",
	  "boxstep-oci ps --format json web", "boxstep-oci ps web -o pid,comm" },
	{ "kill", command_kill, 1, 2, "ID [SIGNAL]", "Sends a signal; default: TERM.",
	  "boxstep-oci kill web", "boxstep-oci kill web KILL", "boxstep-oci kill --all web 9" },
	{ "pause", command_freeze, 1, 1, "ID", "Freezes all processes of a container.",
	  "boxstep-oci pause web", "boxstep-oci --root R pause web",
	  "boxstep-oci pause web && boxstep-oci resume web" },
	{ "resume", command_freeze, 1, 1, "ID", "Lets them go on.", "boxstep-oci resume web",
	  "boxstep-oci --root R resume web", "boxstep-oci resume web && boxstep-oci ps web" },
	{ "update", command_update, 1, 1, "ID",
	  "Changes limits of a container that lives; the others stay as they are.",
	  "boxstep-oci update --memory 64m web", "boxstep-oci update --cpu-quota 50000 web",
	  "boxstep-oci update --resources FILE web" },
	{ "events", command_events, 1, 1, "ID",
	  "Prints what a container uses, until it ends, and that it ran out of memory.",
	  "boxstep-oci events --stats web", "boxstep-oci events --interval 500ms web",
	  "boxstep-oci events web" },
	{ "delete", command_delete, 1, 1, "ID", "Removes what is left of a container.",
	  "boxstep-oci delete web", "boxstep-oci delete --force web",
	  "boxstep-oci delete --force --regex 'w.*'" },
	{ "spec", command_spec, 0, 0, "",
	  "Writes a config.json that runs a shell in the directory rootfs beside it.",
	  "boxstep-oci spec", "boxstep-oci spec --rootless", "boxstep-oci spec --bundle B" },
	{ "features", command_features, 0, 0, "",
	  "Prints what this runtime can do, as the specification's features.md says.",
	  "boxstep-oci features", "boxstep-oci features --help", "boxstep-oci --debug features" },
};
enum { VERBS = sizeof verbs / sizeof verbs[0] };

static void
list_verbs(void)
{
	for (size_t i = 0; i < VERBS; i++)
		printf("  %-10s %s\n", verbs[i].name, verbs[i].about);
}

static const struct program program = {
	.name = "boxstep-oci",
	.synopsis = "[OPTIONS] COMMAND ...",
	.about = "An OCI runtime: containers from bundles. Each command has a --help of its own."
		 "\n\ncommands:",
	.more = list_verbs,
	.tables = tables,
	.examples = { "boxstep-oci list", "boxstep-oci --version", "boxstep-oci run --help" },
};

static const struct verb *
find_verb(const char *name)
{
	for (size_t i = 0; i < VERBS; i++)
		if (strcmp(name, verbs[i].name) == 0)
			return &verbs[i];
	return NULL;
}

int
command_operands(int argc, char **argv, const struct option_row *rows, void *into)
{
	const struct verb *verb = find_verb(argv[0]);
	char name[32], synopsis[64];
	const struct option_table narration = { "narration", call_options, NULL };
	const struct program parsed = {
		.name = name,
		.synopsis = synopsis,
		.about = verb->about,
		.tables = rows ? (struct option_table[]){ { verb->name, rows, into },
							  narration,
							  { 0 } }
			       : (struct option_table[]){ narration, { 0 } },
		.examples = { verb->first, verb->second, verb->third },
	};
	int count = 0;

	snprintf(name, sizeof name, "boxstep-oci %s", verb->name);
	snprintf(synopsis, sizeof synopsis, "[OPTIONS]%s%s", verb->operands[0] ? " " : "",
		 verb->operands);
	for (int at = 1; at < argc;) {
		int first = options_parse(&parsed, argc - at + 1, argv + at - 1);
		bool rest;

		if (first <= 0)
			return first;
		first += at - 1;
		rest = verb->max == WORDS || (first > at && strcmp(argv[first - 1], "--") == 0);
		do {
			if (first < argc) /* to the front, where the verb looks for it */
				argv[1 + count++] = argv[first++];
		} while (rest && first < argc);
		at = first;
	}
	argv[1 + count] = NULL;
	if (count >= verb->min && count <= verb->max)
		return 1;
	fail(EINVAL, "%s: %d words where %s is expected", name, count,
	     verb->operands[0] ? verb->operands : "none");
	return call_hint("%s --help", name);
}

/* One line in the log, as conmon and the shim parse it: the file as a whole is one JSON object. The
 * cause begins small, as Go spells it: docker's client finds 126 and 127 by these words. */
static int
log_line(const char *level)
{
	const struct call_error *error = call_error();
	struct json_object *json = json_object_new_object();
	char text[1400], when[32], cause[128] = "";
	time_t now = time(NULL);
	struct tm parts;
	int length;

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
	if (strcmp(globals.log_format, "json") == 0)
		length = dprintf(
			log_fd, "%s\n",
			json_object_to_json_string_ext(json, JSON_C_TO_STRING_NOSLASHESCAPE));
	else
		length = dprintf(log_fd, "%s\n", text);
	json_object_put(json);
	return length;
}

/* Warnings of this command that are alone in a log of JSON make way for the error: podman reads the
 * file as one object. */
static void
log_error(void)
{
	struct stat status;

	if (log_fd < 0)
		return;
	if (warned > 0 && strcmp(globals.log_format, "json") == 0 && fstat(log_fd, &status) == 0 &&
	    status.st_size == warned && ftruncate(log_fd, 0) == 0)
		warned = 0;
	log_line("error");
}

/* To the log alone, if there is one: callers of delete take what it prints for an error. */
static void
warn(void)
{
	if (log_fd >= 0)
		warned += log_line("warning");
	else
		call_report("boxstep-oci: warning");
}

static int
dispatch(int argc, char **argv)
{
	const struct verb *verb = find_verb(argv[0]);

	if (verb)
		return verb->run(&globals, argc, argv);
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
	oci_warning = warn;
	first = seal_self(argv);
	if (first == 0)
		first = options_parse(&program, argc, argv);
	if (!globals.root)
		globals.root = oci_root_default();
	if (first > 0 && globals.version) {
		printf("boxstep-oci version " OCI_PROGRAM_VERSION "\ncommit: " OCI_PROGRAM_VERSION
		       "\nspec: " OCI_VERSION "\n");
		first = 0;
	}
	if (first == 0)
		return leave(0);
	if (first > 0 && first == argc)
		first = fail(EINVAL, "no verb: boxstep-oci --help lists them");
	status = first < 0 ? -1 : dispatch(argc - first, argv + first);
	if (status >= 0)
		return leave(status);
	log_error();
	status = call_report(program.name);
	return status == EXIT_OURS ? EXIT_RUNTIME : status;
}

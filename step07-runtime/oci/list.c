/*
 * list.c: the verbs that show many: list the containers, ps the processes of one.
 * Follows the usual runtimes' command line, ps(1). Explained in book/07-runtime.md.
 */
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "step01-unshare/call.h"
#include "step01-unshare/exec.h"
#include "step02-pidns/spawn.h"
#include "step04-cgroups/cgroup.h"
#include "step07-runtime/oci/commands.h"
#include "step07-runtime/oci/state.h"

struct list_options {
	const struct globals *globals;
	struct json_object *list; /* what has been seen, with --format json */
	const char *format;
	bool quiet;
};

#define AT(field) offsetof(struct list_options, field)
enum { LIST_ONLY = 1 }; /* the first row is not for ps */
static const struct option_row list_rows[] = {
	{ "quiet", 'q', NULL, "-", "ids only", option_flag, AT(quiet), 0 },
	{ "format", 'f', "table|json", "-", "how; default: table", option_choice, AT(format), 0 },
	{ 0 },
};

static const char *
member(struct json_object *json, const char *key)
{
	struct json_object *value;

	return json_object_object_get_ex(json, key, &value) ? json_object_get_string(value) : "";
}

static int
show(const char *id, void *into)
{
	struct list_options *options = into;
	struct oci_state state;
	struct json_object *json;

	if (oci_state_look(options->globals->root, id, &state) < 0) {
		call_forget(); /* deleted while we looked, or damaged: the others are shown */
		return 0;
	}
	json = oci_state_json(&state);
	oci_state_close(&state);
	if (!json)
		return fail(ENOMEM, "memory for the list");
	if (options->list)
		return json_object_array_add(options->list, json);
	if (options->quiet)
		puts(id);
	else
		printf("%-24s %-8s %-8s %-32s %-31s %s\n", id, member(json, "pid"),
		       member(json, "status"), member(json, "bundle"), member(json, "created"),
		       member(json, "owner"));
	json_object_put(json);
	return 0;
}

int
command_list(const struct globals *globals, int argc, char **argv)
{
	struct list_options options = { .globals = globals, .format = "table" };
	int first = command_operands(argc, argv, list_rows, &options), done;

	if (first <= 0)
		return first;
	options.list = strcmp(options.format, "json") == 0 && !options.quiet
			       ? json_object_new_array()
			       : NULL;
	if (!options.list && !options.quiet)
		printf("%-24s %-8s %-8s %-32s %-31s %s\n", "ID", "PID", "STATUS", "BUNDLE",
		       "CREATED", "OWNER");
	done = oci_state_each(globals->root, NULL, show, &options);
	if (options.list) /* in one line, as the usual runtimes do: for programs */
		puts(json_object_to_json_string_ext(
			options.list, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(options.list);
	return done;
}

/* ---- ps ---- */

struct processes {
	pid_t *pid;
	size_t count;
};

static bool
has(const struct processes *of, const char *number)
{
	for (size_t i = 0; i < of->count; i++)
		if (strtol(number, NULL, 10) == of->pid[i])
			return true;
	return false;
}

/* The Nth word of LINE (from 0) into WORD, or, with a WORD, which one it is; −1. */
static int
column(const char *line, const char *name, int n, char word[32])
{
	for (int i = 0;; i++) {
		line += strspn(line, " \t\n");
		size_t length = strcspn(line, " \t\n");

		if (length == 0)
			return -1;
		snprintf(word, 32, "%.*s", (int)length, line);
		if (name ? strcmp(word, name) == 0 : i == n)
			return i;
		line += length;
	}
}

/* What the host's ps says, without the lines of other processes. */
static int
filter(FILE *from, const struct processes *of)
{
	char line[8192], word[32];
	int at = -1;

	while (fgets(line, sizeof line, from)) {
		if (at < 0 && (at = column(line, "PID", 0, word)) < 0)
			return fail(EINVAL, "ps: no column PID in its output");
		if (column(line, NULL, at, word) == at &&
		    (strcmp(word, "PID") == 0 || has(of, word)))
			fputs(line, stdout);
	}
	return 0;
}

static int
table(char **words, const struct processes *of)
{
	char *usual[] = { words[0], "-ef", NULL }, path[EXEC_PATH];
	int ends[2], done, status;
	FILE *from;
	pid_t pid;

	words = words[1] ? words : usual;
	words[0] = "ps";
	if (exec_find("ps", environ, path, true) < 0)
		return -1;
	if (pipe2(ends, O_CLOEXEC) < 0 || (pid = fork()) < 0)
		return fail(errno, "fork for ps");
	if (pid == 0) {
		dup2(ends[1], STDOUT_FILENO);
		exec_now(path, words, environ);
		_exit(call_report("boxstep-oci"));
	}
	close(ends[1]);
	from = fdopen(ends[0], "re");
	done = from ? filter(from, of) : fail(errno, "fdopen of a pipe");
	if (from)
		fclose(from);
	status = spawn_reap(pid, -1);
	if (status != 0 && done == 0)
		return fail(EINVAL, "ps: it ended with status %d", WEXITSTATUS(status));
	return done;
}

int
command_ps(const struct globals *globals, int argc, char **argv)
{
	struct list_options options = { .globals = globals, .format = "table" };
	struct processes of = { 0 };
	struct oci_state state;
	struct cgroup cgroup = CGROUP_NONE;
	int first = command_operands(argc, argv, list_rows + LIST_ONLY, &options), done = 0;

	if (first <= 0)
		return first;
	if (oci_state_look(globals->root, argv[first], &state) < 0)
		return -1;
	if (!state.cgroup[0])
		done = fail(ENOTSUP, "container %s has no cgroup in which to look for processes",
			    state.id);
	else if (cgroup_try_open(state.cgroup, &cgroup) == 0)
		done = cgroup_processes(&cgroup, &of.pid, &of.count);
	if (done == 0 && strcmp(options.format, "json") == 0) {
		for (size_t i = 0; i < of.count; i++)
			printf("%s%d", i ? "," : "[", of.pid[i]);
		puts(of.count ? "]" : "[]");
	} else if (done == 0)
		done = table(argv + first, &of);
	free(of.pid);
	cgroup_close(&cgroup);
	oci_state_close(&state);
	return done;
}

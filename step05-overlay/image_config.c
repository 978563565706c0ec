/*
 * image_config: what the image's author wants to be run, and how: environment, words, user, signal.
 *
 * Follows the OCI image specification's config.md and conversion.md. Explained in
 * book/05-overlay.md.
 */
#include <ctype.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "step01-unshare/call.h"
#include "step01-unshare/options.h"
#include "step05-overlay/image.h"
#include "step05-overlay/image_config.h"
#include "step05-overlay/json.h"

#define USUAL_PATH "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/* Volumes and ExposedPorts are objects whose keys are what counts (a set, in Go). */
static char **
keys(struct json_object *object, const char *name, bool *bad)
{
	struct json_object *set = object ? json_member(object, name, bad) : NULL;
	char **vector =
		calloc(set ? (size_t)json_object_object_length(set) + 1 : 1, sizeof(*vector));
	size_t count = 0;

	if (!vector) {
		*bad = true;
		return NULL;
	}
	if (set) {
		json_object_object_foreach(set, key, value)
		{
			(void)value;
			vector[count++] = key;
		}
	}
	return vector;
}

/* ANCHOR: rows */
#define AT(field) JSON_AT(struct image_config, field)
static const struct json_row config_rows[] = {
	{ "created", JSON_TEXT, AT(created) },
	{ "os", JSON_TEXT, AT(os) },
	{ "architecture", JSON_TEXT, AT(architecture) },
	{ "variant", JSON_TEXT, AT(variant) },
	{ "author", JSON_TEXT, AT(author) },
	{ "config.Env", JSON_VECTOR, AT(env) },
	{ "config.Entrypoint", JSON_VECTOR, AT(entrypoint) },
	{ "config.Cmd", JSON_VECTOR, AT(command) },
	{ "config.WorkingDir", JSON_TEXT, AT(working_dir) },
	{ "config.User", JSON_TEXT, AT(user) },
	{ "config.StopSignal", JSON_TEXT, AT(stop_signal) },
	{ "rootfs.diff_ids", JSON_VECTOR, AT(diff_id) },
	{ 0 },
};
/* ANCHOR_END: rows */

static size_t
vector_length(char *const vector[])
{
	size_t count = 0;

	while (vector && vector[count])
		count++;
	return count;
}

static int
check_lengths(const struct image_config *config)
{
	const struct {
		const char *name;
		char **words;
	} list[] = { { "Env", config->env },
		     { "Entrypoint", config->entrypoint },
		     { "Cmd", config->command },
		     { "Volumes", config->volumes },
		     { "ExposedPorts", config->ports } };

	for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++)
		if (vector_length(list[i].words) > IMAGE_WORDS_MAX)
			return fail(E2BIG, "image config: more than %d entries in %s",
				    IMAGE_WORDS_MAX, list[i].name);
	return 0;
}

static int
parse(struct image_config *config)
{
	struct json_object *run;
	bool bad = false;

	if (json_fill(config->json, "image config", config_rows, config) < 0)
		return -1;
	run = json_member(config->json, "config", &bad);
	config->volumes = keys(run, "Volumes", &bad);
	config->ports = keys(run, "ExposedPorts", &bad);
	/* the digests of the layers as plain tarballs */
	for (; config->diff_id[config->layers]; config->layers++)
		if (!digest_valid(config->diff_id[config->layers]))
			return fail(EINVAL, "image config: diff id \"%.80s\" is no digest",
				    config->diff_id[config->layers]);
	return bad ? -1 : check_lengths(config);
}

int
image_config_parse(const char *text, size_t length, struct image_config *config)
{
	*config = (struct image_config){ .json = json_read(text, length, "image config") };
	if (config->json && parse(config) == 0)
		return 0;
	image_config_free(config);
	return -1;
}

void
image_config_free(struct image_config *config)
{
	free(config->env);
	free(config->entrypoint);
	free(config->command);
	free(config->volumes);
	free(config->ports);
	free(config->diff_id);
	json_object_put(config->json);
	*config = (struct image_config){ 0 };
}

char **
image_argv(const struct image_config *config, const char *entrypoint, char *const command[],
	   size_t count)
{
	char *one[] = { (char *)(uintptr_t)entrypoint, NULL };
	char *const *first = entrypoint ? (entrypoint[0] ? one : one + 1) : config->entrypoint;
	size_t firsts = vector_length(first);
	char **argv;

	if (count == 0 && !entrypoint) {
		command = config->command;
		count = vector_length(command);
	}
	if (firsts + count == 0) {
		fail(EINVAL, "the image names no command to run");
		call_hint("add one after the image's name");
		return NULL;
	}
	argv = calloc(firsts + count + 1, sizeof(*argv));
	if (!argv) {
		fail(ENOMEM, "argument vector");
		return NULL;
	}
	memcpy(argv, first, firsts * sizeof(*argv));
	if (count)
		memcpy(argv + firsts, command, count * sizeof(*argv));
	return argv;
}

/* ---- environment ---- */

/* Puts NAME=VALUE in place of an earlier value of NAME, or at the end. */
static void
environ_set(char **vector, size_t *count, char *word)
{
	size_t name = strcspn(word, "=") + 1;

	for (size_t i = 0; i < *count; i++)
		if (strncmp(vector[i], word, name) == 0) {
			vector[i] = word;
			return;
		}
	vector[(*count)++] = word;
}

/* `-e NAME`: the caller's own NAME=VALUE, or nothing. */
static char *
environ_of_caller(const char *name)
{
	size_t length = strlen(name);

	for (char **word = environ; *word; word++)
		if (strncmp(*word, name, length) == 0 && (*word)[length] == '=')
			return *word;
	return NULL;
}

char **
image_environ(const struct image_config *config, char *const extra[])
{
	size_t count = 0, most = vector_length(config->env) + vector_length(extra) + 3;
	char **vector = calloc(most, sizeof(*vector));

	if (!vector) {
		fail(ENOMEM, "environment");
		return NULL;
	}
	environ_set(vector, &count, (char *)(uintptr_t)USUAL_PATH);
	for (char **word = config->env; word && *word; word++)
		if (strchr(*word, '='))
			environ_set(vector, &count, *word);
	for (; extra && *extra; extra++) {
		char *word = strchr(*extra, '=') ? *extra : environ_of_caller(*extra);
		if (word)
			environ_set(vector, &count, word);
	}
	return vector;
}

/* ---- signals ---- */

int
signal_parse(const char *text)
{
	int64_t number, offset;
	char name[16];
	size_t length = 0;

	if (number_parse(text, 1, SIGRTMAX, &number) == 0)
		return (int)number;
	for (; text[length] && length < sizeof(name) - 1; length++)
		name[length] = (char)toupper((unsigned char)text[length]);
	name[length] = '\0';
	text = strncmp(name, "SIG", 3) == 0 ? name + 3 : name;
	if (strncmp(text, "RTMIN", 5) == 0 && text[5] == '\0')
		return SIGRTMIN;
	if (strncmp(text, "RTMIN+", 6) == 0 &&
	    number_parse(text + 6, 0, SIGRTMAX - SIGRTMIN, &offset) == 0)
		return SIGRTMIN + (int)offset;
	if (strncmp(text, "RTMAX-", 6) == 0 &&
	    number_parse(text + 6, 0, SIGRTMAX - SIGRTMIN, &offset) == 0)
		return SIGRTMAX - (int)offset;
	for (int i = 1; i < SIGRTMIN; i++)
		if (sigabbrev_np(i) && strcmp(sigabbrev_np(i), text) == 0)
			return i;
	return fail(EINVAL, "\"%.40s\" is no signal", text);
}

int
image_stop_signal(const struct image_config *config)
{
	if (!config->stop_signal || !config->stop_signal[0])
		return SIGTERM;
	return signal_parse(config->stop_signal);
}

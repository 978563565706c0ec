/*
 * list.c: ps, images, inspect, rmi: what there is. Follows docker's columns. Explained in
 * book/07-runtime.md.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "step01-unshare/call.h"
#include "step05-overlay/collect.h"
#include "step05-overlay/images.h"
#include "step05-overlay/json.h"
#include "step07-runtime/engine/columns.h"
#include "step07-runtime/engine/commands.h"

struct list_options {
	bool all, quiet, no_trunc, force;
};

#define AT(field) offsetof(struct list_options, field)
static const struct option_row ps_rows[] = {
	{ "all", 'a', NULL, "-", "those that have ended too", option_flag, AT(all), 0 },
	{ "quiet", 'q', NULL, "-", "ids only", option_flag, AT(quiet), 0 },
	{ "no-trunc", 0, NULL, "-", "whole ids and commands", option_flag, AT(no_trunc), 0 },
	{ 0 },
};
static const struct option_row rmi_rows[] = {
	{ "force", 'f', NULL, "-", "even when a container uses it", option_flag, AT(force), 0 },
	{ 0 },
};
static const struct option_row no_rows[] = { { 0 } };

/* ---- time ---- */

static time_t
parse_time(const char *text)
{
	struct tm parts = { 0 };

	if (!text || !strptime(text, "%Y-%m-%dT%H:%M:%S", &parts))
		return 0;
	return timegm(&parts);
}

/* "5 seconds", "About a minute", "3 weeks": as docker rounds. */
static const char *
span(time_t from)
{
	static char text[48];
	int64_t s = time(NULL) - from;
	const struct {
		int64_t below, unit;
		const char *name;
	} steps[] = { { 60, 1, "second" },
		      { 3600, 60, "minute" },
		      { 48 * 3600, 3600, "hour" },
		      { 14 * 86400, 86400, "day" },
		      { 60 * 86400, 7 * 86400, "week" },
		      { 730 * 86400LL, 30 * 86400, "month" },
		      { INT64_MAX, 365 * 86400, "year" } };

	if (from <= 0) /* of a damaged record */
		return "an unknown time";
	if (s < 1)
		return "Less than a second";
	if (s >= 60 && s < 120)
		return "About a minute";
	if (s >= 3600 && s < 7200)
		return "About an hour";
	for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++)
		if (s < steps[i].below) {
			int64_t n = s / steps[i].unit;
			snprintf(text, sizeof text, "%" PRId64 " %s%s", n, steps[i].name,
				 n == 1 ? "" : "s");
			break;
		}
	return text;
}

/* "3 weeks ago" for a column of its own; an image need not say when it was made. */
static void
print_age(const char *when, char *text, size_t size)
{
	time_t from = parse_time(when);

	snprintf(text, size, from > 0 ? "%s ago" : "N/A", span(from));
}

/* ---- ps ---- */

static void
print_status(const struct container *c, char *text, size_t size)
{
	switch (container_status(c)) {
	case CONTAINER_RUNNING:
		snprintf(text, size, "Up %s", span(parse_time(container_text(c, "startedAt"))));
		break;
	case CONTAINER_EXITED:
		snprintf(text, size, "Exited (%" PRId64 ") %s ago", container_number(c, "exitCode"),
			 span(parse_time(container_text(c, "finishedAt"))));
		break;
	case CONTAINER_CREATED:
		snprintf(text, size, "Created");
	}
}

static void
print_ports(const struct container *c, char *text, size_t size)
{
	struct json_object *ports;
	size_t used = 0;

	text[0] = '\0';
	if (container_status(c) != CONTAINER_RUNNING ||
	    !json_object_object_get_ex(c->json, "ports", &ports))
		return;
	for (size_t i = 0; i < json_object_array_length(ports) && used < size - 1; i++)
		used += (size_t)snprintf(
			text + used, size - used, "%s%s", i ? ", " : "",
			json_object_get_string(json_object_array_get_idx(ports, i)));
}

/* TEXT in one line, without bytes that steer a terminal; longer than LIMIT characters (0: any), it
 * is cut between two of them. */
static void
copy_visible(char *copy, size_t size, const char *text, int limit)
{
	size_t used = 0, cut = 0;
	int count = 0;

	for (; *text && used < size - 4; text++) {
		bool begins = (*text & 0xc0) != 0x80; /* not a later byte of a character */
		if (begins && ++count == limit)
			cut = used;
		if (limit && count > limit) {
			used = cut;
			memcpy(copy + used, "…", 3);
			used += 3;
			break;
		}
		copy[used++] = (unsigned char)*text < ' ' || *text == 127 ? ' ' : *text;
	}
	copy[used] = '\0';
}

static int
add_row(struct columns *table, const struct container *c, const struct list_options *options)
{
	char id[CONTAINER_ID], status[64], ports[512], created[64], words[280], command[300];

	snprintf(id, sizeof id, "%.*s", options->no_trunc ? 64 : 12, c->id);
	if (options->quiet)
		return printf("%s\n", id) < 0 ? -1 : 0;
	copy_visible(words, sizeof words, container_text(c, "command"), options->no_trunc ? 0 : 20);
	snprintf(command, sizeof command, "\"%s\"", words);
	print_status(c, status, sizeof status);
	print_ports(c, ports, sizeof ports);
	print_age(container_text(c, "created"), created, sizeof created);
	return columns_add(table, (const char *[]){ id, container_text(c, "image"), command,
						    created, status, ports, c->name });
}

int
engine_ps(struct store *store, int argc, char **argv)
{
	struct list_options options = { 0 };
	const struct verb_help help = {
		.synopsis = "[OPTIONS]",
		.about = "Lists containers.",
		.tables = (struct option_table[]){ { "ps", ps_rows, &options }, { 0 } },
		.examples = { "boxstep ps", "boxstep ps -a", "boxstep ps -aq" },
	};
	struct container_list list;
	struct columns table = { .count = 7 };
	int first = engine_operands(&help, argc, argv, 0, 0);

	if (first <= 0)
		return first;
	if (container_all(store, &list) < 0)
		return -1;
	if (!options.quiet)
		columns_add(&table, (const char *[]){ "CONTAINER ID", "IMAGE", "COMMAND", "CREATED",
						      "STATUS", "PORTS", "NAMES" });
	for (size_t i = 0; i < list.count; i++)
		if (options.all || container_status(list.item + i) == CONTAINER_RUNNING)
			add_row(&table, list.item + i, &options);
	columns_print(&table);
	container_list_free(&list);
	return call_error()->number ? -1 : 0;
}

/* ---- images ---- */

static const char *
decimal_size(int64_t bytes)
{
	static char text[32];
	const char *const units[] = { "B", "kB", "MB", "GB", "TB" };
	double size = (double)bytes;
	size_t unit = 0;

	while (size >= 1000 && unit < 4) {
		size /= 1000;
		unit++;
	}
	snprintf(text, sizeof text, unit ? "%.3g%s" : "%.0f%s", size, units[unit]);
	return text;
}

static int
add_image(struct columns *table, const struct image_record *record, const char *name,
	  const struct list_options *options)
{
	char repository[REFERENCE_TEXT] = "<none>", created[64], id[CONTAINER_ID];
	struct reference reference = { .tag = "<none>" };

	snprintf(id, sizeof id, "%.*s", options->no_trunc ? 64 : 12, digest_hex(record->config));
	if (options->quiet)
		return printf("%s\n", id) < 0 ? -1 : 0;
	if (name && reference_parse(name, &reference) == 0)
		reference_familiar(&reference, repository);
	print_age(record->created, created, sizeof created);
	return columns_add(table, (const char *[]){ repository,
						    reference.tag[0] ? reference.tag : "<none>", id,
						    created, decimal_size(record->size) });
}

int
engine_images(struct store *store, int argc, char **argv)
{
	struct list_options options = { 0 };
	const struct verb_help help = {
		.synopsis = "[OPTIONS]",
		.about = "Lists the images of the store.",
		.tables = (struct option_table[]){ { "images", ps_rows, &options }, { 0 } },
		.examples = { "boxstep images", "boxstep images -q", "boxstep images --no-trunc" },
	};
	struct image_list list;
	struct columns table = { .count = 5 };
	int first = engine_operands(&help, argc, argv, 0, 0);

	if (first <= 0)
		return first;
	if (store_images(store, &list) < 0)
		return -1;
	if (!options.quiet)
		columns_add(&table,
			    (const char *[]){ "REPOSITORY", "TAG", "IMAGE ID", "CREATED", "SIZE" });
	for (size_t i = 0; i < list.count; i++) {
		char **names = list.item[i].names;
		if (!names || !names[0])
			add_image(&table, list.item + i, NULL, &options);
		for (size_t n = 0; names && names[n]; n++)
			add_image(&table, list.item + i, names[n], &options);
	}
	columns_print(&table);
	image_list_free(&list);
	return call_error()->number ? -1 : 0;
}

static void
tell_removed(const char *what, const char *name, void *with)
{
	(void)with;
	printf("%c%s: %s\n", what[0] & ~0x20, what + 1, name);
}

int
engine_rmi(struct store *store, int argc, char **argv)
{
	struct list_options options = { 0 };
	const struct verb_help help = {
		.synopsis = "[OPTIONS] IMAGE...",
		.about = "Takes a name from an image; with the last one the image goes.",
		.tables = (struct option_table[]){ { "rmi", rmi_rows, &options }, { 0 } },
		.examples = { "boxstep rmi nginx", "boxstep rmi nginx:1.27",
			      "boxstep rmi -f $(boxstep images -q)" },
	};
	int first = engine_operands(&help, argc, argv, 1, -1), status = 0;

	if (first <= 0)
		return first;
	for (char **word = argv + first; *word; word++)
		if (store_image_remove(store, *word, options.force, tell_removed, NULL) < 0) {
			call_report("boxstep");
			call_forget();
			status = 1;
		}
	return status;
}

/* ---- inspect ---- */

static int
add_inspected(const struct store *store, const char *word, struct json_object *list)
{
	struct container container;
	struct json_object *config;

	if (container_find(store, word, &container) < 0)
		return -1;
	if ((config = json_read_at(container.dir, "config.json", "config.json")))
		json_object_object_add(container.json, "config", config);
	else
		call_forget(); /* the record is told all the same */
	json_object_array_add(list, json_object_get(container.json));
	container_close(&container);
	return 0;
}

int
engine_inspect(struct store *store, int argc, char **argv)
{
	const struct verb_help help = {
		.synopsis = "CONTAINER...",
		.about = "Prints all that is known of a container, as JSON.",
		.tables = (struct option_table[]){ { "inspect", no_rows, NULL }, { 0 } },
		.examples = { "boxstep inspect web", "boxstep inspect $(boxstep ps -q)",
			      "boxstep inspect web db" },
	};
	int first = engine_operands(&help, argc, argv, 1, -1), status = 0;
	struct json_object *list;

	if (first <= 0)
		return first;
	list = json_object_new_array();
	for (char **word = argv + first; *word; word++)
		if (add_inspected(store, *word, list) < 0) {
			call_report("boxstep");
			call_forget();
			status = 1;
		}
	puts(json_object_to_json_string_ext(list, JSON_C_TO_STRING_PRETTY |
							  JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(list);
	return status;
}

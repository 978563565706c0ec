/*
 * boxstep_scope.c: the program boxstep-scope: asks systemd for a scope unit, whose cgroup then is a
 * container's. Started by scope.c only where --systemd-cgroup is asked for.
 *	boxstep-scope start|set|stop UNIT SLICE [PROPERTY=VALUE...]
 * Prints one line: the cgroup's directory, or "/" when there is none to tell, or an error. After
 * `start` it is itself in the unit, until its standard input ends.
 * Follows org.freedesktop.systemd1(5), sd-bus(3), systemd.resource-control(5). Explained in
 * book/04-cgroups.md.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-bus.h>
#include <unistd.h>

#include "step04-cgroups/hierarchy.h"

#define SYSTEMD "org.freedesktop.systemd1"
#define OBJECT	"/org/freedesktop/systemd1"
#define MANAGER SYSTEMD ".Manager"
#define PRIVATE "unix:path=/run/systemd/private" /* systemd itself, for root, where no bus runs */

static sd_bus *bus;
static bool user; /* the user's own systemd */

static int
connect_bus(void)
{
	user = geteuid() != 0;
	if (user)
		return sd_bus_open_user(&bus);
	if (sd_bus_open_system(&bus) >= 0)
		return 0;
	if (sd_bus_new(&bus) < 0 || sd_bus_set_address(bus, PRIVATE) < 0)
		return -ENOMEM;
	return sd_bus_start(bus);
}

static int
begin(const char *method, sd_bus_message **m)
{
	return sd_bus_message_new_method_call(bus, m, SYSTEMD, OBJECT, MANAGER, method);
}

/* ---- properties ---- */

/* "0-2,7" as bits, the lowest first. */
static int
append_list(sd_bus_message *m, const char *name, const char *text)
{
	uint8_t bits[1024] = { 0 };
	size_t used = 0;
	int r;

	while (*text) {
		char *end;
		unsigned long first = strtoul(text, &end, 10), last = first;

		if (*end == '-')
			last = strtoul(end + 1, &end, 10);
		for (; first <= last && first < 8 * sizeof bits; first++) {
			bits[first / 8] |= (uint8_t)(1 << first % 8);
			used = first / 8 + 1 > used ? first / 8 + 1 : used;
		}
		text = *end == ',' ? end + 1 : "";
	}
	if ((r = sd_bus_message_open_container(m, 'r', "sv")) < 0 ||
	    (r = sd_bus_message_append(m, "s", name)) < 0 ||
	    (r = sd_bus_message_open_container(m, 'v', "ay")) < 0 ||
	    (r = sd_bus_message_append_array(m, 'y', bits, used)) < 0 ||
	    (r = sd_bus_message_close_container(m)) < 0)
		return r;
	return sd_bus_message_close_container(m);
}

static int
append_property(sd_bus_message *m, const char *name, char *value)
{
	char *blank;

	if (strncmp(name, "Allowed", 7) == 0)
		return append_list(m, name, value);
	if (strcmp(name, "DevicePolicy") == 0)
		return sd_bus_message_append(m, "(sv)", name, "s", value);
	if (strcmp(name, "DeviceAllow") == 0 && (blank = strchr(value, ' '))) {
		*blank = '\0';
		return sd_bus_message_append(m, "(sv)", name, "a(ss)", 1, value, blank + 1);
	}
	return sd_bus_message_append(m, "(sv)", name, "t",
				     strcmp(value, "infinity") == 0 ? UINT64_MAX
								    : strtoull(value, NULL, 10));
}

static int
append_properties(sd_bus_message *m, char **words)
{
	int r = 0;

	for (; *words && r >= 0; words++) {
		char *equals = strchr(*words, '=');

		if (!equals)
			return -EINVAL;
		*equals = '\0';
		r = append_property(m, *words, equals + 1);
	}
	return r;
}

/* ---- jobs ---- */

static char job[256];	    /* whose end is waited for */
static char result[64];	    /* "done", "failed" …; "" as long as it runs */
static char ended[64][256]; /* jobs that ended before their name was known here */
static size_t ended_count;

static int
removed(sd_bus_message *m, void *data, sd_bus_error *error)
{
	const char *path, *unit, *how;
	uint32_t id;

	(void)data;
	(void)error;
	if (sd_bus_message_read(m, "uoss", &id, &path, &unit, &how) < 0)
		return 0;
	snprintf(ended[ended_count++ % 64], sizeof ended[0], "%s", path);
	if (strcmp(path, job) == 0)
		snprintf(result, sizeof result, "%s", how);
	return 0;
}

/* Sends M and waits for the job that it gives. */
static int
do_job(sd_bus_message *m, sd_bus_error *error)
{
	sd_bus_message *reply = NULL;
	const char *path;
	int r;

	sd_bus_match_signal(bus, NULL, NULL, OBJECT, MANAGER, "JobRemoved", removed, NULL);
	/* without it there are no signals */
	sd_bus_call_method(bus, SYSTEMD, OBJECT, MANAGER, "Subscribe", NULL, NULL, "");
	if ((r = sd_bus_call(bus, m, 0, error, &reply)) < 0 ||
	    (r = sd_bus_message_read(reply, "o", &path)) < 0)
		return r;
	snprintf(job, sizeof job, "%s", path);
	for (size_t i = 0; i < ended_count && i < 64; i++)
		if (strcmp(ended[i], job) == 0)
			return 0;
	while (!result[0])
		if ((r = sd_bus_process(bus, NULL)) < 0 ||
		    (r == 0 && (r = sd_bus_wait(bus, UINT64_MAX)) < 0))
			return r;
	return strcmp(result, "done") == 0 ? 0
					   : sd_bus_error_setf(error, SYSTEMD ".JobFailed",
							       "the job ended as %s", result);
}

/* ---- the verbs ---- */

static int
start(const char *unit, const char *slice, char **properties, sd_bus_error *error)
{
	sd_bus_message *m = NULL;
	char mount[PATH_MAX], below[PATH_MAX], c;
	int r;

	if ((r = begin("StartTransientUnit", &m)) < 0 ||
	    (r = sd_bus_message_append(m, "ss", unit, "fail")) < 0 ||
	    (r = sd_bus_message_open_container(m, 'a', "(sv)")) < 0 ||
	    (r = sd_bus_message_append(m, "(sv)(sv)(sv)(sv)(sv)(sv)", "Description", "s",
				       "a container of boxstep", "Slice", "s", slice, "PIDs", "au",
				       1, (uint32_t)getpid(), "Delegate", "b", 1,
				       "DefaultDependencies", "b", 0, "CollectMode", "s",
				       "inactive-or-failed")) < 0 ||
	    (r = append_properties(m, properties)) < 0 ||
	    (r = sd_bus_message_close_container(m)) < 0 ||
	    (r = sd_bus_message_append(m, "a(sa(sv))", 0)) < 0 || (r = do_job(m, error)) < 0)
		return r;
	if (hierarchy_find(mount) < 0 || hierarchy_path_of(0, below) < 0)
		return -errno;
	printf("%s%s\n", mount, below);
	fflush(stdout);
	while (read(STDIN_FILENO, &c, 1) > 0)
		;
	return 0;
}

static int
set(const char *unit, char **properties, sd_bus_error *error)
{
	sd_bus_message *m = NULL;
	int r;

	if ((r = begin("SetUnitProperties", &m)) < 0 ||
	    (r = sd_bus_message_append(m, "sb", unit, 1)) < 0 ||
	    (r = sd_bus_message_open_container(m, 'a', "(sv)")) < 0 ||
	    (r = append_properties(m, properties)) < 0 ||
	    (r = sd_bus_message_close_container(m)) < 0)
		return r;
	r = sd_bus_call(bus, m, 0, error, NULL);
	return r < 0 ? r : puts("/");
}

static int
stop(const char *unit, sd_bus_error *error)
{
	sd_bus_message *m = NULL;
	int r;

	if ((r = begin("StopUnit", &m)) < 0 ||
	    (r = sd_bus_message_append(m, "ss", unit, "replace")) < 0)
		return r;
	r = do_job(m, error);
	if (r < 0 && !sd_bus_error_has_name(error, SYSTEMD ".NoSuchUnit"))
		return r;
	return puts("/");
}

int
main(int argc, char **argv)
{
	sd_bus_error error = SD_BUS_ERROR_NULL;
	int r = -EINVAL;

	if (argc < 4 || strcmp(argv[1], "--help") == 0) {
		puts("usage: boxstep-scope start|set|stop UNIT SLICE [PROPERTY=VALUE...]");
		return argc < 2 || strcmp(argv[1], "--help") != 0;
	}
	if ((r = connect_bus()) < 0)
		;
	else if (strcmp(argv[1], "start") == 0)
		r = start(argv[2], argv[3], argv + 4, &error);
	else if (strcmp(argv[1], "set") == 0)
		r = set(argv[2], argv + 4, &error);
	else if (strcmp(argv[1], "stop") == 0)
		r = stop(argv[2], &error);
	if (r < 0)
		printf("%s%s\n",
		       bus ? "" : "no bus: ", error.message ? error.message : strerror(-r));
	return r < 0;
}

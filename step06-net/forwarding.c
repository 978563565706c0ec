/*
 * forwarding.c: /proc/sys/net, read, planned, written, put back.
 * Follows Linux's ip-sysctl.rst. Explained in book/06-net.md.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "step01-unshare/call.h"
#include "step06-net/forwarding.h"
#include "step06-net/link.h"
#include "step06-net/netlink.h"

#define FORWARD4 "net/ipv4/ip_forward"
#define FORWARD6 "net/ipv6/conf/all/forwarding"

int
switch_get(const char *path)
{
	char full[256], text[16] = "";
	ssize_t n;
	int fd;

	snprintf(full, sizeof full, "/proc/sys/%s", path);
	fd = open(full, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	n = read(fd, text, sizeof text - 1);
	close(fd);
	return n > 0 ? atoi(text) : -1;
}

int
switch_set(const char *path, int value)
{
	char full[256], text[16];
	int present = switch_get(path);

	if (present < 0 || present == value)
		return 0;
	snprintf(full, sizeof full, "/proc/sys/%s", path);
	snprintf(text, sizeof text, "%d", value);
	if (call_write(full, text) < 0)
		return call_hint("a bridge needs %s to be %d", path, value);
	return 0;
}

/* ---- planning ---- */

struct plan {
	char *text;
	size_t size;
};

static int
note(const struct plan *plan, const char *path, int value)
{
	size_t used = strlen(plan->text);
	int more = snprintf(plan->text + used, plan->size - used, "%s%s=%d", used ? " " : "", path,
			    value);

	if (more < 0 || (size_t)more >= plan->size - used)
		return fail(E2BIG, "remembering %s for the time after", path);
	return 0;
}

/* Writing the switch for all interfaces changes each of them: those that forwarded before, alone,
 * are noted, to be set again afterwards. */
static int
note_interfaces(const struct plan *plan, const char *conf)
{
	char path[512];
	const struct dirent *entry;
	DIR *dir;
	int result = 0;

	snprintf(path, sizeof path, "/proc/sys/%s", conf);
	dir = opendir(path);
	while (dir && result == 0 && (entry = readdir(dir))) {
		snprintf(path, sizeof path, "%s/%.64s/forwarding", conf, entry->d_name);
		if (entry->d_name[0] != '.' && strcmp(entry->d_name, "all") != 0 &&
		    switch_get(path) == 1)
			result = note(plan, path, 1);
	}
	if (dir)
		closedir(dir);
	return result;
}

/* A default route that a router announced: whoever forwards stops listening to routers. */
static int
note_learned(const struct route *route, void *context)
{
	const struct plan *plan = context;
	struct link link;
	char path[64];
	int rtnl, result = 0;

	if (route->prefix != 0 || route->protocol != RTPROT_RA)
		return 0;
	rtnl = nl_open(NETLINK_ROUTE); /* the other one is in the middle of an answer */
	if (rtnl < 0)
		return -1;
	if (link_get(rtnl, NULL, route->out, &link) == 0) {
		snprintf(path, sizeof path, "net/ipv6/conf/%s/accept_ra", link.name);
		if (switch_get(path) == 1 && !strstr(plan->text, path))
			result = note(plan, path, 1);
	}
	close(rtnl);
	return result;
}

int
forwarding_plan(int rtnl, char *text, size_t size)
{
	struct plan plan = { text, size };

	text[0] = '\0';
	if (switch_get(FORWARD4) == 0 &&
	    (note(&plan, FORWARD4, 0) < 0 || note_interfaces(&plan, "net/ipv4/conf") < 0))
		return -1;
	if (switch_get(FORWARD6) != 0)
		return 0;
	if (note(&plan, FORWARD6, 0) < 0 || note_interfaces(&plan, "net/ipv6/conf") < 0 ||
	    link_routes(rtnl, AF_INET6, note_learned, &plan) < 0)
		return -1;
	return 0;
}

/* ---- doing ---- */

/* The next PATH=VALUE of *REST (one of ours, below net/); false at the end. */
static bool
next_switch(const char **rest, char path[128], int *value)
{
	int used = 0;

	while (sscanf(*rest, " %127[^= ]=%d%n", path, value, &used) == 2 && used > 0) {
		*rest += used;
		if (strncmp(path, "net/ipv", 7) == 0 && !strstr(path, ".."))
			return true;
	}
	return false;
}

static bool
is_accept_ra(const char *path)
{
	return strstr(path, "/accept_ra") != NULL;
}

int
forwarding_set(const char *plan)
{
	const char *rest = plan;
	char path[128];
	int value;

	/* first what keeps the learned routes alive, then what would end them */
	while (next_switch(&rest, path, &value))
		if (is_accept_ra(path) && switch_set(path, 2) < 0)
			return -1;
	rest = plan;
	while (next_switch(&rest, path, &value))
		if (!is_accept_ra(path) && switch_set(path, 1) < 0)
			return -1;
	return 0;
}

int
forwarding_restore(const char *plan)
{
	char path[128];
	int value, result = 0;

	while (next_switch(&plan, path, &value)) {
		int ours = is_accept_ra(path) ? 2 : 1;
		/* an interface that forwarded alone was switched off with all of them just now */
		if ((value == 1 && ours == 1) || switch_get(path) == ours)
			result |= switch_set(path, value);
	}
	return result;
}

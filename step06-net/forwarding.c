/*
 * forwarding.c: /proc/sys/net, read, noted, written, put back.
 * Follows Linux's ip-sysctl.rst. Explained in book/06-net.md.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
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

/* ---- the note ---- */

#define NOTE ".switches" /* no container's id begins with a dot */

/* The kernel's number of this network namespace, which no other will ever have: that of its file in
 * /proc, by which DIR is named, is given again. 0: a kernel before 5.14. */
static uint64_t
namespace_cookie(void)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	uint64_t cookie = 0;
	socklen_t size = sizeof cookie;

	if (fd < 0 || getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &size) < 0)
		cookie = 0;
	close_fd(fd);
	return cookie;
}

static FILE *
open_note(int dir, int flags)
{
	int fd = openat(dir, NOTE, flags | O_CLOEXEC | O_NOFOLLOW, 0644);
	FILE *note = fd < 0 ? NULL : fdopen(fd, flags == O_RDONLY ? "r" : "w");

	if (!note)
		close_fd(fd);
	return note;
}

/* Writing the switch for all interfaces changes each of them: those that forwarded before, alone,
 * are noted, to be set again afterwards. */
static void
note_interfaces(FILE *note, const char *conf)
{
	char path[512];
	const struct dirent *entry;
	DIR *dir;

	snprintf(path, sizeof path, "/proc/sys/%s", conf);
	dir = opendir(path);
	while (dir && (entry = readdir(dir))) {
		snprintf(path, sizeof path, "%s/%.64s/forwarding", conf, entry->d_name);
		if (entry->d_name[0] != '.' && strcmp(entry->d_name, "all") != 0 &&
		    switch_get(path) == 1)
			fprintf(note, "%s=1\n", path);
	}
	if (dir)
		closedir(dir);
}

/* A default route that a router announced: whoever forwards stops listening to routers. */
static int
note_learned(const struct route *route, void *context)
{
	FILE *note = context;
	struct link link;
	char path[64];
	int rtnl;

	if (route->prefix != 0 || route->protocol != RTPROT_RA)
		return 0;
	rtnl = nl_open(NETLINK_ROUTE); /* the other one is in the middle of an answer */
	if (rtnl < 0)
		return -1;
	if (link_get(rtnl, NULL, route->out, &link) == 0) {
		snprintf(path, sizeof path, "net/ipv6/conf/%s/accept_ra", link.name);
		if (switch_get(path) == 1)
			fprintf(note, "%s=1\n", path);
	}
	close(rtnl);
	return 0;
}

int
forwarding_plan(int rtnl, int dir)
{
	FILE *note;
	int done = 0;

	/* there was a bridge, and somebody has deleted it */
	if (forwarding_restore(dir) < 0)
		return -1;
	if (!(note = open_note(dir, O_WRONLY | O_CREAT | O_EXCL)))
		return fail(errno, "making %s, for the switches that are to be put back", NOTE);
	fprintf(note, "namespace %" PRIx64 "\n", namespace_cookie());
	if (switch_get(FORWARD4) == 0) {
		fprintf(note, "%s=0\n", FORWARD4);
		note_interfaces(note, "net/ipv4/conf");
	}
	if (switch_get(FORWARD6) == 0) {
		fprintf(note, "%s=0\n", FORWARD6);
		note_interfaces(note, "net/ipv6/conf");
		done = link_routes(rtnl, AF_INET6, note_learned, note);
	}
	if (fflush(note) != 0)
		done = fail(errno, "writing %s", NOTE);
	fclose(note);
	return done;
}

/* ---- doing ---- */

/* From its beginning. False: it is of a namespace that is gone, and says nothing of this one. */
static bool
first_switch(FILE *note)
{
	uint64_t cookie;

	rewind(note);
	return fscanf(note, "namespace %" SCNx64 "\n", &cookie) == 1 &&
	       cookie == namespace_cookie();
}

/* The next PATH=VALUE of NOTE (one of ours, below net/); false at the end. */
static bool
next_switch(FILE *note, char path[128], int *value)
{
	while (fscanf(note, "%127[^=\n]=%d\n", path, value) == 2)
		if (strncmp(path, "net/ipv", 7) == 0 && !strstr(path, ".."))
			return true;
	return false;
}

static bool
is_accept_ra(const char *path)
{
	return strstr(path, "/accept_ra") != NULL;
}

int
forwarding_set(int dir)
{
	FILE *note = open_note(dir, O_RDONLY);
	char path[128];
	int value, done = 0;

	if (!note)
		return fail(errno, "reading %s", NOTE);
	/* first what keeps the learned routes alive, then what would end them */
	first_switch(note);
	while (done == 0 && next_switch(note, path, &value))
		if (is_accept_ra(path))
			done = switch_set(path, 2);
	first_switch(note);
	while (done == 0 && next_switch(note, path, &value))
		if (!is_accept_ra(path))
			done = switch_set(path, 1);
	fclose(note);
	return done;
}

int
forwarding_restore(int dir)
{
	FILE *note = open_note(dir, O_RDONLY);
	char path[128];
	int value, result = 0;

	if (!note)
		return errno == ENOENT ? 0 : fail(errno, "reading %s", NOTE);
	for (bool own = first_switch(note); own && next_switch(note, path, &value);) {
		int ours = is_accept_ra(path) ? 2 : 1;
		/* an interface that forwarded alone was switched off with all of them just now */
		if ((value == 1 && ours == 1) || switch_get(path) == ours)
			result |= switch_set(path, value);
	}
	fclose(note);
	unlinkat(dir, NOTE, 0);
	return result;
}

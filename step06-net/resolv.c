/*
 * resolv.c: what the container reads when it looks for a name.
 * Follows resolv.conf(5), hosts(5), systemd-resolved.service(8). Explained in book/06-net.md.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "step01-unshare/call.h"
#include "step06-net/resolv.h"

enum { FILE_MAX = 65536 };

const char *const resolv_files[] = { "resolv.conf", "hosts", "hostname", NULL };

/* A file of the host, in memory of malloc: whole lines, since half an address is another address;
 * an empty one when it cannot be read. */
static char *
read_file(const char *path)
{
	char *text = malloc(FILE_MAX + 1); /* not calloc: that would touch all of its pages */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	size_t used = 0;
	ssize_t n;

	while (text && fd >= 0 && (n = read(fd, text + used, FILE_MAX - used)) > 0)
		used += (size_t)n;
	if (fd >= 0)
		close(fd);
	if (used == FILE_MAX) /* there may be more of the last one */
		while (used > 0 && text[used - 1] != '\n')
			used--;
	if (text)
		text[used] = '\0';
	return text;
}

static int
write_file(int dir, const char *name, const char *text, size_t length)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
	ssize_t n = fd < 0 ? -1 : write(fd, text, length);
	int number = n < 0 ? errno : ENOSPC;

	if (fd >= 0) {
		fchmod(fd, 0644); /* whatever the umask is: every user inside reads it */
		close(fd);
	}
	if (n < 0 || (size_t)n != length)
		return fail(number, "writing %s for the container", name);
	return 0;
}

/* A word of resolv.conf or hosts: a blank or a line end in it would begin another. */
static bool
is_word(const char *text, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if (!isgraph((unsigned char)text[i]) || text[i] == '#')
			return false;
	return length > 0 && length < 256;
}

/* ---- resolv.conf ---- */

/* Is LINE `nameserver ADDRESS`, and one that a container can reach? */
static bool
server_of_use(const char *line, const struct resolv_facts *facts)
{
	struct address address;
	const char *text;

	if (strncmp(line, "nameserver", 10) != 0 || !isspace((unsigned char)line[10]))
		return false;
	text = line + 10 + strspn(line + 10, " \t");
	if (address_parse(text, strcspn(text, " \t"), &address) < 0)
		return false; /* fe80::1%eth0: an interface of the host's */
	if (!facts->own_lo)
		return true;
	return !address_loopback(&address) && (address.family == AF_INET || facts->v6.family);
}

static bool
any_server(const char *text, const struct resolv_facts *facts)
{
	char *copy = strdup(text), *rest = copy, *line;
	bool found = false;

	while (!found && (line = strsep(&rest, "\n")))
		found = server_of_use(line, facts);
	free(copy);
	return found;
}

/* ANCHOR: servers */
/* The host's resolv.conf; when nobody in it can be reached from a container, and systemd-resolved
 * stands before the real servers, the file in which it lists those. */
static char *
host_resolv(const struct resolv_facts *facts)
{
	char *text = read_file("/etc/resolv.conf"), *behind;

	if (!text || any_server(text, facts))
		return text;
	behind = read_file("/run/systemd/resolve/resolv.conf");
	if (behind && any_server(behind, facts)) {
		free(text);
		return behind;
	}
	free(behind);
	return text;
}
/* ANCHOR_END: servers */

static void
put_list(FILE *out, const char *word, const struct text_list *list)
{
	if (list->count == 0)
		return;
	fputs(word, out);
	for (size_t i = 0; i < list->count; i++)
		fprintf(out, " %s", list->item[i]);
	fputc('\n', out);
}

/* A line of the host's file, unless an option replaces it or it is of no use inside. */
static void
put_host_line(FILE *out, const char *line, const struct resolv_options *options,
	      const struct resolv_facts *facts)
{
	if (strncmp(line, "nameserver", 10) == 0) {
		if (options->dns.count == 0 && server_of_use(line, facts))
			fprintf(out, "%s\n", line);
	} else if (strncmp(line, "search", 6) == 0 || strncmp(line, "domain", 6) == 0) {
		if (options->search.count == 0)
			fprintf(out, "%s\n", line);
	} else if (strncmp(line, "options", 7) == 0) {
		if (options->option.count == 0)
			fprintf(out, "%s\n", line);
	}
}

static void
put_resolv(FILE *out, const struct resolv_options *options, const struct resolv_facts *facts)
{
	char *host = host_resolv(facts), *rest = host, *line;
	struct address server;

	if (options->dns.count == 0 && facts->own_lo && host && !any_server(host, facts))
		fputs("# The host's resolver listens on its own 127.0.0.1, which is not this "
		      "container's: --dns ADDRESS\n",
		      out);
	for (size_t i = 0; i < options->dns.count; i++) {
		const char *given = options->dns.item[i]; /* perhaps with brackets */
		if (address_parse(given, strlen(given), &server) == 0)
			fprintf(out, "nameserver %s\n", address_text(&server));
	}
	if (options->search.count != 1 || strcmp(options->search.item[0], ".") != 0)
		put_list(out, "search", &options->search);
	put_list(out, "options", &options->option);
	while (host && (line = strsep(&rest, "\n")))
		put_host_line(out, line, options, facts);
	free(host);
}

/* ---- hosts ---- */

static void
put_added(FILE *out, const char *entry, const struct resolv_facts *facts)
{
	size_t length = strcspn(entry, ":=");
	const char *ip = entry + length + 1;
	struct address address;

	if (strcmp(ip, "host-gateway") == 0)
		ip = facts->gateway.family ? address_text(&facts->gateway) : "127.0.0.1";
	else if (address_parse(ip, strlen(ip), &address) == 0)
		ip = address_text(&address);
	fprintf(out, "%s\t%.*s\n", ip, (int)length, entry);
}

static void
put_hosts(FILE *out, const struct resolv_options *options, const struct resolv_facts *facts,
	  const char *hostname)
{
	char *host = facts->own_lo ? NULL : read_file("/etc/hosts");

	if (host && *host)
		fprintf(out, "%s%s", host, host[strlen(host) - 1] == '\n' ? "" : "\n");
	else
		fputs("127.0.0.1\tlocalhost\n"
		      "::1\tlocalhost ip6-localhost ip6-loopback\n"
		      "ff02::1\tip6-allnodes\n"
		      "ff02::2\tip6-allrouters\n",
		      out);
	free(host);
	for (size_t i = 0; i < options->host.count; i++)
		put_added(out, options->host.item[i], facts);
	if (!facts->own_lo)
		return;
	if (facts->v4.family)
		fprintf(out, "%s\t%s\n", address_text(&facts->v4), hostname);
	if (facts->v6.family)
		fprintf(out, "%s\t%s\n", address_text(&facts->v6), hostname);
	if (!facts->v4.family && !facts->v6.family)
		fprintf(out, "127.0.1.1\t%s\n", hostname); /* lo, which is all there is */
}

int
resolv_write(int dir, const struct resolv_options *options, const struct resolv_facts *facts)
{
	char name[65] = "", *text = NULL;
	size_t length = 0;

	if (facts->hostname && *facts->hostname &&
	    !is_word(facts->hostname, strlen(facts->hostname)))
		return fail(EINVAL, "--hostname \"%.80s\": not one word", facts->hostname);
	if (!facts->hostname)
		gethostname(name, sizeof name - 1);
	else
		snprintf(name, sizeof name, "%s", facts->hostname);
	for (const char *const *file = resolv_files; *file; file++) {
		FILE *out = open_memstream(&text, &length);
		int result;
		if (!out)
			return fail(errno, "memory for %s", *file);
		if (**file == 'r')
			put_resolv(out, options, facts);
		else if (strcmp(*file, "hosts") == 0)
			put_hosts(out, options, facts, name);
		else
			fprintf(out, "%s\n", name);
		fclose(out);
		result = write_file(dir, *file, text, length);
		free(text);
		if (result < 0)
			return -1;
	}
	return 0;
}

/* ---- options ---- */

static int
set_dns(const struct option_row *row, const char *value, void *into)
{
	struct address address;

	if (address_parse(value, strlen(value), &address) < 0)
		return fail(EINVAL, "--%s %s: not an IPv4 or IPv6 address", row->name, value);
	return option_list(row, value, into);
}

static int
set_word(const struct option_row *row, const char *value, void *into)
{
	if (!is_word(value, strlen(value)))
		return fail(EINVAL, "--%s \"%.80s\": not one word", row->name, value);
	return option_list(row, value, into);
}

static int
set_host(const struct option_row *row, const char *value, void *into)
{
	size_t length = strcspn(value, ":=");
	const char *ip = value[length] ? value + length + 1 : "";
	struct address address;

	if (!is_word(value, length) ||
	    (strcmp(ip, "host-gateway") != 0 && address_parse(ip, strlen(ip), &address) < 0))
		return fail(EINVAL, "--%s \"%.80s\": not NAME:ADDRESS or NAME:host-gateway",
			    row->name, value);
	return option_list(row, value, into);
}

#define OPTION(field) offsetof(struct resolv_options, field), 0
const struct option_row resolv_options[] = {
	{ "dns", 0, "ADDRESS", "/etc/resolv.conf", "ask this name server; may be repeated", set_dns,
	  OPTION(dns) },
	{ "dns-search", 0, "DOMAIN", "/etc/resolv.conf", "search here; \".\" for nowhere", set_word,
	  OPTION(search) },
	{ "dns-option", 0, "OPTION", "/etc/resolv.conf", "an option of resolv.conf(5)", set_word,
	  OPTION(option) },
	{ "add-host", 0, "NAME:ADDRESS", "/etc/hosts", "a line of hosts; may be repeated", set_host,
	  OPTION(host) },
	{ 0 },
};

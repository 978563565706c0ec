/*
 * ports.c: takes --publish apart, strictly, and binds what it asks for.
 * Follows ip(7), ipv6(7), tcp(7), bind(2). Explained in book/06-net.md.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "step01-unshare/call.h"
#include "step01-unshare/options.h"
#include "step06-net/ports.h"

/* ---- parsing ---- */

struct range {
	unsigned first, last;
};

/* The LENGTH bytes of TEXT as PORT or PORT-PORT, 1…65535. */
static int
parse_range(const char *text, size_t length, struct range *range)
{
	char copy[12]; /* "65535-65535" */
	int64_t first, last;
	char *dash;

	if (length == 0 || length >= sizeof copy)
		return -1;
	memcpy(copy, text, length);
	copy[length] = '\0';
	dash = strchr(copy, '-');
	if (dash)
		*dash = '\0';
	if (number_parse(copy, 1, UINT16_MAX, &first) < 0)
		return -1;
	last = first;
	if (dash && number_parse(dash + 1, first, UINT16_MAX, &last) < 0)
		return -1;
	*range = (struct range){ (unsigned)first, (unsigned)last };
	return 0;
}

static int
add(struct port_list *list, const struct port *port)
{
	struct port *item;

	item = reallocarray(list->item, list->count + 1, sizeof *item);
	if (!item)
		return fail(ENOMEM, "memory for %zu ports", list->count + 1);
	list->item = item;
	list->item[list->count++] = *port;
	return 0;
}

/* One entry for each port, or two where no address was named. */
static int
add_range(struct port_list *list, struct port port, struct range host, struct range container)
{
	bool every = port.on.family == 0;

	for (unsigned i = 0; i <= container.last - container.first; i++) {
		port.host = (uint16_t)(host.first ? host.first + i : 0);
		port.container = (uint16_t)(container.first + i);
		port.second = false;
		if (every)
			port.on.family = AF_INET;
		if (add(list, &port) < 0)
			return -1;
		port.on.family = every ? AF_INET6 : port.on.family;
		port.second = true;
		if (every && add(list, &port) < 0)
			return -1;
	}
	return 0;
}

static int
parse_protocol(const char *text, size_t *length, uint8_t *protocol)
{
	const char *slash = memchr(text, '/', *length);

	*protocol = IPPROTO_TCP;
	if (!slash)
		return 0;
	*length = (size_t)(slash - text);
	if (strcmp(slash, "/udp") == 0)
		*protocol = IPPROTO_UDP;
	else if (strcmp(slash, "/tcp") != 0)
		return -1;
	return 0;
}

/* From the right, where it is unambiguous: /PROTOCOL, :CONTAINER, :HOST, and what is left is IP. */
int
ports_parse(const char *text, struct port_list *list)
{
	struct range host = { 0, 0 }, container;
	struct port port = { .fd = -1 };
	size_t length = strlen(text);
	const char *colon, *start;

	if (parse_protocol(text, &length, &port.protocol) < 0)
		return fail(EINVAL, "--publish %s: a protocol is tcp or udp", text);
	colon = memrchr(text, ':', length);
	start = colon ? colon + 1 : text;
	if (parse_range(start, (size_t)(text + length - start), &container) < 0)
		goto bad;
	if (colon) {
		length = (size_t)(colon - text);
		colon = memrchr(text, ':', length);
		start = colon ? colon + 1 : text;
		length = (size_t)(text + length - start);
		if (length > 0 && parse_range(start, length, &host) < 0)
			goto bad;
		if (colon && address_parse(text, (size_t)(colon - text), &port.on) < 0)
			goto bad;
		if (port.on.family == AF_INET6 && text[0] != '[')
			goto bad;
	}
	if (host.first && host.last - host.first != container.last - container.first)
		return fail(EINVAL, "--publish %s: two ranges of different length", text);
	if (list->count + 2 * (container.last - container.first + 1) > PORTS_MAX)
		return fail(EINVAL, "--publish %s: more than %d ports in all", text, PORTS_MAX);
	return add_range(list, port, host, container);
bad:
	return fail(
		EINVAL,
		"--publish %s: not [IP:][HOST]:CONTAINER[/udp] with ports of 1 to 65535, and an "
		"IPv6 address in brackets",
		text);
}

/* ---- holding ---- */

/* A socket's address as strace(1) prints it. */
static const char *
socket_text(const struct port *port)
{
	static char text[192];

	if (port->on.family == AF_INET6)
		snprintf(text, sizeof text,
			 "{sa_family=AF_INET6, sin6_port=htons(%u), sin6_flowinfo=htonl(0), "
			 "inet_pton(AF_INET6, \"%s\", &sin6_addr), sin6_scope_id=0}, 28",
			 port->host, address_text(&port->on));
	else
		snprintf(text, sizeof text,
			 "{sa_family=AF_INET, sin_port=htons(%u), sin_addr=inet_addr(\"%s\")}, 16",
			 port->host, address_text(&port->on));
	return text;
}

static int
explain_bind(const struct port *port)
{
	const char *protocol = port->protocol == IPPROTO_UDP ? "udp" : "tcp";

	if (errno == EADDRINUSE)
		return call_hint("port %u/%s of %s is in use; who has it: ss -Hanp%c 'sport = :%u'",
				 port->host, protocol, address_text(&port->on), protocol[0],
				 port->host);
	if (errno == EADDRNOTAVAIL)
		return call_hint("no interface of this host has the address %s: ip address",
				 address_text(&port->on));
	return -1;
}

/* ANCHOR: hold */
static int
hold(struct port *port)
{
	int type = port->protocol == IPPROTO_UDP ? SOCK_DGRAM : SOCK_STREAM, on = 1, number;
	struct sockaddr_storage address;
	socklen_t size = address_socket(&port->on, port->host, &address);

	port->fd = socket(port->on.family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (port->fd < 0)
		return fail(errno, "socket for port %s", port_text(port));
	if (port->on.family == AF_INET6)
		setsockopt(port->fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
	/* What is left of old connections does not matter; a socket that listens, does. */
	if (type == SOCK_STREAM)
		setsockopt(port->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (call(bind(port->fd, (struct sockaddr *)&address, size), "bind(%d, %s)", port->fd,
		 socket_text(port)) < 0 ||
	    (type == SOCK_STREAM &&
	     call(listen(port->fd, SOMAXCONN), "listen(%d, %d)", port->fd, SOMAXCONN) < 0)) {
		number = errno;
		explain_bind(port);
		close(port->fd);
		port->fd = -1;
		errno = number;
		return -1;
	}
	if (port->host == 0 && getsockname(port->fd, (struct sockaddr *)&address, &size) == 0)
		port->host = ntohs(((struct sockaddr_in *)&address)->sin_port); /* same in v6 */
	return 0;
}
/* ANCHOR_END: hold */

static void
release(struct port *port)
{
	if (port->fd >= 0)
		close(port->fd);
	port->fd = -1;
}

/* One entry, or both halves of one. A free port is free only if it is so in both families. */
static int
hold_entry(struct port *port, bool both)
{
	bool find = port->host == 0;

	for (int tries = find ? 16 : 1; tries > 0; tries--) {
		if (hold(port) < 0)
			return -1;
		if (!both)
			return 0;
		port[1].host = port->host;
		if (hold(&port[1]) == 0)
			return 0;
		if (errno == EAFNOSUPPORT) { /* ipv6.disable=1 */
			call_forget();
			return 0;
		}
		release(port);
		if (find && errno == EADDRINUSE && tries > 1) {
			call_forget();
			port->host = 0;
		}
	}
	return -1;
}

/* Gives the socket a number of at least LEAST, if there is one. */
static void
renumber(struct port *port, int least)
{
	int fd = port->fd < 0 ? -1 : fcntl(port->fd, F_DUPFD_CLOEXEC, least);

	if (fd < 0)
		return;
	close(port->fd);
	port->fd = fd;
}

static int
hold_all(struct port_list *list, int least)
{
	size_t kept = 0;

	for (size_t i = 0; i < list->count; i++) {
		bool both = i + 1 < list->count && list->item[i + 1].second;
		int done = hold_entry(&list->item[i], both);
		for (size_t j = 0; done == 0 && least && j <= both; j++)
			renumber(&list->item[i + j], least);
		if (done < 0) {
			int number = errno;
			for (size_t j = 0; j < i; j++)
				release(&list->item[j]);
			errno = number;
			return -1;
		}
		i += both;
	}
	for (size_t i = 0; i < list->count; i++) /* without the halves that cannot be here */
		if (list->item[i].fd >= 0)
			list->item[kept++] = list->item[i];
	list->count = kept;
	return 0;
}

/* A range takes more descriptors than the usual soft limit has. The limit is asked when a number is
 * given out, and not again: so the sockets have numbers above it, those below are left for all that
 * follows, and the container inherits what the caller had. */
int
ports_hold(struct port_list *list)
{
	struct rlimit usual = { 0 }, most;
	bool many = getrlimit(RLIMIT_NOFILE, &usual) == 0 && usual.rlim_cur < list->count + 64 &&
		    usual.rlim_cur < usual.rlim_max;
	int done, number;

	most = (struct rlimit){ usual.rlim_max, usual.rlim_max };
	if (many)
		setrlimit(RLIMIT_NOFILE, &most);
	done = hold_all(list, many ? (int)usual.rlim_cur : 0);
	number = errno;
	if (many)
		setrlimit(RLIMIT_NOFILE, &usual);
	errno = number;
	return done;
}

void
ports_free(struct port_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		release(&list->item[i]);
	free(list->item);
	*list = (struct port_list){ 0 };
}

const char *
port_text(const struct port *port)
{
	static char text[96];
	bool six = port->on.family == AF_INET6;

	snprintf(text, sizeof text, "%s%s%s:%u->%u/%s", six ? "[" : "", address_text(&port->on),
		 six ? "]" : "", port->host, port->container,
		 port->protocol == IPPROTO_UDP ? "udp" : "tcp");
	return text;
}

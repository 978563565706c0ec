/*
 * relay.c: one process, one poll(2), two buffers a connection.
 * Follows poll(2), connect(2) (EINPROGRESS), shutdown(2), udp(7). Explained in book/06-net.md.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "step01-unshare/call.h"
#include "step01-unshare/idmap.h"
#include "step06-net/relay.h"

enum { CONNECTIONS = 1024, BUFFER = 16384, IDLE = 120000, NOBODY = 65534 }; /* IDLE: ms, UDP */

struct flow {		    /* one direction */
	size_t start, end;  /* of what is read and not yet written */
	bool ended, passed; /* the reader saw end of file; the writer was told (UDP: answered) */
	char bytes[BUFFER];
};
struct connection {
	const struct port *port;
	int client, server;	/* UDP: the client has no socket of its own, −1 */
	bool connecting, other; /* OTHER: the second family is being tried */
	struct flow in, out;
	struct sockaddr_storage from; /* UDP: who the client is */
	socklen_t from_size;
	int64_t used; /* by a clock of ns, by which even those of one burst have an order */
};
struct table {
	const struct relay *relay;
	const struct port_list *ports;
	struct connection *item[CONNECTIONS];
	size_t count, most;
	bool full; /* there was no descriptor for who came: they wait in the listener's queue */
};

static int64_t
now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * INT64_C(1000000000) + time.tv_nsec;
}

/* ---- towards the container ---- */

/* Begins to connect by the connection's present family: −1 when that is at an end already. */
static int
reach(const struct table *table, struct connection *c)
{
	bool six = (c->port->on.family == AF_INET6) != c->other;
	const struct address *to = six ? &table->relay->v6 : &table->relay->v4;
	int type = c->port->protocol == IPPROTO_UDP ? SOCK_DGRAM : SOCK_STREAM;
	struct sockaddr_storage address;
	socklen_t size = address_socket(to, c->port->container, &address);

	if (c->server >= 0)
		close(c->server);
	c->server = -1;
	if (to->family == 0)
		return -1;
	c->server = socket(to->family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (c->server < 0)
		return -1;
	c->connecting = type == SOCK_STREAM;
	if (connect(c->server, (struct sockaddr *)&address, size) < 0 && errno != EINPROGRESS)
		return -1;
	return 0;
}

/* The container refused, or cannot be reached: a server that listens on IPv4 only is tried there,
 * whichever family the client came by. */
static int
reach_other(const struct table *table, struct connection *c)
{
	if (c->other)
		return -1;
	c->other = true;
	return reach(table, c);
}

static void
drop(struct table *table, size_t i)
{
	struct connection *c = table->item[i];

	if (c->server >= 0)
		close(c->server);
	if (c->client >= 0)
		close(c->client);
	free(c);
	table->item[i] = table->item[--table->count];
}

/* The place in a full table is that of the connection unused for longest. */
static struct connection *
make(struct table *table, const struct port *port, int client)
{
	struct connection *c = calloc(1, sizeof *c);
	size_t oldest = 0;

	if (!c) {
		if (client >= 0)
			close(client);
		return NULL;
	}
	if (table->count == table->most) {
		for (size_t i = 1; i < table->count; i++)
			if (table->item[i]->used < table->item[oldest]->used)
				oldest = i;
		drop(table, oldest);
	}
	*c = (struct connection){ .port = port, .client = client, .server = -1, .used = now() };
	table->item[table->count++] = c;
	if (reach(table, c) == 0 || reach_other(table, c) == 0)
		return c;
	drop(table, table->count - 1);
	return NULL;
}

/* ---- TCP ---- */

static void
accept_tcp(struct table *table, const struct port *port)
{
	int client = accept4(port->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (client >= 0)
		make(table, port, client);
	else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
		table->full = true;
}

/* Moves what can be moved without waiting. −1 when the connection broke. */
static int
pump(struct flow *flow, int from, int to)
{
	ssize_t n = 0;

	if (flow->start == flow->end && !flow->ended) {
		n = recv(from, flow->bytes, BUFFER, 0);
		if (n < 0)
			return errno == EAGAIN ? 0 : -1;
		flow->start = 0;
		flow->end = (size_t)n;
		flow->ended = n == 0;
	}
	if (flow->start < flow->end) {
		n = send(to, flow->bytes + flow->start, flow->end - flow->start, MSG_NOSIGNAL);
		if (n < 0)
			return errno == EAGAIN ? 0 : -1;
		flow->start += (size_t)n;
	}
	if (flow->ended && flow->start == flow->end && !flow->passed) {
		shutdown(to, SHUT_WR);
		flow->passed = true;
	}
	return 0;
}

/* −1 when the connection is over. */
static int
serve_tcp(const struct table *table, struct connection *c, short server_events)
{
	int error = 0;
	socklen_t size = sizeof error;

	if (c->connecting) {
		if (!server_events)
			return 0;
		if (getsockopt(c->server, SOL_SOCKET, SO_ERROR, &error, &size) < 0 || error)
			return reach_other(table, c);
		c->connecting = false;
	}
	c->used = now();
	if (pump(&c->in, c->client, c->server) < 0 || pump(&c->out, c->server, c->client) < 0)
		return -1;
	return c->in.passed && c->out.passed ? -1 : 0;
}

/* ---- UDP ---- */

static struct connection *
find_udp(struct table *table, const struct port *port, const struct sockaddr_storage *from,
	 socklen_t size)
{
	for (size_t i = 0; i < table->count; i++) {
		struct connection *c = table->item[i];
		if (c->port == port && c->from_size == size && memcmp(&c->from, from, size) == 0)
			return c;
	}
	return NULL;
}

static void
take_udp(struct table *table, const struct port *port)
{
	struct sockaddr_storage from = { 0 };
	socklen_t size = sizeof from;
	char bytes[65536];
	ssize_t n = recvfrom(port->fd, bytes, sizeof bytes, 0, (struct sockaddr *)&from, &size);
	struct connection *c;

	if (n < 0)
		return;
	c = find_udp(table, port, &from, size);
	if (!c) {
		c = make(table, port, -1);
		if (!c)
			return;
		c->from = from;
		c->from_size = size;
	}
	c->used = now();
	if (!c->out.passed && n <= BUFFER) { /* nobody has answered yet: kept for a second try */
		memcpy(c->in.bytes, bytes, (size_t)n);
		c->in.end = (size_t)n;
	}
	send(c->server, bytes, (size_t)n, 0);
}

static int
answer_udp(const struct table *table, struct connection *c)
{
	char bytes[65536];
	ssize_t n = recv(c->server, bytes, sizeof bytes, 0);

	if (n < 0 && errno == EAGAIN)
		return 0;
	if (n < 0) { /* refused */
		if (c->out.passed || reach_other(table, c) < 0)
			return -1;
		send(c->server, c->in.bytes, c->in.end, 0);
		return 0;
	}
	c->out.passed = true;
	c->used = now();
	sendto(c->port->fd, bytes, (size_t)n, 0, (struct sockaddr *)&c->from, c->from_size);
	return 0;
}

/* ---- the process ---- */

/* What to wait for: room where bytes wait, bytes where there is room. */
static void
wish(const struct connection *c, struct pollfd *client, struct pollfd *server)
{
	const struct flow *in = &c->in, *out = &c->out;

	*client = (struct pollfd){ .fd = c->client };
	*server = (struct pollfd){ .fd = c->server };
	if (c->client < 0) {
		server->events = POLLIN;
		return;
	}
	if (c->connecting) {
		server->events = POLLOUT;
		client->fd = -1; /* or its closing would be told without end */
		return;
	}
	client->events = (short)((in->start == in->end && !in->ended ? POLLIN : 0) |
				 (out->start < out->end ? POLLOUT : 0));
	server->events = (short)((out->start == out->end && !out->ended ? POLLIN : 0) |
				 (in->start < in->end ? POLLOUT : 0));
	/* one of which nothing is wanted would report its end over and over */
	client->fd = client->events ? client->fd : -1;
	server->fd = server->events ? server->fd : -1;
}

static void
serve(struct table *table, const struct pollfd *polled)
{
	int64_t limit = now() - IDLE * INT64_C(1000000);

	for (size_t i = table->count; i-- > 0;) {
		struct connection *c = table->item[i];
		const struct pollfd *client = &polled[2 * i], *server = &polled[2 * i + 1];
		int result = 0;
		if (c->client < 0)
			result = server->revents ? answer_udp(table, c) : 0;
		else if (client->revents || server->revents)
			result = serve_tcp(table, c, server->revents);
		if (result < 0 || (c->client < 0 && c->used < limit))
			drop(table, i);
	}
}

/* Waits. A listener that cannot be served would be told of again at once, without end: so it is
 * left out once, until something else happens, or for a second. */
static int
wait_for_any(struct table *table, struct pollfd *polled)
{
	const struct port_list *ports = table->ports;
	struct pollfd *held = polled + 2 * table->count;
	int limit = table->full ? 1000 : IDLE;

	for (size_t i = 0; i < table->count; i++)
		wish(table->item[i], &polled[2 * i], &polled[2 * i + 1]);
	for (size_t i = 0; i < ports->count; i++) {
		bool left_out = table->full && ports->item[i].protocol == IPPROTO_TCP;
		held[i] = (struct pollfd){ .fd = left_out ? -1 : ports->item[i].fd,
					   .events = POLLIN };
	}
	table->full = false;
	return poll(polled, 2 * table->count + ports->count, limit);
}

static void __attribute__((noreturn)) run(const struct relay *relay, const struct port_list *ports)
{
	static struct table table;
	struct pollfd *polled = calloc(2 * CONNECTIONS + ports->count, sizeof *polled);
	struct rlimit limit;

	table.relay = relay;
	table.ports = ports;
	table.most = CONNECTIONS;
	/* two descriptors each, beside the standard ones and that of who comes; a flow of UDP has
	 * one, but poll(2) takes no more entries than there may be descriptors */
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 &&
	    limit.rlim_cur < 2 * CONNECTIONS + ports->count + 4)
		table.most = limit.rlim_cur < ports->count + 6
				     ? 1
				     : (limit.rlim_cur - ports->count - 4) / 2;
	while (polled) {
		const struct pollfd *held = polled + 2 * table.count;
		if (wait_for_any(&table, polled) < 0 && errno != EINTR)
			break;
		serve(&table, polled);
		for (size_t i = 0; i < ports->count; i++)
			if (held[i].revents && ports->item[i].protocol == IPPROTO_UDP)
				take_udp(&table, &ports->item[i]);
			else if (held[i].revents)
				accept_tcp(&table, &ports->item[i]);
	}
	_exit(EXIT_OURS);
}

static int
ascending(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

/* Closes all but the sockets of PORTS: a copy of a lock, of a pipe to the caller's reader, would be
 * kept for as long as the relay lives. */
static int
keep_only(const struct port_list *ports)
{
	int *keep = calloc(ports->count, sizeof *keep);
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	unsigned next = STDERR_FILENO + 1;
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max; /* two descriptors a connection */
		setrlimit(RLIMIT_NOFILE, &limit);
	}
	if (!keep || null < 0)
		return -1;
	for (int fd = 0; fd <= STDERR_FILENO; fd++)
		dup2(null, fd);
	for (size_t i = 0; i < ports->count; i++)
		keep[i] = ports->item[i].fd;
	qsort(keep, ports->count, sizeof *keep, ascending);
	for (size_t i = 0; i < ports->count; next = (unsigned)keep[i++] + 1)
		if ((unsigned)keep[i] > next)
			close_range(next, (unsigned)keep[i] - 1, 0);
	close_range(next, ~0U, 0);
	free(keep);
	return 0;
}

static int
become_nobody(void)
{
	if (geteuid() != 0)
		return 0;
	if (idmap_set_groups(0, NULL) < 0 ||
	    call(setresgid(NOBODY, NOBODY, NOBODY), "setresgid(%d, %d, %d)", NOBODY, NOBODY,
		 NOBODY) < 0 ||
	    call(setresuid(NOBODY, NOBODY, NOBODY), "setresuid(%d, %d, %d)", NOBODY, NOBODY,
		 NOBODY) < 0)
		return -1;
	return 0;
}

int
relay_start(struct relay *relay, const struct port_list *ports)
{
	pid_t parent = getpid();

	relay->pid = 0;
	if (ports->count == 0)
		return 0;
	relay->pid = fork();
	if (relay->pid < 0) {
		relay->pid = 0;
		return fail(errno, "fork() for the relay of published ports");
	}
	if (relay->pid > 0)
		return 0;
	call_who(getpid());
	setsid(); /* the terminal's Ctrl-C is the command's */
	/* a change of ids would clear the signal of the parent's death, so that comes last */
	if (become_nobody() < 0 || prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent ||
	    keep_only(ports) < 0)
		_exit(EXIT_OURS);
	prctl(PR_SET_NAME, "boxstep-relay");
	run(relay, ports);
}

void
relay_stop(struct relay *relay)
{
	int number = errno;

	if (relay->pid > 0) {
		kill(relay->pid, SIGKILL); /* our child, not yet waited for: the pid is its own */
		while (waitpid(relay->pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	relay->pid = 0;
	errno = number;
}

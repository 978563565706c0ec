/*
 * ports: what --publish says, and the ports of the host that are held for it.
 *
 * A published port is bound by a socket of the host as long as the container lives: a second
 * container, or any server, that wants it gets EADDRINUSE. Follows ip(7), ipv6(7), tcp(7), and
 * docker's syntax of -p. Explained in book/06-net.md.
 */
#ifndef BOXSTEP_PORTS_H
#define BOXSTEP_PORTS_H

#include "step06-net/link.h"

#define PORTS_MAX 4096 /* of one container: each costs a descriptor and an element of a map */

struct port {		   /* one port, or a range that was taken apart */
	struct address on; /* of the host; an all-zero one: every address of that family */
	uint16_t host, container;
	uint8_t protocol; /* IPPROTO_TCP, IPPROTO_UDP */
	int fd;		  /* the socket that holds it, close-on-exec; −1: not held */
};
struct port_list {
	struct port *item; /* of malloc */
	size_t count;
};

/*
 * Adds what TEXT asks for: [IP:][HOST]:CONTAINER[/tcp|/udp], or CONTAINER alone; HOST and CONTAINER
 * are a port or a range of equal length; IPv6 addresses in brackets. Without an IP: one entry for
 * each family. HOST empty or absent: 0, a free one is found by ports_hold. −1 with EINVAL and
 * fail() when it is no such thing, naming TEXT.
 */
int ports_parse(const char *text, struct port_list *list);

/* Binds every port (and listens, with TCP). EADDRINUSE names the port; then nothing is held.
 * IPv6 entries without an IP are dropped on a host without IPv6. */
int ports_hold(struct port_list *list);

/* Closes the sockets, frees the list. */
void ports_free(struct port_list *list);

/* "0.0.0.0:8080->80/tcp", as docker ps shows it. In a static buffer. */
const char *port_text(const struct port *port);

#endif

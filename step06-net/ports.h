/*
 * ports: what --publish says, and the ports of the host that are held for it.
 *
 * A published port is bound by a socket of the host as long as the container lives: a second
 * container, or any server, that wants it gets EADDRINUSE. Follows ip(7), ipv6(7), tcp(7), and
 * docker's syntax of -p. Explained in book/06-net.md.
 */
#ifndef BOXSTEP_PORTS_H
#define BOXSTEP_PORTS_H

#include <stdbool.h>
#include <stdint.h>

#include "step06-net/address.h"

#define PORTS_MAX 4096 /* of one container: each costs a descriptor and an element of a map */

struct port {		   /* one port; ranges are taken apart */
	struct address on; /* of the host; all zero: every address of its family */
	uint16_t host;	   /* 0: a free one, found by ports_hold */
	uint16_t container;
	uint8_t protocol; /* IPPROTO_TCP, IPPROTO_UDP */
	bool second;	  /* the IPv6 half of an entry without an address: shares HOST with the one
			   * before, and is left out on a host without IPv6 */
	int fd;		  /* the socket that holds it, close-on-exec; −1: not held */
};
struct port_list { /* begin with {0} */
	struct port *item;
	size_t count;
};

/*
 * Adds what TEXT asks for: [IP:][HOST]:CONTAINER[/tcp|/udp], or CONTAINER alone. HOST and CONTAINER
 * are a port or a range (8000-8010) of equal length; an IPv6 address stands in brackets. Without
 * an IP: one entry for each family. −1 with EINVAL and fail() for anything else, naming TEXT.
 */
int ports_parse(const char *text, struct port_list *list);

/* Binds every port, and listens with TCP. On failure nothing is held: EADDRINUSE, EADDRNOTAVAIL
 * (no such address here), EACCES name the port. */
int ports_hold(struct port_list *list);

/* Closes the sockets and frees the list. */
void ports_free(struct port_list *list);

/* "0.0.0.0:8080->80/tcp", as docker's ps has it. In a static buffer. */
const char *port_text(const struct port *port);

#endif

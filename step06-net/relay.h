/*
 * relay: carries to a container what packet rules cannot.
 *
 * A connection to [::1]:8080 cannot be rewritten on its way: the answer would come from outside to
 * ::1 and is dropped by the kernel (for 127.0.0.1 there is route_localnet; IPv6 has no such thing).
 * A small process accepts it on the socket that holds the port and copies bytes both ways.
 * Follows rfc4291 2.5.3, splice(2), poll(2). Explained in book/06-net.md.
 */
#ifndef BOXSTEP_RELAY_H
#define BOXSTEP_RELAY_H

#include "step06-net/ports.h"

struct relay {
	pid_t pid; /* 0: none */
	int pidfd;
};

/* Starts the process for the held PORTS; V4 and V6 are the container's addresses. It dies with its
 * parent, and closes every other descriptor. The caller's copies of the sockets stay open. */
int relay_start(struct relay *relay, const struct port_list *ports, const struct address *v4,
		const struct address *v6);
/* Ends it and waits for it. */
void relay_stop(struct relay *relay);

#endif

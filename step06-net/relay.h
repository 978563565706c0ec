/*
 * relay: carries to a container what packet rules cannot.
 *
 * A packet to [::1]:8080 cannot be rewritten on its way: the answer, which goes to ::1 in the end,
 * would come from outside, and no kernel takes that (127.0.0.1 has route_localnet for it, IPv6 has
 * nothing). So a small process accepts, on the sockets that hold the ports, what the rules let
 * through to them, and copies bytes. Follows rfc4291 2.5.3, poll(2), tcp(7), udp(7). Explained in
 * book/06-net.md.
 */
#ifndef BOXSTEP_RELAY_H
#define BOXSTEP_RELAY_H

#include <sys/types.h>

#include "step06-net/ports.h"

struct relay {
	pid_t pid; /* 0: none */
	/* of the container; a connection goes to the family it came by, else to the other */
	struct address v4, v6;
};

/* Starts the process for the held PORTS (none for an empty list). It has no rights, holds nothing
 * but their sockets, and dies with its parent, whose copies stay open. 0 or −1. */
int relay_start(struct relay *relay, const struct port_list *ports);

/* Ends it and waits for it. */
void relay_stop(struct relay *relay);

#endif

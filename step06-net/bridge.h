/*
 * bridge: the switch that the containers of a host hang on, with its addresses, its table and the
 * switches of the host. Made with the first container, gone with the last.
 *
 * Follows ip-link(8) (bridge), Linux's ip-sysctl.rst. Explained in book/06-net.md.
 */
#ifndef BOXSTEP_BRIDGE_H
#define BOXSTEP_BRIDGE_H

#include <stdbool.h>
#include <stdint.h>

#include "step06-net/link.h"

#define BRIDGE_NAME "boxstep0"
enum {
	BRIDGE_HOSTS = 1021
}; /* of a /22 but network, bridge and broadcast; a bridge has 1023 ports */

struct bridge {
	char name[LINK_NAME];
	int index;
	struct address v4, v6; /* its own, the gateway of the containers; v6.family 0: no IPv6 */
	unsigned prefix4, prefix6;
	uint32_t mtu;  /* what fits through the host's default route */
	bool filtered; /* bridged packets pass the packet filter: ports want link_hairpin */
};

/*
 * Finds the bridge NAME, or makes it: the first of 64 private networks (10.212.0.0/22 … and
 * fd62:6f78:7374::/64 …) to which the host has no route, addresses, nat_add, the switches. What is
 * there but not ours (by its group): EEXIST. RTNL and NFNL are sockets of the host's namespace.
 * The caller holds the lease book, whose directory DIR is: what is to be put back is noted there.
 * On failure nothing new is left.
 */
int bridge_ensure(int rtnl, int nfnl, int dir, const char *name, struct bridge *bridge);

/* Puts the switches back, and removes the bridge with what hangs on it, and the table; one that is
 * gone or not ours is left. Gives 0 or −1, and goes on after a failure. */
int bridge_remove(int rtnl, int nfnl, int dir, const char *name);

#endif

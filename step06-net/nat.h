/*
 * nat: how packets get out of a container's network, and in by a published port.
 *
 * One table of the project's own, `inet NAME` (NAME is the bridge's), which is made with the first
 * container and removed with the last. `nft list table inet boxstep0` prints it as the chapter
 * explains it. Follows nft(8), and Linux's ip-sysctl.rst (route_localnet).
 * Explained in book/06-net.md.
 */
#ifndef BOXSTEP_NAT_H
#define BOXSTEP_NAT_H

#include "step06-net/address.h"
#include "step06-net/ports.h"

struct nat_network {
	const char *name;      /* of the bridge, and of the table */
	struct address v4, v6; /* an address of it; family 0: none of that family */
	unsigned prefix4, prefix6;
};

/* Makes the table with its maps, chains and rules; one that is left over is made anew. */
int nat_add(int nfnl, const struct nat_network *network);

/* Is it there, as far as one can see from one of its maps? */
bool nat_exists(int nfnl, const char *name);

/* Removes it; one that is gone already is no error. */
int nat_remove(int nfnl, const char *name);

/* The PORTS of the host lead to the container ID at the addresses V4 and V6. */
int nat_publish(int nfnl, const char *name, const char *id, const struct port_list *ports,
		const struct address *v4, const struct address *v6);

/* Removes every port that leads to container ID, and has the kernel forget UDP's flows; without a
 * table there is none. */
int nat_unpublish(int nfnl, const char *name, const char *id);

#endif

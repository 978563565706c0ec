/*
 * nat: how packets get out of a container's network, and in by a published port.
 *
 * One table of the project's own, `inet NAME` (NAME is the bridge's), which is made with the first
 * container and removed with the last. `nft list table inet boxstep0` shows it as it is written in
 * the chapter. Follows nft(8), ip-sysctl.rst. Explained in book/06-net.md.
 */
#ifndef BOXSTEP_NAT_H
#define BOXSTEP_NAT_H

#include "step06-net/link.h"
#include "step06-net/ports.h"

struct nat_network {
	const char *name;      /* of the bridge and of the table */
	struct address v4, v6; /* the bridge's; their network is v4/prefix4, v6/64 */
	unsigned prefix4;
};

/* Makes the table with its maps, chains and rules; one that is left over is made anew. */
int nat_add(int nfnl, const struct nat_network *network);
/* Removes it; one that is gone already is no error. */
int nat_remove(int nfnl, const char *name);

/* The published PORTS lead to the container ID with the addresses V4 and V6. */
int nat_publish(int nfnl, const char *name, const char *id, const struct port_list *ports,
		const struct address *v4, const struct address *v6);
/* Removes every published port of container ID. */
int nat_unpublish(int nfnl, const char *name, const char *id);

#endif

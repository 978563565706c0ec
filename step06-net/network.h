/*
 * network: a container's network from beginning to end, in the order that everybody above uses.
 *
 *	network_open      before clone3: which kind; ports held; another's namespace joined
 *	network_attach    between clone3 and GO: veth, addresses, ports (an engine: create, start)
 *	network_in_child  in the child, after GO: lo
 *	network_close     after the wait: all of it removed again
 *
 * What is on the host is named by the container's id, or goes with the last container.
 * Follows network_namespaces(7), setns(2). Explained in book/06-net.md.
 */
#ifndef BOXSTEP_NETWORK_H
#define BOXSTEP_NETWORK_H

#include <stdint.h>
#include <sys/types.h>

#include "step01-unshare/options.h"
#include "step03-mounts/mounts.h"
#include "step06-net/address.h"
#include "step06-net/lease.h"
#include "step06-net/link.h"
#include "step06-net/ports.h"
#include "step06-net/relay.h"
#include "step06-net/resolv.h"

struct network_options {
	/* --network bridge|host|none|container:PID|ns:PATH. NULL: none when --net asks for a bare
	 * namespace, else bridge for root and none for everybody else */
	const char *mode;
	struct text_list publish; /* --publish, -p */
	const char *state;	  /* directory of the leases; NULL: the usual one, see network.c */
};
extern const struct option_row network_options[];

enum network_mode { NETWORK_HOST, NETWORK_NONE, NETWORK_BRIDGE, NETWORK_JOINED };

struct network {		       /* plain data: a child's copy can be read after the clone */
	struct network_options wanted; /* the two that the tables of options set */
	struct resolv_options names;
	enum network_mode mode;
	const char *state;
	struct lease lease;
	struct port_list ports; /* as held: with the port that was found for each 0 */
	struct relay relay;
	char veth[LINK_NAME]; /* of the host's end: "bx" and 12 digits of the id */
	/* set by network_attach for a bridge; family 0 else */
	struct address v4, v6, gateway4, gateway6;
	unsigned prefix4, prefix6;
	uint8_t mac[6];
};

/* Its tables of options, for the list of a program. */
#define NETWORK_TABLES(network)                            \
	{ "network", network_options, &(network).wanted }, \
	{                                                  \
		"names", resolv_options, &(network).names  \
	}

/*
 * Before clone3. Reads the options; for container:PID and ns:PATH joins that namespace, so that the
 * child is born in it; sweeps what dead containers left; takes a lease; holds the ports (EADDRINUSE
 * names the one). Sets CLONE_NEWNET in *KINDS (bridge, none) or clears it. ID is the container's, a
 * file name of at most 71 bytes; NULL: a run id, see sweep.h. EPERM when a bridge is wanted without
 * rights. On failure nothing is left.
 */
int network_open(struct network *network, const char *id, int *kinds);

/* Appends the binds of resolv.conf, hosts and hostname (in lease.path, written by network_attach).
 * Before clone3, since parent and child both go through the list. */
int network_add_mounts(const struct network *network, struct mount_list *list);

/*
 * Between clone3 and GO. For a bridge: connects the network namespace of process PID: the bridge if
 * this is the first one, the veth pair, addresses, routes, published ports, the relay. PID then
 * holds the lease as well as the caller: it is over when both are gone. Writes the files of names
 * in any case; HOSTNAME NULL: the caller's. After a failure network_close undoes what was done.
 */
int network_attach(struct network *network, pid_t pid, const char *hostname);

/* In the child, after GO: lo up in a namespace of its own. */
int network_in_child(const struct network *network);

/* After the wait: removes what network_open and network_attach made. Safe at any point, and twice;
 * errno is kept. RESULT is passed through. */
int network_close(struct network *network, int result);

/* The same by id, for somebody without a struct network, when its holder is dead. */
int network_remove(const char *id, const char *state);

#endif

/*
 * network: a container's network from beginning to end, in the order that everybody above uses.
 *
 *	network_open     before clone3: which kind; ports held; another's namespace joined
 *	network_attach   between clone3 and GO, or create and start: bridge, veth, addresses, rules
 *	network_in_child in the child, after GO: lo
 *	network_close    after the wait: all of it removed again
 *
 * Everything on the host is named by the container's id, or is removed with the last container.
 * Follows network_namespaces(7), ip-sysctl.rst. Explained in book/06-net.md.
 */
#ifndef BOXSTEP_NETWORK_H
#define BOXSTEP_NETWORK_H

#include "step01-unshare/options.h"
#include "step06-net/lease.h"
#include "step06-net/link.h"
#include "step06-net/ports.h"
#include "step06-net/relay.h"

struct network_options {
	/* --network bridge|host|none|container:PID|ns:PATH; NULL: bridge for root, else none */
	const char *mode;
	struct text_list publish; /* --publish, -p */
	const char *mac;	  /* --mac-address; NULL: made from the IPv4 address */
};
extern const struct option_row network_options[];

enum network_mode { NETWORK_HOST, NETWORK_NONE, NETWORK_BRIDGE, NETWORK_JOINED };

struct network { /* plain data: the child's copy is good to read after the clone */
	enum network_mode mode;
	char id[72];
	const char *state; /* directory of the leases */
	struct lease lease;
	struct port_list ports; /* with the host ports that were found for 0 */
	struct relay relay;
	char bridge[LINK_NAME], veth[LINK_NAME]; /* "boxstep0", "bx" and twelve digits of the id */
	struct address v4, v6, gateway4, gateway6; /* set by network_attach; family 0: none */
	unsigned prefix4, prefix6;
	uint8_t mac[6];
};

/*
 * Before clone3. Reads the options, holds the ports (EADDRINUSE names the one), and for
 * container:PID and ns:PATH joins that namespace (the child is then born in it). In *KINDS it sets
 * CLONE_NEWNET (bridge, none) or clears it. ID is the container's, at most 71 bytes; STATE is the
 * directory for leases, NULL: network_state(). EPERM with a hint when a bridge needs rights.
 */
int network_open(struct network *network, const struct network_options *options, const char *id,
		 const char *state, int *kinds);

/*
 * Gives the network namespace of process PID its cable: nothing to do but for a bridge. Sweeps what
 * dead containers left, makes the bridge and the table with the first one, takes a lease, makes the
 * veth pair, addresses, routes, published ports, and the relay. On failure all of it is undone.
 * The caller's process holds the lease: it must live as long as the container does, or PID must
 * (a monitor, or the container's first process).
 */
int network_attach(struct network *network, pid_t pid);

/* In the child: lo up in a namespace of its own. */
int network_in_child(const struct network *network);

/* Removes what network_open and network_attach made; safe at any point, and twice. Keeps errno. */
void network_close(struct network *network);

/* The same by id, for somebody who has no struct network (the engine's rm after a dead monitor). */
int network_remove(const char *id, const char *state);

/* Clears away what dead containers left (`make reset`, and every network_attach). */
int network_sweep(const char *state);

/* $BOXSTEP_NET, or /run/boxstep/net. */
const char *network_state(void);

#endif

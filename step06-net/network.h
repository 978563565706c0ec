/*
 * network: a container's network from beginning to end, in the order that everybody above uses.
 *
 *	network_open      before clone3: which kind; ports held; another's namespace joined
 *	network_attach    between clone3 and GO (an engine: create and start): veth, addresses,
 *ports network_in_child  in the child, after GO: lo network_close     after the wait: all of it
 *removed again
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
};
extern const struct option_row network_options[];

enum network_mode { NETWORK_HOST, NETWORK_NONE, NETWORK_BRIDGE, NETWORK_JOINED };

struct network { /* plain data: a child's copy can be read after the clone */
	enum network_mode mode;
	const char *state; /* directory of the leases */
	struct lease lease;
	struct port_list ports; /* as held: with the port that was found for each 0 */
	struct relay relay;
	char bridge[LINK_NAME], veth[LINK_NAME]; /* "boxstep0", "bx" and 12 digits of the id */
	/* set by network_attach for a bridge; family 0 else */
	struct address v4, v6, gateway4, gateway6;
	unsigned prefix4, prefix6;
	uint8_t mac[6];
};

/*
 * Before clone3. Reads the options; for container:PID and ns:PATH joins that namespace, so that the
 * child is born in it; sweeps what dead containers left; takes a lease; holds the ports (EADDRINUSE
 * names the one). Sets CLONE_NEWNET in *KINDS (bridge, none) or clears it. ID is the container's, a
 * file name of at most 71 bytes. STATE is the directory of the leases; NULL: network_state().
 * EPERM when a bridge is wanted without rights. On failure nothing is left.
 */
int network_open(struct network *network, const struct network_options *options, const char *id,
		 const char *state, int *kinds);

/* Appends the binds of resolv.conf, hosts and hostname, whose files network_write fills. Before
 * clone3, since parent and child both go through the list. */
int network_add_mounts(const struct network *network, struct mount_list *list);

/*
 * Connects the network namespace of process PID, when a bridge is wanted: the bridge if this is
 * the first one, the veth pair, addresses, routes, published ports, the relay. PID then holds the
 * lease as well as the caller: it is over when both are gone. On failure all that is new is undone
 * (network_close still has to be called).
 */
int network_attach(struct network *network, pid_t pid);

/* Writes the files by which names are found. HOSTNAME NULL: the caller's. After network_attach,
 * which knows the addresses. */
int network_write(const struct network *network, const struct resolv_options *options,
		  const char *hostname);

/* In the child: lo up in a namespace of its own. */
int network_in_child(const struct network *network);

/* Removes what network_open and network_attach made; safe at any point after network_open was
 * called, and twice. Keeps errno. */
void network_close(struct network *network);

/* The same by id, for somebody without a struct network, when its holder is dead. */
int network_remove(const char *id, const char *state);

/* Clears away what dead containers left in the caller's network namespace: interfaces, ports,
 * leases, and with the last of them bridge, table, switches. STATE as above. */
int network_sweep(const char *state);

/* Where leases are kept: for root /run/boxstep/net, whatever else is configured, because bridge and
 * addresses are the host's too; else BOXSTEP_RUN, XDG_RUNTIME_DIR/boxstep or /tmp/boxstep-UID, with
 * /net. BOXSTEP_NET overrides it. In a static buffer. */
const char *network_state(void);

#endif

/*
 * network.c: the order of events of a container's network.
 * Follows network_namespaces(7), setns(2). Explained in book/06-net.md.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "step01-unshare/call.h"
#include "step01-unshare/namespaces.h"
#include "step04-cgroups/sweep.h"
#include "step06-net/bridge.h"
#include "step06-net/forwarding.h"
#include "step06-net/nat.h"
#include "step06-net/netlink.h"
#include "step06-net/network.h"

#define PEER "eth0" /* the container's end of the cable */

/* ---- names ---- */

/* Where leases are kept: for root /run/boxstep/net, whatever else is configured, because bridge and
 * addresses are the host's too; else BOXSTEP_RUN, XDG_RUNTIME_DIR/boxstep or /tmp/boxstep-UID, with
 * /net. BOXSTEP_NET overrides it. In a static buffer. */
static const char *
default_state(void)
{
	static char path[LEASE_PATH / 2];
	const char *given = getenv("BOXSTEP_NET"), *run = getenv("BOXSTEP_RUN"),
		   *user = getenv("XDG_RUNTIME_DIR");

	if (given && *given)
		snprintf(path, sizeof path, "%s", given);
	else if (geteuid() == 0)
		snprintf(path, sizeof path, "/run/boxstep/net");
	else if (run && *run)
		snprintf(path, sizeof path, "%s/net", run);
	else if (user && *user)
		snprintf(path, sizeof path, "%s/boxstep/net", user);
	else
		snprintf(path, sizeof path, "/tmp/boxstep-%u/net", geteuid());
	return path;
}

/* "bx" and twelve hex digits: the short form of an id that has them, a hash of any other. */
static void
name_veth(char name[LINK_NAME], const char *id)
{
	uint64_t hash = 0xcbf29ce484222325; /* FNV-1a */

	if (strspn(id, "0123456789abcdef") >= 12) {
		snprintf(name, LINK_NAME, "bx%.12s", id);
		return;
	}
	for (; *id; id++)
		hash = (hash ^ (unsigned char)*id) * 0x100000001b3;
	snprintf(name, LINK_NAME, "bx%012llx", (unsigned long long)(hash & 0xffffffffffff));
}

/* ---- the two sockets by which a host's network is changed ---- */

struct sockets {
	int rtnl, nfnl;
};

static int
sockets_open(struct sockets *sockets)
{
	sockets->nfnl = -1;
	sockets->rtnl = nl_open(NETLINK_ROUTE);
	if (sockets->rtnl >= 0)
		sockets->nfnl = nl_open(NETLINK_NETFILTER);
	return sockets->nfnl < 0 ? -1 : 0;
}

static void
sockets_close(const struct sockets *sockets)
{
	if (sockets->rtnl >= 0)
		close(sockets->rtnl);
	if (sockets->nfnl >= 0)
		close(sockets->nfnl);
}

/* ---- sweeping ---- */

struct sweep {
	struct sockets sockets; /* opened when there is something to do */
	bool open;
	unsigned alive; /* leases with an address whose owners live */
};

/* The ports that lead to container ID, and the host's end of its cable, if it is there and ours. */
static int
release(const struct sockets *sockets, const char *id)
{
	char name[LINK_NAME];
	struct link link;

	name_veth(name, id);
	if (nat_unpublish(sockets->nfnl, BRIDGE_NAME, id) < 0)
		return -1;
	if (link_get(sockets->rtnl, name, 0, &link) < 0 || link.group != LINK_GROUP)
		return 0;
	return link_remove(sockets->rtnl, name);
}

static int
sweep_lease(const struct lease *lease, bool alive, void *context)
{
	struct sweep *sweep = context;

	if (alive) {
		sweep->alive += lease->number > 0;
		return 0;
	}
	if (lease->number == 0)
		return 0; /* only files */
	if (!sweep->open && sockets_open(&sweep->sockets) < 0)
		return -1;
	sweep->open = true;
	return release(&sweep->sockets, lease->id);
}

/* Clears away the dead. LEAVING (NULL: nobody) is a lease that is about to be dropped: its cable
 * and its ports go too, and it is no reason to keep the bridge. */
static int
sweep_book(struct lease_book *book, const struct lease *leaving)
{
	struct sweep sweep = { .sockets = { -1, -1 } };
	int result = lease_sweep(book, leaving ? leaving->id : NULL, sweep_lease, &sweep);

	if (geteuid() != 0 && !sweep.open)
		return result; /* an ordinary user has made no interface */
	if (!sweep.open && sockets_open(&sweep.sockets) < 0)
		return -1;
	if (result == 0 && leaving && sweep.alive > 0)
		result = release(&sweep.sockets, leaving->id);
	else if (result == 0 && leaving) /* its cable goes with the bridge */
		result = nat_unpublish(sweep.sockets.nfnl, BRIDGE_NAME, leaving->id);
	if (result == 0 && sweep.alive == 0)
		result = bridge_remove(sweep.sockets.rtnl, sweep.sockets.nfnl, book->dir,
				       BRIDGE_NAME);
	sockets_close(&sweep.sockets);
	return result;
}

/* ---- before clone3 ---- */

static int
read_mode(struct network *network, int kinds)
{
	const struct network_options *options = &network->wanted;
	const char *mode = options->mode;

	if (!mode && (kinds & CLONE_NEWNET))
		mode = "none";
	if (!mode)
		mode = geteuid() == 0 ? "bridge" : "none";
	if (strcmp(mode, "host") == 0)
		network->mode = NETWORK_HOST;
	else if (strcmp(mode, "none") == 0)
		network->mode = NETWORK_NONE;
	else if (strcmp(mode, "bridge") == 0)
		network->mode = NETWORK_BRIDGE;
	else if (strncmp(mode, "container:", 10) == 0 || strncmp(mode, "ns:", 3) == 0)
		network->mode = NETWORK_JOINED;
	else
		return fail(EINVAL,
			    "--network %s: not one of bridge, host, none, container:PID, ns:PATH",
			    mode);
	if (options->publish.count && network->mode != NETWORK_BRIDGE) {
		fail(EINVAL, "--publish %s: only a container on a bridge has ports to publish",
		     options->publish.item[0]);
		return geteuid() == 0 ? -1
				      : call_hint("a bridge needs root; --network host shares "
						  "the ports of the host");
	}
	if (network->mode == NETWORK_BRIDGE && geteuid() != 0) {
		fail(EPERM, "--network bridge");
		return call_hint("interfaces of the host are root's (CAP_NET_ADMIN); an ordinary "
				 "user takes --network none or host");
	}
	return 0;
}

static int
join(const char *mode)
{
	int64_t pid;

	if (strncmp(mode, "ns:", 3) == 0)
		return ns_join_path(mode + 3, CLONE_NEWNET);
	if (number_parse(mode + 10, 1, 1 << 22, &pid) < 0)
		return fail(EINVAL, "--network %s: not the number of a process", mode);
	return ns_join((pid_t)pid, CLONE_NEWNET) < 0 ? -1 : 0;
}

/* Clears away the dead, then takes a lease. */
static int
take_lease(struct network *network, const char *id)
{
	struct lease_book book;
	unsigned count = network->mode == NETWORK_BRIDGE ? BRIDGE_HOSTS : 0;
	int result;

	if (lease_book_open(&book, network->state, true) < 0) {
		fail(errno, "opening %s", network->state);
		return call_hint("BOXSTEP_NET=DIR names another directory for addresses");
	}
	result = sweep_book(&book, NULL) < 0 ? -1 : lease_take(&book, id, count, &network->lease);
	if (result < 0 && errno == EEXIST)
		call_hint("a container of that name has a network already");
	lease_book_close(&book);
	return result;
}

int
network_open(struct network *network, const char *id, int *kinds)
{
	const struct text_list *publish = &network->wanted.publish;

	network->state = network->wanted.state ? network->wanted.state : default_state();
	network->lease.fd = -1;
	id = id ? id : sweep_run_id();
	if (read_mode(network, *kinds) < 0)
		return -1;
	name_veth(network->veth, id);
	*kinds &= ~CLONE_NEWNET;
	if (network->mode == NETWORK_BRIDGE || network->mode == NETWORK_NONE)
		*kinds |= CLONE_NEWNET;
	for (size_t i = 0; i < publish->count; i++)
		if (ports_parse(publish->item[i], &network->ports) < 0)
			return network_close(network, -1);
	if ((network->mode == NETWORK_JOINED && join(network->wanted.mode) < 0) ||
	    ports_hold(&network->ports) < 0 || take_lease(network, id) < 0)
		return network_close(network, -1);
	return 0;
}

int
network_add_mounts(const struct network *network, struct mount_list *list)
{
	char source[sizeof network->lease.path + 16], target[32];

	for (const char *const *name = resolv_files; *name; name++) {
		const struct mount_spec spec = { .target = target,
						 .source = source,
						 .options = "bind,nosuid,nodev,noexec" };
		int fd;
		snprintf(source, sizeof source, "%s/%s", network->lease.path, *name);
		snprintf(target, sizeof target, "/etc/%s", *name);
		fd = open(source, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
		if (fd < 0)
			return fail(errno, "making %s", source);
		close(fd);
		if (mounts_add(list, &spec) < 0)
			return -1;
	}
	return 0;
}

/* ---- between clone3 and GO ---- */

static int
add_cable(const struct network *network, const struct bridge *bridge, const struct sockets *sockets,
	  int netns)
{
	struct link_veth veth = {
		.name = network->veth,
		.peer = PEER,
		.master = bridge->index,
		.netns = netns,
		.mtu = bridge->mtu,
	};

	memcpy(veth.mac, network->mac, sizeof veth.mac);
	if (link_add_veth(sockets->rtnl, &veth) < 0 ||
	    link_set_alias(sockets->rtnl, network->veth, network->lease.id) < 0)
		return -1;
	return bridge->filtered ? link_hairpin(sockets->rtnl, network->veth) : 0;
}

/*
 * A netlink socket belongs to the namespace in which it was made, and so does what /proc/sys/net
 * shows: the caller enters for these two, and comes back. Gives the socket, or −1.
 */
/* ANCHOR: inside */
static int
socket_inside(int netns)
{
	int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC), rtnl = -1, number;

	if (home < 0)
		return fail(errno, "/proc/self/ns/net");
	if (call(setns(netns, CLONE_NEWNET), "setns(%d, CLONE_NEWNET)", netns) == 0) {
		/* routes are what we say, not what a neighbour announces (CVE-2020-13401) */
		if (switch_set("net/ipv6/conf/" PEER "/accept_ra", 0) == 0 &&
		    switch_set("net/ipv6/conf/" PEER "/disable_ipv6", 0) == 0)
			rtnl = nl_open(NETLINK_ROUTE);
		if (call(setns(home, CLONE_NEWNET), "setns(%d, CLONE_NEWNET)", home) < 0 &&
		    rtnl >= 0) {
			close(rtnl);
			rtnl = -1;
		}
	}
	number = errno;
	close(home);
	errno = number;
	return rtnl;
}
/* ANCHOR_END: inside */

static int
configure(const struct network *network, int netns)
{
	int rtnl = socket_inside(netns), result = -1, number;

	if (rtnl < 0)
		return -1;
	if (link_add_address(rtnl, PEER, &network->v4, network->prefix4) == 0 &&
	    (!network->v6.family ||
	     link_add_address(rtnl, PEER, &network->v6, network->prefix6) == 0) &&
	    link_up(rtnl, PEER) == 0 && link_add_default(rtnl, &network->gateway4) == 0 &&
	    (!network->v6.family || link_add_default(rtnl, &network->gateway6) == 0))
		result = 0;
	number = errno;
	close(rtnl);
	errno = number;
	return result;
}

/* The addresses that the lease's number stands for. */
static void
number_addresses(struct network *network, const struct bridge *bridge)
{
	unsigned number = network->lease.number - 1; /* the bridge itself is 1 */

	network->gateway4 = bridge->v4;
	network->gateway6 = bridge->v6;
	network->v4 = address_host(&bridge->v4, number);
	network->v6 = address_host(&bridge->v6, number);
	network->prefix4 = bridge->prefix4;
	network->prefix6 = bridge->prefix6;
	network->mac[0] = 0x02; /* locally administered; from the address, as its neighbours */
	network->mac[1] = 0x62; /* remember the pair of them */
	memcpy(network->mac + 2, network->v4.bytes, 4);
	network->relay.v4 = network->v4;
	network->relay.v6 = network->v6;
}

/* ANCHOR: attach */
static int
attach(struct network *network, const struct sockets *sockets, const struct lease_book *book,
       pid_t pid, int netns)
{
	struct bridge bridge;

	if (bridge_ensure(sockets->rtnl, sockets->nfnl, book->dir, BRIDGE_NAME, &bridge) < 0)
		return -1;
	number_addresses(network, &bridge);
	stage("network",
	      "a cable of two ends: one on the host's bridge, the other becomes eth0 inside",
	      "ip -d link show master %s; nsenter -t %d -n ip address", BRIDGE_NAME, pid);
	if (add_cable(network, &bridge, sockets, netns) < 0 || configure(network, netns) < 0)
		return -1;
	if (network->ports.count > 0)
		stage("ports", "the host sends on what comes to the published ports",
		      "nft list table inet %s", BRIDGE_NAME);
	if (nat_publish(sockets->nfnl, BRIDGE_NAME, network->lease.id, &network->ports,
			&network->v4, &network->v6) < 0 ||
	    relay_start(&network->relay, &network->ports) < 0)
		return -1;
	return lease_hold_for(&network->lease, pid);
}
/* ANCHOR_END: attach */

static int
connect_bridge(struct network *network, pid_t pid)
{
	struct sockets sockets = { -1, -1 };
	struct lease_book book;
	char path[32];
	int netns, result = -1, number;

	snprintf(path, sizeof path, "/proc/%d/ns/net", pid);
	netns = open(path, O_RDONLY | O_CLOEXEC);
	if (netns < 0)
		return fail(errno, "%s", path);
	if (lease_book_open(&book, network->state, true) < 0) {
		fail(errno, "opening %s", network->state);
	} else {
		if (sockets_open(&sockets) == 0)
			result = attach(network, &sockets, &book, pid, netns);
		sockets_close(&sockets);
		lease_book_close(&book);
	}
	number = errno;
	close(netns);
	errno = number;
	return result;
}

static int
write_names(const struct network *network, const char *hostname)
{
	const struct resolv_facts facts = {
		.hostname = hostname,
		.v4 = network->v4,
		.v6 = network->v6,
		.gateway = network->gateway4,
		.own_lo = network->mode != NETWORK_HOST,
	};
	int dir = open(network->lease.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), result, number;

	if (dir < 0)
		return fail(errno, "opening %s", network->lease.path);
	result = resolv_write(dir, &network->names, &facts);
	number = errno;
	close(dir);
	errno = number;
	return result;
}

int
network_attach(struct network *network, pid_t pid, const char *hostname)
{
	if (network->mode == NETWORK_BRIDGE && connect_bridge(network, pid) < 0)
		return -1;
	return write_names(network, hostname);
}

int
network_in_child(const struct network *network)
{
	if (network->mode != NETWORK_NONE && network->mode != NETWORK_BRIDGE)
		return 0;
	return link_lo_up();
}

/* ---- after the wait ---- */

int
network_close(struct network *network, int result)
{
	int number = errno;
	struct lease_book book;

	relay_stop(&network->relay);
	ports_free(&network->ports);
	if (network->lease.fd >= 0 && lease_book_open(&book, network->state, false) == 0) {
		if (network->lease.number)
			sweep_book(&book, &network->lease);
		lease_drop(&book, &network->lease);
		lease_book_close(&book);
	}
	errno = number;
	return result;
}

int
network_remove(const char *id, const char *state)
{
	struct lease_book book;
	struct lease lease;

	if (lease_book_open(&book, state ? state : default_state(), false) < 0)
		return errno == ENOENT ? 0 : fail(errno, "opening the book of addresses");
	if (lease_find(&book, id, &lease) == 0) {
		if (lease.number)
			sweep_book(&book, &lease);
		lease_drop(&book, &lease);
	}
	lease_book_close(&book);
	return 0;
}

/* ---- options ---- */

const struct option_row network_options[] = {
	{ "network", 0, "MODE", "CLONE_NEWNET",
	  "bridge, host, none, container:PID, ns:PATH (bridge for root, else none)", option_text,
	  offsetof(struct network_options, mode), 0 },
	{ "publish", 'p', "IP:HOST:PORT", "nftables",
	  "send HOST port to the container's PORT; IP, HOST, /udp, ranges as docker has them",
	  option_list, offsetof(struct network_options, publish), 0 },
	{ 0 },
};

/*
 * bridge.c: one switch for all containers of the host.
 * Follows ip-link(8), Linux's ip-sysctl.rst. Explained in book/06-net.md.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "step01-unshare/call.h"
#include "step06-net/bridge.h"
#include "step06-net/forwarding.h"
#include "step06-net/nat.h"

enum { NETWORKS = 64, PREFIX4 = 22, PREFIX6 = 64 };

/* ---- what the host is like ---- */

static int
default_mtu(const struct route *route, void *context)
{
	int *out = context;

	if (route->prefix == 0 && route->out && *out == 0)
		*out = route->out;
	return 0;
}

static void
look_around(int rtnl, struct bridge *bridge)
{
	struct link link;
	int out = 0;

	bridge->mtu = 1500;
	if (link_routes(rtnl, AF_INET, default_mtu, &out) == 0 && out &&
	    link_get(rtnl, NULL, out, &link) == 0 && link.mtu >= 1280 && link.mtu < 65536)
		bridge->mtu = link.mtu;
	bridge->filtered = switch_get("net/bridge/bridge-nf-call-iptables") == 1 ||
			   switch_get("net/bridge/bridge-nf-call-ip6tables") == 1;
}

/* The Nth pair of networks that we take. */
static void
candidate(struct bridge *bridge, unsigned n)
{
	bridge->v4 = (struct address){ AF_INET, .bytes = { 10, 212, (uint8_t)(4 * n), 0 } };
	bridge->prefix4 = PREFIX4;
	bridge->v6 = (struct address){
		AF_INET6,
		.bytes = { 0xfd, 0x62, 0x6f, 0x78, 0x73, 0x74, 0, (uint8_t)n },
	};
	bridge->prefix6 = PREFIX6;
}

static int
choose_network(int rtnl, struct bridge *bridge)
{
	bool six = switch_get("net/ipv6/conf/default/disable_ipv6") == 0;

	for (unsigned n = 0; n < NETWORKS; n++) {
		int taken;
		candidate(bridge, n);
		taken = link_overlaps(rtnl, &bridge->v4, PREFIX4);
		if (taken == 0 && six)
			taken = link_overlaps(rtnl, &bridge->v6, PREFIX6);
		if (taken < 0)
			return fail(errno, "reading the host's routes");
		if (taken)
			continue;
		bridge->v4 = address_host(&bridge->v4, 1);
		bridge->v6 = six ? address_host(&bridge->v6, 1) : (struct address){ 0 };
		return 0;
	}
	return fail(EADDRNOTAVAIL, "the host has routes to all of 10.212.0.0/16");
}

/* ---- making and finding ---- */

/* Switches of the bridge itself, which go with it. */
static int
set_own_switches(const char *name)
{
	char path[96];

	/* 127.0.0.1 of the host reaches a published port by way of this interface, and only of it
	 */
	snprintf(path, sizeof path, "net/ipv4/conf/%s/route_localnet", name);
	if (switch_set(path, 1) < 0)
		return -1;
	/* a container must not announce itself as the host's router (CVE-2020-13401) */
	snprintf(path, sizeof path, "net/ipv6/conf/%s/accept_ra", name);
	return switch_set(path, 0);
}

static int
add_nat(int nfnl, const struct bridge *bridge)
{
	const struct nat_network network = { bridge->name, bridge->v4, bridge->v6, bridge->prefix4,
					     bridge->prefix6 };

	return nat_add(nfnl, &network);
}

static int
make(int rtnl, int nfnl, int dir, struct bridge *bridge)
{
	const uint8_t *host = bridge->v4.bytes;
	const uint8_t mac[6] = { 0x02, 0x62, host[0], host[1], host[2], host[3] };
	struct link link;
	int number;

	/* what is to be put back is written down before anything is changed */
	if (forwarding_plan(rtnl, dir) < 0 || link_add_bridge(rtnl, bridge->name, mac) < 0) {
		number = errno;
		forwarding_restore(dir);
		errno = number;
		return -1;
	}
	if (link_get(rtnl, bridge->name, 0, &link) == 0)
		bridge->index = link.index;
	if (link_add_address(rtnl, bridge->name, &bridge->v4, bridge->prefix4) < 0 ||
	    (bridge->v6.family &&
	     link_add_address(rtnl, bridge->name, &bridge->v6, bridge->prefix6) < 0) ||
	    /* the table with its guard comes before what it guards against */
	    add_nat(nfnl, bridge) < 0 || set_own_switches(bridge->name) < 0 ||
	    forwarding_set(dir) < 0) {
		number = errno;
		bridge_remove(rtnl, nfnl, dir, bridge->name);
		errno = number;
		return -1;
	}
	return 0;
}

/* The first address of each family. */
static int
take_address(const struct address *address, unsigned prefix, void *context)
{
	struct bridge *bridge = context;
	bool six = address->family == AF_INET6;
	struct address *own = six ? &bridge->v6 : &bridge->v4;

	if (own->family)
		return 0;
	*own = *address;
	*(six ? &bridge->prefix6 : &bridge->prefix4) = prefix;
	return 0;
}

int
bridge_ensure(int rtnl, int nfnl, int dir, const char *name, struct bridge *bridge)
{
	struct link link;

	*bridge = (struct bridge){ 0 };
	snprintf(bridge->name, sizeof bridge->name, "%s", name);
	look_around(rtnl, bridge);
	if (link_get(rtnl, name, 0, &link) < 0)
		return choose_network(rtnl, bridge) < 0 ? -1 : make(rtnl, nfnl, dir, bridge);
	if (link.group != LINK_GROUP || strcmp(link.kind, "bridge") != 0)
		return fail(EEXIST, "an interface %s that boxstep did not make", name);
	bridge->index = link.index;
	if (link_addresses(rtnl, link.index, take_address, bridge) < 0)
		return fail(errno, "the addresses of bridge %s", name);
	if (!bridge->v4.family)
		return fail(EADDRNOTAVAIL, "bridge %s has lost its address", name);
	/* somebody may have flushed the whole ruleset meanwhile */
	return nat_exists(nfnl, name) ? 0 : add_nat(nfnl, bridge);
}

int
bridge_remove(int rtnl, int nfnl, int dir, const char *name)
{
	struct link link;
	/* the reverse of make: what guards goes after what it guarded against */
	int result = forwarding_restore(dir);

	if (link_get(rtnl, name, 0, &link) < 0 || link.group != LINK_GROUP)
		return result;
	result |= link_remove_group(rtnl, LINK_GROUP);
	result |= nat_remove(nfnl, name);
	return result ? -1 : 0;
}

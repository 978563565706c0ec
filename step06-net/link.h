/*
 * link: interfaces, their addresses and routes: the pair of veth, the bridge, lo.
 *
 * Every function takes a NETLINK_ROUTE socket (nl_open), which decides whose namespace is changed.
 * Follows rtnetlink(7), veth(4), network_namespaces(7), ip-link(8). Explained in book/06-net.md.
 */
#ifndef BOXSTEP_LINK_H
#define BOXSTEP_LINK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "step06-net/address.h"

#define LINK_NAME 16 /* IFNAMSIZ: fifteen characters and the closing 0 */

#define LINK_GROUP 0x626f78 /* every interface that we make is born in this group: "box" */

struct link { /* what the kernel says of an interface */
	int index, master;
	bool up;
	uint32_t mtu, group;
	char name[LINK_NAME], kind[16]; /* "veth", "bridge", "" for hardware */
	uint8_t mac[6];
};

/* The interface NAME, or (NAME NULL) of INDEX; 0, or −1 with ENODEV. Nothing is recorded. */
int link_get(int rtnl, const char *name, int index, struct link *link);

/* The first interface of the socket's namespace for which MATCH gives other than 0; 0, or −1 with
 * ENODEV. Nothing is recorded. */
typedef int link_match(const struct link *link, void *context);
int link_search(int rtnl, link_match *match, void *context, struct link *link);

/* Moves interface INDEX into the network namespace of descriptor NETNS, as NAME (with %d at its
 * end: the kernel chooses a number) and with index THERE (since 5.13; EBUSY: it is taken). It
 * arrives down and without addresses. The kernel moves first and renames then: after EEXIST it may
 * be on either side. */
int link_move(int rtnl, int index, int netns, const char *name, int there);
/* Makes LINK's interface again what it was before a move: a port of its bridge, and up. */
int link_restore(int rtnl, const struct link *link);

/* lo of the caller's network namespace is born down; takes it up. 0 or −1. */
int link_lo_up(void);
/* IFF_UP on interface NAME. */
int link_up(int rtnl, const char *name);

/* A note on the interface, at most 255 bytes, that ip-link(8) shows. */
int link_set_alias(int rtnl, const char *name, const char *alias);

/* A bridge, up, with a MAC of its own (one that ports lend it would change as they come and go).
 * EEXIST when there is an interface of that name. */
int link_add_bridge(int rtnl, const char *name, const uint8_t mac[6]);

/*
 * The two ends of a cable in one message: NAME here, up, a port of bridge MASTER; PEER with MAC
 * directly inside the network namespace of descriptor NETNS, so that it never shows up outside.
 */
struct link_veth {
	const char *name, *peer;
	int master, netns;
	uint32_t mtu;
	uint8_t mac[6];
};
int link_add_veth(int rtnl, const struct link_veth *veth);

/* Lets frames leave bridge port NAME that came in by it: what a container needs to reach itself
 * by its published port where bridged packets pass the packet filter (br_netfilter). */
int link_hairpin(int rtnl, const char *name);

/* Removes the interface; one that is gone already is no error. */
int link_remove(int rtnl, const char *name);

/* Removes every interface of GROUP in one go, for which the kernel waits but once: with a bridge
 * and a veth that takes 40 ms instead of 70. None there is no error. */
int link_remove_group(int rtnl, uint32_t group);

/* Gives interface NAME an address at once: without duplicate address detection, which would
 * keep an IPv6 address unusable for its first second. */
int link_add_address(int rtnl, const char *name, const struct address *address, unsigned prefix);
/* Calls EACH for every address of interface INDEX that is of global scope and permanent: not those
 * that a lease or a router advertisement has given for a time. A value other than 0 is given. */
typedef int address_each(const struct address *address, unsigned prefix, void *context);
int link_addresses(int rtnl, int index, address_each *each, void *context);
/* The default route by way of GATEWAY. */
int link_add_default(int rtnl, const struct address *gateway);

/* Calls EACH for every route (destination, prefix length, output interface, rtm_protocol) of every
 * table; a value other than 0 ends it and is given. */
struct route {
	struct address to;
	unsigned prefix;
	int out, protocol;
};
typedef int route_each(const struct route *route, void *context);
int link_routes(int rtnl, int family, route_each *each, void *context);
/* Does a route other than a default one share an address with ADDRESS/PREFIX? 1, 0 or −1. */
int link_overlaps(int rtnl, const struct address *address, unsigned prefix);

#endif

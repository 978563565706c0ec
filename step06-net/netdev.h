/*
 * netdev: interfaces of the host that become a container's.
 *
 * An interface is in one network namespace at a time. The move takes its addresses and routes away
 * and leaves it down, so what the kernel says of it is kept before, to be said again: the addresses
 * inside, and all of it on the host if the container comes to nothing.
 * Follows config-linux.md, "Network Devices", of the OCI runtime specification, rtnetlink(7).
 * Explained in book/06-net.md.
 */
#ifndef BOXSTEP_NETDEV_H
#define BOXSTEP_NETDEV_H

#include <stddef.h>

#include "step06-net/link.h"

struct netdev {
	const char *name, *inside; /* there it may end with %d: the kernel chooses the number */
	struct link link;	   /* as it was on the host */
	int there;		   /* its index inside; 0: it is on the host */
	struct netdev_told {	   /* a message without its header */
		int type;	   /* RTM_NEWADDR, RTM_NEWROUTE */
		size_t length;
		uint8_t *bytes;
	} * told;
	size_t count;
};

struct netdev_list { /* begin with {0} */
	struct netdev *item;
	size_t count;
	int rtnl, home; /* a socket in the host's namespace, and that itself, after netdev_look */
	int inside;	/* a socket in the container's, which stays there while that is open */
};

/* NAME is to move, as INSIDE (NULL or "": as it is); the texts stay the caller's. −1 with EINVAL
 * for what is no name of an interface. */
int netdev_add(struct netdev_list *list, const char *name, const char *inside);

/* On the host's side, before any namespace is joined: what they are, and what is to be said again.
 * ENODEV names the one that is missing. */
int netdev_look(struct netdev_list *list);
/* Moves them, under their new names, into the network namespace of process PID, gives them their
 * addresses there and takes them up. INSIDE is a NETLINK_ROUTE socket of that namespace; −1: the
 * caller has joined it. EEXIST: there is one of that name. */
int netdev_move(struct netdev_list *list, int inside, int pid);
/* Those that have moved are the host's again, as netdev_look has seen them, whether or not anybody
 * is in that namespace still. What fails is not recorded. */
void netdev_give_back(struct netdev_list *list);

/* They stay where they are now. */
void netdev_free(struct netdev_list *list);

#endif

/*
 * netdev: interfaces of the host that become a container's.
 *
 * An interface is in one network namespace at a time. The move takes its addresses away and leaves
 * it down, so what it had is read before and given back inside.
 * Follows config-linux.md, "Network Devices", of the OCI runtime specification, rtnetlink(7).
 * Explained in book/06-net.md.
 */
#ifndef BOXSTEP_NETDEV_H
#define BOXSTEP_NETDEV_H

#include <stddef.h>

#include "step06-net/link.h"

struct netdev {
	const char *name, *inside; /* there it may end with %d: the kernel chooses the number */
	struct link link;
	struct netdev_address {
		struct address address;
		unsigned prefix;
	} * address; /* those of global scope that are permanent */
	size_t count;
};

struct netdev_list { /* begin with {0} */
	struct netdev *item;
	size_t count;
	int rtnl; /* in the host's namespace, once netdev_look has been there */
};

/* NAME is to move, as INSIDE (NULL or "": as it is); the texts stay the caller's. −1 with EINVAL
 * for what is no name of an interface. */
int netdev_add(struct netdev_list *list, const char *name, const char *inside);

/* On the host's side, before any namespace is joined: what they are and which addresses they have.
 * ENODEV names the one that is missing. */
int netdev_look(struct netdev_list *list);
/* Moves them, under their new names, into the network namespace of process PID. EEXIST: there is
 * one of that name. */
int netdev_move(const struct netdev_list *list, int pid);
/* Inside: addresses again, and up. */
int netdev_raise(const struct netdev_list *list);

void netdev_free(struct netdev_list *list);

#endif

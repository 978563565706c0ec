/*
 * netdev.c: an interface looked at, moved, and raised again where it is then.
 * Follows config-linux.md, "Network Devices", of the OCI runtime specification, rtnetlink(7).
 * Explained in book/06-net.md.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "step01-unshare/call.h"
#include "step06-net/netlink.h"
#include "step06-net/netdev.h"

/* ---- what is asked for ---- */

/* What the kernel takes as a name; LENGTH without a %d at the end. */
static int
check_name(const char *name)
{
	size_t length = strlen(name), number = length > 2 && strcmp(name + length - 2, "%d") == 0;

	if (!length || length >= LINK_NAME || strcmp(name, ".") == 0 || strcmp(name, "..") == 0 ||
	    strcspn(name, "/: \t\n%") != length - 2 * number)
		return fail(EINVAL, "\"%s\" is no name of an interface", name);
	return 0;
}

int
netdev_add(struct netdev_list *list, const char *name, const char *inside)
{
	struct netdev *grown;

	if (!inside || !inside[0])
		inside = name;
	if (check_name(name) < 0 || check_name(inside) < 0)
		return -1;
	if (strchr(name, '%'))
		return fail(EINVAL, "interface %s: which number?", name);
	if (!(grown = reallocarray(list->item, list->count + 1, sizeof *grown)))
		return fail(ENOMEM, "memory for interface %s", name);
	list->item = grown;
	list->item[list->count++] = (struct netdev){ .name = name, .inside = inside };
	list->rtnl = -1;
	return 0;
}

/* ---- on the host's side ---- */

static int
keep_address(const struct address *address, unsigned prefix, void *context)
{
	struct netdev *item = context;
	struct netdev_address *grown = reallocarray(item->address, item->count + 1, sizeof *grown);

	if (!grown)
		return fail(ENOMEM, "memory for the addresses of %s", item->name);
	item->address = grown;
	grown[item->count++] = (struct netdev_address){ *address, prefix };
	return 0;
}

int
netdev_look(struct netdev_list *list)
{
	if (list->count && (list->rtnl = nl_open(NETLINK_ROUTE)) < 0)
		return -1;
	for (size_t i = 0; i < list->count; i++) {
		struct netdev *item = list->item + i;
		if (link_get(list->rtnl, item->name, 0, &item->link) < 0)
			return fail(errno, "linux.netDevices: interface %s", item->name);
		if (link_addresses(list->rtnl, item->link.index, keep_address, item) < 0)
			return fail(errno, "linux.netDevices: addresses of %s", item->name);
	}
	return 0;
}

int
netdev_move(const struct netdev_list *list, int pid)
{
	char path[64];
	int netns, done = 0;

	if (!list->count)
		return 0;
	snprintf(path, sizeof path, "/proc/%d/ns/net", pid);
	if ((netns = open(path, O_RDONLY | O_CLOEXEC)) < 0)
		return fail(errno, "open(\"%s\")", path);
	stage("interfaces", "An interface is in one network namespace at a time: these move.",
	      "nsenter -t %d -n ip link", pid);
	for (size_t i = 0; i < list->count && done == 0; i++)
		done = link_move(list->rtnl, list->item[i].link.index, netns, list->item[i].inside);
	close(netns);
	return done;
}

/* ---- inside ---- */

/* The name that the kernel has made of a pattern: that of the same hardware address. */
static int
same_interface(const struct link *link, void *context)
{
	const struct netdev *item = context;
	size_t length = strlen(item->inside) - strlen("%d");

	return strncmp(link->name, item->inside, length) == 0 &&
	       memcmp(link->mac, item->link.mac, sizeof link->mac) == 0;
}

static int
raise_one(int rtnl, const struct netdev *item)
{
	struct link link = { 0 };

	snprintf(link.name, sizeof link.name, "%s", item->inside);
	if (strchr(item->inside, '%') &&
	    link_search(rtnl, same_interface, (void *)(uintptr_t)item, &link) < 0)
		return fail(errno, "linux.netDevices: %s inside", item->inside);
	for (size_t i = 0; i < item->count; i++)
		if (link_add_address(rtnl, link.name, &item->address[i].address,
				     item->address[i].prefix) < 0)
			return -1;
	return link_up(rtnl, link.name);
}

int
netdev_raise(const struct netdev_list *list)
{
	int rtnl = list->count ? nl_open(NETLINK_ROUTE) : -1, done = 0;

	if (list->count && rtnl < 0)
		return -1;
	for (size_t i = 0; i < list->count && done == 0; i++)
		done = raise_one(rtnl, list->item + i);
	if (rtnl >= 0)
		close(rtnl);
	return done;
}

void
netdev_free(struct netdev_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		free(list->item[i].address);
	free(list->item);
	if (list->count && list->rtnl >= 0)
		close(list->rtnl);
	*list = (struct netdev_list){ 0 };
}

/*
 * netdev.c: an interface looked at, moved, raised again where it is then, or given back.
 * Follows config-linux.md, "Network Devices", of the OCI runtime specification, rtnetlink(7).
 * Explained in book/06-net.md.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/rtnetlink.h>
#include <stdbool.h>
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
	list->rtnl = list->home = list->inside = -1;
	return 0;
}

/* ---- on the host's side ---- */

/* Is that about interface INDEX? Not those routes which the kernel makes by itself: with an
 * address, or when a router speaks. */
static bool
is_about(int index, int type, struct nl_view told)
{
	struct ifaddrmsg address;
	struct nl_view value;
	struct rtmsg route;

	if (type == RTM_NEWADDR && told.length >= sizeof address) {
		memcpy(&address, told.bytes, sizeof address);
		return address.ifa_index == (unsigned)index;
	}
	if (type != RTM_NEWROUTE || told.length < sizeof route)
		return false;
	memcpy(&route, told.bytes, sizeof route);
	told.bytes += sizeof route;
	told.length -= sizeof route;
	return route.rtm_protocol != RTPROT_KERNEL && route.rtm_protocol != RTPROT_RA &&
	       nl_find(told, RTA_OIF, &value) && nl_number(value, 0) == (unsigned)index;
}

static int
keep(int type, struct nl_view told, void *context)
{
	struct netdev *item = context;
	struct netdev_told *grown;
	uint8_t *bytes;

	if (!is_about(item->link.index, type, told))
		return 0;
	grown = reallocarray(item->told, item->count + 1, sizeof *grown);
	item->told = grown ? grown : item->told;
	if (!grown || !(bytes = malloc(told.length)))
		return fail(ENOMEM, "memory for the addresses of %s", item->name);
	memcpy(bytes, told.bytes, told.length);
	grown[item->count++] = (struct netdev_told){ type, told.length, bytes };
	return 0;
}

static int
dump(int rtnl, int type, struct netdev *item)
{
	/* all zero: the whole of either kind; struct ifaddrmsg is the shorter one */
	const struct rtmsg all = { 0 };
	_Alignas(struct nlmsghdr) uint8_t bytes[NL_ROOM];
	struct nl_buffer message;

	nl_start(&message, bytes, sizeof bytes);
	nl_message(&message, type, NLM_F_DUMP, &all,
		   type == RTM_GETADDR ? sizeof(struct ifaddrmsg) : sizeof all);
	return nl_ask(rtnl, &message, keep, item);
}

int
netdev_look(struct netdev_list *list)
{
	if (!list->count)
		return 0;
	if ((list->rtnl = nl_open(NETLINK_ROUTE)) < 0)
		return -1;
	if ((list->home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC)) < 0)
		return fail(errno, "open(\"/proc/self/ns/net\")");
	for (size_t i = 0; i < list->count; i++) {
		struct netdev *item = list->item + i;
		if (link_get(list->rtnl, item->name, 0, &item->link) < 0)
			return fail(errno, "linux.netDevices: interface %s", item->name);
		if (dump(list->rtnl, RTM_GETADDR, item) < 0 ||
		    dump(list->rtnl, RTM_GETROUTE, item) < 0)
			return fail(errno, "linux.netDevices: addresses of %s", item->name);
	}
	return 0;
}

/* ---- said again ---- */

/* Of global scope, and not given for a time by a lease or a router: those are to be kept. */
static bool
is_lasting(const struct netdev_told *told)
{
	struct nl_view rest = { told->bytes + sizeof(struct ifaddrmsg),
				told->length - sizeof(struct ifaddrmsg) };
	struct ifaddrmsg info;
	struct nl_view flags;

	memcpy(&info, told->bytes, sizeof info);
	nl_find(rest, IFA_FLAGS, &flags);
	return info.ifa_scope == RT_SCOPE_UNIVERSE &&
	       nl_number(flags, info.ifa_flags) & IFA_F_PERMANENT;
}

/* The label of an IPv4 address is the interface's name, and may go on after it. */
static void
put_label(struct nl_buffer *message, const char *label, const char *old, const char *new)
{
	char text[2 * LINK_NAME];
	size_t length = strlen(old);
	bool named = strncmp(label, old, length) == 0;

	snprintf(text, sizeof text, "%s%s", named ? new : "", label + (named ? length : 0));
	if (strlen(text) < LINK_NAME) /* or it is the name alone, which the kernel takes */
		nl_put_text(message, IFA_LABEL, text);
}

/* An address with all that belongs to it, for what is now interface NOW. */
static int
say_address(int rtnl, const struct netdev_told *told, const struct netdev *item,
	    const struct link *now)
{
	struct nl_view rest = { told->bytes, told->length }, value;
	_Alignas(struct nlmsghdr) uint8_t bytes[NL_ROOM];
	struct nl_buffer message;
	struct ifaddrmsg info;
	char label[LINK_NAME];
	int type;

	memcpy(&info, rest.bytes, sizeof info);
	rest.bytes += sizeof info;
	rest.length -= sizeof info;
	info.ifa_index = (unsigned)now->index;
	nl_start(&message, bytes, sizeof bytes);
	nl_message(&message, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK, &info,
		   sizeof info);
	while ((type = nl_next(&rest, &value)) >= 0) {
		/* at once, and not what the kernel was still finding out, which goes with no NODAD
		 */
		const uint32_t still = IFA_F_TENTATIVE | IFA_F_OPTIMISTIC | IFA_F_DADFAILED;
		uint32_t flags = info.ifa_family == AF_INET6 ? IFA_F_NODAD : 0;
		if (type == IFA_LABEL) {
			nl_text(value, label, sizeof label);
			put_label(&message, label, item->link.name, now->name);
		} else if (type == IFA_FLAGS) /* it was nobody else's until now */
			nl_put_u32(&message, type,
				   flags | ((uint32_t)nl_number(value, 0) & ~still));
		else
			nl_put(&message, type, value.bytes, value.length);
	}
	return nl_change(rtnl, &message, "RTM_NEWADDR", now->name);
}

static int
say_route(int rtnl, const struct netdev_told *told, const char *name)
{
	_Alignas(struct nlmsghdr) uint8_t bytes[NL_ROOM];
	struct nl_buffer message;
	struct rtmsg route;

	/* how it stood, as by a cable that was out, is for the kernel to say, which refuses it */
	memcpy(&route, told->bytes, sizeof route);
	route.rtm_flags &= ~(unsigned)(RTNH_F_DEAD | RTNH_F_LINKDOWN);
	memcpy(told->bytes, &route, sizeof route);
	nl_start(&message, bytes, sizeof bytes);
	nl_message(&message, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK, told->bytes,
		   told->length);
	return nl_change(rtnl, &message, "RTM_NEWROUTE", name);
}

/* ---- there ---- */

struct others { /* the interfaces that are inside already */
	const char *name;
	int highest;
};

static int
look_at_other(const struct link *link, void *context)
{
	struct others *others = context;

	if (link->index > others->highest)
		others->highest = link->index;
	return strcmp(link->name, others->name) == 0;
}

static int
settle(int rtnl, const struct netdev *item)
{
	struct link link;

	if (link_get(rtnl, NULL, item->there, &link) < 0)
		return fail(errno, "linux.netDevices: %s in the container", item->inside);
	for (size_t i = 0; i < item->count; i++)
		if (item->told[i].type == RTM_NEWADDR && is_lasting(item->told + i) &&
		    say_address(rtnl, item->told + i, item, &link) < 0)
			return -1;
	return link_up(rtnl, link.name);
}

/* Its index is chosen here: so it is found again, whatever the kernel makes of its name. */
static int
move_one(const struct netdev_list *list, struct netdev *item, int netns)
{
	struct others others = { item->inside, 0 };
	struct link link;
	int number;

	if (link_search(list->inside, look_at_other, &others, &link) == 0)
		return fail(EEXIST, "linux.netDevices: interface %s in the container",
			    item->inside);
	item->there = item->link.index > others.highest ? item->link.index : others.highest + 1;
	if (link_move(list->rtnl, item->link.index, netns, item->inside, item->there) == 0)
		return settle(list->inside, item);
	number = errno;
	if (link_get(list->rtnl, NULL, item->link.index, &link) == 0)
		item->there = 0; /* it has not left */
	errno = number;
	return -1;
}

int
netdev_move(struct netdev_list *list, int inside, int pid)
{
	char path[64];
	int netns, done = 0;

	if (!list->count)
		return 0;
	list->inside = inside < 0 ? nl_open(NETLINK_ROUTE) : fcntl(inside, F_DUPFD_CLOEXEC, 3);
	if (list->inside < 0)
		return fail(errno, "a socket for linux.netDevices");
	snprintf(path, sizeof path, "/proc/%d/ns/net", pid);
	if ((netns = open(path, O_RDONLY | O_CLOEXEC)) < 0)
		return fail(errno, "open(\"%s\")", path);
	stage("interfaces", "An interface is in one network namespace at a time: these move.",
	      "nsenter -t %d -n ip link", pid);
	for (size_t i = 0; i < list->count && done == 0; i++)
		done = move_one(list, list->item + i, netns);
	close_fd(netns);
	return done;
}

/* ---- and back ---- */

static void
give_back_one(const struct netdev_list *list, const struct netdev *item)
{
	const struct link *link = &item->link;

	if (link_move(list->inside, item->there, list->home, link->name, link->index) < 0)
		return;
	for (size_t i = 0; i < item->count; i++)
		if (item->told[i].type == RTM_NEWADDR)
			say_address(list->rtnl, item->told + i, item, link);
	link_restore(list->rtnl, link);
	/* twice: one may be the way to another's gateway */
	for (size_t i = 0; i < 2 * item->count; i++)
		if (item->told[i % item->count].type == RTM_NEWROUTE)
			say_route(list->rtnl, item->told + i % item->count, link->name);
}

void
netdev_give_back(struct netdev_list *list)
{
	struct call_error error = *call_error();
	int number = errno;

	for (size_t i = list->count; i-- > 0;) {
		if (list->item[i].there)
			give_back_one(list, list->item + i);
		list->item[i].there = 0;
	}
	call_adopt(&error);
	errno = number;
}

void
netdev_free(struct netdev_list *list)
{
	for (size_t i = 0; i < list->count; i++) {
		for (size_t j = 0; j < list->item[i].count; j++)
			free(list->item[i].told[j].bytes);
		free(list->item[i].told);
	}
	free(list->item);
	if (list->count) {
		close_fd(list->rtnl);
		close_fd(list->home);
		close_fd(list->inside);
	}
	*list = (struct netdev_list){ 0 };
}

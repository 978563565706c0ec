/*
 * link.c: interfaces, addresses and routes, each by one rtnetlink message.
 * Follows rtnetlink(7), veth(4), Linux's if_link.h. Explained in book/06-net.md.
 */
#include <errno.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "step01-unshare/call.h"
#include "step06-net/link.h"
#include "step06-net/netlink.h"

/* ---- looking ---- */

static int
read_link(int type, struct nl_view payload, void *context)
{
	struct link *link = context;
	struct ifinfomsg info;
	struct nl_view value, kind;

	if (type != RTM_NEWLINK || payload.length < sizeof info)
		return 0;
	memcpy(&info, payload.bytes, sizeof info);
	payload.bytes += sizeof info;
	payload.length -= sizeof info;
	*link = (struct link){ .index = info.ifi_index, .up = info.ifi_flags & IFF_UP };
	nl_find(payload, IFLA_IFNAME, &value);
	nl_text(value, link->name, sizeof link->name);
	nl_find(payload, IFLA_MTU, &value);
	link->mtu = (uint32_t)nl_number(value, 0);
	nl_find(payload, IFLA_GROUP, &value);
	link->group = (uint32_t)nl_number(value, 0);
	nl_find(payload, IFLA_MASTER, &value);
	link->master = (int)nl_number(value, 0);
	if (nl_find(payload, IFLA_ADDRESS, &value) && value.length == sizeof link->mac)
		memcpy(link->mac, value.bytes, sizeof link->mac);
	if (nl_find(payload, IFLA_LINKINFO, &value) && nl_find(value, IFLA_INFO_KIND, &kind))
		nl_text(kind, link->kind, sizeof link->kind);
	return 0;
}

int
link_get(int rtnl, const char *name, int index, struct link *link)
{
	const struct ifinfomsg info = { .ifi_index = name ? 0 : index };
	_Alignas(struct nlmsghdr) uint8_t bytes[NL_ROOM];
	struct nl_buffer message;

	*link = (struct link){ 0 };
	nl_start(&message, bytes, sizeof bytes);
	nl_message(&message, RTM_GETLINK, 0, &info, sizeof info);
	if (name)
		nl_put_text(&message, IFLA_IFNAME, name);
	if (nl_ask(rtnl, &message, read_link, link) < 0)
		return -1;
	if (link->index)
		return 0;
	errno = ENODEV;
	return -1;
}

struct search {
	link_match *match;
	void *context;
	struct link *link;
	bool found;
};

static int
read_searched(int type, struct nl_view payload, void *context)
{
	struct search *search = context;
	struct link link = { 0 };

	read_link(type, payload, &link);
	if (!search->found && link.index && search->match(&link, search->context)) {
		search->found = true;
		*search->link = link;
	}
	return 0; /* a dump is read to its end, or its rest would meet the next question */
}

int
link_search(int rtnl, link_match *match, void *context, struct link *link)
{
	const struct ifinfomsg info = { 0 };
	struct search search = { match, context, link, false };
	_Alignas(struct nlmsghdr) uint8_t bytes[NL_ROOM];
	struct nl_buffer message;

	nl_start(&message, bytes, sizeof bytes);
	nl_message(&message, RTM_GETLINK, NLM_F_DUMP, &info, sizeof info);
	if (nl_ask(rtnl, &message, read_searched, &search) < 0)
		return -1;
	if (!search.found)
		errno = ENODEV;
	return search.found ? 0 : -1;
}

struct address_walk {
	int index;
	address_each *each;
	void *context;
};

static int
read_address(int type, struct nl_view payload, void *context)
{
	const struct address_walk *walk = context;
	struct ifaddrmsg info;
	struct nl_view value;
	struct address address = { 0 };
	uint32_t flags;

	if (type != RTM_NEWADDR || payload.length < sizeof info)
		return 0;
	memcpy(&info, payload.bytes, sizeof info);
	payload.bytes += sizeof info;
	payload.length -= sizeof info;
	flags = nl_find(payload, IFA_FLAGS, &value) ? (uint32_t)nl_number(value, 0)
						    : info.ifa_flags;
	if ((int)info.ifa_index != walk->index || info.ifa_scope != RT_SCOPE_UNIVERSE ||
	    !(flags & IFA_F_PERMANENT))
		return 0;
	/* on a cable between two, IFA_ADDRESS is the other end's */
	if (!nl_find(payload, IFA_LOCAL, &value) && !nl_find(payload, IFA_ADDRESS, &value))
		return 0;
	address.family = info.ifa_family;
	if (value.length != address_size(&address))
		return 0;
	memcpy(address.bytes, value.bytes, value.length);
	return walk->each(&address, info.ifa_prefixlen, walk->context);
}

int
link_addresses(int rtnl, int index, address_each *each, void *context)
{
	const struct ifaddrmsg info = { 0 };
	struct address_walk walk = { index, each, context };
	_Alignas(struct nlmsghdr) uint8_t bytes[NL_ROOM];
	struct nl_buffer message;

	nl_start(&message, bytes, sizeof bytes);
	nl_message(&message, RTM_GETADDR, NLM_F_DUMP, &info, sizeof info);
	return nl_ask(rtnl, &message, read_address, &walk);
}

struct route_walk {
	route_each *each;
	void *context;
};

static int
read_route(int type, struct nl_view payload, void *context)
{
	const struct route_walk *walk = context;
	struct route route = { 0 };
	struct rtmsg info;
	struct nl_view value;

	if (type != RTM_NEWROUTE || payload.length < sizeof info)
		return 0;
	memcpy(&info, payload.bytes, sizeof info);
	payload.bytes += sizeof info;
	payload.length -= sizeof info;
	route.prefix = info.rtm_dst_len;
	route.protocol = info.rtm_protocol;
	route.to.family = info.rtm_family;
	if (nl_find(payload, RTA_DST, &value) && value.length == address_size(&route.to))
		memcpy(route.to.bytes, value.bytes, value.length);
	nl_find(payload, RTA_OIF, &value);
	route.out = (int)nl_number(value, 0);
	return walk->each(&route, walk->context);
}

int
link_routes(int rtnl, int family, route_each *each, void *context)
{
	const struct rtmsg info = { .rtm_family = (unsigned char)family };
	struct route_walk walk = { each, context };
	_Alignas(struct nlmsghdr) uint8_t bytes[NL_ROOM];
	struct nl_buffer message;

	nl_start(&message, bytes, sizeof bytes);
	nl_message(&message, RTM_GETROUTE, NLM_F_DUMP, &info, sizeof info);
	return nl_ask(rtnl, &message, read_route, &walk);
}

struct overlap {
	struct address address;
	unsigned prefix;
	bool found;
};

static int
compare_route(const struct route *route, void *context)
{
	struct overlap *overlap = context;
	unsigned shorter = route->prefix < overlap->prefix ? route->prefix : overlap->prefix;

	if (route->prefix && address_same_network(&route->to, &overlap->address, shorter))
		overlap->found = true;
	return 0; /* to the end of the dump, as above */
}

int
link_overlaps(int rtnl, const struct address *address, unsigned prefix)
{
	struct overlap overlap = { *address, prefix, false };

	if (link_routes(rtnl, address->family, compare_route, &overlap) < 0)
		return -1;
	return overlap.found;
}

/* ---- changing ---- */

int
link_up(int rtnl, const char *name)
{
	const struct ifinfomsg info = { .ifi_flags = IFF_UP, .ifi_change = IFF_UP };
	_Alignas(struct nlmsghdr) uint8_t bytes[NL_ROOM];
	struct nl_buffer message;

	nl_start(&message, bytes, sizeof bytes);
	nl_message(&message, RTM_NEWLINK, NLM_F_ACK, &info, sizeof info);
	nl_put_text(&message, IFLA_IFNAME, name);
	return nl_change(rtnl, &message, "RTM_NEWLINK", name);
}

int
link_lo_up(void)
{
	int rtnl = nl_open(NETLINK_ROUTE), result, number;

	if (rtnl < 0)
		return -1;
	result = link_up(rtnl, "lo");
	number = errno;
	close(rtnl);
	errno = number;
	return result;
}

int
link_set_alias(int rtnl, const char *name, const char *alias)
{
	const struct ifinfomsg info = { 0 };
	_Alignas(struct nlmsghdr) uint8_t bytes[NL_ROOM];
	struct nl_buffer message;

	nl_start(&message, bytes, sizeof bytes);
	nl_message(&message, RTM_NEWLINK, NLM_F_ACK, &info, sizeof info);
	nl_put_text(&message, IFLA_IFNAME, name);
	nl_put(&message, IFLA_IFALIAS, alias, strlen(alias));
	return nl_change(rtnl, &message, "RTM_NEWLINK", name);
}

int
link_add_bridge(int rtnl, const char *name, const uint8_t mac[6])
{
	const struct ifinfomsg info = { .ifi_flags = IFF_UP, .ifi_change = IFF_UP };
	_Alignas(struct nlmsghdr) uint8_t bytes[NL_ROOM];
	struct nl_buffer message;
	size_t kind;

	nl_start(&message, bytes, sizeof bytes);
	nl_message(&message, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK, &info,
		   sizeof info);
	nl_put_text(&message, IFLA_IFNAME, name);
	nl_put_u32(&message, IFLA_GROUP, LINK_GROUP);
	nl_put(&message, IFLA_ADDRESS, mac, 6);
	kind = nl_nest(&message, IFLA_LINKINFO);
	nl_put_text(&message, IFLA_INFO_KIND, "bridge");
	nl_nest_end(&message, kind);
	return nl_change(rtnl, &message, "RTM_NEWLINK", name);
}

/* ANCHOR: veth */
int
link_add_veth(int rtnl, const struct link_veth *veth)
{
	const struct ifinfomsg up = { .ifi_flags = IFF_UP, .ifi_change = IFF_UP }, down = { 0 };
	_Alignas(struct nlmsghdr) uint8_t bytes[NL_ROOM];
	struct nl_buffer message;
	size_t kind, data, peer;

	nl_start(&message, bytes, sizeof bytes);
	nl_message(&message, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK, &up, sizeof up);
	nl_put_text(&message, IFLA_IFNAME, veth->name);
	nl_put_u32(&message, IFLA_GROUP, LINK_GROUP);
	nl_put_u32(&message, IFLA_MTU, veth->mtu);
	nl_put_u32(&message, IFLA_MASTER, (uint32_t)veth->master);
	kind = nl_nest(&message, IFLA_LINKINFO);
	nl_put_text(&message, IFLA_INFO_KIND, "veth");
	data = nl_nest(&message, IFLA_INFO_DATA);
	peer = nl_nest(&message, VETH_INFO_PEER);
	nl_append(&message, &down, sizeof down); /* a whole message for the other end */
	nl_put_text(&message, IFLA_IFNAME, veth->peer);
	nl_put(&message, IFLA_ADDRESS, veth->mac, sizeof veth->mac);
	nl_put_u32(&message, IFLA_MTU, veth->mtu);
	nl_put_u32(&message, IFLA_NET_NS_FD, (uint32_t)veth->netns);
	nl_nest_end(&message, peer);
	nl_nest_end(&message, data);
	nl_nest_end(&message, kind);
	return nl_change(rtnl, &message, "RTM_NEWLINK", veth->name);
}
/* ANCHOR_END: veth */

int
link_move(int rtnl, int index, int netns, const char *name, int there)
{
	const struct ifinfomsg info = { .ifi_index = index };
	_Alignas(struct nlmsghdr) uint8_t bytes[NL_ROOM];
	struct nl_buffer message;

	nl_start(&message, bytes, sizeof bytes);
	nl_message(&message, RTM_NEWLINK, NLM_F_ACK, &info, sizeof info);
	nl_put_u32(&message, IFLA_NET_NS_FD, (uint32_t)netns);
	nl_put_u32(&message, IFLA_NEW_IFINDEX, (uint32_t)there);
	nl_put_text(&message, IFLA_IFNAME, name);
	return nl_change(rtnl, &message, "RTM_NEWLINK", name);
}

int
link_restore(int rtnl, const struct link *link)
{
	const struct ifinfomsg info = { .ifi_index = link->index,
					.ifi_flags = link->up ? IFF_UP : 0,
					.ifi_change = IFF_UP };
	_Alignas(struct nlmsghdr) uint8_t bytes[NL_ROOM];
	struct nl_buffer message;

	nl_start(&message, bytes, sizeof bytes);
	nl_message(&message, RTM_NEWLINK, NLM_F_ACK, &info, sizeof info);
	nl_put_u32(&message, IFLA_MASTER, (uint32_t)link->master);
	return nl_change(rtnl, &message, "RTM_NEWLINK", link->name);
}

int
link_hairpin(int rtnl, const char *name)
{
	struct ifinfomsg info = { .ifi_family = AF_BRIDGE };
	_Alignas(struct nlmsghdr) uint8_t bytes[NL_ROOM];
	struct nl_buffer message;
	struct link link;
	size_t port;

	if (link_get(rtnl, name, 0, &link) < 0)
		return fail(errno, "interface %s", name);
	info.ifi_index = link.index;
	nl_start(&message, bytes, sizeof bytes);
	nl_message(&message, RTM_SETLINK, NLM_F_ACK, &info, sizeof info);
	port = nl_nest(&message, IFLA_PROTINFO);
	nl_put_u8(&message, IFLA_BRPORT_MODE, 1);
	nl_nest_end(&message, port);
	return nl_change(rtnl, &message, "RTM_SETLINK", name);
}

/* A namespace that is being torn down may take its end of a cable, and so ours, just now. */
static int
remove_told(int rtnl, struct nl_buffer *message, const char *what)
{
	if (call_try(nl_talk(rtnl, message), "sendto(%d, RTM_DELLINK, \"%s\")", rtnl, what) < 0 &&
	    errno != ENODEV)
		return fail(errno, "sendto(%d, RTM_DELLINK, \"%s\")", rtnl, what);
	return 0;
}

int
link_remove(int rtnl, const char *name)
{
	const struct ifinfomsg info = { 0 };
	_Alignas(struct nlmsghdr) uint8_t bytes[NL_ROOM];
	struct nl_buffer message;

	nl_start(&message, bytes, sizeof bytes);
	nl_message(&message, RTM_DELLINK, NLM_F_ACK, &info, sizeof info);
	nl_put_text(&message, IFLA_IFNAME, name);
	return remove_told(rtnl, &message, name);
}

int
link_remove_group(int rtnl, uint32_t group)
{
	const struct ifinfomsg info = { 0 };
	_Alignas(struct nlmsghdr) uint8_t bytes[NL_ROOM];
	struct nl_buffer message;
	char what[32];

	snprintf(what, sizeof what, "group %u", group);
	nl_start(&message, bytes, sizeof bytes);
	nl_message(&message, RTM_DELLINK, NLM_F_ACK, &info, sizeof info);
	nl_put_u32(&message, IFLA_GROUP, group);
	return remove_told(rtnl, &message, what);
}

int
link_add_address(int rtnl, const char *name, const struct address *address, unsigned prefix)
{
	struct ifaddrmsg info = {
		.ifa_family = (uint8_t)address->family,
		.ifa_prefixlen = (uint8_t)prefix,
		.ifa_flags = address->family == AF_INET6 ? IFA_F_NODAD : 0,
	};
	_Alignas(struct nlmsghdr) uint8_t bytes[NL_ROOM];
	struct nl_buffer message;
	struct link link;

	if (link_get(rtnl, name, 0, &link) < 0)
		return fail(errno, "interface %s", name);
	info.ifa_index = (unsigned)link.index;
	nl_start(&message, bytes, sizeof bytes);
	nl_message(&message, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK, &info,
		   sizeof info);
	nl_put(&message, IFA_LOCAL, address->bytes, address_size(address));
	nl_put(&message, IFA_ADDRESS, address->bytes, address_size(address));
	return nl_change(rtnl, &message, "RTM_NEWADDR", address_text(address));
}

int
link_add_default(int rtnl, const struct address *gateway)
{
	const struct rtmsg info = {
		.rtm_family = (unsigned char)gateway->family,
		.rtm_table = RT_TABLE_MAIN,
		.rtm_protocol = RTPROT_BOOT,
		.rtm_scope = RT_SCOPE_UNIVERSE,
		.rtm_type = RTN_UNICAST,
	};
	_Alignas(struct nlmsghdr) uint8_t bytes[NL_ROOM];
	struct nl_buffer message;

	nl_start(&message, bytes, sizeof bytes);
	nl_message(&message, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK, &info,
		   sizeof info);
	nl_put(&message, RTA_GATEWAY, gateway->bytes, address_size(gateway));
	return nl_change(rtnl, &message, "RTM_NEWROUTE", address_text(gateway));
}

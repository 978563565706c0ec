/*
 * nat.c: the one table: what may go in and out, and under which address.
 * Follows nft(8), and Linux's ip-sysctl.rst (route_localnet). Explained in book/06-net.md.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/rtnetlink.h>
#include <netinet/ip6.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "step01-unshare/call.h"
#include "step06-net/conntrack.h"
#include "step06-net/nat.h"
#include "step06-net/nft.h"

/* What --publish fills: protocol, host's address and port → container's address and port. The
 * second of each family is for ports published on every address. */
enum { AT4, ANY4, AT6, ANY6, MAPS };
#define KEY2(a, b)    ((a) << 6 | (b))
#define KEY3(a, b, c) (KEY2(a, b) << 6 | (c))
static const struct nft_map maps[MAPS] = {
	{ "at4", KEY3(NFT_PROTOCOL, NFT_IPV4, NFT_SERVICE), 12, KEY2(NFT_IPV4, NFT_SERVICE), 8 },
	{ "any4", KEY2(NFT_PROTOCOL, NFT_SERVICE), 8, KEY2(NFT_IPV4, NFT_SERVICE), 8 },
	{ "at6", KEY3(NFT_PROTOCOL, NFT_IPV6, NFT_SERVICE), 24, KEY2(NFT_IPV6, NFT_SERVICE), 20 },
	{ "any6", KEY2(NFT_PROTOCOL, NFT_SERVICE), 8, KEY2(NFT_IPV6, NFT_SERVICE), 20 },
};

/* ---- parts of rules, named as nft(8) writes them ---- */

enum { SADDR4 = 12, DADDR4 = 16, SADDR6 = 8, DADDR6 = 24, DPORT = 2 }; /* offsets in headers */
enum { EQ = NFT_CMP_EQ, NEQ = NFT_CMP_NEQ };

/* iifname NAME, oifname NAME: fifteen characters and their zeros are compared. */
static void
interface(struct nl_buffer *b, uint32_t key, uint32_t operation, const char *name)
{
	char padded[16] = "";

	snprintf(padded, sizeof padded, "%s", name);
	nft_meta(b, key, 0);
	nft_compare(b, operation, padded, sizeof padded);
}

/* meta nfproto ipv4|ipv6 */
static void
protocol(struct nl_buffer *b, uint8_t family)
{
	nft_meta(b, NFT_META_NFPROTO, 0);
	nft_compare(b, EQ, &family, sizeof family);
}

/* ip saddr|daddr 127.0.0.0/8 */
static void
in_loopback(struct nl_buffer *b, uint32_t offset)
{
	const uint8_t loopback = IN_LOOPBACKNET;

	protocol(b, NFPROTO_IPV4);
	nft_payload(b, NFT_PAYLOAD_NETWORK_HEADER, offset, 1, 0);
	nft_compare(b, EQ, &loopback, 1);
}

/* fib saddr|daddr type local */
static void
local(struct nl_buffer *b, uint32_t flag, uint32_t operation)
{
	const uint32_t type = RTN_LOCAL;

	nft_fib_type(b, flag, 0);
	nft_compare(b, operation, &type, sizeof type);
}

/* ip|ip6 saddr NETWORK/PREFIX */
static void
from_network(struct nl_buffer *b, const struct address *network, unsigned prefix)
{
	bool six = network->family == AF_INET6;
	uint32_t size = (uint32_t)address_size(network);
	uint8_t mask[16], masked[16];

	for (unsigned i = 0; i < size; i++) {
		unsigned bits = prefix > 8 * i ? prefix - 8 * i : 0;
		mask[i] = (uint8_t)(bits >= 8 ? 0xff : 0xff << (8 - bits));
		masked[i] = network->bytes[i] & mask[i];
	}
	protocol(b, six ? NFPROTO_IPV6 : NFPROTO_IPV4);
	nft_payload(b, NFT_PAYLOAD_NETWORK_HEADER, six ? SADDR6 : SADDR4, size, 0);
	nft_mask(b, mask, size);
	nft_compare(b, EQ, masked, size);
}

/* ---- chains ---- */

/* iifname NAME ip daddr|saddr 127.0.0.0/8 drop */
static void
add_guard(struct nl_buffer *b, const char *name, uint32_t offset)
{
	size_t rule = nft_rule(b, name, "guard");

	interface(b, NFT_META_IIFNAME, EQ, name);
	in_loopback(b, offset);
	nft_verdict(b, NF_DROP, NULL);
	nft_rule_end(b, rule);
}

/* dnat ip|ip6 to meta l4proto . [ip daddr .] th dport map @MAP */
static void
add_publish(struct nl_buffer *b, const char *name, int map)
{
	size_t rule = nft_rule(b, name, "publish");
	bool six = map >= AT6;
	uint32_t word = 1;

	protocol(b, six ? NFPROTO_IPV6 : NFPROTO_IPV4);
	nft_meta(b, NFT_META_L4PROTO, 0);
	if (map == AT4 || map == AT6) {
		uint32_t size = six ? 16 : 4;
		nft_payload(b, NFT_PAYLOAD_NETWORK_HEADER, six ? DADDR6 : DADDR4, size, word);
		word += size / 4;
	}
	nft_payload(b, NFT_PAYLOAD_TRANSPORT_HEADER, DPORT, 2, word);
	nft_lookup(b, &maps[map]);
	nft_dnat(b, six ? NFPROTO_IPV6 : NFPROTO_IPV4, six ? 4 : 1);
	nft_rule_end(b, rule);
}

/* Packets to an address of this host: from outside or a container, and from the host itself. */
static void
add_inward(struct nl_buffer *b, const char *name)
{
	size_t rule;

	nft_add_chain(b, name, "publish", NULL, 0, 0);
	rule = nft_rule(b, name, "publish");
	local(b, NFTA_FIB_F_DADDR, NEQ);
	nft_verdict(b, NFT_RETURN, NULL);
	nft_rule_end(b, rule);
	for (int map = 0; map < MAPS; map++)
		add_publish(b, name, map);

	/* 127.0.0.1 as somebody on the wire may write it: rewritten, it would be forwarded; as it
	 * is the kernel drops it */
	nft_add_chain(b, name, "prerouting", "nat", NF_INET_PRE_ROUTING, -100);
	rule = nft_rule(b, name, "prerouting");
	in_loopback(b, DADDR4);
	nft_verdict(b, NFT_RETURN, NULL);
	nft_rule_end(b, rule);
	rule = nft_rule(b, name, "prerouting");
	nft_verdict(b, NFT_JUMP, "publish");
	nft_rule_end(b, rule);

	/* ::1 is the relay's: a packet from ::1 that left by the bridge would be answered to ::1 */
	nft_add_chain(b, name, "output", "nat", NF_INET_LOCAL_OUT, -100);
	rule = nft_rule(b, name, "output");
	protocol(b, NFPROTO_IPV6);
	nft_payload(b, NFT_PAYLOAD_NETWORK_HEADER, DADDR6, 16, 0);
	nft_compare(b, EQ, &in6addr_loopback, 16);
	nft_verdict(b, NFT_RETURN, NULL);
	nft_rule_end(b, rule);
	rule = nft_rule(b, name, "output");
	nft_verdict(b, NFT_JUMP, "publish");
	nft_rule_end(b, rule);
}

/* oifname NAME ct KEY & BITS accept */
static void
add_accept(struct nl_buffer *b, const char *name, uint32_t key, uint32_t bits)
{
	size_t rule = nft_rule(b, name, "forward");

	interface(b, NFT_META_OIFNAME, EQ, name);
	nft_ct(b, key, 0);
	nft_any_bit(b, bits);
	nft_verdict(b, NF_ACCEPT, NULL);
	nft_rule_end(b, rule);
}

/* ANCHOR: forward */
/* To a container goes what answers it, and what a published port sent its way; a neighbour on the
 * bridge may; nobody else, though a route were there. */
static void
add_forward(struct nl_buffer *b, const char *name)
{
	size_t rule;

	nft_add_chain(b, name, "forward", "filter", NF_INET_FORWARD, 0);
	add_accept(b, name, NFT_CT_STATE,
		   NF_CT_STATE_BIT(IP_CT_ESTABLISHED) | NF_CT_STATE_BIT(IP_CT_RELATED));
	add_accept(b, name, NFT_CT_STATUS, IPS_DST_NAT);
	rule = nft_rule(b, name, "forward");
	interface(b, NFT_META_OIFNAME, EQ, name);
	interface(b, NFT_META_IIFNAME, NEQ, name);
	nft_verdict(b, NF_DROP, NULL);
	nft_rule_end(b, rule);
}
/* ANCHOR_END: forward */

/* Of one family: a container that reached itself or a neighbour by a published port is answered by
 * way of the host; whoever goes elsewhere goes under the host's address. */
static void
add_outward(struct nl_buffer *b, const char *name, const struct address *network, unsigned prefix)
{
	size_t rule;

	if (!network->family)
		return;
	rule = nft_rule(b, name, "postrouting");
	interface(b, NFT_META_OIFNAME, EQ, name);
	nft_ct(b, NFT_CT_STATUS, 0);
	nft_any_bit(b, IPS_DST_NAT);
	from_network(b, network, prefix);
	nft_masquerade(b);
	nft_rule_end(b, rule);

	rule = nft_rule(b, name, "postrouting");
	interface(b, NFT_META_OIFNAME, NEQ, name);
	from_network(b, network, prefix);
	nft_masquerade(b);
	nft_rule_end(b, rule);
}

int
nat_add(int nfnl, const struct nat_network *network)
{
	_Alignas(struct nlmsghdr) uint8_t bytes[4 * NL_ROOM];
	const char *name = network->name;
	struct nl_buffer b;
	size_t rule;

	nft_begin(&b, bytes, sizeof bytes);
	nft_add_table(&b, name); /* so that there is one to delete: what is left of a crash */
	nft_delete_table(&b, name);
	nft_add_table(&b, name);
	for (int map = 0; map < MAPS; map++)
		nft_add_map(&b, name, &maps[map]);

	/* The bridge routes 127.0.0.0/8 for our own packets; nobody else's may use that. */
	nft_add_chain(&b, name, "guard", "filter", NF_INET_PRE_ROUTING, -300);
	add_guard(&b, name, DADDR4);
	add_guard(&b, name, SADDR4);

	add_inward(&b, name);
	add_forward(&b, name);

	/* From 127.0.0.1 of the host: a container could not answer to that. */
	nft_add_chain(&b, name, "postrouting", "nat", NF_INET_POST_ROUTING, 100);
	rule = nft_rule(&b, name, "postrouting");
	interface(&b, NFT_META_OIFNAME, EQ, name);
	local(&b, NFTA_FIB_F_SADDR, EQ);
	nft_masquerade(&b);
	nft_rule_end(&b, rule);
	add_outward(&b, name, &network->v4, network->prefix4);
	add_outward(&b, name, &network->v6, network->prefix6);
	return nft_commit(nfnl, &b, name);
}

int
nat_remove(int nfnl, const char *name)
{
	_Alignas(struct nlmsghdr) uint8_t bytes[NL_ROOM];
	struct nl_buffer b;

	nft_begin(&b, bytes, sizeof bytes);
	nft_add_table(&b, name); /* one that is gone already would be an error */
	nft_delete_table(&b, name);
	return nft_commit(nfnl, &b, name);
}

/* ---- published ports ---- */

enum { ELEMENTS = 256, ELEMENT_SIZE = 24 };

/* MAPS: none. What comes to ::1 is the relay's. */
static int
map_of(const struct port *port)
{
	int any = address_any(&port->on) ? 1 : 0;

	if (port->on.family == AF_INET6 && address_loopback(&port->on))
		return MAPS;
	return port->on.family == AF_INET6 ? AT6 + any : AT4 + any;
}

/* Appends words to a key or value: a port fills one of them, from its front. */
static size_t
put_words(uint8_t *bytes, size_t at, const void *part, size_t size)
{
	memcpy(bytes + at, part, size);
	return at + (size + 3) / 4 * 4;
}

static void
put_port(struct nl_buffer *b, const struct nft_elements *elements, const struct port *port,
	 const struct address *to, const char *id)
{
	uint8_t key[ELEMENT_SIZE] = { 0 }, value[ELEMENT_SIZE] = { 0 };
	const uint16_t host = htons(port->host), container = htons(port->container);
	size_t at = put_words(key, 0, &port->protocol, sizeof port->protocol);

	if (!address_any(&port->on))
		at = put_words(key, at, port->on.bytes, address_size(&port->on));
	put_words(key, at, &host, sizeof host);
	at = put_words(value, 0, to->bytes, address_size(to));
	put_words(value, at, &container, sizeof container);
	nft_element(b, elements, key, value, id);
}

/* The ports that belong into MAP, 256 in each batch. */
static int
publish_in(int nfnl, const char *name, int map, const char *id, const struct port_list *ports,
	   const struct address *to)
{
	_Alignas(struct nlmsghdr) uint8_t bytes[ELEMENTS * 240];
	size_t i = 0;

	while (i < ports->count) {
		struct nft_elements elements;
		struct nl_buffer b;
		char what[128];
		int count = 0;

		nft_begin(&b, bytes, sizeof bytes);
		nft_elements(&b, NFT_MSG_NEWSETELEM, name, &maps[map], &elements);
		for (; i < ports->count && count < ELEMENTS; i++)
			if (map_of(&ports->item[i]) == map) {
				put_port(&b, &elements, &ports->item[i], to, id);
				count++;
			}
		nft_elements_end(&b, &elements);
		snprintf(what, sizeof what, "%s %s: %d for %.64s", name, maps[map].name, count, id);
		if (count && nft_commit(nfnl, &b, what) < 0)
			return -1;
	}
	return 0;
}

int
nat_publish(int nfnl, const char *name, const char *id, const struct port_list *ports,
	    const struct address *v4, const struct address *v6)
{
	for (int map = 0; map < MAPS; map++) {
		const struct address *to = map >= AT6 ? v6 : v4;
		if (to->family && publish_in(nfnl, name, map, id, ports, to) < 0)
			return -1;
	}
	return 0;
}

struct owned { /* keys of elements whose comment is ID */
	const char *id;
	struct port_set *udp; /* the ports of those that are UDP's */
	size_t count;
	uint8_t key[ELEMENTS][ELEMENT_SIZE];
};

static int
collect(struct nl_view key, const char *comment, void *context)
{
	struct owned *owned = context;
	uint16_t port;

	if (strcmp(comment, owned->id) != 0 || owned->count == ELEMENTS || key.length < 8 ||
	    key.length > ELEMENT_SIZE)
		return 0;
	memcpy(owned->key[owned->count++], key.bytes, key.length);
	memcpy(&port, key.bytes + key.length - 4, sizeof port); /* the last word's front */
	if (key.bytes[0] == IPPROTO_UDP)
		owned->udp->bits[ntohs(port) / 8] |= (uint8_t)(1 << ntohs(port) % 8);
	return 0;
}

static int
pass_over(struct nl_view key, const char *comment, void *context)
{
	(void)key, (void)comment, (void)context;
	return 0;
}

bool
nat_exists(int nfnl, const char *name)
{
	return nft_list(nfnl, name, &maps[AT4], pass_over, NULL) == 0;
}

/* One batch of removals; gives how many, or −1. */
static int
unpublish_some(int nfnl, const char *name, int map, const char *id, struct port_set *udp)
{
	_Alignas(struct nlmsghdr) uint8_t bytes[ELEMENTS * 64];
	struct owned owned = { .id = id, .udp = udp };
	struct nft_elements elements;
	struct nl_buffer b;
	char what[128];

	if (nft_list(nfnl, name, &maps[map], collect, &owned) < 0)
		return errno == ENOENT ? 0 : fail(errno, "nft list map inet %s", name);
	if (owned.count == 0)
		return 0;
	nft_begin(&b, bytes, sizeof bytes);
	nft_elements(&b, NFT_MSG_DELSETELEM, name, &maps[map], &elements);
	for (size_t i = 0; i < owned.count; i++)
		nft_element(&b, &elements, owned.key[i], NULL, NULL);
	nft_elements_end(&b, &elements);
	snprintf(what, sizeof what, "%s %s: %zu of %.64s", name, maps[map].name, owned.count, id);
	return nft_commit(nfnl, &b, what) < 0 ? -1 : (int)owned.count;
}

int
nat_unpublish(int nfnl, const char *name, const char *id)
{
	static const struct port_set none;
	struct port_set udp = none;

	for (int map = 0; map < MAPS; map++) {
		int some;
		do
			some = unpublish_some(nfnl, name, map, id, &udp);
		while (some == ELEMENTS);
		if (some < 0)
			return -1;
	}
	if (memcmp(&udp, &none, sizeof udp) == 0)
		return 0;
	return conntrack_forget_udp(nfnl, &udp);
}

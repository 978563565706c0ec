/*
 * conntrack.c: looks through the table of flows and deletes some.
 * Follows Linux's nfnetlink_conntrack.h. Explained in book/06-net.md.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <netinet/in.h>
#include <string.h>

#include "step01-unshare/call.h"
#include "step06-net/conntrack.h"
#include "step06-net/netlink.h"

enum { FLOWS = 64, TUPLE = 128 }; /* flows a round; bytes of a tuple, of which IPv6 takes 80 */

struct found {
	const struct port_set *ports;
	size_t count;
	struct flow {
		uint8_t family;
		size_t size;
		uint8_t tuple[TUPLE]; /* CTA_TUPLE_ORIG as it came */
	} flow[FLOWS];
};

/* The host's port that a UDP flow was sent to; 0: no such flow. */
static uint16_t
udp_port(struct nl_view tuple)
{
	struct nl_view proto, value;
	uint16_t port;

	if (!nl_find(tuple, CTA_TUPLE_PROTO, &proto) || !nl_find(proto, CTA_PROTO_NUM, &value) ||
	    nl_number(value, 0) != IPPROTO_UDP || !nl_find(proto, CTA_PROTO_DST_PORT, &value) ||
	    value.length != sizeof port)
		return 0;
	memcpy(&port, value.bytes, sizeof port);
	return ntohs(port);
}

static int
note_flow(int type, struct nl_view payload, void *context)
{
	struct found *found = context;
	struct flow *flow = &found->flow[found->count];
	struct nl_view tuple, status;
	struct nfgenmsg header;
	uint16_t port;

	if (type != (NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_NEW) ||
	    payload.length < sizeof header || found->count == FLOWS)
		return 0;
	memcpy(&header, payload.bytes, sizeof header);
	payload.bytes += sizeof header;
	payload.length -= sizeof header;
	if (!nl_find(payload, CTA_TUPLE_ORIG, &tuple) || !nl_find(payload, CTA_STATUS, &status))
		return 0;
	port = udp_port(tuple);
	if (port == 0 || !(found->ports->bits[port / 8] & 1 << port % 8) || tuple.length > TUPLE ||
	    !(ntohl((uint32_t)nl_number(status, 0)) & IPS_DST_NAT))
		return 0;
	flow->family = header.nfgen_family;
	flow->size = tuple.length;
	memcpy(flow->tuple, tuple.bytes, tuple.length);
	found->count++;
	return 0;
}

static int
forget(int nfnl, const struct flow *flow)
{
	const struct nfgenmsg header = { .nfgen_family = flow->family };
	_Alignas(struct nlmsghdr) uint8_t bytes[NL_ROOM];
	struct nl_buffer message;

	nl_start(&message, bytes, sizeof bytes);
	nl_message(&message, NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_DELETE, NLM_F_ACK, &header,
		   sizeof header);
	nl_put(&message, CTA_TUPLE_ORIG | NLA_F_NESTED, flow->tuple, flow->size);
	/* it may have run out by itself meanwhile */
	if (call_try(nl_talk(nfnl, &message),
		     "sendto(%d, NFNL_SUBSYS_CTNETLINK<<8|IPCTNL_MSG_CT_DELETE, \"udp\")",
		     nfnl) < 0 &&
	    errno != ENOENT)
		return fail(errno, "forgetting a UDP flow");
	return 0;
}

int
conntrack_forget_udp(int nfnl, const struct port_set *ports)
{
	struct found found = { .ports = ports };

	do {
		const struct nfgenmsg every = { .nfgen_family = AF_UNSPEC };
		_Alignas(struct nlmsghdr) uint8_t bytes[NL_ROOM];
		struct nl_buffer question;

		found.count = 0;
		nl_start(&question, bytes, sizeof bytes);
		nl_message(&question, NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_GET, NLM_F_DUMP,
			   &every, sizeof every);
		if (nl_ask(nfnl, &question, note_flow, &found) < 0)
			return fail(errno, "reading the table of flows");
		for (size_t i = 0; i < found.count; i++)
			if (forget(nfnl, &found.flow[i]) < 0)
				return -1;
	} while (found.count == FLOWS);
	return 0;
}

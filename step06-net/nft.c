/*
 * nft.c: tables, chains, maps and rules as the kernel wants them; a table of contents of nf_tables.
 * Follows Linux's nf_tables.h and nfnetlink.h. Explained in book/06-net.md.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "step01-unshare/call.h"
#include "step06-net/nft.h"

enum { COMMENT = 0 }; /* NFTNL_UDATA_SET_ELEM_COMMENT: nft's own convention */

static void
message(struct nl_buffer *buffer, int type, int flags)
{
	const struct nfgenmsg family = { .nfgen_family = NFPROTO_INET };

	nl_message(buffer, NFNL_SUBSYS_NFTABLES << 8 | type, flags, &family, sizeof family);
}

static void
mark(struct nl_buffer *buffer, int type)
{
	const struct nfgenmsg subsystem = { .res_id = htons(NFNL_SUBSYS_NFTABLES) };

	nl_message(buffer, type, 0, &subsystem, sizeof subsystem);
}

void
nft_begin(struct nl_buffer *buffer, void *bytes, size_t size)
{
	nl_start(buffer, bytes, size);
	mark(buffer, NFNL_MSG_BATCH_BEGIN);
}

int
nft_commit(int fd, struct nl_buffer *buffer, const char *what)
{
	mark(buffer, NFNL_MSG_BATCH_END);
	return nl_change(fd, buffer, "NFNL_MSG_BATCH_BEGIN", what);
}

void
nft_add_table(struct nl_buffer *buffer, const char *table)
{
	message(buffer, NFT_MSG_NEWTABLE, NLM_F_CREATE | NLM_F_ACK);
	nl_put_text(buffer, NFTA_TABLE_NAME, table);
}

void
nft_delete_table(struct nl_buffer *buffer, const char *table)
{
	message(buffer, NFT_MSG_DELTABLE, NLM_F_ACK);
	nl_put_text(buffer, NFTA_TABLE_NAME, table);
}

void
nft_add_chain(struct nl_buffer *buffer, const char *table, const char *chain, const char *type,
	      uint32_t hook, int priority)
{
	size_t nest;

	message(buffer, NFT_MSG_NEWCHAIN, NLM_F_CREATE | NLM_F_ACK);
	nl_put_text(buffer, NFTA_CHAIN_TABLE, table);
	nl_put_text(buffer, NFTA_CHAIN_NAME, chain);
	if (!type)
		return;
	nest = nl_nest(buffer, NFTA_CHAIN_HOOK);
	nl_put_be32(buffer, NFTA_HOOK_HOOKNUM, hook);
	nl_put_be32(buffer, NFTA_HOOK_PRIORITY, (uint32_t)priority);
	nl_nest_end(buffer, nest);
	nl_put_text(buffer, NFTA_CHAIN_TYPE, type);
}

/* ---- maps ---- */

void
nft_add_map(struct nl_buffer *buffer, const char *table, const struct nft_map *map)
{
	message(buffer, NFT_MSG_NEWSET, NLM_F_CREATE | NLM_F_ACK);
	nl_put_text(buffer, NFTA_SET_TABLE, table);
	nl_put_text(buffer, NFTA_SET_NAME, map->name);
	nl_put_be32(buffer, NFTA_SET_FLAGS, NFT_SET_MAP);
	nl_put_be32(buffer, NFTA_SET_KEY_TYPE, map->key_type);
	nl_put_be32(buffer, NFTA_SET_KEY_LEN, map->key_size);
	nl_put_be32(buffer, NFTA_SET_DATA_TYPE, map->value_type);
	nl_put_be32(buffer, NFTA_SET_DATA_LEN, map->value_size);
	nl_put_be32(buffer, NFTA_SET_ID, 1); /* wanted by the kernel, though the name says it */
}

void
nft_elements(struct nl_buffer *buffer, int change, const char *table, const struct nft_map *map,
	     struct nft_elements *elements)
{
	message(buffer, change,
		NLM_F_ACK | (change == NFT_MSG_NEWSETELEM ? NLM_F_CREATE | NLM_F_EXCL : 0));
	nl_put_text(buffer, NFTA_SET_ELEM_LIST_TABLE, table);
	nl_put_text(buffer, NFTA_SET_ELEM_LIST_SET, map->name);
	elements->list = nl_nest(buffer, NFTA_SET_ELEM_LIST_ELEMENTS);
	elements->map = map;
}

static void
put_value(struct nl_buffer *buffer, int type, const void *value, size_t size)
{
	size_t nest = nl_nest(buffer, type);

	nl_put(buffer, NFTA_DATA_VALUE, value, size);
	nl_nest_end(buffer, nest);
}

void
nft_element(struct nl_buffer *buffer, const struct nft_elements *elements, const void *key,
	    const void *value, const char *comment)
{
	size_t element = nl_nest(buffer, NFTA_LIST_ELEM);
	uint8_t user[130];
	int length;

	put_value(buffer, NFTA_SET_ELEM_KEY, key, elements->map->key_size);
	if (value) {
		put_value(buffer, NFTA_SET_ELEM_DATA, value, elements->map->value_size);
		length = snprintf((char *)user + 2, sizeof user - 2, "%s", comment) + 1;
		if (length > (int)sizeof user - 2)
			length = sizeof user - 2;
		user[0] = COMMENT;
		user[1] = (uint8_t)length;
		nl_put(buffer, NFTA_SET_ELEM_USERDATA, user, (size_t)length + 2);
	}
	nl_nest_end(buffer, element);
}

void
nft_elements_end(struct nl_buffer *buffer, const struct nft_elements *elements)
{
	nl_nest_end(buffer, elements->list);
}

struct element_walk {
	nft_each *each;
	void *context;
};

static int
read_elements(int type, struct nl_view payload, void *context)
{
	const struct element_walk *walk = context;
	struct nl_view list, element, part, key;
	char comment[128];

	if (type != (NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWSETELEM) ||
	    payload.length < sizeof(struct nfgenmsg))
		return 0;
	payload.bytes += sizeof(struct nfgenmsg);
	payload.length -= sizeof(struct nfgenmsg);
	if (!nl_find(payload, NFTA_SET_ELEM_LIST_ELEMENTS, &list))
		return 0;
	while (nl_next(&list, &element) >= 0) {
		if (!nl_find(element, NFTA_SET_ELEM_KEY, &part) ||
		    !nl_find(part, NFTA_DATA_VALUE, &key))
			continue;
		comment[0] = '\0';
		if (nl_find(element, NFTA_SET_ELEM_USERDATA, &part) && part.length > 2 &&
		    part.bytes[0] == COMMENT) {
			part.bytes += 2;
			part.length -= 2;
			nl_text(part, comment, sizeof comment);
		}
		if (walk->each(key, comment, walk->context) < 0)
			return -1;
	}
	return 0;
}

int
nft_list(int fd, const char *table, const struct nft_map *map, nft_each *each, void *context)
{
	struct element_walk walk = { each, context };
	_Alignas(struct nlmsghdr) uint8_t bytes[NL_ROOM];
	struct nl_buffer buffer;

	nl_start(&buffer, bytes, sizeof bytes);
	message(&buffer, NFT_MSG_GETSETELEM, NLM_F_DUMP);
	nl_put_text(&buffer, NFTA_SET_ELEM_LIST_TABLE, table);
	nl_put_text(&buffer, NFTA_SET_ELEM_LIST_SET, map->name);
	return nl_ask(fd, &buffer, read_elements, &walk);
}

/* ---- rules ---- */

size_t
nft_rule(struct nl_buffer *buffer, const char *table, const char *chain)
{
	message(buffer, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND | NLM_F_ACK);
	nl_put_text(buffer, NFTA_RULE_TABLE, table);
	nl_put_text(buffer, NFTA_RULE_CHAIN, chain);
	return nl_nest(buffer, NFTA_RULE_EXPRESSIONS);
}

void
nft_rule_end(struct nl_buffer *buffer, size_t rule)
{
	nl_nest_end(buffer, rule);
}

/* ANCHOR: expression */
struct expression {
	size_t element, data;
};

static struct expression
expression(struct nl_buffer *buffer, const char *name)
{
	struct expression open = { .element = nl_nest(buffer, NFTA_LIST_ELEM) };

	nl_put_text(buffer, NFTA_EXPR_NAME, name);
	open.data = nl_nest(buffer, NFTA_EXPR_DATA);
	return open;
}

static void
expression_end(struct nl_buffer *buffer, struct expression open)
{
	nl_nest_end(buffer, open.data);
	nl_nest_end(buffer, open.element);
}

void
nft_meta(struct nl_buffer *buffer, uint32_t key, uint32_t word)
{
	struct expression meta = expression(buffer, "meta");

	nl_put_be32(buffer, NFTA_META_KEY, key);
	nl_put_be32(buffer, NFTA_META_DREG, NFT_REG32_00 + word);
	expression_end(buffer, meta);
}
/* ANCHOR_END: expression */

void
nft_ct(struct nl_buffer *buffer, uint32_t key, uint32_t word)
{
	struct expression ct = expression(buffer, "ct");

	nl_put_be32(buffer, NFTA_CT_KEY, key);
	nl_put_be32(buffer, NFTA_CT_DREG, NFT_REG32_00 + word);
	expression_end(buffer, ct);
}

void
nft_fib_type(struct nl_buffer *buffer, uint32_t flag, uint32_t word)
{
	struct expression fib = expression(buffer, "fib");

	nl_put_be32(buffer, NFTA_FIB_FLAGS, flag);
	nl_put_be32(buffer, NFTA_FIB_RESULT, NFT_FIB_RESULT_ADDRTYPE);
	nl_put_be32(buffer, NFTA_FIB_DREG, NFT_REG32_00 + word);
	expression_end(buffer, fib);
}

void
nft_payload(struct nl_buffer *buffer, uint32_t base, uint32_t offset, uint32_t size, uint32_t word)
{
	struct expression payload = expression(buffer, "payload");

	nl_put_be32(buffer, NFTA_PAYLOAD_DREG, NFT_REG32_00 + word);
	nl_put_be32(buffer, NFTA_PAYLOAD_BASE, base);
	nl_put_be32(buffer, NFTA_PAYLOAD_OFFSET, offset);
	nl_put_be32(buffer, NFTA_PAYLOAD_LEN, size);
	expression_end(buffer, payload);
}

void
nft_compare(struct nl_buffer *buffer, uint32_t operation, const void *value, size_t size)
{
	struct expression compare = expression(buffer, "cmp");

	nl_put_be32(buffer, NFTA_CMP_SREG, NFT_REG32_00);
	nl_put_be32(buffer, NFTA_CMP_OP, operation);
	put_value(buffer, NFTA_CMP_DATA, value, size);
	expression_end(buffer, compare);
}

void
nft_mask(struct nl_buffer *buffer, const void *mask, size_t size)
{
	struct expression bitwise = expression(buffer, "bitwise");
	static const uint8_t none[16];

	nl_put_be32(buffer, NFTA_BITWISE_SREG, NFT_REG32_00);
	nl_put_be32(buffer, NFTA_BITWISE_DREG, NFT_REG32_00);
	nl_put_be32(buffer, NFTA_BITWISE_LEN, (uint32_t)size);
	put_value(buffer, NFTA_BITWISE_MASK, mask, size);
	put_value(buffer, NFTA_BITWISE_XOR, none, size);
	expression_end(buffer, bitwise);
}

void
nft_any_bit(struct nl_buffer *buffer, uint32_t bits)
{
	const uint32_t none = 0;

	nft_mask(buffer, &bits, sizeof bits);
	nft_compare(buffer, NFT_CMP_NEQ, &none, sizeof none);
}

void
nft_lookup(struct nl_buffer *buffer, const struct nft_map *map)
{
	struct expression lookup = expression(buffer, "lookup");

	nl_put_text(buffer, NFTA_LOOKUP_SET, map->name);
	nl_put_be32(buffer, NFTA_LOOKUP_SREG, NFT_REG32_00);
	nl_put_be32(buffer, NFTA_LOOKUP_DREG, NFT_REG32_00);
	expression_end(buffer, lookup);
}

void
nft_dnat(struct nl_buffer *buffer, uint32_t family, uint32_t port_word)
{
	struct expression nat = expression(buffer, "nat");

	nl_put_be32(buffer, NFTA_NAT_TYPE, NFT_NAT_DNAT);
	nl_put_be32(buffer, NFTA_NAT_FAMILY, family);
	nl_put_be32(buffer, NFTA_NAT_REG_ADDR_MIN, NFT_REG32_00);
	nl_put_be32(buffer, NFTA_NAT_REG_PROTO_MIN, NFT_REG32_00 + port_word);
	expression_end(buffer, nat);
}

void
nft_masquerade(struct nl_buffer *buffer)
{
	expression_end(buffer, expression(buffer, "masq"));
}

void
nft_verdict(struct nl_buffer *buffer, int verdict, const char *chain)
{
	struct expression immediate = expression(buffer, "immediate");
	size_t data, code;

	nl_put_be32(buffer, NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT);
	data = nl_nest(buffer, NFTA_IMMEDIATE_DATA);
	code = nl_nest(buffer, NFTA_DATA_VERDICT);
	nl_put_be32(buffer, NFTA_VERDICT_CODE, (uint32_t)verdict);
	if (chain)
		nl_put_text(buffer, NFTA_VERDICT_CHAIN, chain);
	nl_nest_end(buffer, code);
	nl_nest_end(buffer, data);
	expression_end(buffer, immediate);
}

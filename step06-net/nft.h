/*
 * nft: nftables' wire format. A rule is a small program over registers: load, compare, act.
 *
 * Changes travel as one batch that the kernel takes whole or not at all. `nft --debug=netlink`
 * shows the same programs for rules in text. Follows nft(8), Linux's nf_tables.h and nfnetlink.h.
 * Explained in book/06-net.md.
 */
#ifndef BOXSTEP_NFT_H
#define BOXSTEP_NFT_H

#include "step06-net/netlink.h"

/* Begins and ends a batch; nft_commit sends it as one told change: sendto(4,
 * NFNL_MSG_BATCH_BEGIN, "OBJECT"). −1 with the errno of the first message refused. */
void nft_begin(struct nl_buffer *, void *bytes, size_t size);
int nft_commit(int fd, struct nl_buffer *, const char *object);

void nft_add_table(struct nl_buffer *, const char *table);
void nft_delete_table(struct nl_buffer *, const char *table);

/* A map whose keys of KEY_SIZE bytes give values of DATA_SIZE bytes. The types are nft's own
 * numbers, for `nft list` to print them: six bits each, the last one lowest. */
enum { NFT_IPV4 = 7, NFT_IPV6 = 8, NFT_PROTOCOL = 12, NFT_SERVICE = 13 };
struct nft_map {
	const char *name;
	uint32_t id, key_type, key_size, data_type, data_size;
};
void nft_add_map(struct nl_buffer *, const char *table, const struct nft_map *map);
/* Elements are added to a message that nft_elements begins and nft_elements_end ends; COMMENT says
 * whose they are. DELETE: removed instead; VALUE may then be NULL. */
struct nft_elements {
	size_t list;
	uint32_t count;
};
void nft_elements(struct nl_buffer *, const char *table, const struct nft_map *map, bool remove,
		  struct nft_elements *);
void nft_element(struct nl_buffer *, struct nft_elements *, const struct nft_map *map,
		 const void *key, const void *value, const char *comment);
void nft_elements_end(struct nl_buffer *, struct nft_elements *);
/* Calls EACH with key, value and comment of every element of a map. */
typedef int nft_each(struct nl_view key, struct nl_view value, const char *comment, void *context);
int nft_list(int fd, const char *table, const struct nft_map *map, nft_each *each, void *context);

/* A chain; HOOK (NF_INET_…) −1: one that others jump to. TYPE is "filter" or "nat". */
void nft_add_chain(struct nl_buffer *, const char *table, const char *chain, const char *type,
		   int hook, int priority);

/* A rule is nft_rule, its expressions in order, nft_rule_end. Registers are numbered in words of
 * four bytes from 0. Each expression reads like the line of nft(8) that it is part of. */
struct nft_rule {
	size_t list;
};
void nft_rule(struct nl_buffer *, const char *table, const char *chain, struct nft_rule *);
void nft_rule_end(struct nl_buffer *, struct nft_rule *);
void nft_meta(struct nl_buffer *, uint32_t key, unsigned word);	     /* NFT_META_… into WORD */
void nft_ct(struct nl_buffer *, uint32_t key, unsigned word);	     /* NFT_CT_… */
void nft_fib_type(struct nl_buffer *, uint32_t flag, unsigned word); /* NFTA_FIB_F_SADDR, DADDR */
void nft_payload(struct nl_buffer *, uint32_t base, unsigned offset, unsigned size, unsigned word);
void nft_compare(struct nl_buffer *, bool equal, const void *value, size_t size); /* with word 0 */
void nft_any_bit(struct nl_buffer *, uint32_t bits); /* one of BITS is set in word 0 */
void nft_lookup(struct nl_buffer *, const struct nft_map *map, unsigned word);	/* key from 0 on */
void nft_dnat(struct nl_buffer *, int family, unsigned address, unsigned port); /* from words */
void nft_masquerade(struct nl_buffer *);
void nft_verdict(struct nl_buffer *, int verdict, const char *chain); /* NF_DROP, NFT_JUMP … */

#endif

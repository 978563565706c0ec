/*
 * nft: nftables' wire format. A rule is a small program over registers: load, compare, act.
 *
 * Changes travel as one batch that the kernel takes whole or not at all. `nft --debug=netlink`
 * shows the same programs for rules in text. By hand, because Debian has no static libmnl, and
 * nft(8) has to be started for each change. Follows nft(8), Linux's nf_tables.h, nfnetlink.h.
 * Explained in book/06-net.md.
 */
#ifndef BOXSTEP_NFT_H
#define BOXSTEP_NFT_H

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

#include "step06-net/netlink.h"

/*
 * nft_begin, changes, nft_commit. The batch is sent and told as one change, which begins with
 * NFNL_MSG_BATCH_BEGIN: sendto(4, NFNL_MSG_BATCH_BEGIN, "WHAT"). 0, or −1 with the errno of the
 * first message that was refused; then none of it is done.
 */
void nft_begin(struct nl_buffer *, void *bytes, size_t size);
int nft_commit(int fd, struct nl_buffer *, const char *what);

/* Tables are of the family inet: one set of rules for IPv4 and IPv6. */
void nft_add_table(struct nl_buffer *, const char *table);
void nft_delete_table(struct nl_buffer *, const char *table); /* with all that is in it */

/* A chain; of TYPE "filter" or "nat" at HOOK (NF_INET_…) and PRIORITY; TYPE NULL: one that only
 * others jump to. */
void nft_add_chain(struct nl_buffer *, const char *table, const char *chain, const char *type,
		   uint32_t hook, int priority);

/* ---- maps ---- */

/* Keys of KEY_SIZE bytes give values of VALUE_SIZE bytes. Each part of them fills whole words of
 * four bytes. The types are for nft(8) to print them by: its own numbers, six bits each. */
enum { NFT_IPV4 = 7, NFT_IPV6 = 8, NFT_PROTOCOL = 12, NFT_SERVICE = 13 };
struct nft_map {
	const char *name;
	uint32_t key_type, key_size, value_type, value_size;
};
void nft_add_map(struct nl_buffer *, const char *table, const struct nft_map *map);

/* A message of elements to add, or (CHANGE NFT_MSG_DELSETELEM) to remove: nft_elements,
 * nft_element for each, nft_elements_end. At most 256 of them. */
struct nft_elements {
	size_t list;
	const struct nft_map *map;
};
void nft_elements(struct nl_buffer *, int change, const char *table, const struct nft_map *map,
		  struct nft_elements *);
/* VALUE may be NULL on removal. COMMENT says whose it is: at most 127 bytes. */
void nft_element(struct nl_buffer *, const struct nft_elements *, const void *key,
		 const void *value, const char *comment);
void nft_elements_end(struct nl_buffer *, const struct nft_elements *);

/* Calls EACH with key and comment of every element; 0, or −1 (ENOENT: no such table). */
typedef int nft_each(struct nl_view key, const char *comment, void *context);
int nft_list(int fd, const char *table, const struct nft_map *map, nft_each *each, void *context);

/* ---- rules: nft_rule, the expressions in their order, nft_rule_end ---- */

/* Registers are counted in words of four bytes, from 0. A comparison takes its value from word 0,
 * and ends the rule when it fails. */
size_t nft_rule(struct nl_buffer *, const char *table, const char *chain);
void nft_rule_end(struct nl_buffer *, size_t rule);
void nft_meta(struct nl_buffer *, uint32_t key, uint32_t word);	     /* NFT_META_… into WORD */
void nft_ct(struct nl_buffer *, uint32_t key, uint32_t word);	     /* NFT_CT_… */
void nft_fib_type(struct nl_buffer *, uint32_t flag, uint32_t word); /* RTN_… of an address */
void nft_payload(struct nl_buffer *, uint32_t base, uint32_t offset, uint32_t size, uint32_t word);
void nft_compare(struct nl_buffer *, uint32_t operation, const void *value, size_t size);
void nft_mask(struct nl_buffer *, const void *mask, size_t size); /* word 0 &= MASK */
void nft_any_bit(struct nl_buffer *, uint32_t bits);		  /* is one of BITS set? */
void nft_lookup(struct nl_buffer *, const struct nft_map *map);	  /* words 0… to words 0… */
void nft_dnat(struct nl_buffer *, uint32_t family, uint32_t port_word); /* address in word 0 */
void nft_masquerade(struct nl_buffer *);
void nft_verdict(struct nl_buffer *, int verdict, const char *chain); /* NF_DROP, NFT_JUMP … */

#endif

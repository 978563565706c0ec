/*
 * resolv: the three files by which names are found: resolv.conf, hosts, hostname.
 *
 * A resolver of the host on 127.0.0.53 is another machine's as seen from a container, so its line
 * is left out. Follows resolv.conf(5), hosts(5), hostname(5), systemd-resolved.service(8).
 * Explained in book/06-net.md.
 */
#ifndef BOXSTEP_RESOLV_H
#define BOXSTEP_RESOLV_H

#include "step01-unshare/options.h"
#include "step06-net/link.h"

struct resolv_options {
	struct text_list dns, search, option; /* --dns, --dns-search, --dns-option */
	struct text_list hosts;		      /* --add-host NAME:IP; IP may be "host-gateway" */
};
extern const struct option_row resolv_options[];

/* What the files say beside the options. */
struct resolv_facts {
	const char *hostname;	/* NULL: the caller's */
	struct address v4, v6;	/* of the container; family 0: none */
	struct address gateway; /* what "host-gateway" stands for */
	bool own_lo;		/* the host's 127.0.0.1 is not the container's */
};

/* Checks the options' values: EINVAL and fail() on a bad one. */
int resolv_check(const struct resolv_options *options);

/* Writes resolv.conf, hosts and hostname into the directory DIR, mode 644; 0 or −1. */
int resolv_write(int dir, const struct resolv_options *options, const struct resolv_facts *facts);

#endif

/*
 * resolv: the three files by which names are found: resolv.conf, hosts, hostname.
 *
 * "DNS works on the host but not inside": a resolver on the host's 127.0.0.53 is the container
 * itself as seen from inside, so such a line is left out, and the servers behind it are looked up.
 * Follows resolv.conf(5), hosts(5), hostname(5), systemd-resolved.service(8).
 * Explained in book/06-net.md.
 */
#ifndef BOXSTEP_RESOLV_H
#define BOXSTEP_RESOLV_H

#include <stdbool.h>

#include "step01-unshare/options.h"
#include "step06-net/address.h"

struct resolv_options {
	struct text_list dns;	 /* --dns: addresses, in place of the host's servers */
	struct text_list search; /* --dns-search; "." for none */
	struct text_list option; /* --dns-option */
	struct text_list host;	 /* --add-host NAME:IP; IP may be host-gateway */
};
extern const struct option_row resolv_options[]; /* bad values are refused while parsing */

/* What the files say beside the options. */
struct resolv_facts {
	const char *hostname;	/* NULL: the caller's */
	struct address v4, v6;	/* of the container; family 0: none */
	struct address gateway; /* what host-gateway stands for; family 0: 127.0.0.1 */
	bool own_lo;		/* the container's 127.0.0.1 is not the host's */
};

/* The names of the files, NULL-terminated: each belongs to /etc in the container. */
extern const char *const resolv_files[];

/* Writes them, mode 644, into the directory DIR (a descriptor). Files that are there are written
 * anew in place, so that what is bound to them sees it. 0 or −1. */
int resolv_write(int dir, const struct resolv_options *options, const struct resolv_facts *facts);

#endif

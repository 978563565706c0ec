/*
 * conntrack: flows that the kernel remembers, and how to make it forget some.
 *
 * A UDP flow has no end: as long as a client keeps sending, its packets go where the first one was
 * sent, and that may be a container that is gone. Follows Linux's nfnetlink_conntrack.h,
 * nf_conntrack-sysctl.rst (nf_conntrack_udp_timeout). Explained in book/06-net.md.
 */
#ifndef BOXSTEP_CONNTRACK_H
#define BOXSTEP_CONNTRACK_H

#include <stdint.h>

struct port_set { /* ports of the host: one bit each */
	uint8_t bits[65536 / 8];
};

/* Forgets the UDP flows to these ports that were sent on to somebody (dnat). 0 or −1. */
int conntrack_forget_udp(int nfnl, const struct port_set *ports);

#endif

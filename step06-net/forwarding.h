/*
 * forwarding: the few switches of the host that a bridge needs, and how they are put back.
 *
 * A host is no router: it drops what is not for it. net.ipv4.ip_forward and its IPv6 brother change
 * that for all interfaces. What stood there before is kept in a file, `.switches`, beside the
 * leases (see lease.h), so that it is known for as long as the bridge is there, whoever crashed.
 * Follows Linux's ip-sysctl.rst. Explained in book/06-net.md.
 */
#ifndef BOXSTEP_FORWARDING_H
#define BOXSTEP_FORWARDING_H

/*
 * Notes in directory DIR the switches that are not as a bridge needs them, with their present
 * values, a line each: "net/ipv4/ip_forward=0", "net/ipv6/conf/eth0/accept_ra=1", after one that
 * says of which network namespace. The last is for a
 * host that learned its IPv6 route from router advertisements, which a router ignores unless
 * accept_ra is 2. A note that is there is followed first. 0 or −1.
 */
int forwarding_plan(int rtnl, int dir);

/* Sets the switches of the note. 0 or −1. */
int forwarding_set(int dir);

/* Puts back what the note says, except what somebody has changed since, and removes it; none is no
 * error. */
int forwarding_restore(int dir);

/* One switch below /proc/sys of the caller's network namespace: its number; −1: there is none. */
int switch_get(const char *path);
/* Sets it, told as the write that it is; one that is so already is left, and so is a missing one.
 */
int switch_set(const char *path, int value);

#endif

/*
 * forwarding: the few switches of the host that a bridge needs, and how they are put back.
 *
 * A host is no router: it drops what is not for it. net.ipv4.ip_forward and its IPv6 brother change
 * that for all interfaces. What stood there before is kept in the bridge's alias (`ip link show
 * boxstep0` prints it), so that it is known for as long as the bridge is there, whoever crashed.
 * Follows Linux's ip-sysctl.rst. Explained in book/06-net.md.
 */
#ifndef BOXSTEP_FORWARDING_H
#define BOXSTEP_FORWARDING_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Writes into PLAN the switches that are not as a bridge needs them, with their present values:
 * "net/ipv4/ip_forward=0 net/ipv6/conf/eth0/accept_ra=1". The last is for a host that learned its
 * IPv6 route from router advertisements, which a router ignores unless accept_ra is 2.
 */
int forwarding_plan(int rtnl, char *plan, size_t size);

/* Sets the switches of PLAN. 0 or −1. */
int forwarding_set(const char *plan);

/* Puts back what PLAN says, except what somebody has changed since. */
int forwarding_restore(const char *plan);

/* One switch below /proc/sys of the caller's network namespace: its number; −1: there is none. */
int switch_get(const char *path);
/* Sets it, told as the write that it is; one that is so already is left, and so is a missing one.
 */
int switch_set(const char *path, int value);

#endif

/*
 * address: one type for IPv4 and IPv6 addresses, read and written as text.
 *
 * Follows inet_pton(3), rfc4291 (text form), rfc1918 and rfc4193 (private networks; but for the
 * latter's number by chance: every host has the same network here, behind its own translation).
 * Explained in book/06-net.md.
 */
#ifndef BOXSTEP_ADDRESS_H
#define BOXSTEP_ADDRESS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct address {    /* in network order */
	int family; /* AF_INET, AF_INET6; 0: none */
	union {
		struct in_addr v4;
		struct in6_addr v6;
		uint8_t bytes[16];
	};
};

/* Reads the LENGTH bytes of TEXT: "192.0.2.1", "fd00::1" or "[fd00::1]". 0, or −1 with EINVAL
 * (no fail()). */
int address_parse(const char *text, size_t length, struct address *address);

/* The usual text form; "-" for none. In one of four static buffers. */
const char *address_text(const struct address *address);

/* 4 or 16. */
size_t address_size(const struct address *address);

/* 0.0.0.0 or ::, which mean "every address of this family". */
bool address_any(const struct address *address);
/* 127.0.0.0/8 or ::1. */
bool address_loopback(const struct address *address);

/* Are the first BITS of both the same (and the family)? */
bool address_same_network(const struct address *a, const struct address *b, unsigned bits);

/* The address that stands NUMBER after this one; only its last 16 bits change. */
struct address address_host(const struct address *address, unsigned number);

/* Fills a socket's address for bind(2) and connect(2); gives its size. */
socklen_t address_socket(const struct address *address, uint16_t port, struct sockaddr_storage *to);

#endif

/*
 * address.c: text to address and back, and what two addresses have in common.
 * Follows inet_pton(3), rfc4291. Explained in book/06-net.md.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "step06-net/address.h"

int
address_parse(const char *text, size_t length, struct address *address)
{
	char copy[INET6_ADDRSTRLEN];
	struct address read = { 0 };

	if (length >= 2 && text[0] == '[' && text[length - 1] == ']') {
		text++;
		length -= 2;
		read.family = AF_INET6; /* brackets are for IPv6 only */
	}
	errno = EINVAL;
	if (length == 0 || length >= sizeof copy || memchr(text, '\0', length))
		return -1;
	memcpy(copy, text, length);
	copy[length] = '\0';
	if (read.family == 0)
		read.family = memchr(copy, ':', length) ? AF_INET6 : AF_INET;
	if (inet_pton(read.family, copy, read.bytes) != 1) {
		errno = EINVAL;
		return -1;
	}
	*address = read;
	return 0;
}

const char *
address_text(const struct address *address)
{
	static char texts[4][INET6_ADDRSTRLEN];
	static unsigned next;
	char *text = texts[next++ % 4];

	if (!address->family || !inet_ntop(address->family, address->bytes, text, INET6_ADDRSTRLEN))
		return "-";
	return text;
}

size_t
address_size(const struct address *address)
{
	return address->family == AF_INET6 ? sizeof address->v6 : sizeof address->v4;
}

bool
address_any(const struct address *address)
{
	static const uint8_t zero[16];

	return memcmp(address->bytes, zero, address_size(address)) == 0;
}

bool
address_loopback(const struct address *address)
{
	if (address->family == AF_INET)
		return address->bytes[0] == IN_LOOPBACKNET;
	return address->family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&address->v6);
}

bool
address_same_network(const struct address *a, const struct address *b, unsigned bits)
{
	unsigned whole = bits / 8, rest = bits % 8;

	if (a->family != b->family || bits > 8 * address_size(a))
		return false;
	if (memcmp(a->bytes, b->bytes, whole) != 0)
		return false;
	return rest == 0 || (a->bytes[whole] ^ b->bytes[whole]) >> (8 - rest) == 0;
}

struct address
address_host(const struct address *address, unsigned number)
{
	struct address host = *address;
	size_t size = address_size(address);

	if (host.family == 0)
		return host;
	number += (unsigned)host.bytes[size - 2] << 8 | host.bytes[size - 1];
	host.bytes[size - 2] = (uint8_t)(number >> 8);
	host.bytes[size - 1] = (uint8_t)number;
	return host;
}

socklen_t
address_socket(const struct address *address, uint16_t port, struct sockaddr_storage *to)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)to;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)to;

	memset(to, 0, sizeof *to);
	if (address->family == AF_INET6) {
		*v6 = (struct sockaddr_in6){ .sin6_family = AF_INET6,
					     .sin6_port = htons(port),
					     .sin6_addr = address->v6 };
		return sizeof *v6;
	}
	*v4 = (struct sockaddr_in){ .sin_family = AF_INET,
				    .sin_port = htons(port),
				    .sin_addr = address->v4 };
	return sizeof *v4;
}

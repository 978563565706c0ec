/*
 * url: which server an address belongs to, and whether it may be spoken to at all.
 *
 * Follows RFC 3986 and RFC 6454 (an origin is scheme, host and port). Explained in
 * book/08-registry.md.
 */
#ifndef BOXSTEP_URL_H
#define BOXSTEP_URL_H

#include <stdbool.h>

/*
 * The origin of URL, "https://ghcr.io:443", in small letters with the port always there: two
 * addresses of one server give the same text. Freed by the caller. NULL with EPROTO, recorded, for
 * anything but http and https, and for an address with a user or password in it.
 */
char *url_origin(const char *url);

/*
 * Whether ORIGIN may be used by a client of the server FROM: https always; http only from http,
 * and only to this machine, where nobody listens in between. 0, or −1 with EPROTO recorded.
 */
int url_allowed(const char *origin, const char *from);

bool url_plain(const char *origin); /* http */

/* Whether HOST[:PORT] is this machine: localhost, 127.0.0.0/8, [::1]. Nothing is looked up, because
 * whoever answers for a name could point it anywhere. */
bool url_loopback(const char *host);

#endif

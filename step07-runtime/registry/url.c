/*
 * url: which server an address belongs to, and whether it may be spoken to at all.
 * Follows RFC 3986, RFC 6454, libcurl-url(3). Explained in book/08-registry.md.
 */
#include "step07-runtime/registry/url.h"

#include <ctype.h>
#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "step01-unshare/call.h"

char *
url_origin(const char *url)
{
	CURLU *parsed = curl_url();
	char *scheme = NULL, *host = NULL, *port = NULL, *origin = NULL;

	if (!parsed || curl_url_set(parsed, CURLUPART_URL, url, CURLU_DISALLOW_USER) ||
	    curl_url_get(parsed, CURLUPART_SCHEME, &scheme, 0) ||
	    curl_url_get(parsed, CURLUPART_HOST, &host, 0) ||
	    curl_url_get(parsed, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) ||
	    (strcmp(scheme, "http") && strcmp(scheme, "https")) ||
	    asprintf(&origin, "%s://%s:%s", scheme, host, port) < 0) {
		origin = NULL;
		fail(EPROTO, "a server sent an address that is not a plain http or https one");
	}
	for (char *c = origin; c && *c; c++) {
		if (*c <= ' ' || *c > '~') { /* fit to be shown on a terminal */
			fail(EPROTO, "a server sent an address with strange letters in it");
			free(origin);
			origin = NULL;
			break;
		}
		*c = (char)tolower((unsigned char)*c);
	}
	curl_free(port);
	curl_free(host);
	curl_free(scheme);
	curl_url_cleanup(parsed);
	return origin;
}

bool
url_plain(const char *origin)
{
	return !strncmp(origin, "http:", 5);
}

bool
url_loopback(const char *host)
{
	size_t length = *host == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":");
	unsigned a, b, c, d;
	int end = 0;

	if (length == 9 && !strncmp(host, "localhost", length))
		return true;
	if (length == 5 && !strncmp(host, "[::1]", length))
		return host[length] == '\0' || host[length] == ':';
	return sscanf(host, "%3u.%3u.%3u.%3u%n", &a, &b, &c, &d, &end) == 4 &&
	       (size_t)end == length && a == 127 && b < 256 && c < 256 && d < 256;
}

/* ANCHOR: allowed */
int
url_allowed(const char *origin, const char *from)
{
	if (!url_plain(origin))
		return 0;
	if (url_loopback(origin + strlen("http://")) && url_plain(from))
		return 0;
	fail(EPROTO, "%s: plain http", origin);
	return call_hint("without TLS anybody on the way could read and change what is sent; "
			 "boxstep takes it for registries on this machine only");
}
/* ANCHOR_END: allowed */

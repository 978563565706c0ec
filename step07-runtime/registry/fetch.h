/*
 * fetch: HTTP GETs that keep a registry's rules: several at once, resumed, tried again, and never
 * a password to a host that it was not meant for.
 *
 * Follows RFC 9110 (redirects 15.4, Range 14, Retry-After 10.2.3) and libcurl-multi(3).
 * Explained in book/08-registry.md.
 */
#ifndef BOXSTEP_FETCH_H
#define BOXSTEP_FETCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where the bytes go. Each function gives 0, or −1 with errno and, as a rule, an error recorded. */
struct fetch_sink {
	/* How many bytes are there already: they are left out of the request. −1 with EWOULDBLOCK
	 * (nothing recorded): not now, another process is at it, ask again soon; with EEXIST: the
	 * whole is there. */
	int (*begin)(void *into, int64_t *have);
	int (*restart)(void *into); /* the server sends from the start: forget what is there */
	int (*write)(void *into, const void *data, size_t size);
	/* All has come. EAGAIN: get it again, from where begin says. */
	int (*finish)(void *into);
};

struct fetch {
	const char *url;
	const char *accept; /* media types, or NULL */
	const struct fetch_sink *sink;
	void *into;
	bool any_status; /* any answer will do; where nobody is there, not asked again */
	bool probe;	 /* a connection that is cut is an answer too: ECONNRESET, at once */
	/* the answer */
	long status;		/* of HTTP */
	char content_type[128]; /* without parameters */
};

struct fetch_client {
	char *origin;	     /* "https://registry-1.docker.io:443": authorization goes there only */
	char *authorization; /* the header's value, or NULL */
	unsigned generation; /* counts the authorizations, so that an old one is told from a new */
	/* Called on a 401 of the origin with the WWW-Authenticate header: sets authorization and
	 * gives 0, or −1 with the error recorded. NULL: a 401 is final. */
	int (*challenged)(struct fetch_client *client, const char *header);
	void (*tick)(void *context); /* about ten times a second; or NULL */
	void *context;
	void *multi; /* libcurl's handle with its open connections */
};

/*
 * A client for the server of URL. Plain http is for this machine only: EPROTO otherwise, here and
 * on every redirect; a client whose origin is https never comes to http.
 */
int fetch_client_open(struct fetch_client *client, const char *url);
void fetch_client_close(struct fetch_client *client);

/*
 * Gets LIST[0…COUNT), at most PARALLEL at a time. Status 408, 429, 5xx, broken and silent
 * connections are tried again, later each time, or when Retry-After says; a transfer that breaks
 * off goes on where it stopped. Other statuses than 200 and 206 are errors, unless any_status.
 * Gives 0; −1 with the first error recorded (EHOSTUNREACH, ECONNREFUSED, EACCES, ENOENT, EPROTO,
 * EBUSY …), everything else then stopped.
 */
int fetch_run(struct fetch_client *client, struct fetch *list, size_t count, unsigned parallel);

/* ---- a sink in memory ---- */
struct fetch_document {
	char *text; /* ends in a zero byte that SIZE does not count; freed by the caller */
	size_t size, limit;
};
extern const struct fetch_sink fetch_document_sink; /* EFBIG above limit */

#endif

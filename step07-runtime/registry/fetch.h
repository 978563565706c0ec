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

/* Where the bytes go. Each function gives 0, or −1 with the error recorded. */
struct fetch_sink {
	/* How many bytes are there already: they are left out of the next request. −1 with
	 * EWOULDBLOCK: not now (another process is at it), ask again soon; with EEXIST: the
	 * whole is there, nothing to get. */
	int (*begin)(void *into, int64_t *have);
	int (*restart)(void *into); /* the server sends from the start: forget what is there */
	int (*write)(void *into, const void *data, size_t size);
	/* All has come. EAGAIN: it is wrong, but may be right if got again from the start. */
	int (*finish)(void *into);
};

struct fetch {
	const char *url;
	const char *accept; /* media types, or NULL */
	const struct fetch_sink *sink;
	void *into;
	/* the answer */
	long status; /* of HTTP; 0 when there was none */
	char content_type[128];
	char digest[128]; /* Docker-Content-Digest */
	/* the rest is fetch's own */
	struct fetch_state *state;
};

struct fetch_client {
	const char *origin;  /* "https://registry-1.docker.io": authorization goes there only */
	bool plain;	     /* the origin is http on this machine: http and loopback are allowed */
	char *authorization; /* value of the header, or NULL; owned by the client */
	unsigned generation; /* counts the authorizations, so that an old one is told from a new */
	/* Called on a 401 of the origin with the WWW-Authenticate header: sets authorization and
	 * gives 0, or −1 with the error recorded. NULL: a 401 is an error. */
	int (*challenged)(struct fetch_client *client, const char *header);
	void (*tick)(void *context); /* about ten times a second, and when something changed */
	void *context;
};

/*
 * Gets LIST[0…COUNT), at most PARALLEL at a time. Status 408, 429, 5xx, broken and silent
 * connections are tried again, later each time, or when Retry-After says; a transfer that breaks
 * off goes on where it stopped. Any other status than 200 and 206 is an answer for the caller when
 * LIST has one fetch (0 is given and status says it), an error otherwise.
 * Gives 0; −1 with the first error recorded (ENETUNREACH, ECONNREFUSED, EACCES, ENOENT, EPROTO …),
 * everything else then stopped.
 */
int fetch_run(struct fetch_client *client, struct fetch *list, size_t count, unsigned parallel);

void fetch_client_free(struct fetch_client *client);

/* ---- a sink in memory ---- */
struct fetch_document {
	char *text; /* ends in a zero byte that SIZE does not count; freed by the caller */
	size_t size, limit;
};
extern const struct fetch_sink fetch_document_sink; /* EFBIG above limit */

/* Starts and ends libcurl; once in a program. */
int fetch_global_start(void);
void fetch_global_end(void);

#endif

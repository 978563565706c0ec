/*
 * remote: one repository of one registry, spoken to by the OCI distribution API.
 * Follows the OCI distribution specification and the distribution project's token specification.
 * Explained in book/08-registry.md.
 */
#include "step07-runtime/registry/remote.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "step01-unshare/call.h"
#include "step05-overlay/digest.h"
#include "step07-runtime/registry/auth.h"
#include "step07-runtime/registry/url.h"

enum { MANIFEST_MAX = 4 << 20, TOKEN_MAX = 1 << 20, PING_MAX = 1 << 16 };

/* What this program can read, best first. Schema 1 is asked for too, in last place, so that a
 * registry that has nothing else says so instead of "not found". */
#define ACCEPT                                                                                  \
	"application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, " \
	"application/vnd.docker.distribution.manifest.list.v2+json, "                           \
	"application/vnd.docker.distribution.manifest.v2+json, "                                \
	"application/vnd.docker.distribution.manifest.v1+prettyjws;q=0.1"

const struct option_row remote_options[] = {
	{ "authfile", 0, "FILE", "Authorization:",
	  "user and password of registries (else $REGISTRY_AUTH_FILE, ~/.docker/config.json)",
	  option_text, offsetof(struct remote_options, authfile), 0 },
	{ 0 },
};

/* ---- the token ---- */

/*
 * Asks the token server that the registry named. User and password go to that server only, and
 * only over TLS or on this machine: url_allowed judges it, and every redirect from it, by the
 * registry's own origin. NULL with the error recorded.
 */
static char *
get_token(struct remote *remote, const struct auth_challenge *challenge,
	  const struct auth_credentials *credentials)
{
	struct fetch_document document = { .limit = TOKEN_MAX };
	struct fetch_client server = { 0 };
	struct fetch fetch = { .sink = &fetch_document_sink, .into = &document };
	char scope[320], *origin = NULL, *url, *token = NULL;

	snprintf(scope, sizeof scope, "repository:%s:pull", remote->reference->path);
	url = auth_token_url(challenge, scope);
	if (!url || !(origin = url_origin(url)) || url_allowed(origin, remote->client.origin) < 0 ||
	    fetch_client_open(&server, url) < 0)
		goto out;
	if (*credentials->user && !(server.authorization = auth_basic(credentials)))
		goto out;
	fetch.url = url;
	if (fetch_run(&server, &fetch, 1, 1) == 0)
		token = auth_bearer(document.text, document.size);
out:
	fetch_client_close(&server);
	if (document.text)
		explicit_bzero(document.text, document.size);
	free(document.text);
	free(origin);
	free(url);
	return token;
}

/* The registry said 401: with a token for what it asks, or with the password itself. */
static int
challenged(struct fetch_client *client, const char *header)
{
	struct remote *remote = (struct remote *)client;
	struct auth_credentials credentials = { 0 };
	struct auth_challenge challenge;
	char *authorization = NULL;

	if (auth_challenge_parse(header, &challenge) < 0 ||
	    auth_credentials_find(remote->options->authfile, remote->reference->domain,
				  remote->reference->path, &credentials) < 0)
		return -1;
	if (challenge.scheme == AUTH_BEARER)
		authorization = get_token(remote, &challenge, &credentials);
	else if (challenge.scheme == AUTH_BASIC && *credentials.user)
		authorization = auth_basic(&credentials);
	else if (challenge.scheme == AUTH_BASIC) {
		fail(EACCES, "%s wants a user and a password", remote->reference->domain);
		call_hint("put them into ~/.docker/config.json (`docker login` and `podman login` "
			  "do), or name a file by --authfile");
	} else
		fail(ENOTSUP, "%s wants a kind of login that boxstep does not know",
		     remote->reference->domain);
	explicit_bzero(&credentials, sizeof credentials);
	if (!authorization)
		return -1;
	free(client->authorization);
	client->authorization = authorization;
	return 0;
}

/* ---- the ping ---- */

/* GET /v2/: 200 and 401 are a registry's answers. 1: it is one; 0: it is something else; −1. A
 * server that speaks TLS hangs up on http, or says 400: that is HUNG_UP, and no error. */
static int
ping(struct remote *remote, const char *scheme, bool *hung_up)
{
	struct fetch_document document = { .limit = PING_MAX };
	struct fetch fetch = { .url = remote->base,
			       .sink = &fetch_document_sink,
			       .into = &document,
			       .any_status = true,
			       .probe = !strcmp(scheme, "http") };
	const char *host = remote->reference->domain;
	int result;

	if (!strcmp(host, "docker.io"))
		host = "registry-1.docker.io";
	snprintf(remote->base, sizeof remote->base, "%s://%s/v2/", scheme, host);
	if (fetch_client_open(&remote->client, remote->base) < 0)
		return -1;
	result = fetch_run(&remote->client, &fetch, 1, 1);
	free(document.text);
	*hung_up = fetch.probe &&
		   (result < 0 ? call_error()->number == ECONNRESET : fetch.status == 400);
	return result < 0 ? -1 : fetch.status == 200 || fetch.status == 401;
}

int
remote_open(struct remote *remote, const struct remote_options *options,
	    const struct reference *reference)
{
	bool https = !url_loopback(reference->domain);
	int result = 0;

	memset(remote, 0, sizeof *remote);
	remote->options = options;
	remote->reference = reference;
	if (!https)
		result = ping(remote, "http", &https);
	if (https) {
		call_forget();
		fetch_client_close(&remote->client);
		result = ping(remote, "https", &https);
	}
	if (result == 0)
		fail(EPROTO, "%s is not a registry: it does not know /v2/", reference->domain);
	remote->client.challenged = challenged;
	return result > 0 ? 0 : -1;
}

void
remote_close(struct remote *remote)
{
	fetch_client_close(&remote->client);
}

/* ---- manifests and blobs ---- */

static int
verify(const char *selector, const struct fetch_document *document, struct descriptor *what)
{
	digest_of(document->text, document->size, what->digest);
	what->size = (int64_t)document->size;
	if (digest_valid(selector) && strcmp(selector, what->digest))
		return fail(EBADMSG, "digest mismatch: the manifest %s came as %s", selector,
			    what->digest);
	return 0;
}

int
remote_manifest(struct remote *remote, const char *selector, char **text, struct descriptor *what)
{
	struct fetch_document document = { .limit = MANIFEST_MAX };
	struct fetch fetch = { .accept = ACCEPT, .sink = &fetch_document_sink, .into = &document };
	char *url = NULL;

	*text = NULL;
	if (asprintf(&url, "%s%s/manifests/%s", remote->base, remote->reference->path, selector) <
	    0)
		return fail(ENOMEM, "the URL of %s", selector);
	fetch.url = url;
	if (fetch_run(&remote->client, &fetch, 1, 1) < 0 || verify(selector, &document, what) < 0) {
		free(document.text);
		free(url);
		return -1;
	}
	strcpy(what->media_type, fetch.content_type);
	*text = document.text;
	free(url);
	return 0;
}

char *
remote_blob_url(const struct remote *remote, const char *digest)
{
	char *url;

	if (asprintf(&url, "%s%s/blobs/%s", remote->base, remote->reference->path, digest) < 0) {
		fail(ENOMEM, "the URL of %s", digest);
		return NULL;
	}
	return url;
}

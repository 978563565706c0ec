/*
 * auth: what a registry asks for in WWW-Authenticate, and what is answered.
 * Follows RFC 9110 section 11, RFC 6750, RFC 7617 and containers-auth.json(5).
 * Explained in book/08-registry.md.
 */
#include "step07-runtime/registry/auth.h"

#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <openssl/evp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "step01-unshare/call.h"

enum { AUTH_FILE_MAX = 1 << 20, AUTH_JSON_DEPTH = 16 };

#define TOKEN68 "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/"
#define TOKEN	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!#$%&'*+-.^_`|~"

/* ---- the challenge ---- */

/* A quoted string or a token from *AT on, into VALUE; false when it is neither, or too long. */
static bool
take_value(const char **at, char *value, size_t size)
{
	const char *from = *at;
	size_t length = 0;
	bool quoted = *from == '"';

	for (from += quoted; quoted ? *from && *from != '"' : *from && strchr(TOKEN, *from);
	     from++) {
		if (quoted && *from == '\\' && *++from == '\0')
			return false;
		if (length + 1 >= size || (unsigned char)*from < ' ')
			return false;
		value[length++] = *from;
	}
	value[length] = '\0';
	if (quoted && *from != '"')
		return false;
	*at = from + quoted;
	return quoted || length > 0;
}

/* Whether AT begins with a token68 that ends the challenge, as Negotiate's does; its length. */
static size_t
token68(const char *at)
{
	size_t length = strspn(at, TOKEN68);
	size_t end;

	length += length ? strspn(at + length, "=") : 0;
	end = length + strspn(at + length, " \t");
	return at[end] == '\0' || at[end] == ',' ? length : 0;
}

/* A parameter of a bearer challenge; false when its value is not one. Unknown ones are skipped. */
static bool
take_parameter(struct auth_challenge *challenge, bool wanted, const char *name, const char **at)
{
	char value[1024];

	if (!take_value(at, value, sizeof value))
		return false;
	if (!wanted)
		return true;
	for (const char *c = value; *c; c++)
		if (*c > '~' || *c < ' ') /* it goes into an address, and into messages */
			return false;
	if (!strcasecmp(name, "realm"))
		strcpy(challenge->realm, value);
	else if (!strcasecmp(name, "scope"))
		strcpy(challenge->scope, value);
	else if (!strcasecmp(name, "service") && strlen(value) < sizeof challenge->service)
		strcpy(challenge->service, value);
	return true;
}

/* A scheme's name begins a challenge. True when the parameters that follow are to be kept: those
 * of the first bearer challenge. */
static bool
take_scheme(struct auth_challenge *challenge, const char *name)
{
	if (!strcasecmp(name, "Bearer") && challenge->scheme != AUTH_BEARER) {
		challenge->scheme = AUTH_BEARER;
		return true;
	}
	if (!strcasecmp(name, "Basic") && challenge->scheme == AUTH_NONE)
		challenge->scheme = AUTH_BASIC;
	return false;
}

int
auth_challenge_parse(const char *header, struct auth_challenge *challenge)
{
	const char *at = header;
	bool wanted = false, scheme = false;

	memset(challenge, 0, sizeof *challenge);
	for (;;) {
		char name[64];
		const char *after;

		at += strspn(at, " \t,");
		if (*at == '\0')
			break;
		if (*at == '"' || !take_value(&at, name, sizeof name))
			goto bad;
		after = at + strspn(at, " \t");
		if (*after == '=') {
			at = after + 1;
			at += strspn(at, " \t");
			if (!scheme || !take_parameter(challenge, wanted, name, &at))
				goto bad;
			continue;
		}
		if (after == at && *after != '\0' && *after != ',')
			goto bad;
		scheme = true;
		wanted = take_scheme(challenge, name);
		at = after + token68(after);
	}
	if (!scheme || (challenge->scheme == AUTH_BEARER && !*challenge->realm))
		goto bad;
	return 0;
bad:
	return fail(EPROTO, "the registry's WWW-Authenticate header cannot be understood");
}

/* ---- the configuration file ---- */

/* The whole of FILE as JSON. A missing one is NULL with ENOENT, unrecorded. */
static struct json_object *
read_json(const char *file)
{
	struct json_object *json = NULL;
	struct json_tokener *tokener = NULL;
	char *text = NULL;
	ssize_t size = -1;
	int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		return NULL;
	text = malloc(AUTH_FILE_MAX);
	tokener = json_tokener_new_ex(AUTH_JSON_DEPTH);
	if (text && tokener)
		size = read(fd, text, AUTH_FILE_MAX);
	if (size > 0 && size < AUTH_FILE_MAX)
		json = json_tokener_parse_ex(tokener, text, (int)size);
	if (!json_object_is_type(json, json_type_object)) {
		json_object_put(json);
		json = NULL;
		fail(EINVAL, "%s: not a JSON file of credentials", file);
	}
	if (text)
		explicit_bzero(text, AUTH_FILE_MAX);
	free(text);
	if (tokener)
		json_tokener_free(tokener);
	close(fd);
	return json;
}

/* Whether KEY of the file stands for NAME: `https://index.docker.io/v1/` is docker.io. */
static bool
key_matches(const char *key, const char *name)
{
	const char *host = strstr(key, "://");
	size_t length;

	if (!host)
		length = strlen(host = key);
	else
		length = strcspn(host += 3, "/");
	if (!strcmp(host, "index.docker.io/v1/") || !strcmp(key, "index.docker.io"))
		return !strcmp(name, "docker.io");
	return strlen(name) == length && !strncasecmp(host, name, length);
}

/* The value of KEY among the members of the object NAME of FILE, or NULL. */
static struct json_object *
lookup(struct json_object *file, const char *name, const char *key)
{
	struct json_object *all = json_object_object_get(file, name);

	if (!json_object_is_type(all, json_type_object))
		return NULL;
	json_object_object_foreach(all, member, value)
	{
		if (key_matches(member, key))
			return value;
	}
	return NULL;
}

static const char *
text_of(struct json_object *object, const char *name)
{
	struct json_object *value = json_object_object_get(object, name);

	return json_object_is_type(value, json_type_string) ? json_object_get_string(value) : "";
}

/* user:secret, in base64. */
static int
decode(const char *auth, struct auth_credentials *credentials)
{
	char text[sizeof *credentials + 8];
	size_t length = strlen(auth);
	char *colon;
	int size;

	if (length >= sizeof text)
		return -1;
	size = EVP_DecodeBlock((unsigned char *)text, (const unsigned char *)auth, (int)length);
	if (size < 0)
		return -1;
	for (; length > 0 && auth[length - 1] == '='; length--)
		size--; /* the padding was decoded to zeros */
	if (size < 0 || memchr(text, '\0', (size_t)size))
		return -1;
	text[size] = '\0';
	colon = strchr(text, ':');
	if (!colon || (size_t)(colon - text) >= sizeof credentials->user ||
	    strlen(colon + 1) >= sizeof credentials->secret)
		return -1;
	*colon = '\0';
	strcpy(credentials->user, text);
	strcpy(credentials->secret, colon + 1);
	explicit_bzero(text, sizeof text);
	return 0;
}

/* 1: found; 0: FILE has nothing for KEY; −1. */
static int
find_key(struct json_object *json, const char *file, const char *key,
	 struct auth_credentials *credentials)
{
	struct json_object *entry = lookup(json, "auths", key);
	struct json_object *helper = lookup(json, "credHelpers", key);
	const char *auth = text_of(entry, "auth");

	if (*auth) {
		if (decode(auth, credentials) < 0)
			return fail(EINVAL, "%s: the auth of \"%s\" is not base64 of user:password",
				    file, key);
		return 1;
	}
	if (*text_of(entry, "identitytoken")) {
		fail(ENOTSUP, "%s: the identitytoken of \"%s\"", file, key);
		return call_hint("boxstep sends user and password only: log in with these");
	}
	if (helper || (entry && *text_of(json, "credsStore"))) {
		fail(ENOTSUP, "%s: the credentials of \"%s\" are with docker-credential-%s", file,
		     key,
		     json_object_is_type(helper, json_type_string) ? json_object_get_string(helper)
								   : text_of(json, "credsStore"));
		return call_hint("boxstep starts no helper: use a file with \"auths\", by "
				 "REGISTRY_AUTH_FILE or --authfile");
	}
	return 0;
}

/* As find_key, with the most particular name first: host/a/b, host/a, host. */
static int
find_in_file(const char *file, const char *registry, const char *repository,
	     struct auth_credentials *credentials)
{
	struct json_object *json = read_json(file);
	char key[512 + 2];
	int found = 0;

	if (!json)
		return errno == ENOENT || errno == ENOTDIR ? 0 : -1;
	snprintf(key, sizeof key, "%s/%s", registry, repository);
	do
		found = find_key(json, file, key, credentials);
	while (found == 0 && strrchr(key, '/') && (*strrchr(key, '/') = '\0', true));
	json_object_put(json);
	return found;
}

int
auth_credentials_find(const char *file, const char *registry, const char *repository,
		      struct auth_credentials *credentials)
{
	static const struct {
		const char *variable, *below;
	} places[] = {
		{ "XDG_RUNTIME_DIR", "containers/auth.json" },
		{ "DOCKER_CONFIG", "config.json" },
		{ "HOME", ".docker/config.json" },
	};
	const char *named = file ? file : getenv("REGISTRY_AUTH_FILE");
	int found = 0;

	memset(credentials, 0, sizeof *credentials);
	if (named && *named) {
		if (access(named, R_OK) < 0)
			return call(-1, "open(\"%s\", O_RDONLY|O_CLOEXEC)", named);
		return find_in_file(named, registry, repository, credentials) < 0 ? -1 : 0;
	}
	for (size_t i = 0; i < sizeof places / sizeof *places && found == 0; i++) {
		const char *directory = getenv(places[i].variable);
		char path[4096];

		if (!directory || *directory != '/')
			continue;
		snprintf(path, sizeof path, "%s/%s", directory, places[i].below);
		found = find_in_file(path, registry, repository, credentials);
	}
	return found < 0 ? -1 : 0;
}

/* ---- the answers ---- */

char *
auth_basic(const struct auth_credentials *credentials)
{
	char pair[sizeof *credentials + 2];
	int size = snprintf(pair, sizeof pair, "%s:%s", credentials->user, credentials->secret);
	char *header = malloc(6 + 4 * ((size_t)size / 3 + 1) + 1);

	if (header) {
		strcpy(header, "Basic ");
		EVP_EncodeBlock((unsigned char *)header + 6, (const unsigned char *)pair, size);
	}
	explicit_bzero(pair, sizeof pair);
	return header;
}

char *
auth_token_url(const struct auth_challenge *challenge, const char *scope)
{
	enum { ADD = CURLU_APPENDQUERY | CURLU_URLENCODE };
	CURLU *url = curl_url();
	char *text = NULL, *copy = NULL;
	char query[sizeof challenge->scope + 16];

	if (!url || curl_url_set(url, CURLUPART_URL, challenge->realm, 0) != CURLUE_OK) {
		fail(EPROTO, "the registry's token server has no usable address");
		goto out;
	}
	snprintf(query, sizeof query, "service=%s", challenge->service);
	if (*challenge->service && curl_url_set(url, CURLUPART_QUERY, query, ADD) != CURLUE_OK)
		goto out;
	snprintf(query, sizeof query, "scope=%s", *challenge->scope ? challenge->scope : scope);
	if (curl_url_set(url, CURLUPART_QUERY, query, ADD) != CURLUE_OK ||
	    curl_url_get(url, CURLUPART_URL, &text, 0) != CURLUE_OK)
		goto out;
	copy = strdup(text);
out:
	curl_free(text);
	curl_url_cleanup(url);
	return copy;
}

char *
auth_bearer(const char *json, size_t size)
{
	struct json_tokener *tokener = json_tokener_new_ex(AUTH_JSON_DEPTH);
	struct json_object *answer = NULL;
	const char *token;
	char *header = NULL;

	if (tokener)
		answer = json_tokener_parse_ex(tokener, json, (int)size);
	token = text_of(answer, "token");
	if (!*token)
		token = text_of(answer, "access_token");
	/* it becomes a header's value: nothing that could end the line, or begin another */
	if (!*token || token[strspn(token, TOKEN68 "=")] != '\0' ||
	    asprintf(&header, "Bearer %s", token) < 0) {
		header = NULL;
		fail(EPROTO, "the token server's answer has no usable token");
	}
	json_object_put(answer);
	if (tokener)
		json_tokener_free(tokener);
	return header;
}

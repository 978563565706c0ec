/*
 * fetch: HTTP GETs that keep a registry's rules.
 * Follows RFC 9110 (redirects 15.4, Range 14, Retry-After 10.2.3) and libcurl-multi(3).
 * Explained in book/08-registry.md.
 */
#include "step07-runtime/registry/fetch.h"

#include <curl/curl.h>
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "step01-unshare/call.h"
#include "step07-runtime/registry/url.h"

enum {
	TRIES = 5,	  /* in a row without a single byte gained */
	TRIES_EVER = 100, /* of one fetch */
	REDIRECTS = 8,
	BACKOFF_MS = 250, /* doubled each time */
	BUSY_MS = 200,	  /* between two looks at a file that another process writes */
	PATIENCE_S = 60,  /* of Retry-After: longer is told to the person instead */
	CONNECT_S = 10,
	SILENCE_S = 30,	   /* a connection on which nothing comes is broken */
	ANSWER_MAX = 4096, /* bytes taken of an error's body */
	ANSWER_MS = 5000,  /* and how long they may take to come */
};

/* One fetch under way. */
struct transfer {
	struct fetch *fetch;
	struct fetch_client *client;
	CURL *easy; /* NULL: not running */
	struct curl_slist *headers;
	char *url;	    /* where it has been redirected to, or NULL */
	int64_t due;	    /* milliseconds, monotonic: not before */
	int64_t have, came; /* bytes that were there; bytes of this attempt */
	int64_t best;	    /* the most there has ever been */
	unsigned tries, tries_ever, redirects, asked;
	unsigned generation;	       /* of the authorization that was sent */
	bool done, authorized, taking; /* taking: the sink gets the body */
	char answer[ANSWER_MAX + 1];   /* the body of an error */
	size_t answered;
	int64_t answer_due; /* milliseconds, monotonic: when there is enough of it */
	char trouble[CURL_ERROR_SIZE];
};

static const char *
header(struct transfer *transfer, const char *name, size_t index)
{
	struct curl_header *found;

	if (curl_easy_header(transfer->easy, name, index, CURLH_HEADER, -1, &found) != CURLHE_OK)
		return NULL;
	return found->value;
}

static long
status_of(struct transfer *transfer)
{
	long status = 0;

	curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
	return status;
}

/* ---- the body ---- */

/* The first bytes have come: do they continue what is there? */
static int
begin_taking(struct transfer *transfer)
{
	const char *range = header(transfer, "Content-Range", 0);
	char expected[40];

	transfer->taking = true;
	if (transfer->have == 0 && status_of(transfer) == 200)
		return 0;
	if (status_of(transfer) == 200) { /* the server knows no ranges: all over again */
		transfer->have = 0;
		return transfer->fetch->sink->restart(transfer->fetch->into);
	}
	snprintf(expected, sizeof expected, "bytes %lld-", (long long)transfer->have);
	if (!range || strncasecmp(range, expected, strlen(expected)))
		return fail(EPROTO, "GET %s: the server sent another part than the one asked for",
			    transfer->fetch->url);
	return 0;
}

/* The body of a refusal or of a redirect, whose size no manifest has announced: a server that never
 * comes to its end is not listened to for ever. Less than SIZE: libcurl stops. */
static size_t
take_answer(struct transfer *transfer, const char *data, size_t size)
{
	size_t room = ANSWER_MAX - transfer->answered, taken = size < room ? size : room;

	if (!transfer->answered)
		transfer->answer_due = now_ms() + ANSWER_MS;
	memcpy(transfer->answer + transfer->answered, data, taken);
	transfer->answered += taken;
	return now_ms() < transfer->answer_due ? taken : 0;
}

static size_t
on_body(char *data, size_t one, size_t size, void *context)
{
	struct transfer *transfer = context;
	long status = status_of(transfer);

	(void)one; /* is 1 */
	if (status != 200 && status != 206)
		return take_answer(transfer, data, size);
	if (!transfer->taking && begin_taking(transfer) < 0)
		return 0;
	transfer->came += (int64_t)size;
	return transfer->fetch->sink->write(transfer->fetch->into, data, size) < 0 ? 0 : size;
}

/* ---- the request ---- */

/* Authorization goes to the client's origin and nowhere else: the address that a registry
 * redirects to belongs to somebody else (CVE-2020-15157). */
static int
add_headers(struct transfer *transfer, const char *origin)
{
	struct fetch_client *client = transfer->client;
	struct curl_slist *list = NULL;
	char *line = NULL;

	/* ANCHOR: origin */
	transfer->authorized = client->authorization && !strcmp(origin, client->origin);
	transfer->generation = client->generation;
	/* ANCHOR_END: origin */
	if (transfer->authorized) {
		if (asprintf(&line, "Authorization: %s", client->authorization) < 0)
			return fail(ENOMEM, "GET %s", transfer->fetch->url);
		list = curl_slist_append(list, line);
		explicit_bzero(line, strlen(line));
		free(line);
	}
	if (transfer->fetch->accept) {
		if (asprintf(&line, "Accept: %s", transfer->fetch->accept) < 0)
			return fail(ENOMEM, "GET %s", transfer->fetch->url);
		list = curl_slist_append(list, line);
		free(line);
	}
	transfer->headers = list;
	return 0;
}

static void
set_options(struct transfer *transfer, const char *url, const char *origin)
{
	CURL *easy = transfer->easy;
	char range[32];

	curl_easy_setopt(easy, CURLOPT_URL, url);
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, url_plain(origin) ? "http" : "https");
	if (url_loopback(strstr(origin, "//") + 2)) /* through no proxy */
		curl_easy_setopt(easy, CURLOPT_NOPROXY, "*");
	if (getenv("SSL_CERT_FILE"))
		curl_easy_setopt(easy, CURLOPT_CAINFO, getenv("SSL_CERT_FILE"));
	curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_USERAGENT, "boxstep");
	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_S);
	curl_easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, 1L);
	curl_easy_setopt(easy, CURLOPT_LOW_SPEED_TIME, (long)SILENCE_S);
	curl_easy_setopt(easy, CURLOPT_HTTPHEADER, transfer->headers);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer);
	curl_easy_setopt(easy, CURLOPT_PRIVATE, transfer);
	curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer->trouble);
	if (transfer->have > 0) {
		snprintf(range, sizeof range, "%lld-", (long long)transfer->have);
		curl_easy_setopt(easy, CURLOPT_RANGE, range);
	}
}

/* 0: under way, or nothing to do, or to be asked again later. */
static int
start(struct transfer *transfer)
{
	struct fetch *fetch = transfer->fetch;
	const char *url = transfer->url ? transfer->url : fetch->url;
	char *origin;
	int result = -1;

	transfer->have = transfer->came = 0;
	transfer->answered = 0;
	transfer->taking = false;
	transfer->trouble[0] = '\0';
	if (fetch->sink->begin(fetch->into, &transfer->have) < 0) {
		transfer->done = errno == EEXIST;
		transfer->due = now_ms() + BUSY_MS;
		return errno == EEXIST || errno == EWOULDBLOCK ? 0 : -1;
	}
	origin = url_origin(url);
	if (!origin || url_allowed(origin, transfer->client->origin) < 0 ||
	    add_headers(transfer, origin) < 0)
		goto out;
	transfer->easy = curl_easy_init();
	if (!transfer->easy) {
		fail(ENOMEM, "GET %s", fetch->url);
		goto out;
	}
	set_options(transfer, url, origin);
	curl_multi_add_handle(transfer->client->multi, transfer->easy);
	result = 0;
out:
	free(origin);
	return result;
}

static void
stop(struct transfer *transfer)
{
	if (transfer->easy) {
		curl_multi_remove_handle(transfer->client->multi, transfer->easy);
		curl_easy_cleanup(transfer->easy);
	}
	curl_slist_free_all(transfer->headers);
	transfer->easy = NULL;
	transfer->headers = NULL;
}

/* ---- the answer ---- */

/* What the server says in its error's body, fit for a terminal: {"errors":[{"message":…}]}. */
static const char *
reason(struct transfer *transfer)
{
	static char text[160];
	struct json_object *body, *errors = NULL, *first, *message = NULL;

	transfer->answer[transfer->answered] = '\0';
	body = json_tokener_parse(transfer->answer);
	*text = '\0';
	if (json_object_object_get_ex(body, "errors", &errors) &&
	    json_object_is_type(errors, json_type_array) &&
	    (first = json_object_array_get_idx(errors, 0)) &&
	    json_object_object_get_ex(first, "message", &message) &&
	    json_object_is_type(message, json_type_string))
		snprintf(text, sizeof text, " %s", json_object_get_string(message));
	for (char *c = text; *c; c++)
		if (*c < ' ' || *c > '~')
			*c = '?';
	json_object_put(body);
	return text;
}

static int
fail_status(struct transfer *transfer, long status)
{
	const char *url = transfer->fetch->url, *why = reason(transfer);

	if (status == 401 || status == 403) {
		fail(EACCES, "GET %s: %ld%s", url, status, why);
		return call_hint("the repository does not exist, or needs other credentials in "
				 "~/.docker/config.json or $REGISTRY_AUTH_FILE");
	}
	if (status == 404) {
		fail(ENOENT, "GET %s: 404%s", url, why);
		return strstr(url, "/manifests/")
			       ? call_hint("check the spelling of repository and tag")
			       : -1;
	}
	return fail(status == 429 ? EBUSY : EPROTO, "GET %s: %ld%s", url, status, why);
}

/* The errno and the sentence for a transfer that gave no answer at all. */
static int
fail_transport(struct transfer *transfer, CURLcode code)
{
	long number = 0;
	const char *what = *transfer->trouble ? transfer->trouble : curl_easy_strerror(code);
	const char *hint = "";

	curl_easy_getinfo(transfer->easy, CURLINFO_OS_ERRNO, &number);
	if (code == CURLE_COULDNT_RESOLVE_HOST || code == CURLE_COULDNT_RESOLVE_PROXY) {
		number = EHOSTUNREACH;
		hint = "is the network up, and the name right? look: getent hosts NAME";
	} else if (code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CACERT_BADFILE) {
		number = EPROTO;
		hint = "install ca-certificates, or name the authority's file in SSL_CERT_FILE";
	} else if (code == CURLE_COULDNT_CONNECT) {
		number = number ? number : ECONNREFUSED;
		hint = "nobody answers there: is the registry running, the network up?";
	} else if (code == CURLE_OPERATION_TIMEDOUT) {
		number = ETIMEDOUT;
	} else {
		number = number ? number : ECONNRESET;
	}
	fail((int)number, "GET %s: %s", transfer->fetch->url, what);
	return *hint ? call_hint("%s", hint) : -1;
}

/* ANCHOR: again */
/* Plans another attempt; false when there have been enough, or the server asks for too long. */
static bool
again(struct transfer *transfer, long retry_after)
{
	int64_t wait;

	if (transfer->have + transfer->came > transfer->best) {
		transfer->best = transfer->have + transfer->came;
		transfer->tries = 0;
	}
	if (++transfer->tries >= TRIES || ++transfer->tries_ever >= TRIES_EVER ||
	    retry_after > PATIENCE_S)
		return false;
	wait = (int64_t)BACKOFF_MS << (transfer->tries - 1);
	if (wait < (int64_t)retry_after * 1000)
		wait = (int64_t)retry_after * 1000;
	/* a redirect's address is good for a while or for once: the next try asks for a new one */
	free(transfer->url);
	transfer->url = NULL;
	transfer->redirects = 0;
	/* so that many who were refused together do not come back together */
	transfer->due = now_ms() + wait + random() % (wait / 4 + 1);
	return true;
}
/* ANCHOR_END: again */

/* RFC 9110 10.2.2: Location may be relative to the address that was asked. CURLINFO_REDIRECT_URL is
 * there only when all of the body was taken. */
static int
follow(struct transfer *transfer)
{
	const char *location = header(transfer, "Location", 0);
	char *target = NULL;
	CURLU *url = curl_url();

	if (url && location && ++transfer->redirects <= REDIRECTS &&
	    !curl_url_set(url, CURLUPART_URL, transfer->url ? transfer->url : transfer->fetch->url,
			  0) &&
	    !curl_url_set(url, CURLUPART_URL, location, CURLU_URLENCODE))
		curl_url_get(url, CURLUPART_URL, &target, 0);
	curl_url_cleanup(url);
	if (!target)
		return fail(ELOOP, "GET %s: redirected %u times, or to nowhere",
			    transfer->fetch->url, transfer->redirects);
	free(transfer->url);
	transfer->url = target;
	return 0;
}

/* A 401: a token is got and the request made again, once for each token. Only the registry itself
 * may ask; a 401 from where it redirected to is an error. 1: ask again; 0: it is final; −1. */
static int
answer_challenge(struct transfer *transfer)
{
	struct fetch_client *client = transfer->client;
	char all[4096] = "";
	const char *one;

	if (!client->challenged || transfer->url)
		return 0;
	if (transfer->authorized && transfer->generation != client->generation)
		return 1; /* another transfer has a new one already */
	for (size_t i = 0; (one = header(transfer, "WWW-Authenticate", i)); i++) {
		size_t used = strlen(all);

		snprintf(all + used, sizeof all - used, "%s%s", used ? ", " : "", one);
	}
	if (!*all || transfer->asked++ > 0)
		return 0;
	if (client->challenged(client, all) < 0)
		return -1;
	client->generation++;
	return 1;
}

static void
keep_type(struct transfer *transfer)
{
	const char *type = header(transfer, "Content-Type", 0);

	snprintf(transfer->fetch->content_type, sizeof transfer->fetch->content_type, "%.*s",
		 type ? (int)strcspn(type, "; \t\r\n") : 0, type ? type : "");
}

/* The whole body has come, or what the server calls so. */
static int
finish(struct transfer *transfer)
{
	struct fetch *fetch = transfer->fetch;

	keep_type(transfer);
	if (!transfer->taking && begin_taking(transfer) < 0) /* an empty body */
		return -1;
	transfer->asked = 0;
	if (fetch->sink->finish(fetch->into) == 0) {
		transfer->done = true;
		return 0;
	}
	if (errno != EAGAIN)
		return -1;
	if (!again(transfer, 0))
		return call_error()->number ? -1 : fail(EBADMSG, "GET %s: cut short", fetch->url);
	call_forget();
	return 0;
}

static int
judge_status(struct transfer *transfer, long status)
{
	curl_off_t retry_after = 0;
	int challenge;

	switch (status) {
	case 200:
	case 206:
		return finish(transfer);
	case 301:
	case 302:
	case 303:
	case 307:
	case 308:
		return follow(transfer);
	case 401:
		challenge = answer_challenge(transfer);
		if (challenge != 0)
			return challenge < 0 ? -1 : 0;
		break;
	case 416: /* what is there is longer than the server's: begin again */
		if (transfer->have > 0 && again(transfer, 0))
			return transfer->fetch->sink->restart(transfer->fetch->into);
		break;
	case 408:
	case 429:
	case 500 ... 599:
		curl_easy_getinfo(transfer->easy, CURLINFO_RETRY_AFTER, &retry_after);
		if (again(transfer, (long)retry_after))
			return 0;
		if (retry_after > PATIENCE_S) {
			fail_status(transfer, status);
			return call_hint("the server asks to be left alone for %ld s",
					 (long)retry_after);
		}
		break;
	}
	transfer->done = transfer->fetch->any_status;
	return transfer->done ? 0 : fail_status(transfer, status);
}

/* Whether trying again may help. Where the first question finds nobody, the name or the port is
 * wrong or the registry is down, and a person waits to be told. */
static bool
passing(CURLcode code, const struct fetch *fetch)
{
	switch (code) {
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_CONNECT:
		return !fetch->any_status;
	case CURLE_OPERATION_TIMEDOUT:
		return true;
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_UNSUPPORTED_PROTOCOL: /* what answered does not speak HTTP */
	case CURLE_URL_MALFORMAT:
	case CURLE_OUT_OF_MEMORY:
		return false;
	default:
		return !fetch->probe;
	}
}

/* A transfer has ended, in one way or another. */
static int
judge(struct transfer *transfer, CURLcode code)
{
	long status = status_of(transfer);

	if (call_error()->number) /* the sink's */
		return -1;
	if (transfer->answered) /* the status is known, however the words to it ended */
		code = CURLE_OK;
	transfer->fetch->status = code == CURLE_OK ? status : 0;
	if (code == CURLE_OK)
		return judge_status(transfer, status);
	if (passing(code, transfer->fetch) && again(transfer, 0))
		return 0;
	return fail_transport(transfer, code);
}

/* ---- several at once ---- */

/* Starts what is due; the milliseconds until the next one is, at most 100. */
static int
start_due(struct transfer *list, size_t count, unsigned parallel, int *wait)
{
	unsigned running = 0;

	*wait = 100;
	for (size_t i = 0; i < count; i++)
		running += list[i].easy != NULL;
	for (size_t i = 0; i < count && running < parallel; i++) {
		int64_t now = now_ms();

		if (list[i].done || list[i].easy)
			continue;
		if (list[i].due > now) {
			*wait = list[i].due - now < 100 ? (int)(list[i].due - now) : *wait;
			continue;
		}
		if (start(&list[i]) < 0)
			return -1;
		running += list[i].easy != NULL;
	}
	return 0;
}

static int
take_ended(CURLM *multi)
{
	struct CURLMsg *message;
	int left, result = 0;

	while (result == 0 && (message = curl_multi_info_read(multi, &left))) {
		CURLcode code = message->data.result;
		struct transfer *transfer;

		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &transfer);
		result = judge(transfer, code);
		stop(transfer);
	}
	return result;
}

static bool
all_done(const struct transfer *list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (!list[i].done)
			return false;
	return true;
}

int
fetch_run(struct fetch_client *client, struct fetch *fetches, size_t count, unsigned parallel)
{
	struct transfer *list = calloc(count ? count : 1, sizeof *list);
	int running, wait, result = -1, number;

	if (!list)
		return fail(ENOMEM, "%zu transfers", count);
	for (size_t i = 0; i < count; i++) {
		list[i].fetch = &fetches[i];
		list[i].client = client;
	}
	while (!all_done(list, count)) {
		if (start_due(list, count, parallel, &wait) < 0)
			goto out;
		curl_multi_perform(client->multi, &running);
		if (take_ended(client->multi) < 0)
			goto out;
		if (client->tick)
			client->tick(client->context);
		if (!all_done(list, count))
			curl_multi_poll(client->multi, NULL, 0, wait, NULL);
	}
	result = 0;
out:
	number = errno;
	for (size_t i = 0; i < count; i++) {
		stop(&list[i]);
		free(list[i].url);
	}
	free(list);
	errno = number;
	return result;
}

int
fetch_client_open(struct fetch_client *client, const char *url)
{
	memset(client, 0, sizeof *client);
	client->origin = url_origin(url);
	if (!client->origin || url_allowed(client->origin, client->origin) < 0)
		return -1;
	client->multi = curl_multi_init();
	return client->multi ? 0 : fail(ENOMEM, "curl_multi_init()");
}

void
fetch_client_close(struct fetch_client *client)
{
	curl_multi_cleanup(client->multi);
	if (client->authorization)
		explicit_bzero(client->authorization, strlen(client->authorization));
	free(client->authorization);
	free(client->origin);
	memset(client, 0, sizeof *client);
}

/* ---- a sink in memory ---- */

static int
document_restart(void *into)
{
	((struct fetch_document *)into)->size = 0;
	return 0;
}

static int
document_begin(void *into, int64_t *have)
{
	*have = 0;
	return document_restart(into);
}

static int
document_write(void *into, const void *data, size_t size)
{
	struct fetch_document *document = into;
	char *text;

	if (size > document->limit - document->size)
		return fail(EFBIG, "the server sends a document of more than %zu bytes",
			    document->limit);
	text = realloc(document->text, document->size + size + 1);
	if (!text)
		return fail(ENOMEM, "a document of %zu bytes", document->size + size);
	memcpy(text + document->size, data, size);
	document->text = text;
	document->size += size;
	text[document->size] = '\0';
	return 0;
}

static int
document_finish(void *into)
{
	return document_write(into, "", 0); /* so that an empty one has its zero byte */
}

const struct fetch_sink fetch_document_sink = {
	.begin = document_begin,
	.restart = document_restart,
	.write = document_write,
	.finish = document_finish,
};

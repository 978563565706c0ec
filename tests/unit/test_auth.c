/*
 * What registries ask for and what they are told: challenges, configuration files, tokens.
 * Tests step07-runtime/registry/auth.c and url.c, explained in book/08-registry.md.
 */
#include "step01-unshare/call.h"
#include "step07-runtime/registry/auth.h"
#include "step07-runtime/registry/url.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

static void
challenges_are_read_as_the_rfc_writes_them(void **state)
{
	static const struct {
		const char *header;
		enum auth_scheme scheme;
		const char *realm, *service, *scope;
	} good[] = {
		{ "Bearer "
		  "realm=\"https://a.example/token\",service=\"a\",scope=\"repository:x:pull\"",
		  AUTH_BEARER, "https://a.example/token", "a", "repository:x:pull" },
		{ "bearer REALM = \"https://a/t\" , scope=\"a b:pull,push\"", AUTH_BEARER,
		  "https://a/t", "", "a b:pull,push" },
		{ "Bearer realm=https", AUTH_BEARER, "https", "", "" },
		{ "Bearer realm=\"a\\\"b\\\\c\"", AUTH_BEARER, "a\"b\\c", "", "" },
		{ "Basic realm=\"Registry Realm\"", AUTH_BASIC, "", "", "" },
		{ "Basic", AUTH_BASIC, "", "", "" },
		{ "Basic realm=\"x\", Bearer realm=\"https://t/\",service=s", AUTH_BEARER,
		  "https://t/", "s", "" },
		{ "Bearer realm=\"https://t/\", Basic realm=\"x\"", AUTH_BEARER, "https://t/", "",
		  "" },
		{ "Bearer realm=\"one\", Bearer realm=\"two\"", AUTH_BEARER, "one", "", "" },
		{ "Negotiate YWJj==, Bearer realm=\"u\"", AUTH_BEARER, "u", "", "" },
		{ "Negotiate, NTLM", AUTH_NONE, "", "", "" },
		{ ", ,Basic realm=\"\",, charset=\"UTF-8\" ,", AUTH_BASIC, "", "", "" },
		{ "Digest realm=\"a, Bearer realm=b\", nonce=\"x\"", AUTH_NONE, "", "", "" },
		{ "Bearer error=\"invalid_token\", realm=\"r\"", AUTH_BEARER, "r", "", "" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		struct auth_challenge challenge;

		if (auth_challenge_parse(good[i].header, &challenge) < 0)
			fail_msg("%s: %s", good[i].header, call_error()->what);
		assert_int_equal(challenge.scheme, good[i].scheme);
		assert_string_equal(challenge.realm, good[i].realm);
		assert_string_equal(challenge.service, good[i].service);
		assert_string_equal(challenge.scope, good[i].scope);
	}
}

static void
what_is_no_challenge_is_refused(void **state)
{
	static const char *const bad[] = {
		"",
		" ",
		",",
		"=",
		"\"\"",
		"Bearer",
		"Bearer realm",
		"Bearer realm=",
		"realm=\"x\"",
		"Bearer realm=\"",
		"Bearer realm=\"x",
		"Bearer realm=\"x\\",
		"Bearer realm=\"\"",
		"Bearer service=\"x\"",
		"Bearer =\"x\"",
		"Bearer realm=\"a\tb\"",
		"Be/arer realm=\"x\"",
		"Bearer realm=\"x\"\x01",
		"Bearer realm==",
		"Bearer \"realm\"=\"x\"",
	};
	char big[5000];

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct auth_challenge challenge;

		call_forget();
		if (auth_challenge_parse(bad[i], &challenge) == 0)
			fail_msg("'%s' was taken", bad[i]);
		assert_int_equal(errno, EPROTO);
	}
	for (size_t length = 900; length < 4000; length += 31) {
		struct auth_challenge challenge;
		int made = snprintf(big, sizeof big, "Bearer realm=\"%0*d\"", (int)length, 0);

		assert_true(made > 0);
		call_forget();
		assert_int_equal(auth_challenge_parse(big, &challenge), length > 1023 ? -1 : 0);
	}
}

static void
random_headers_never_break_the_parser(void **state)
{
	static const char *const pieces[] = { "Bearer", "Basic", " ",	      ",",     "=",
					      "\"",	"\\",	 "realm",     "scope", "a",
					      "/",	"\t",	 "Negotiate", "==",    "\x80" };

	(void)state;
	srandom(42);
	for (int i = 0; i < 200000; i++) {
		struct auth_challenge challenge;
		char text[256] = "";

		for (long n = random() % 16; n > 0; n--)
			strcat(text, pieces[(size_t)random() % (sizeof pieces / sizeof *pieces)]);
		call_forget();
		if (auth_challenge_parse(text, &challenge) < 0)
			continue;
		assert_true(strlen(challenge.realm) < sizeof challenge.realm);
		if (challenge.scheme == AUTH_BEARER)
			assert_true(*challenge.realm != '\0');
	}
}

/* ---- the configuration file ---- */

static char file[] = "/tmp/boxstep-auth.XXXXXX";

static int
find(const char *json, const char *registry, const char *repository,
     struct auth_credentials *credentials)
{
	FILE *out = fopen(file, "w");

	assert_non_null(out);
	fputs(json, out);
	fclose(out);
	call_forget();
	return auth_credentials_find(file, registry, repository, credentials);
}

static void
the_most_particular_entry_wins(void **state)
{
	/* me:secret, you:pass:word, a:b */
	static const char json[] =
		"{\"auths\":{\"localhost:5000\":{\"auth\":\"bWU6c2VjcmV0\"},"
		"\"localhost:5000/team\":{\"auth\":\"eW91OnBhc3M6d29yZA==\"},"
		"\"https://index.docker.io/v1/\":{\"auth\":\"YTpi\"},"
		"\"https://ghcr.io\":{\"auth\":\"bWU6c2VjcmV0\"}, \"empty.io\":{}}}";
	static const struct {
		const char *registry, *repository, *user, *secret;
	} rows[] = {
		{ "localhost:5000", "app", "me", "secret" },
		{ "localhost:5000", "team", "you", "pass:word" },
		{ "localhost:5000", "team/app", "you", "pass:word" },
		{ "localhost:5000", "teamster/app", "me", "secret" },
		{ "docker.io", "library/nginx", "a", "b" },
		{ "ghcr.io", "x/y", "me", "secret" },
		{ "GHCR.IO", "x/y", "me", "secret" },
		{ "localhost:5001", "app", "", "" },
		{ "localhost", "app", "", "" },
		{ "evil-ghcr.io", "x", "", "" },
		{ "ghcr.io.evil.org", "x", "", "" },
		{ "empty.io", "x", "", "" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct auth_credentials credentials;

		if (find(json, rows[i].registry, rows[i].repository, &credentials) < 0)
			fail_msg("%s: %s", rows[i].registry, call_error()->what);
		assert_string_equal(credentials.user, rows[i].user);
		assert_string_equal(credentials.secret, rows[i].secret);
	}
}

static void
helpers_and_broken_files_are_refused_with_their_name(void **state)
{
	static const struct {
		const char *json;
		int number;
		const char *says;
	} rows[] = {
		{ "{\"credHelpers\":{\"r.io\":\"gcloud\"}}", ENOTSUP, "docker-credential-gcloud" },
		{ "{\"credsStore\":\"pass\",\"auths\":{\"r.io\":{}}}", ENOTSUP, "credential-pass" },
		{ "{\"auths\":{\"r.io\":{\"identitytoken\":\"x\"}}}", ENOTSUP, "identitytoken" },
		{ "{\"auths\":{\"r.io\":{\"auth\":\"%%%\"}}}", EINVAL, "base64" },
		{ "{\"auths\":{\"r.io\":{\"auth\":\"bWU=\"}}}", EINVAL, "base64" },
		{ "{\"auths\":{\"r.io\":{\"auth\":\"AAAA\"}}}", EINVAL, "base64" },
		{ "[]", EINVAL, "not a JSON file" },
		{ "", EINVAL, "not a JSON file" },
		{ "{\"auths\":", EINVAL, "not a JSON file" },
	};
	struct auth_credentials credentials;

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		if (find(rows[i].json, "r.io", "app", &credentials) == 0)
			fail_msg("%s was taken", rows[i].json);
		assert_int_equal(errno, rows[i].number);
		if (!strstr(call_error()->what, rows[i].says))
			fail_msg("%s", call_error()->what);
		/* and nobody else's login is touched by it */
		if (rows[i].number == ENOTSUP)
			assert_int_equal(find(rows[i].json, "s.io", "app", &credentials), 0);
	}
	assert_int_equal(find("{\"credsStore\":\"pass\"}", "r.io", "app", &credentials), 0);
	assert_int_equal(find("{\"auths\":[],\"credHelpers\":7}", "r.io", "a", &credentials), 0);
	unlink(file);
	call_forget();
	assert_int_equal(auth_credentials_find(file, "r.io", "app", &credentials), -1);
	assert_int_equal(errno, ENOENT);
}

static void
the_usual_places_are_looked_at_in_order(void **state)
{
	char directory[] = "/tmp/boxstep-auth.XXXXXX", path[256];
	struct auth_credentials credentials;
	FILE *out;

	(void)state;
	assert_non_null(mkdtemp(directory));
	snprintf(path, sizeof path, "%s/config.json", directory);
	out = fopen(path, "w");
	assert_non_null(out);
	fputs("{\"auths\":{\"r.io\":{\"auth\":\"YTpi\"}}}", out);
	fclose(out);
	unsetenv("REGISTRY_AUTH_FILE");
	setenv("XDG_RUNTIME_DIR", "/nonexistent", 1);
	setenv("HOME", "relative", 1);
	setenv("DOCKER_CONFIG", directory, 1);
	call_forget();
	assert_int_equal(auth_credentials_find(NULL, "r.io", "app", &credentials), 0);
	assert_string_equal(credentials.user, "a");
	setenv("REGISTRY_AUTH_FILE", "/nonexistent/auth.json", 1);
	assert_int_equal(auth_credentials_find(NULL, "r.io", "app", &credentials), -1);
	unsetenv("REGISTRY_AUTH_FILE");
	unlink(path);
	rmdir(directory);
}

/* ---- the answers ---- */

static void
answers_are_headers_and_addresses(void **state)
{
	struct auth_credentials credentials = { "me", "secret" };
	struct auth_challenge challenge = { AUTH_BEARER, "https://t.io/token?x=1", "r io", "" };
	char *text = auth_basic(&credentials);

	(void)state;
	assert_string_equal(text, "Basic bWU6c2VjcmV0");
	free(text);
	text = auth_token_url(&challenge, "repository:a/b:pull");
	assert_string_equal(text,
			    "https://t.io/token?x=1&service=r+io&scope=repository%3aa%2fb%3apull");
	free(text);
	strcpy(challenge.realm, "not an address at all");
	call_forget();
	assert_null(auth_token_url(&challenge, "x"));
}

static void
a_token_cannot_smuggle_a_header(void **state)
{
	static const char *const bad[] = {
		"",
		"{}",
		"[]",
		"{\"token\":\"\"}",
		"{\"token\":7}",
		"{\"token\":\"a\\r\\nHost: x\"}",
		"{\"token\":\"a b\"}",
		"{\"token\":\"a\\u0000b\"}x",
		"{\"token\":\"\\u00e4\"}",
		"null",
	};
	static const char good[] = "{\"access_token\":\"no\",\"token\":\"eyJ.a-b_c==\"}";
	char *header = auth_bearer(good, strlen(good));

	(void)state;
	assert_string_equal(header, "Bearer eyJ.a-b_c==");
	free(header);
	header = auth_bearer("{\"access_token\":\"t\"}", 20);
	assert_string_equal(header, "Bearer t");
	free(header);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		call_forget();
		header = auth_bearer(bad[i], strlen(bad[i]));
		if (header && strcmp(header, "Bearer a")) /* cut at the zero, and harmless */
			fail_msg("%s gave %s", bad[i], header);
		free(header);
	}
}

/* ---- addresses ---- */

static void
plain_http_is_for_this_machine(void **state)
{
	static const char *const here[] = { "localhost",     "localhost:5000", "127.0.0.1",
					    "127.8.9.255:1", "[::1]",	       "[::1]:5000" };
	static const char *const elsewhere[] = {
		"",
		"localhost.evil.org",
		"localhostx",
		"127.0.0.1.evil.org",
		"127.0.0.1x",
		"127.0.0",
		"127.0.0.256",
		"128.0.0.1",
		"[::2]",
		"[::1",
		"10.0.0.1",
		"evil.org",
		"[::1].evil.org:1",
	};

	(void)state;
	for (size_t i = 0; i < sizeof here / sizeof *here; i++)
		if (!url_loopback(here[i]))
			fail_msg("%s", here[i]);
	for (size_t i = 0; i < sizeof elsewhere / sizeof *elsewhere; i++)
		if (url_loopback(elsewhere[i]))
			fail_msg("%s", elsewhere[i]);
	assert_int_equal(url_allowed("https://evil.org:443", "http://127.0.0.1:5000"), 0);
	assert_int_equal(url_allowed("http://127.0.0.1:80", "http://127.0.0.1:5000"), 0);
	call_forget();
	assert_int_equal(url_allowed("http://127.0.0.1:80", "https://r.io:443"), -1);
	assert_int_equal(url_allowed("http://r.io:80", "http://127.0.0.1:5000"), -1);
}

static void
an_origin_is_one_text_for_one_server(void **state)
{
	static const char *const same[][2] = {
		{ "https://R.io/v2/", "https://r.io:443" },
		{ "https://r.io:443/x?y", "https://r.io:443" },
		{ "http://r.io", "http://r.io:80" },
		{ "http://[::1]:5000/v2/", "http://[::1]:5000" },
	};
	static const char *const bad[] = { "ftp://r.io/",
					   "file:///etc/passwd",
					   "https://a:b@r.io/",
					   "https://a@r.io/",
					   "",
					   "gopher://r.io",
					   "https://" };

	(void)state;
	for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
		char *origin = url_origin(same[i][0]);

		assert_string_equal(origin, same[i][1]);
		free(origin);
	}
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		call_forget();
		assert_null(url_origin(bad[i]));
		assert_int_equal(call_error()->number, EPROTO);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(challenges_are_read_as_the_rfc_writes_them),
		cmocka_unit_test(what_is_no_challenge_is_refused),
		cmocka_unit_test(random_headers_never_break_the_parser),
		cmocka_unit_test(the_most_particular_entry_wins),
		cmocka_unit_test(helpers_and_broken_files_are_refused_with_their_name),
		cmocka_unit_test(the_usual_places_are_looked_at_in_order),
		cmocka_unit_test(answers_are_headers_and_addresses),
		cmocka_unit_test(a_token_cannot_smuggle_a_header),
		cmocka_unit_test(plain_http_is_for_this_machine),
		cmocka_unit_test(an_origin_is_one_text_for_one_server),
	};

	close(mkstemp(file));
	return cmocka_run_group_tests(tests, NULL, NULL);
}

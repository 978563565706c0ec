/*
 * Names of images: what each short form stands for, and what is no name.
 * Tests step05-overlay/reference.c, explained in book/05-overlay.md.
 */
#include "step01-unshare/call.h"
#include "step05-overlay/reference.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define HEX64  "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define DIGEST "sha256:" HEX64

static void
names_are_completed_as_docker_does(void **state)
{
	static const struct {
		const char *text, *domain, *path, *tag, *digest;
	} good[] = {
		{ "nginx", "docker.io", "library/nginx", "latest", "" },
		{ "nginx:1.25-alpine", "docker.io", "library/nginx", "1.25-alpine", "" },
		{ "me/app", "docker.io", "me/app", "latest", "" },
		{ "docker.io/nginx", "docker.io", "library/nginx", "latest", "" },
		{ "index.docker.io/me/app:V_1", "docker.io", "me/app", "V_1", "" },
		{ "localhost/app", "localhost", "app", "latest", "" },
		{ "localhost:5000/app:1", "localhost:5000", "app", "1", "" },
		{ "127.0.0.1:5000/a/b/c", "127.0.0.1:5000", "a/b/c", "latest", "" },
		{ "[::1]:5000/app", "[::1]:5000", "app", "latest", "" },
		{ "[::1]/app", "[::1]", "app", "latest", "" },
		{ "ghcr.io/a-b/c__d/e.f", "ghcr.io", "a-b/c__d/e.f", "latest", "" },
		{ "Host/app", "Host", "app", "latest", "" },
		{ "a--b", "docker.io", "library/a--b", "latest", "" },
		{ "nginx@" DIGEST, "docker.io", "library/nginx", "", DIGEST },
		{ "nginx:1@" DIGEST, "docker.io", "library/nginx", "1", DIGEST },
		{ "host:80/x@" DIGEST, "host:80", "x", "", DIGEST },
	};

	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		struct reference reference;

		if (reference_parse(good[i].text, &reference) < 0)
			fail_msg("%s: %s", good[i].text, call_error()->what);
		assert_string_equal(reference.domain, good[i].domain);
		assert_string_equal(reference.path, good[i].path);
		assert_string_equal(reference.tag, good[i].tag);
		assert_string_equal(reference.digest, good[i].digest);
	}
}

static void
what_is_no_name_is_refused(void **state)
{
	static const char *const bad[] = {
		"",
		":",
		"@",
		"/",
		"a/",
		"/a",
		"a//b",
		"Nginx",
		"docker.io/",
		"nginx:",
		"nginx:-a",
		"nginx:.a",
		"nginx: ",
		"nginx:a b",
		"nginx:a/b:",
		"a_",
		"_a",
		"a..b",
		"a.-b",
		"a___b",
		"-a",
		"a-",
		"a b",
		"../etc",
		"a/../b",
		"./a",
		"host:/a",
		"host:0/a",
		"host:65536/a",
		"host:5x/a",
		"ho_st.de/a",
		"-host.de/a",
		"host.de-/a",
		"[::1/a",
		"[]/a",
		"[::g]/a",
		"[::1]5/a",
		"nginx@",
		"nginx@sha256:",
		"nginx@sha256:" HEX64 "0",
		"nginx@md5:" HEX64,
		"nginx@sha512:" HEX64,
		"nginx@" DIGEST "@" DIGEST,
		"nginx@sha256:ABCDEF",
		"a\nb",
		"a\x1b[2J",
		"a%2fb",
		"a?b",
		"a#b",
		"user@host/a",
		"http://host/a",
		"nginx:"
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
	};
	char big[4096];

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct reference reference;

		call_forget();
		if (reference_parse(bad[i], &reference) == 0)
			fail_msg("\"%s\" was taken", bad[i]);
		assert_int_equal(errno, EINVAL);
	}
	for (size_t length = 230; length < sizeof big; length += 97) {
		struct reference reference;

		memset(big, 'a', length);
		big[length] = '\0';
		assert_int_equal(reference_parse(big, &reference), length > 237 ? -1 : 0);
	}
}

static void
names_are_written_whole_and_short(void **state)
{
	static const struct {
		const char *text, *whole, *familiar;
	} names[] = {
		{ "nginx", "docker.io/library/nginx:latest", "nginx" },
		{ "me/app:2", "docker.io/me/app:2", "me/app" },
		{ "localhost:5000/demo", "localhost:5000/demo:latest", "localhost:5000/demo" },
		{ "nginx:1@" DIGEST, "docker.io/library/nginx@" DIGEST, "nginx" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		struct reference reference, again;
		char text[REFERENCE_TEXT];

		assert_int_equal(reference_parse(names[i].text, &reference), 0);
		reference_format(&reference, text);
		assert_string_equal(text, names[i].whole);
		assert_int_equal(reference_parse(text, &again), 0);
		assert_string_equal(again.path, reference.path);
		reference_familiar(&reference, text);
		assert_string_equal(text, names[i].familiar);
	}
}

/* Every name that is taken can be written and taken again with the same outcome, whatever bytes
 * it was made of. */
static void
random_bytes_never_give_a_name_that_is_not_one(void **state)
{
	static const char letters[] = "ab0A._-/:@[]% \n\xc3localhost";
	unsigned taken = 0;

	(void)state;
	srandom(4711);
	for (int i = 0; i < 200000; i++) {
		char text[24], again[REFERENCE_TEXT];
		struct reference one, two;
		size_t length = (size_t)random() % (sizeof text - 1);

		for (size_t j = 0; j < length; j++)
			text[j] = letters[(size_t)random() % (sizeof letters - 1)];
		text[length] = '\0';
		call_forget();
		if (reference_parse(text, &one) < 0)
			continue;
		taken++;
		assert_null(strpbrk(one.path, ":@[]% \n\xc3"));
		assert_null(strstr(one.path, ".."));
		reference_format(&one, again);
		assert_int_equal(reference_parse(again, &two), 0);
		assert_memory_equal(&one, &two, sizeof one);
	}
	assert_true(taken > 100);
}

/* "docker.io/library/" and 237 bytes are 255 */
static void
the_longest_name_reads_back_in_full(void **state)
{
	char name[300], whole[REFERENCE_TEXT], again[REFERENCE_TEXT];
	struct reference reference;

	(void)state;
	memset(name, 'n', sizeof name);
	name[237] = '\0';
	assert_int_equal(reference_parse(name, &reference), 0);
	reference_format(&reference, whole);
	assert_int_equal(reference_parse(whole, &reference), 0);
	reference_format(&reference, again);
	assert_string_equal(whole, again);
	name[237] = 'n';
	name[238] = '\0';
	assert_int_equal(reference_parse(name, &reference), -1);
	/* with the shortest host the path is at its longest */
	memset(name, 'n', sizeof name);
	memcpy(name, "a.b/", 4);
	name[255] = '\0';
	assert_int_equal(reference_parse(name, &reference), 0);
	assert_int_equal(strlen(reference.path), 251);
	name[255] = 'n';
	name[256] = '\0';
	assert_int_equal(reference_parse(name, &reference), -1);
	call_forget();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_are_completed_as_docker_does),
		cmocka_unit_test(what_is_no_name_is_refused),
		cmocka_unit_test(the_longest_name_reads_back_in_full),
		cmocka_unit_test(names_are_written_whole_and_short),
		cmocka_unit_test(random_bytes_never_give_a_name_that_is_not_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * The files by which names are found.
 * Tests step06-net/resolv.c, explained in book/06-net.md.
 */
#include "step01-unshare/call.h"
#include "step06-net/resolv.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

static int
set(struct resolv_options *options, const char *name, const char *value)
{
	const struct option_row *row = resolv_options;

	while (row->name && strcmp(row->name, name) != 0)
		row++;
	assert_non_null(row->name);
	return row->set(row, value, options);
}

static void
bad_values_are_refused_while_parsing(void **unused)
{
	static const struct {
		const char *name, *value;
	} bad[] = {
		{ "dns", "" },
		{ "dns", "dns.example" },
		{ "dns", "1.2.3" },
		{ "dns", "1.2.3.4 " },
		{ "dns", "1.2.3.4\nx" },
		{ "dns", "fe80::1%eth0" },
		{ "dns-search", "" },
		{ "dns-search", "a b" },
		{ "dns-search", "a\nb" },
		{ "dns-option", "a#b" },
		{ "add-host", "" },
		{ "add-host", "db" },
		{ "add-host", "db:" },
		{ "add-host", ":1.2.3.4" },
		{ "add-host", "db:there" },
		{ "add-host", "d b:1.2.3.4" },
		{ "add-host", "db:1.2.3.4\n" },
		{ "add-host", "d\tb=1.2.3.4" },
	};
	struct resolv_options options = { 0 };

	(void)unused;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		if (set(&options, bad[i].name, bad[i].value) == 0)
			fail_msg("accepted: --%s \"%s\"", bad[i].name, bad[i].value);
		assert_int_equal(errno, EINVAL);
		assert_non_null(strstr(call_error()->what, bad[i].name));
		call_forget();
	}
	assert_int_equal(options.dns.count + options.host.count + options.search.count, 0);
}

/* The content of FILE as resolv_write makes it. */
static char *
written(const struct resolv_options *options, const struct resolv_facts *facts, const char *file)
{
	static char text[65536];
	char path[] = "/tmp/boxstep-resolv.XXXXXX";
	int dir, fd;
	ssize_t n;
	struct stat st;

	assert_non_null(mkdtemp(path));
	dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	umask(077);
	assert_int_equal(resolv_write(dir, options, facts), 0);
	assert_int_equal(resolv_write(dir, options, facts), 0); /* in place */
	fd = openat(dir, file, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0644);
	n = read(fd, text, sizeof text - 1);
	text[n > 0 ? n : 0] = '\0';
	close(fd);
	for (const char *const *name = resolv_files; *name; name++)
		assert_int_equal(unlinkat(dir, *name, 0), 0);
	close(dir);
	rmdir(path);
	return text;
}

static void
resolv_conf_says_what_was_asked_for(void **unused)
{
	struct resolv_options options = { 0 };
	struct resolv_facts facts = { .own_lo = true };

	(void)unused;
	set(&options, "dns", "192.0.2.7");
	set(&options, "dns", "fd00::7");
	set(&options, "dns-search", "a.example");
	set(&options, "dns-search", "b.example");
	set(&options, "dns-option", "ndots:1");
	assert_string_equal(written(&options, &facts, "resolv.conf"),
			    "nameserver 192.0.2.7\nnameserver fd00::7\n"
			    "search a.example b.example\noptions ndots:1\n");
	options.search.count = 0;
	set(&options, "dns-search", ".");
	assert_null(strstr(written(&options, &facts, "resolv.conf"), "search"));
	free(options.dns.item);
	free(options.search.item);
	free(options.option.item);
}

static void
hosts_has_localhost_the_added_and_the_container_itself(void **unused)
{
	struct resolv_options options = { 0 };
	struct resolv_facts facts = { .own_lo = true, .hostname = "box" };
	const char *text;

	(void)unused;
	address_parse("10.212.0.2", 10, &facts.v4);
	address_parse("fd62::2", 7, &facts.v6);
	address_parse("10.212.0.1", 10, &facts.gateway);
	set(&options, "add-host", "db:192.0.2.9");
	set(&options, "add-host", "six:[fd00::9]");
	set(&options, "add-host", "seven=fd00::7");
	set(&options, "add-host", "gate:host-gateway");
	text = written(&options, &facts, "hosts");
	assert_memory_equal(text, "127.0.0.1\tlocalhost\n::1\tlocalhost", 32);
	assert_non_null(strstr(text, "\n192.0.2.9\tdb\nfd00::9\tsix\nfd00::7\tseven\n"
				     "10.212.0.1\tgate\n10.212.0.2\tbox\nfd62::2\tbox\n"));
	assert_string_equal(written(&options, &facts, "hostname"), "box\n");
	facts = (struct resolv_facts){ .own_lo = true, .hostname = "box" };
	text = written(&options, &facts, "hosts");
	assert_non_null(strstr(text, "\n127.0.1.1\tbox\n"));
	assert_non_null(strstr(text, "\n127.0.0.1\tgate\n"));
	free(options.host.item);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bad_values_are_refused_while_parsing),
		cmocka_unit_test(resolv_conf_says_what_was_asked_for),
		cmocka_unit_test(hosts_has_localhost_the_added_and_the_container_itself),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

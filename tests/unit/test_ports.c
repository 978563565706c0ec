/*
 * What --publish and the addresses in it may look like, and what it means to hold a port.
 * Tests step06-net/ports.c and address.c, explained in book/06-net.md.
 */
#include "step01-unshare/call.h"
#include "step06-net/ports.h"

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

/* The entries that TEXT gives, separated by blanks. */
static const char *
parsed(const char *text)
{
	static char all[4096];
	struct port_list list = { 0 };

	all[0] = '\0';
	if (ports_parse(text, &list) < 0) {
		assert_int_equal(errno, EINVAL);
		assert_non_null(strstr(call_error()->what, text));
		call_forget();
		ports_free(&list);
		return NULL;
	}
	for (size_t i = 0; i < list.count; i++) {
		strcat(all, i ? " " : "");
		strcat(all, port_text(&list.item[i]));
		assert_int_equal(list.item[i].fd, -1);
	}
	ports_free(&list);
	return all;
}

static void
every_form_of_publish_is_understood(void **state)
{
	static const struct {
		const char *text, *entries;
	} good[] = {
		{ "8080:80", "0.0.0.0:8080->80/tcp [::]:8080->80/tcp" },
		{ "8080:80/tcp", "0.0.0.0:8080->80/tcp [::]:8080->80/tcp" },
		{ "53:53/udp", "0.0.0.0:53->53/udp [::]:53->53/udp" },
		{ "80", "0.0.0.0:0->80/tcp [::]:0->80/tcp" },
		{ ":80", "0.0.0.0:0->80/tcp [::]:0->80/tcp" },
		{ "127.0.0.1:8080:80", "127.0.0.1:8080->80/tcp" },
		{ "127.0.0.1::80/udp", "127.0.0.1:0->80/udp" },
		{ "0.0.0.0:8080:80", "0.0.0.0:8080->80/tcp" },
		{ "[::1]:8080:80", "[::1]:8080->80/tcp" },
		{ "[::]:8080:80", "[::]:8080->80/tcp" },
		{ "[fd00::2]::80", "[fd00::2]:0->80/tcp" },
		{ "[::ffff:192.0.2.1]:1:2", "[::ffff:192.0.2.1]:1->2/tcp" },
		{ "127.0.0.1:65534-65535:1-2", "127.0.0.1:65534->1/tcp 127.0.0.1:65535->2/tcp" },
		{ "127.0.0.1:7-7:9-9/udp", "127.0.0.1:7->9/udp" },
		{ "127.0.0.1::8-9", "127.0.0.1:0->8/tcp 127.0.0.1:0->9/tcp" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		assert_non_null(parsed(good[i].text));
		assert_string_equal(parsed(good[i].text), good[i].entries);
	}
}

static void
anything_else_is_refused_and_named(void **state)
{
	static const char *const bad[] = {
		"",
		":",
		"::",
		"0",
		"80:0",
		"0:80",
		"65536:80",
		"80:65536",
		"-1:80",
		"+80:80",
		" 80:80",
		"80:80 ",
		"8080 :80",
		"0x50:80",
		"8e1:80",
		"80:80/",
		"80:80/TCP",
		"80:80/sctp",
		"80:80/udp/tcp",
		"80/udp:80",
		"a:80",
		"80:b",
		"127.0.0.1:80",
		"127.0.0.1",
		"127.0.0.1:a:80",
		"127.1:80:80",
		"0127.0.0.1:80:80",
		"127.0.0.1.:80:80",
		"256.0.0.1:80:80",
		"localhost:80:80",
		"::1:80:80",
		":::80:80",
		"[::1]80:80",
		"[::1:80:80",
		"::1]:80:80",
		"[]:80:80",
		"[127.0.0.1]:80:80",
		"[fe80::1%eth0]:80:80",
		"80-79:80-79",
		"80-82:80-81",
		"80-81:80",
		"80:80-81",
		"80-:80-",
		"-80:-80",
		"1-2-3:1-3",
		"1-70000:1-70000",
		"1-5000:1-5000",
		"99999999999999999999:80",
		"80:80:80:80",
		"127.0.0.1:80:80:80",
		"[::1]:80:80:80",
	};

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		if (parsed(bad[i]))
			fail_msg("accepted: \"%s\" as %s", bad[i], parsed(bad[i]));
}

static void
a_held_port_cannot_be_held_again(void **state)
{
	struct port_list first = { 0 }, second = { 0 };
	char text[64];

	(void)state;
	assert_int_equal(ports_parse("127.0.0.1::80", &first), 0);
	assert_int_equal(ports_parse("127.0.0.1::80/udp", &first), 0);
	assert_int_equal(ports_hold(&first), 0);
	assert_int_equal(first.count, 2);
	for (size_t i = 0; i < 2; i++) {
		bool udp = first.item[i].protocol == IPPROTO_UDP;
		assert_true(first.item[i].host > 0);
		snprintf(text, sizeof text, "127.0.0.1:%u:81%s", first.item[i].host,
			 udp ? "/udp" : "");
		assert_int_equal(ports_parse(text, &second), 0);
		assert_int_equal(ports_hold(&second), -1);
		assert_int_equal(errno, EADDRINUSE);
		snprintf(text, sizeof text, "port %u/%s of 127.0.0.1", first.item[i].host,
			 udp ? "udp" : "tcp");
		assert_non_null(strstr(call_error()->hint, text));
		assert_memory_equal(call_error()->what, "bind(", 5);
		call_forget();
		ports_free(&second);
	}
	ports_free(&first);
}

static void
a_free_port_is_free_in_both_families(void **state)
{
	struct port_list list = { 0 };

	(void)state;
	assert_int_equal(ports_parse("80", &list), 0);
	assert_int_equal(ports_hold(&list), 0);
	assert_true(list.item[0].host > 0);
	if (list.count == 2) /* there is IPv6 */
		assert_int_equal(list.item[0].host, list.item[1].host);
	ports_free(&list);
	ports_free(&list); /* twice is no harm */
}

static void
of_a_list_all_ports_are_held_or_none(void **state)
{
	struct port_list taken = { 0 }, list = { 0 }, again = { 0 };
	char text[64];

	(void)state;
	assert_int_equal(ports_parse("127.0.0.1::80", &taken), 0);
	assert_int_equal(ports_hold(&taken), 0);
	assert_int_equal(ports_parse("127.0.0.2::80", &list), 0);
	snprintf(text, sizeof text, "127.0.0.1:%u:80", taken.item[0].host);
	assert_int_equal(ports_parse(text, &list), 0);
	assert_int_equal(ports_hold(&list), -1);
	call_forget();
	snprintf(text, sizeof text, "127.0.0.2:%u:80", list.item[0].host);
	assert_int_equal(ports_parse(text, &again), 0);
	assert_int_equal(ports_hold(&again), 0);
	ports_free(&taken);
	ports_free(&list);
	ports_free(&again);
}

static void
networks_are_compared_bit_by_bit(void **state)
{
	static const struct {
		const char *a, *b;
		unsigned bits;
		bool same;
	} cases[] = {
		{ "10.212.0.0", "10.212.3.255", 22, true },
		{ "10.212.0.0", "10.212.4.0", 22, false },
		{ "10.0.0.0", "11.0.0.0", 0, true },
		{ "10.0.0.1", "10.0.0.1", 32, true },
		{ "10.0.0.1", "10.0.0.0", 32, false },
		{ "10.0.0.1", "10.0.0.1", 33, false },
		{ "fd00::1", "fd00::2", 64, true },
		{ "fd00::1", "fd00:0:0:1::1", 64, false },
		{ "fd00::1", "fd00::1", 128, true },
		{ "10.0.0.1", "::1", 0, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct address a, b;
		assert_int_equal(address_parse(cases[i].a, strlen(cases[i].a), &a), 0);
		assert_int_equal(address_parse(cases[i].b, strlen(cases[i].b), &b), 0);
		assert_int_equal(address_same_network(&a, &b, cases[i].bits), cases[i].same);
	}
}

static void
a_host_is_its_network_and_a_number(void **state)
{
	struct address network, host;

	(void)state;
	assert_int_equal(address_parse("10.212.4.0", 10, &network), 0);
	host = address_host(&network, 1021);
	assert_string_equal(address_text(&host), "10.212.7.253");
	host = address_host(&network, 1);
	host = address_host(&host, 1); /* from the bridge's address on */
	assert_string_equal(address_text(&host), "10.212.4.2");
	assert_int_equal(address_parse("fd62::", 6, &network), 0);
	host = address_host(&network, 0x3da);
	assert_string_equal(address_text(&host), "fd62::3da");
	network.family = 0;
	host = address_host(&network, 5);
	assert_string_equal(address_text(&host), "-");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_form_of_publish_is_understood),
		cmocka_unit_test(anything_else_is_refused_and_named),
		cmocka_unit_test(a_held_port_cannot_be_held_again),
		cmocka_unit_test(a_free_port_is_free_in_both_families),
		cmocka_unit_test(of_a_list_all_ports_are_held_or_none),
		cmocka_unit_test(networks_are_compared_bit_by_bit),
		cmocka_unit_test(a_host_is_its_network_and_a_number),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

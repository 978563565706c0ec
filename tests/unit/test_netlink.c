/*
 * The wire format of netlink: what is built, byte by byte, and what is read from bytes that lie.
 * Tests step06-net/netlink.c, explained in book/06-net.md.
 */
#include "step01-unshare/call.h"
#include "step06-net/link.h"
#include "step06-net/netlink.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <sched.h>
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
a_message_is_header_struct_and_padded_attributes(void **state)
{
	_Alignas(struct nlmsghdr) uint8_t bytes[128];
	struct nl_buffer b;
	struct nlmsghdr header;
	const uint32_t fixed = 0x01020304;

	(void)state;
	nl_start(&b, bytes, sizeof bytes);
	nl_message(&b, RTM_NEWLINK, NLM_F_ACK, &fixed, sizeof fixed);
	nl_put_text(&b, 3, "lo"); /* 4 + 3 bytes, padded to 8 */
	nl_put_u8(&b, 5, 0xaa);	  /* 4 + 1, padded to 8 */
	memcpy(&header, bytes, sizeof header);
	assert_int_equal(header.nlmsg_len, 16 + 4 + 8 + 8);
	assert_int_equal(b.length, header.nlmsg_len);
	assert_int_equal(header.nlmsg_type, RTM_NEWLINK);
	assert_int_equal(header.nlmsg_flags, NLM_F_ACK | NLM_F_REQUEST);
	assert_int_equal(b.answers, 1);
	assert_memory_equal(bytes + 20, "\x07\x00\x03\x00lo\x00\x00", 8);
	assert_memory_equal(bytes + 28, "\x05\x00\x05\x00\xaa\x00\x00\x00", 8);
	assert_false(b.full);
}

static void
a_nest_has_the_length_of_what_is_in_it(void **state)
{
	_Alignas(struct nlmsghdr) uint8_t bytes[128];
	struct nl_buffer b;
	struct nl_view message, outer, inner, value;
	size_t one, two;

	(void)state;
	nl_start(&b, bytes, sizeof bytes);
	nl_message(&b, 1, 0, NULL, 0);
	one = nl_nest(&b, 18);
	two = nl_nest(&b, 1);
	nl_put_be32(&b, 7, 0x0a000001);
	nl_nest_end(&b, two);
	nl_nest_end(&b, one);
	nl_put_u32(&b, 9, 77);
	message = (struct nl_view){ bytes + 16, b.length - 16 };
	assert_true(nl_find(message, 18, &outer));
	assert_int_equal(outer.length, 12);
	assert_true(nl_find(outer, 1, &inner));
	assert_true(nl_find(inner, 7, &value));
	assert_memory_equal(value.bytes, "\x0a\x00\x00\x01", 4);
	assert_true(nl_find(message, 9, &value));
	assert_int_equal(nl_number(value, 0), 77);
	assert_false(nl_find(message, 7, &value));
	assert_int_equal(value.length, 0);
}

static void
what_does_not_fit_is_not_sent(void **state)
{
	for (size_t size = 0; size < 60; size += 4) {
		_Alignas(struct nlmsghdr) uint8_t bytes[64];
		struct nl_buffer b;
		size_t nest;

		(void)state;
		memset(bytes, 0x55, sizeof bytes);
		nl_start(&b, bytes, size);
		nl_message(&b, 1, NLM_F_ACK, NULL, 0);
		nest = nl_nest(&b, 2);
		nl_put(&b, 3, "0123456789012345678901234567890", 32);
		nl_nest_end(&b, nest);
		assert_int_equal(b.full, size < 16 + 4 + 4 + 32);
		assert_true(b.length <= size);
		for (size_t i = size; i < sizeof bytes; i++)
			assert_int_equal(bytes[i], 0x55);
		if (b.full) {
			assert_int_equal(nl_talk(-1, &b), -1);
			assert_int_equal(errno, EMSGSIZE);
		}
	}
}

static void
a_length_of_sixteen_bits_does_not_wrap(void **state)
{
	static _Alignas(struct nlmsghdr) uint8_t bytes[200000], big[65536];
	struct nl_buffer b;
	size_t nest;

	(void)state;
	nl_start(&b, bytes, sizeof bytes);
	nl_message(&b, 1, 0, NULL, 0);
	nl_put(&b, 1, big, 65532);
	assert_true(b.full);

	nl_start(&b, bytes, sizeof bytes);
	nl_message(&b, 1, 0, NULL, 0);
	nest = nl_nest(&b, 1);
	nl_put(&b, 1, big, 40000);
	nl_put(&b, 2, big, 40000);
	assert_false(b.full);
	nl_nest_end(&b, nest);
	assert_true(b.full);
}

static void
several_messages_follow_each_other(void **state)
{
	_Alignas(struct nlmsghdr) uint8_t bytes[128];
	struct nlmsghdr one, two;
	struct nl_buffer b;

	(void)state;
	nl_start(&b, bytes, sizeof bytes);
	nl_message(&b, 16, 0, NULL, 0);
	nl_put_u32(&b, 1, 1);
	nl_message(&b, 17, NLM_F_ACK, NULL, 0);
	nl_put_u32(&b, 1, 2);
	nl_put_u32(&b, 2, 3);
	memcpy(&one, bytes, sizeof one);
	memcpy(&two, bytes + one.nlmsg_len, sizeof two);
	assert_int_equal(one.nlmsg_len, 24);
	assert_int_equal(two.nlmsg_len, 32);
	assert_int_equal(two.nlmsg_type, 17);
	assert_int_equal(one.nlmsg_seq, two.nlmsg_seq);
	assert_int_equal(b.answers, 1);
}

static void
an_attribute_that_lies_about_its_length_ends_the_walk(void **state)
{
	static const struct {
		const char *bytes;
		size_t size, good;
	} lies[] = {
		{ "", 0, 0 },
		{ "\x04\x00\x01", 3, 0 },     /* half a header */
		{ "\x00\x00\x01\x00", 4, 0 }, /* length 0: would walk for ever */
		{ "\x03\x00\x01\x00", 4, 0 }, /* shorter than its header */
		{ "\x05\x00\x01\x00", 4, 0 }, /* one byte beyond the end */
		{ "\xff\xff\x01\x00\x00\x00\x00\x00", 8, 0 },
		{ "\x05\x00\x01\x00\x09", 5, 1 },	      /* the last one, without padding */
		{ "\x04\x00\x01\x00\x08\x00\x02\x00", 8, 1 }, /* a good one, then a lie */
	};

	(void)state;
	for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
		struct nl_view rest = { (const uint8_t *)lies[i].bytes, lies[i].size }, value;
		size_t count = 0;
		while (nl_next(&rest, &value) >= 0) {
			assert_true(value.bytes + value.length <=
				    (const uint8_t *)lies[i].bytes + lies[i].size);
			count++;
		}
		assert_int_equal(count, lies[i].good);
	}
}

static void
random_bytes_are_walked_without_leaving_them(void **state)
{
	(void)state;
	srandom(4711);
	for (int round = 0; round < 20000; round++) {
		size_t size = (size_t)random() % 64;
		uint8_t *bytes = malloc(size + 1); /* exact: a sanitizer sees one byte too far */
		struct nl_view rest = { bytes, size }, value;
		char text[8];
		assert_non_null(bytes);
		for (size_t i = 0; i < size; i++)
			bytes[i] = (uint8_t)(random() % (random() % 3 ? 9 : 256));
		while (nl_next(&rest, &value) >= 0) {
			assert_true(value.bytes >= bytes &&
				    value.bytes + value.length <= bytes + size);
			nl_number(value, 0);
			nl_text(value, text, sizeof text);
			assert_true(strlen(text) < sizeof text);
		}
		free(bytes);
	}
}

static void
numbers_have_one_two_four_or_eight_bytes(void **state)
{
	const uint8_t bytes[9] = { 1, 0, 0, 0, 0, 0, 0, 0, 9 };

	(void)state;
	for (size_t size = 0; size <= 9; size++) {
		struct nl_view view = { bytes, size };
		bool good = size == 1 || size == 2 || size == 4 || size == 8;
		assert_int_equal(nl_number(view, 99), good ? 1 : 99);
	}
}

static void
a_refusal_of_the_kernel_is_an_errno_and_its_words(void **state)
{
	_Alignas(struct nlmsghdr) uint8_t bytes[NL_ROOM];
	const struct ifinfomsg info = { 0 };
	int fd = nl_open(NETLINK_ROUTE);
	struct nl_buffer b;

	(void)state;
	assert_true(fd >= 0);
	nl_start(&b, bytes, sizeof bytes);
	nl_message(&b, RTM_SETLINK, NLM_F_ACK, &info, sizeof info);
	nl_put_text(&b, IFLA_IFNAME, "bx-no-such-if");
	assert_int_equal(nl_change(fd, &b, "RTM_SETLINK", "bx-no-such-if"), -1);
	assert_true(errno == ENODEV || errno == EPERM); /* EPERM without root */
	assert_int_equal(call_error()->number, errno);
	assert_non_null(strstr(call_error()->what, "RTM_SETLINK, \"bx-no-such-if\")"));
	assert_memory_equal(call_error()->what, "sendto(", 7);
	call_forget();

	/* a message too short for its type */
	nl_start(&b, bytes, sizeof bytes);
	nl_message(&b, RTM_NEWLINK, NLM_F_ACK, "", 1);
	assert_int_equal(nl_talk(fd, &b), -1);
	assert_true(errno == EINVAL || errno == EPERM);
	close(fd);
}

static int
find_lo(int type, struct nl_view payload, void *context)
{
	struct nl_view name;
	char text[16];

	if (type != RTM_NEWLINK || payload.length < sizeof(struct ifinfomsg))
		return 0;
	payload.bytes += sizeof(struct ifinfomsg);
	payload.length -= sizeof(struct ifinfomsg);
	if (nl_find(payload, IFLA_IFNAME, &name)) {
		nl_text(name, text, sizeof text);
		*(int *)context += strcmp(text, "lo") == 0;
	}
	return 0;
}

static void
a_dump_is_read_to_its_end_and_the_next_question_answered(void **state)
{
	_Alignas(struct nlmsghdr) uint8_t bytes[NL_ROOM];
	const struct ifinfomsg info = { 0 };
	int fd = nl_open(NETLINK_ROUTE), found = 0;
	struct nl_buffer b;

	(void)state;
	for (int i = 1; i <= 3; i++) {
		nl_start(&b, bytes, sizeof bytes);
		nl_message(&b, RTM_GETLINK, NLM_F_DUMP, &info, sizeof info);
		assert_int_equal(nl_ask(fd, &b, find_lo, &found), 0);
		assert_int_equal(found, i);
	}
	close(fd);
}

static int
is_lo(const struct link *link, void *context)
{
	(void)context;
	return strcmp(link->name, "lo") == 0;
}

/* lo comes first, and so many others after it that the kernel sends several datagrams. Last of all,
 * because this process stays in the namespace. */
static void
what_was_found_early_leaves_nothing_to_the_next_question(void **state)
{
	const uint8_t mac[6] = { 0x02, 0x62 };
	char name[LINK_NAME];
	struct link link;
	int rtnl;

	(void)state;
	assert_int_equal(unshare(CLONE_NEWNET | (geteuid() ? CLONE_NEWUSER : 0)), 0);
	rtnl = nl_open(NETLINK_ROUTE);
	assert_true(rtnl >= 0);
	for (int i = 0; i < 40; i++) {
		snprintf(name, sizeof name, "bridge%d", i);
		assert_int_equal(link_add_bridge(rtnl, name, mac), 0);
	}
	for (int i = 0; i < 2; i++) {
		assert_int_equal(link_search(rtnl, is_lo, NULL, &link), 0);
		assert_string_equal(link.name, "lo");
		assert_int_equal(link_up(rtnl, "lo"), 0);
	}
	close(rtnl);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_message_is_header_struct_and_padded_attributes),
		cmocka_unit_test(a_nest_has_the_length_of_what_is_in_it),
		cmocka_unit_test(what_does_not_fit_is_not_sent),
		cmocka_unit_test(a_length_of_sixteen_bits_does_not_wrap),
		cmocka_unit_test(several_messages_follow_each_other),
		cmocka_unit_test(an_attribute_that_lies_about_its_length_ends_the_walk),
		cmocka_unit_test(random_bytes_are_walked_without_leaving_them),
		cmocka_unit_test(numbers_have_one_two_four_or_eight_bytes),
		cmocka_unit_test(a_refusal_of_the_kernel_is_an_errno_and_its_words),
		cmocka_unit_test(a_dump_is_read_to_its_end_and_the_next_question_answered),
		cmocka_unit_test(what_was_found_early_leaves_nothing_to_the_next_question),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

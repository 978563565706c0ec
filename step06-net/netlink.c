/*
 * netlink.c: builds messages, reads attributes, and takes the kernel's answer for what it is.
 * Follows netlink(7), Linux's Documentation/userspace-api/netlink/intro.rst.
 * Explained in book/06-net.md.
 */
#include <errno.h>
#include <linux/netlink.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "step01-unshare/call.h"
#include "step06-net/netlink.h"

/* What the kernel's last refusal said in words; empty when it said none. */
static char refusal[128];

int
nl_open(int protocol)
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol), on = 1;

	if (fd < 0)
		return fail(errno, "socket(AF_NETLINK, SOCK_RAW|SOCK_CLOEXEC, %s)",
			    protocol ? "NETLINK_NETFILTER" : "NETLINK_ROUTE");
	/* Answers may carry a sentence, and need not carry the question. Not vital: unchecked. */
	setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof on);
	setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof on);
	return fd;
}

/* ---- writing ---- */

void
nl_start(struct nl_buffer *buffer, void *bytes, size_t size)
{
	static uint32_t number;

	*buffer = (struct nl_buffer){ .bytes = bytes, .size = size, .number = ++number };
}

/* ANCHOR: append */
/* Every part is padded to four bytes; its length, and the message's, count the padding before it
 * but not the padding after it. */
void
nl_append(struct nl_buffer *buffer, const void *bytes, size_t size)
{
	size_t padded = NLMSG_ALIGN(size);

	if (buffer->full || padded < size || padded > buffer->size - buffer->length) {
		buffer->full = true;
		return;
	}
	memset(buffer->bytes + buffer->length, 0, padded);
	if (size)
		memcpy(buffer->bytes + buffer->length, bytes, size);
	buffer->length += padded;
	((struct nlmsghdr *)(void *)(buffer->bytes + buffer->message))->nlmsg_len =
		(uint32_t)(buffer->length - buffer->message);
}
/* ANCHOR_END: append */

void
nl_message(struct nl_buffer *buffer, int type, int flags, const void *header, size_t size)
{
	const struct nlmsghdr start = {
		.nlmsg_type = (uint16_t)type,
		.nlmsg_flags = (uint16_t)(flags | NLM_F_REQUEST),
		.nlmsg_seq = buffer->number,
	};

	if (buffer->size - buffer->length < sizeof start)
		buffer->full = true;
	else
		buffer->message = buffer->length;
	nl_append(buffer, &start, sizeof start);
	nl_append(buffer, header, size);
	buffer->answers += !!(flags & NLM_F_ACK);
}

void
nl_put(struct nl_buffer *buffer, int type, const void *value, size_t size)
{
	const struct nlattr start = {
		.nla_len = (uint16_t)(sizeof start + size),
		.nla_type = (uint16_t)type,
	};

	if (size > UINT16_MAX - sizeof start)
		buffer->full = true;
	nl_append(buffer, &start, sizeof start);
	nl_append(buffer, value, size);
}

size_t
nl_nest(struct nl_buffer *buffer, int type)
{
	size_t nest = buffer->length;

	nl_put(buffer, type | NLA_F_NESTED, NULL, 0);
	return nest;
}

void
nl_nest_end(struct nl_buffer *buffer, size_t nest)
{
	size_t size = buffer->length - nest;

	if (size > UINT16_MAX) /* the length would wrap and mean something else */
		buffer->full = true;
	else if (!buffer->full)
		((struct nlattr *)(void *)(buffer->bytes + nest))->nla_len = (uint16_t)size;
}

void
nl_put_text(struct nl_buffer *buffer, int type, const char *text)
{
	nl_put(buffer, type, text, strlen(text) + 1);
}

void
nl_put_u8(struct nl_buffer *buffer, int type, uint8_t value)
{
	nl_put(buffer, type, &value, sizeof value);
}

void
nl_put_u32(struct nl_buffer *buffer, int type, uint32_t value)
{
	nl_put(buffer, type, &value, sizeof value);
}

void
nl_put_be32(struct nl_buffer *buffer, int type, uint32_t value)
{
	value = __builtin_bswap32(value);
	if (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__)
		value = __builtin_bswap32(value);
	nl_put(buffer, type, &value, sizeof value);
}

/* ---- reading ---- */

/* ANCHOR: read */
/* Cuts SIZE bytes, and the padding after them, off the front of *REST. */
static struct nl_view
cut(struct nl_view *rest, size_t size)
{
	struct nl_view part = { rest->bytes, size };
	size_t padded = NLMSG_ALIGN(size);

	if (padded > rest->length)
		padded = rest->length; /* the last one may come without padding */
	rest->bytes += padded;
	rest->length -= padded;
	return part;
}

int
nl_next(struct nl_view *rest, struct nl_view *value)
{
	struct nlattr start;

	if (rest->length < sizeof start)
		return -1;
	memcpy(&start, rest->bytes, sizeof start);
	if (start.nla_len < sizeof start || start.nla_len > rest->length)
		return -1;
	*value = cut(rest, start.nla_len);
	value->bytes += sizeof start;
	value->length -= sizeof start;
	return start.nla_type & NLA_TYPE_MASK;
}
/* ANCHOR_END: read */

bool
nl_find(struct nl_view attributes, int type, struct nl_view *value)
{
	int found;

	while ((found = nl_next(&attributes, value)) >= 0)
		if (found == type)
			return true;
	*value = (struct nl_view){ 0 };
	return false;
}

uint64_t
nl_number(struct nl_view value, uint64_t otherwise)
{
	uint64_t eight;
	uint32_t four;
	uint16_t two;

	switch (value.length) {
	case 8:
		memcpy(&eight, value.bytes, 8);
		return eight;
	case 4:
		memcpy(&four, value.bytes, 4);
		return four;
	case 2:
		memcpy(&two, value.bytes, 2);
		return two;
	case 1:
		return *value.bytes;
	default:
		return otherwise;
	}
}

void
nl_text(struct nl_view value, char *text, size_t size)
{
	size_t length = value.length ? strnlen((const char *)value.bytes, value.length) : 0;

	if (length >= size)
		length = size - 1;
	if (length)
		memcpy(text, value.bytes, length);
	text[length] = '\0';
}

/* ---- talking ---- */

/* With the kernel named as the receiver the sender's rights count; without, those of who made the
 * socket count too, which may be a process in a user namespace that has passed it on. */
static long
post(int fd, const struct nl_buffer *buffer)
{
	const struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };

	if (buffer->full) {
		errno = EMSGSIZE;
		return -1;
	}
	return sendto(fd, buffer->bytes, buffer->length, 0, (const struct sockaddr *)&kernel,
		      sizeof kernel);
}

/* One datagram of the kernel (port 0: nobody else is believed); its size, 0 when none waits. */
static ssize_t
receive(int fd, void *bytes, size_t size, int flags)
{
	struct sockaddr_nl from = { 0 };
	ssize_t n;

	do {
		socklen_t length = sizeof from;
		n = recvfrom(fd, bytes, size, flags | MSG_TRUNC, (struct sockaddr *)&from, &length);
	} while ((n < 0 && errno == EINTR) || (n >= 0 && from.nl_pid != 0));
	if (n < 0 && errno == EAGAIN)
		return 0;
	if (n > (ssize_t)size) {
		errno = EMSGSIZE;
		return -1;
	}
	return n;
}

/* The next message of a datagram that answers to NUMBER: its header, and what follows it. */
static bool
next_message(struct nl_view *rest, uint32_t number, struct nlmsghdr *header,
	     struct nl_view *payload)
{
	while (rest->length >= sizeof *header) {
		memcpy(header, rest->bytes, sizeof *header);
		if (header->nlmsg_len < sizeof *header || header->nlmsg_len > rest->length)
			return false;
		*payload = cut(rest, header->nlmsg_len);
		payload->bytes += sizeof *header;
		payload->length -= sizeof *header;
		if (header->nlmsg_seq == number)
			return true;
	}
	return false;
}

/* An acknowledgement is an error message, with error 0 when all is well. Its sentence, if it has
 * one, stands in an attribute behind the header that caused it. Gives the errno. */
static int
acknowledged(const struct nlmsghdr *header, struct nl_view payload)
{
	struct nlmsgerr answer;
	struct nl_view words;

	if (payload.length < sizeof answer)
		return EPROTO;
	memcpy(&answer, payload.bytes, sizeof answer);
	cut(&payload, sizeof answer);
	if (!(header->nlmsg_flags & NLM_F_CAPPED) && answer.msg.nlmsg_len > sizeof answer.msg) {
		size_t question = answer.msg.nlmsg_len - sizeof answer.msg;
		cut(&payload, question < payload.length ? question : payload.length);
	}
	if (answer.error && header->nlmsg_flags & NLM_F_ACK_TLVS &&
	    nl_find(payload, NLMSGERR_ATTR_MSG, &words))
		nl_text(words, refusal, sizeof refusal);
	return -answer.error;
}

/* ANCHOR: talk */
/* The kernel works while we are inside send(2), so every answer is there when it returns. A batch
 * that is refused as a whole gives fewer answers than it has messages. */
long
nl_talk(int fd, struct nl_buffer *buffer)
{
	_Alignas(struct nlmsghdr) uint8_t bytes[NL_ROOM];
	unsigned answers = 0;
	int first = 0;
	long sent = post(fd, buffer);
	ssize_t n;

	refusal[0] = '\0';
	if (sent < 0)
		return -1;
	while (answers < buffer->answers &&
	       (n = receive(fd, bytes, sizeof bytes, MSG_DONTWAIT)) > 0) {
		struct nl_view rest = { bytes, (size_t)n }, payload;
		struct nlmsghdr header;
		while (next_message(&rest, buffer->number, &header, &payload))
			if (header.nlmsg_type == NLMSG_ERROR) {
				int number = acknowledged(&header, payload);
				answers++;
				first = first ? first : number;
			}
	}
	if (first == 0 && answers < buffer->answers)
		first = EPROTO;
	errno = first;
	return first ? -1 : sent;
}
/* ANCHOR_END: talk */

int
nl_change(int fd, struct nl_buffer *buffer, const char *type, const char *object)
{
	if (call(nl_talk(fd, buffer), "sendto(%d, %s, \"%s\")", fd, type, object) >= 0)
		return 0;
	if (refusal[0])
		call_hint("the kernel says: %s", refusal);
	else if (errno == EPERM)
		call_hint("changing a network needs CAP_NET_ADMIN there");
	return -1;
}

int
nl_ask(int fd, struct nl_buffer *buffer, nl_each *each, void *context)
{
	_Alignas(struct nlmsghdr) uint8_t bytes[32768]; /* what a dump sends at most */
	ssize_t n;

	refusal[0] = '\0';
	if (post(fd, buffer) < 0)
		return -1;
	while ((n = receive(fd, bytes, sizeof bytes, 0)) > 0) {
		struct nl_view rest = { bytes, (size_t)n }, payload;
		struct nlmsghdr header;
		while (next_message(&rest, buffer->number, &header, &payload)) {
			int value;
			if (header.nlmsg_type == NLMSG_DONE)
				return 0;
			if (header.nlmsg_type == NLMSG_ERROR) {
				errno = acknowledged(&header, payload);
				return errno ? -1 : 0;
			}
			value = each(header.nlmsg_type, payload, context);
			if (value || !(header.nlmsg_flags & NLM_F_MULTI))
				return value;
		}
	}
	return -1;
}

/*
 * netlink: the wire format by which network interfaces, addresses, routes and packet rules are
 * changed. A message is a header, a struct of its family, and attributes: length, type, value.
 *
 * Follows netlink(7), rtnetlink(7), Linux's Documentation/userspace-api/netlink/intro.rst.
 * Explained in book/06-net.md.
 */
#ifndef BOXSTEP_NETLINK_H
#define BOXSTEP_NETLINK_H

#include <linux/netlink.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * One or several messages under construction. The bytes belong to the caller; what does not fit
 * sets `full`, and sending then fails with EMSGSIZE: no builder below has to be checked.
 */
struct nl_buffer {
	uint8_t *bytes;
	size_t size, length;
	size_t message;	  /* where the last message begins */
	uint32_t number;  /* nlmsg_seq of all of them, by which answers are recognised */
	unsigned answers; /* how many of the messages ask for an acknowledgement */
	bool full;
};
#define NL_ROOM 4096 /* enough for every message of link */

/* A socket of the kernel's PROTOCOL (NETLINK_ROUTE, NETLINK_NETFILTER) in the caller's network
 * namespace, where it stays whatever the caller joins later; close-on-exec. It or −1. */
int nl_open(int protocol);

/* ---- writing ---- */
void nl_start(struct nl_buffer *buffer, void *bytes, size_t size);
/* Begins a message: TYPE, NLM_F_* FLAGS (REQUEST is added), and the family's fixed HEADER. */
void nl_message(struct nl_buffer *, int type, int flags, const void *header, size_t size);
/* Bytes without a type: a struct inside a nest. */
void nl_append(struct nl_buffer *, const void *bytes, size_t size);
void nl_put(struct nl_buffer *, int type, const void *value, size_t size);
void nl_put_text(struct nl_buffer *, int type, const char *text); /* with its closing 0 */
void nl_put_u8(struct nl_buffer *, int type, uint8_t value);
void nl_put_u32(struct nl_buffer *, int type, uint32_t value);
void nl_put_be32(struct nl_buffer *, int type, uint32_t value); /* network order: netfilter's way */
/* An attribute that holds attributes: what nl_nest gives is handed to nl_nest_end. */
size_t nl_nest(struct nl_buffer *, int type);
void nl_nest_end(struct nl_buffer *, size_t nest);

/* ---- reading: nothing is taken on trust, a length that points outside ends the walk ---- */
struct nl_view { /* a part of a received message */
	const uint8_t *bytes;
	size_t length;
};
/* The next attribute of *REST: its type, and its value in *VALUE; −1 at the end. */
int nl_next(struct nl_view *rest, struct nl_view *value);
/* The first attribute TYPE (without the flags NESTED and BYTEORDER) of ATTRIBUTES; false: none. */
bool nl_find(struct nl_view attributes, int type, struct nl_view *value);
/* A number of one, two, four or eight bytes in the machine's order; OTHERWISE on any other size. */
uint64_t nl_number(struct nl_view value, uint64_t otherwise);
/* The value as a C string into TEXT: at most SIZE − 1 bytes, up to its first 0. */
void nl_text(struct nl_view value, char *text, size_t size);

/* ---- talking ---- */
/*
 * Sends BUFFER and takes the acknowledgements. Gives the number of bytes sent, or −1 with the errno
 * that the kernel's answer holds; the answer's own words (the "extended ack") become the hint.
 */
long nl_talk(int fd, struct nl_buffer *buffer);

/*
 * nl_talk as a told change. It reads `sendto(3, RTM_NEWLINK, "bx12ab")`: the descriptor, nlmsg_type
 * of the first message as strace prints it, and the object's name in place of the attributes. The
 * result is the kernel's answer, which strace shows in the recvfrom(2) that follows.
 */
int nl_change(int fd, struct nl_buffer *buffer, const char *type, const char *object);

/*
 * Sends BUFFER, whose message has NLM_F_DUMP or asks for one object, and hands each message of the
 * answer to EACH (its type, and what follows struct nlmsghdr); a value other than 0 ends it early
 * and is given. 0 at the end; −1 with errno.
 */
typedef int nl_each(int type, struct nl_view payload, void *context);
int nl_ask(int fd, struct nl_buffer *buffer, nl_each *each, void *context);

#endif

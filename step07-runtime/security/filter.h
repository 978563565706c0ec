/*
 * filter: a profile compiled into the program that the kernel runs before each system call.
 *
 * Classic BPF (seccomp(2), the kernel's Documentation/networking/filter.rst) knows no table, only
 * comparisons and jumps forward. Sorted into ranges of numbers with the same answer, a list of 376
 * calls is decided by eight comparisons. Explained in book/07a-security.md.
 */
#ifndef BOXSTEP_FILTER_H
#define BOXSTEP_FILTER_H

#include <linux/filter.h>
#include <stddef.h>

struct profile;

/* A program, in one piece: it is made in one process and put on in another. */
struct filter {
	unsigned flags; /* of seccomp(2): SECCOMP_FILTER_FLAG_… */
	unsigned short count;
	struct sock_filter insns[];
};

/* Bytes of one with COUNT instructions. */
size_t filter_size(unsigned count);

/* Compiles PROFILE; to be freed. NULL with E2BIG when it does not fit into the kernel's 4096
 * instructions, ENOMEM. */
struct filter *filter_compile(const struct profile *profile);

#endif

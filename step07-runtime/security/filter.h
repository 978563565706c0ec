/*
 * filter: a profile compiled into the program that the kernel runs before each system call.
 *
 * Classic BPF (seccomp(2), the kernel's Documentation/networking/filter.rst) knows no table, only
 * comparisons and jumps forward. Sorted into ranges of numbers with the same answer, a list of 300
 * calls is decided by eight comparisons. Explained in book/07a-security.md.
 */
#ifndef BOXSTEP_FILTER_H
#define BOXSTEP_FILTER_H

#include <linux/filter.h>

struct profile;

/* A program; INSNS was allocated by filter_compile. */
struct filter {
	struct sock_filter *insns;
	unsigned short count;
};

/* Compiles PROFILE. −1 with E2BIG when it does not fit into the kernel's 4096 instructions,
 * ENOMEM. */
int filter_compile(const struct profile *profile, struct filter *filter);

void filter_free(struct filter *filter);

#endif

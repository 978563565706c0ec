/*
 * sys_table: the system calls by name, and their numbers on each architecture.
 *
 * One call has a number of its own on every architecture, and a filter sees only numbers.
 * The table itself (sys_numbers.h) is made by tests/sys_numbers.c, which asks libseccomp; nothing
 * here needs that library to be built. Follows syscalls(2), seccomp(2).
 * Explained in book/07a-security.md.
 */
#ifndef BOXSTEP_SYS_TABLE_H
#define BOXSTEP_SYS_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "step07-runtime/security/sys_numbers.h"

/* SYS_ID_accept4: the row of accept4, for tables that are written in C. */
#define SYS_ID(name, ...) SYS_ID_##name,
enum sys_id { SYS_NUMBERS(SYS_ID) SYS_IDS };
#undef SYS_ID

enum sys_arch { SYS_X86_64, SYS_X86, SYS_X32, SYS_AARCH64, SYS_ARM, SYS_ARCHES };

#define SYS_ARCH_BIT(arch) (1u << (arch))
#define SYS_X32_BIT	   0x40000000u /* set in every x32 number, which shares x86_64's token */

struct sys_arch_row {
	const char *name;	/* "SCMP_ARCH_X86_64", as profiles write it */
	const char *short_name; /* "amd64", as docker's includes and excludes write it */
	uint32_t token;		/* AUDIT_ARCH_…: seccomp_data.arch */
	bool wide;		/* arguments are compared in 64 bits, not in the lower 32 */
};
extern const struct sys_arch_row sys_arches[SYS_ARCHES];

/* The architecture that this program was compiled for, and those that its kernel also runs:
 * x86_64 → x86, x32; aarch64 → arm. */
extern const enum sys_arch sys_native;
extern const unsigned sys_native_set; /* SYS_ARCH_BITs, the native one included */

/* "SCMP_ARCH_X86_64" to SYS_X86_64. −1: not a name of an architecture; −2: one that exists, but has
 * no table here (its programs cannot run on the machines that boxstep is built for). */
int sys_arch_number(const char *name);

/* The row of NAME in the table, or −1. */
int sys_call_index(const char *name);

/* The number of a row's call on ARCH; −1 where that architecture does not have it. */
int32_t sys_call_number(unsigned index, enum sys_arch arch);

/* The call number of this row on the x86 architecture's old doors: *DOOR is the number of
 * socketcall(2) or ipc(2), the value is the first argument that means this call; 0: no such door.
 */
unsigned sys_call_behind_door(unsigned index, uint32_t *door);

#endif

/*
 * sys_table.c: looks up system calls by name, and architectures by the names that profiles use.
 * Follows syscalls(2), seccomp(2), <linux/audit.h>. Explained in book/07a-security.md.
 */
#include <linux/audit.h>
#include <string.h>

#include "step07-runtime/security/sys_table.h"

static const struct {
	const char *name;
	int32_t number[SYS_ARCHES];
	uint8_t door;
} rows[SYS_IDS] = {
#define ROW(name, x86_64, x86, x32, aarch64, arm, door) \
	{ #name, { x86_64, x86, x32, aarch64, arm }, door },
	SYS_NUMBERS(ROW)
#undef ROW
};

const struct sys_arch_row sys_arches[SYS_ARCHES] = {
	[SYS_X86_64] = { "SCMP_ARCH_X86_64", "amd64", AUDIT_ARCH_X86_64, true },
	[SYS_X86] = { "SCMP_ARCH_X86", "386", AUDIT_ARCH_I386, false },
	[SYS_X32] = { "SCMP_ARCH_X32", "x32", AUDIT_ARCH_X86_64, false },
	[SYS_AARCH64] = { "SCMP_ARCH_AARCH64", "arm64", AUDIT_ARCH_AARCH64, true },
	[SYS_ARM] = { "SCMP_ARCH_ARM", "arm", AUDIT_ARCH_ARM, false },
};

/* The specification's other architectures: none of their programs runs on a machine of ours. */
static const char *const foreign[] = { "MIPS",	   "MIPS64",	  "MIPS64N32",	 "MIPSEL",
				       "MIPSEL64", "MIPSEL64N32", "PPC",	 "PPC64",
				       "PPC64LE",  "S390",	  "S390X",	 "PARISC",
				       "PARISC64", "RISCV64",	  "LOONGARCH64", "M68K",
				       "SH",	   "SHEB" };

#if defined(__x86_64__)
const enum sys_arch sys_native = SYS_X86_64;
const unsigned sys_native_set =
	SYS_ARCH_BIT(SYS_X86_64) | SYS_ARCH_BIT(SYS_X86) | SYS_ARCH_BIT(SYS_X32);
#elif defined(__aarch64__)
const enum sys_arch sys_native = SYS_AARCH64;
const unsigned sys_native_set = SYS_ARCH_BIT(SYS_AARCH64) | SYS_ARCH_BIT(SYS_ARM);
#else
#error "the table of system calls has no column for this architecture"
#endif

int
sys_arch_number(const char *name)
{
	const char *prefix = "SCMP_ARCH_";

	for (int i = 0; i < SYS_ARCHES; i++)
		if (strcmp(name, sys_arches[i].name) == 0)
			return i;
	if (strncmp(name, prefix, strlen(prefix)) == 0)
		for (size_t i = 0; i < sizeof foreign / sizeof foreign[0]; i++)
			if (strcmp(name + strlen(prefix), foreign[i]) == 0)
				return -2;
	return -1;
}

int
sys_call_index(const char *name)
{
	int first = 0, last = SYS_IDS - 1;

	while (first <= last) {
		int middle = (first + last) / 2;
		int order = strcmp(name, rows[middle].name);
		if (order == 0)
			return middle;
		if (order < 0)
			last = middle - 1;
		else
			first = middle + 1;
	}
	return -1;
}

int32_t
sys_call_number(unsigned index, enum sys_arch arch)
{
	return rows[index].number[arch];
}

unsigned
sys_call_behind_door(unsigned index, uint32_t *door)
{
	unsigned value = rows[index].door;

	*door = (uint32_t)rows[value > 100 ? SYS_ID_ipc : SYS_ID_socketcall].number[SYS_X86];
	return value > 100 ? value - 100 : value;
}

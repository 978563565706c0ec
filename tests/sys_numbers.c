/*
 * sys_numbers.c: prints step07-runtime/security/sys_numbers.h, the system calls by name with their
 * numbers on each architecture. The numbers come from libseccomp(3); calls that are newer than the
 * library are added by hand below. Not part of any build: its output is committed, so that building
 * needs no libseccomp. Explained in book/07a-security.md. Again with
 *
 *	gcc -o /tmp/generate tests/sys_numbers.c -lseccomp
 *	/tmp/generate > step07-runtime/security/sys_numbers.h
 */
#include <errno.h>
#include <seccomp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAMES	1024
#define X32_BIT 0x40000000

enum { X86_64, X86, X32, AARCH64, ARM, COUNT };
static const uint32_t arches[COUNT] = { SCMP_ARCH_X86_64, SCMP_ARCH_X86, SCMP_ARCH_X32,
					SCMP_ARCH_AARCH64, SCMP_ARCH_ARM };

/* Since Linux 5.1 a new call has the same number everywhere. The kernel's scripts/syscall.tbl. */
static const struct {
	const char *name;
	int number;
} newer[] = { { "cachestat", 451 },
	      { "fchmodat2", 452 },
	      { "futex_wake", 454 },
	      { "futex_wait", 455 },
	      { "futex_requeue", 456 },
	      { "statmount", 457 },
	      { "listmount", 458 },
	      { "lsm_get_self_attr", 459 },
	      { "lsm_set_self_attr", 460 },
	      { "lsm_list_modules", 461 },
	      { "mseal", 462 },
	      { "setxattrat", 463 },
	      { "getxattrat", 464 },
	      { "listxattrat", 465 },
	      { "removexattrat", 466 },
	      { "open_tree_attr", 467 },
	      { "file_getattr", 468 },
	      { "file_setattr", 469 } };
enum { NEWER = sizeof newer / sizeof newer[0] };

static struct row {
	char name[40];
	int number[COUNT];
	int door;
} rows[NAMES];
static size_t count;

static int
by_name(const void *a, const void *b)
{
	return strcmp(((const struct row *)a)->name, ((const struct row *)b)->name);
}

static struct row *
row_of(const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(rows[i].name, name) == 0)
			return &rows[i];
	if (count == NAMES || strlen(name) >= sizeof rows[0].name)
		exit(1);
	struct row *row = &rows[count++];
	strcpy(row->name, name);
	for (int a = 0; a < COUNT; a++)
		row->number[a] = -1;
	return row;
}

/* A call without a number of its own is still a name: libseccomp marks it with a number below zero,
 * of which -101…-120 and -201…-224 are what i386 first had only behind socketcall(2) and ipc(2). */
static int
door_of(const char *name)
{
	int mark = seccomp_syscall_resolve_name_arch(SCMP_ARCH_X86, name);
	int door = -mark - 100;

	return (door >= 1 && door <= 20) || (door >= 101 && door <= 124) ? door : 0;
}

/* Asks by number, because asking by name gives the mark where both exist. */
static void
collect(int a, int first, int last)
{
	for (int number = first; number <= last; number++) {
		char *name = seccomp_syscall_resolve_num_arch(arches[a], number);
		if (name && number >= 0)
			row_of(name)->number[a] = number;
		if (name)
			row_of(name)->door = door_of(name);
		free(name);
	}
}

static void
add_newer(void)
{
	for (int i = 0; i < NEWER; i++) {
		struct row *row = row_of(newer[i].name);
		for (int a = 0; a < COUNT; a++)
			row->number[a] =
				newer[i].number | (arches[a] == SCMP_ARCH_X32 ? X32_BIT : 0);
	}
	row_of("map_shadow_stack")->number[X86_64] = 453; /* of this architecture alone */
	row_of("uretprobe")->number[X86_64] = 335;
	row_of("uprobe")->number[X86_64] = 336;
}

static void
print(void)
{
	const struct scmp_version *version = seccomp_version();

	printf("/*\n * sys_numbers.h: the rows of the system call table. Made by "
	       "tests/sys_numbers.c from\n"
	       " * libseccomp %u.%u.%u; do not edit. See syscalls(2).\n"
	       " * Columns: name, x86_64, x86, x32, aarch64, arm (-1: not there), and the door on "
	       "x86:\n"
	       " * 1…20 socketcall(2), 101…124 ipc(2). Explained in book/07a-security.md.\n */\n"
	       "#ifndef BOXSTEP_SYS_NUMBERS_H\n#define BOXSTEP_SYS_NUMBERS_H\n\n"
	       "#define SYS_NUMBERS(ROW) \\\n",
	       version->major, version->minor, version->micro);
	for (size_t i = 0; i < count; i++) {
		const struct row *row = &rows[i];
		printf("\tROW(%s, %d, %d, %d, %d, %d, %d)%s\n", row->name, row->number[0],
		       row->number[1], row->number[2], row->number[3], row->number[4], row->door,
		       i + 1 < count ? " \\" : "");
	}
	printf("\n#endif\n");
}

int
main(void)
{
	for (int a = 0; a < COUNT; a++) {
		int base = arches[a] == SCMP_ARCH_X32 ? X32_BIT : 0;
		collect(a, base, base + 1023);
	}
	collect(X86, -224, -101);
	collect(ARM, 0x0f0000, 0x0f00ff);
	add_newer();
	qsort(rows, count, sizeof rows[0], by_name);
	print();
	return 0;
}

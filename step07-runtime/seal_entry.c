/*
 * seal_entry.c: the program's first instructions, before the C library's: a program that executes
 * itself once more need not set up the library twice, which costs as much as the exec itself.
 * Follows execveat(2), open_tree(2), mount_setattr(2), the processor supplements of the System V
 * ABI ("Process Initialization"). Explained in book/07-runtime.md.
 *
 * Here is no library yet: no errno, no thread-local storage, no string functions (which one fits
 * this processor is found out later). What fails here, seal.c tries again, and says why.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "step07-runtime/seal.h"

/* The kernel starts a program with argc, argv and the environment on its stack, and _start wants
 * the stack, and the register of what to call at exit, as they were. */
#if defined(__x86_64__)
__asm__(".globl seal_entry\n"
	".type seal_entry, @function\n"
	"seal_entry:\n"
	"	mov %rdx, %rbx\n"
	"	mov %rsp, %rdi\n"
	"	call seal_at_entry\n"
	"	mov %rbx, %rdx\n"
	"	jmp _start\n");

static long
kernel(long number, long a, long b, long c, long d, long e)
{
	register long r10 __asm__("r10") = d, r8 __asm__("r8") = e;
	long result;

	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8)
			 : "rcx", "r11", "memory");
	return result;
}
#elif defined(__aarch64__)
__asm__(".globl seal_entry\n"
	".type seal_entry, %function\n"
	"seal_entry:\n"
	"	mov x19, x0\n"
	"	mov x0, sp\n"
	"	bl seal_at_entry\n"
	"	mov x0, x19\n"
	"	b _start\n");

static long
kernel(long number, long a, long b, long c, long d, long e)
{
	register long x8 __asm__("x8") = number, x0 __asm__("x0") = a, x1 __asm__("x1") = b,
			 x2 __asm__("x2") = c, x3 __asm__("x3") = d, x4 __asm__("x4") = e;

	__asm__ volatile("svc 0"
			 : "+r"(x0)
			 : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4)
			 : "memory");
	return x0;
}
#endif

/* A compiler that sees a loop that copies may call memcpy(3), which is not there yet. */
#define NOT_MEMCPY() __asm__ volatile("" ::: "memory")

static size_t
copy(char *to, const char *from)
{
	size_t n = 0;

	for (; from[n]; n++) {
		to[n] = from[n];
		NOT_MEMCPY();
	}
	return n;
}

/* Does TEXT begin with WORD, and, if WHOLE, end with it? */
static bool
begins(const char *text, const char *word, bool whole)
{
	while (*word && *text == *word)
		text++, word++;
	return !*word && (!whole || !*text);
}

static bool
has_verb(char *const *argv)
{
	for (; seal_verbs && *argv; argv++)
		for (size_t i = 0; seal_verbs[i]; i++)
			if (begins(*argv, seal_verbs[i], true))
				return true;
	return !seal_verbs;
}

/* "BOXSTEP_SEALED_FROM=" and the folder of this program, for the next one, whose file has no
 * folder. Gives 0 when there is none. */
static int
folder(char text[PATH_MAX])
{
	size_t prefix = copy(text, SEAL_PLACE "=");
	long n = kernel(SYS_readlinkat, AT_FDCWD, (long)"/proc/self/exe", (long)(text + prefix),
			(long)(PATH_MAX - prefix), 0);

	/* negative: the kernel's error; else a path without a zero at its end */
	while (n > 0 && text[prefix + (size_t)n - 1] != '/')
		n--;
	if (n <= 0)
		return 0;
	text[prefix + (size_t)n - 1] = '\0';
	return 1;
}

/* ANCHOR: entry */
/* Executes this program through a mount of its file that cannot be written. Comes back when that
 * is so already, or cannot be had. */
static void
execute_sealed(char **argv, char **environment)
{
	static const char self[] = "/proc/self/exe";
	struct mount_attr read_only = { .attr_set = MOUNT_ATTR_RDONLY };
	long view, may_write = kernel(SYS_faccessat2, AT_FDCWD, (long)self, W_OK, AT_EACCESS, 0);

	/* any other error, as where there is no /proc, says nothing of the file */
	seal_found = may_write == -EROFS || may_write == -EACCES;
	if (may_write < 0)
		return;
	view = kernel(SYS_open_tree, AT_FDCWD, (long)self, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC, 0,
		      0);
	if (view < 0)
		return;
	if (kernel(SYS_mount_setattr, view, (long)"", AT_EMPTY_PATH, (long)&read_only,
		   sizeof read_only) == 0)
		kernel(SYS_execveat, view, (long)"", (long)argv, (long)environment, AT_EMPTY_PATH);
	kernel(SYS_close, view, 0, 0, 0, 0);
}
/* ANCHOR_END: entry */

/* STACK as the kernel left it: argc, argv, 0, the environment, 0. */
void
seal_at_entry(long *stack)
{
	char place[PATH_MAX], **argv = (char **)(stack + 1), **given = argv + stack[0] + 1, **next;
	size_t count = 0, used = 0;
	bool placed = false;

	if (!has_verb(argv))
		return;
	for (; given[count]; count++)
		placed = placed || begins(given[count], SEAL_PLACE "=", false);
	next = __builtin_alloca((count + 2) * sizeof *next);
	if (!placed && folder(place))
		next[used++] = place;
	for (size_t i = 0; i <= count; i++) {
		next[used + i] = given[i];
		NOT_MEMCPY();
	}
	execute_sealed(argv, next);
}

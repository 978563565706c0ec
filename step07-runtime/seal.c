/*
 * seal.c: the runtime's own file out of reach of those it becomes (CVE-2019-5736).
 * Follows proc(5), execveat(2), mount_setattr(2), memfd_create(2). Explained in book/07-runtime.md.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/memfd.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "step01-unshare/call.h"
#include "step01-unshare/options.h"
#include "step01-unshare/exec.h"
#include "step07-runtime/seal.h"

#define SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

bool seal_found;

/* Whether this program runs from something that cannot be written: a read-only mount, a sealed
 * copy, or a file of somebody else. */
static bool
is_safe(int self)
{
	int seals = fcntl(self, F_GET_SEALS);

	return (seals >= 0 && (seals & SEALS) == SEALS) ||
	       faccessat(AT_FDCWD, "/proc/self/exe", W_OK, AT_EACCESS) < 0;
}

/* ANCHOR: seal */
/* The same file through a mount of its own that is read-only, and that nobody can change, because
 * it is attached nowhere. */
static int
read_only_view(void)
{
	struct mount_attr read_only = { .attr_set = MOUNT_ATTR_RDONLY };
	int view = call_try(
		open_tree(AT_FDCWD, "/proc/self/exe", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC),
		"open_tree(AT_FDCWD, \"/proc/self/exe\", OPEN_TREE_CLONE|OPEN_TREE_CLOEXEC)");

	if (view >= 0 &&
	    call_try(mount_setattr(view, "", AT_EMPTY_PATH, &read_only, sizeof read_only),
		     "mount_setattr(%d, \"\", AT_EMPTY_PATH, MOUNT_ATTR_RDONLY)", view) == 0)
		return view;
	if (view >= 0)
		close(view);
	return -1;
}
/* ANCHOR_END: seal */

/* Without the right to mount: a copy in memory. */
static int
sealed_copy(int self)
{
	int copy = memfd_create(program_invocation_short_name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	struct stat status;
	ssize_t n = 1;

	if (copy < 0 || fstat(self, &status) < 0)
		return copy;
	for (off_t done = 0; n > 0 && done < status.st_size; done += n)
		n = sendfile(copy, self, NULL, (size_t)(status.st_size - done));
	if (n > 0 && fcntl(copy, F_ADD_SEALS, SEALS) == 0)
		return copy;
	close(copy);
	return -1;
}

/* The programs beside this one are not found from a mount that is attached nowhere. */
static void
remember_place(void)
{
	char path[PATH_MAX];
	ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);

	if (length <= 0)
		return;
	path[length] = '\0';
	*strrchr(path, '/') = '\0';
	setenv(SEAL_PLACE, path, 1);
}

static bool
has_verb(char *const argv[])
{
	for (; seal_verbs && *argv; argv++)
		for (size_t i = 0; seal_verbs[i]; i++)
			if (strcmp(*argv, seal_verbs[i]) == 0)
				return true;
	return !seal_verbs;
}

int
seal_self(char *const argv[])
{
	int self = -1, safe;

	if (!has_verb(argv))
		return 0;
	if (!seal_found && (self = open("/proc/self/exe", O_RDONLY | O_CLOEXEC)) < 0)
		return fail(errno, "open(\"/proc/self/exe\")");
	if (seal_found || is_safe(self)) {
		close_fd(self);
		program_is_in(getenv(SEAL_PLACE));
		unsetenv(SEAL_PLACE); /* it is nothing to the container */
		/* else it is that of a descriptor */
		prctl(PR_SET_NAME, program_invocation_short_name, 0, 0, 0);
		return 0;
	}
	remember_place();
	if ((safe = read_only_view()) < 0)
		safe = sealed_copy(self);
	if (safe >= 0)
		syscall(SYS_execveat, safe, "", argv, environ, AT_EMPTY_PATH);
	return fail(errno, "execveat of a copy of this program that cannot be written");
}

int
seal_main(const struct program *program, int argc, char **argv, int (*run)(char **words))
{
	program_begin();
	if (seal_self(argv) < 0)
		return call_report(program->name);
	return program_main(program, argc, argv, run);
}

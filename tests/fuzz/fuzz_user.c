/*
 * fuzz_user: passwd and group of an image, and who is looked up in them: the first line is the
 * user, then passwd up to a line "--", then group.
 * Tests step05-overlay/user.c.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "step05-overlay/user.h"
#include "tests/fuzz/fuzz.h"

static char directory[] = "root-XXXXXX"; /* where the fuzzer was started: below build/fuzz */
static int root = -1;

static void
leave(void)
{
	unlinkat(root, "etc/passwd", 0);
	unlinkat(root, "etc/group", 0);
	unlinkat(root, "etc", AT_REMOVEDIR);
	rmdir(directory);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_text(data, size), *passwd = text, *name = strsep(&passwd, "\n"), *group;
	struct user user;

	if (root < 0) {
		if (!mkdtemp(directory) ||
		    (root = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0 ||
		    mkdirat(root, "etc", 0700) < 0)
			abort();
		atexit(leave);
	}
	group = passwd ? strstr(passwd, "--\n") : NULL;
	if (group)
		*group = 0;
	fuzz_put(root, "etc/passwd", passwd ? passwd : "");
	fuzz_put(root, "etc/group", group ? group + 3 : "");
	if (user_resolve(root, name, &user) == 0)
		user_free(&user);
	free(text);
	fuzz_forget();
	return 0;
}

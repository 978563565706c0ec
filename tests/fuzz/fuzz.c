/*
 * fuzz.c: what the targets of libFuzzer share. Follows the libFuzzer page of LLVM's documentation.
 * Linked with each of them.
 */
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "step01-unshare/call.h"
#include "step01-unshare/idmap.h"
#include "tests/fuzz/fuzz.h"

char *
fuzz_text(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);

	if (!text)
		abort();
	memcpy(text, data, size);
	text[size] = 0;
	return text;
}

int
fuzz_own(const char *path)
{
	struct idmap_options options = { .root = geteuid() != 0 };
	struct idmap_writer writer;
	int dir;

	if (idmap_writer_start(&options, &writer) < 0 ||
	    unshare(CLONE_NEWNS | idmap_kind(&options)) < 0 ||
	    (options.root && idmap_writer_finish(&options, &writer) < 0) ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("tmpfs", path, "tmpfs", 0, "size=64m") < 0 ||
	    (dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
		abort();
	return dir;
}

void
fuzz_put(int dir, const char *name, const char *text)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		abort();
	close(fd);
}

void
fuzz_forget(void)
{
	call_forget();
}

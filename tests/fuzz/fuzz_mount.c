/*
 * fuzz_mount: the words of a mount, a line each: target, type, source, options.
 * Tests step03-mounts/mount_list.c, step03-mounts/mount_options.c and step03-mounts/mount_ids.c.
 */
#include <stdlib.h>
#include <string.h>

#include "step03-mounts/mount_list.h"
#include "tests/fuzz/fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_text(data, size), *rest = text;
	struct mount_list list = { 0 };
	struct mount_spec spec = { 0 };

	spec.target = strsep(&rest, "\n");
	spec.type = strsep(&rest, "\n");
	spec.source = strsep(&rest, "\n");
	spec.options = strsep(&rest, "\n");
	if (mounts_add(&list, &spec) == 0) {
		mount_is_on(list.entry, "/proc");
		mounts_last_on(&list, "/dev");
	}
	mounts_free(&list);
	free(text);
	fuzz_forget();
	return 0;
}

/*
 * fuzz_layer: a layer of an image, as a tarball from somebody else, applied below a directory.
 * Each header gets the checksum that it should have, or no change would come past it. Whatever the
 * tarball says: nothing beside the directory changes, and the directory can be removed.
 * Tests step05-overlay/layer.c, below.c and tree.c.
 */
#include <archive.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "step05-overlay/layer.h"
#include "step05-overlay/tree.h"
#include "tests/fuzz/fuzz.h"

enum { BLOCK = 512, SIZE_AT = 124, SUM_AT = 148, SUM_WIDTH = 8 }; /* of a header: tar(5) */

static const struct layer_limits limits = { .bytes = 1 << 20, .entries = 64, .depth = 32 };
static int place = -1, lower;

/* The layer below is read for implied parents and hard links, and never written. */
int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	umask(0);
	place = fuzz_own("/mnt");
	if (mkdirat(place, "lower", 0755) < 0 || mkdirat(place, "lower/d", 0750) < 0 ||
	    (lower = openat(place, "lower", O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
		abort();
	fuzz_put(lower, "d/f", "below");
	return 0;
}

static void
put_sums(uint8_t *tar, size_t size)
{
	for (size_t at = 0; at + BLOCK <= size;) {
		uint8_t *head = tar + at;
		char octal[16] = "";
		unsigned sum = 0;
		size_t length;

		memset(head + SUM_AT, ' ', SUM_WIDTH);
		for (size_t i = 0; i < BLOCK; i++)
			sum += head[i];
		if (sum != ' ' * SUM_WIDTH) /* else a block of zeros: the end, or a hole in it */
			snprintf((char *)head + SUM_AT, SUM_WIDTH, "%06o", sum);
		else
			memset(head + SUM_AT, 0, SUM_WIDTH);
		memcpy(octal, head + SIZE_AT, 12);
		length = strtoul(octal, NULL, 8);
		at += BLOCK + (length < size ? (length + BLOCK - 1) / BLOCK * BLOCK : 0);
	}
}

/* What is beside the layer: "lower" and it, and the file below as it was. */
static void
look_around(void)
{
	char text[16] = "";
	struct dirent *entry;
	int fd = openat(place, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), count = 0;
	DIR *dir = fdopendir(fd);

	while (dir && (entry = readdir(dir)))
		count++;
	if (!dir || count != 4) /* with . and .. */
		abort();
	closedir(dir);
	fd = openat(lower, "d/f", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 || read(fd, text, sizeof text - 1) < 0 || strcmp(text, "below") != 0)
		abort();
	close(fd);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct layer_target target = { .lower = &lower,
				       .lowers = 1,
				       .user = geteuid() != 0,
				       .flat = geteuid() != 0,
				       .limits = &limits };
	struct archive *archive = archive_read_new();
	struct layer_report report = { 0 };
	uint8_t *tar = malloc(size + 1);

	if (!archive || !tar || mkdirat(place, "layer", 0755) < 0 ||
	    (target.dir = openat(place, "layer", O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
		abort();
	memcpy(tar, data, size);
	put_sums(tar, size);
	archive_read_support_format_tar(archive);
	archive_read_support_format_empty(archive);
	if (archive_read_open_memory(archive, tar, size) == ARCHIVE_OK &&
	    layer_apply(archive, &target, &report) == 0 &&
	    (report.entries > limits.entries || report.bytes > limits.bytes))
		abort();
	archive_read_free(archive);
	close(target.dir);
	free(tar);
	fuzz_forget();
	look_around();
	if (tree_remove(place, "layer") < 0)
		abort();
	return 0;
}

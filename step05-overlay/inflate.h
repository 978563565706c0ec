/*
 * inflate: a compressed tarball made plain by a second thread, while its two digests are taken:
 * of the bytes as they came (the blob's name) and of the plain ones (the layer's diff id).
 *
 * Decompressing costs about as much as writing the files, so the two go side by side, as `gzip -d |
 * tar -x` does; a ring of buffers takes the place of the pipe. gzip, zstd and plain are told by
 * their first bytes. Follows RFC 1952, RFC 8878, archive_read(3), pthreads(7).
 * Explained in book/05-overlay.md.
 */
#ifndef BOXSTEP_INFLATE_H
#define BOXSTEP_INFLATE_H

#include <stddef.h>
#include <stdint.h>
#include "step05-overlay/image.h"

struct archive;
struct inflate;

struct inflate_limits {
	int64_t bytes; /* of the plain tarball */
	int64_t free;  /* bytes of it before the ratio counts */
	int64_t ratio; /* plain to compressed, above it: a bomb */
};
extern const struct inflate_limits inflate_limits; /* 64 GiB; 512 MiB; 200 */

/* Starts on the file FD (read from its beginning; stays the caller's). NULL with the error
 * recorded. */
struct inflate *inflate_start(int fd, const struct inflate_limits *limits);

/* The plain tarball as an archive for reading, to be ended with archive_read_free(3). */
struct archive *inflate_archive(struct inflate *inflate);

/*
 * Reads what is left (an archive ends before its file does), joins the thread and frees INFLATE.
 * Gives both digests and the blob's size; −1 with the thread's error recorded: EFBIG for a limit,
 * EINVAL for broken data.
 */
int inflate_finish(struct inflate *inflate, struct descriptor *blob, char diff_id[DIGEST_TEXT]);
/* The same after an error that is recorded already: no draining. */
void inflate_cancel(struct inflate *inflate);

#endif

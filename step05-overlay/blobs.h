/*
 * blobs: pieces of images, each in a file that is named by the digest of its bytes.
 *
 * Whoever brings a blob in verifies it; whoever unpacks a layer verifies its blob again.
 * Follows the OCI image specification (descriptor.md). Explained in book/05-overlay.md.
 */
#ifndef BOXSTEP_BLOBS_H
#define BOXSTEP_BLOBS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct store;

/* A descriptor (read-only) of a blob; −1 with ENOENT (not recorded) when it is not here. */
int store_blob_open(const struct store *store, const char *digest);
/* Here, and SIZE bytes long (SIZE < 0: any). */
bool store_has_blob(const struct store *store, const char *digest, int64_t size);
/* All of a blob, NUL-terminated, to be freed; EFBIG above LIMIT, ENOENT; recorded. */
char *store_blob_read(const struct store *store, const char *digest, size_t limit, size_t *length);
/* All of an open file, in the same way. */
char *blob_read(int fd, size_t limit, size_t *length);

/*
 * A blob taken in piece by piece: a file (O_RDWR) that nobody else writes (EWOULDBLOCK when
 * another does, not recorded), whose size is what an earlier try left. The caller verifies size and
 * digest before store_ingest_commit, which gives it its name; store_ingest_drop removes it. Both
 * close FD. A close(2) alone leaves the partial file for the next try.
 * Small blobs are synced, because they are believed from then on; large ones are layers, which are
 * verified whenever they are read.
 */
int store_ingest_open(const struct store *store, const char *digest);
int store_ingest_commit(const struct store *store, int fd, const char *digest);
void store_ingest_drop(const struct store *store, int fd, const char *digest);

/* Puts a blob that is in memory and verified; nothing is done when it is here. */
int store_blob_put(const struct store *store, const char *digest, const void *data, size_t length);

#endif

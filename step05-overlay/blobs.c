/*
 * blobs: pieces of images, each in a file that is named by the digest of its bytes.
 *
 * Follows the OCI image specification (descriptor.md), rename(2).
 * Explained in book/05-overlay.md.
 */
#include "step05-overlay/blobs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "step01-unshare/call.h"
#include "step05-overlay/store.h"

enum { SYNCED = 4 << 20 }; /* bytes up to which a blob is synced */

/* "blobs/sha256/HEX" */
static const char *
place(const char *folder, const char *digest, char name[128])
{
	snprintf(name, 128, "%s/%s", folder, digest_hex(digest));
	return name;
}

int
store_blob_open(const struct store *store, const char *digest)
{
	char name[128];

	if (!digest_valid(digest)) {
		errno = EINVAL;
		return -1;
	}
	return openat(store->fd, place("blobs/sha256", digest, name),
		      O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
}

bool
store_has_blob(const struct store *store, const char *digest, int64_t size)
{
	char name[128];
	struct stat st;

	return digest_valid(digest) &&
	       fstatat(store->fd, place("blobs/sha256", digest, name), &st, AT_SYMLINK_NOFOLLOW) ==
		       0 &&
	       S_ISREG(st.st_mode) && (size < 0 || st.st_size == size);
}

char *
blob_read(int fd, size_t limit, size_t *length)
{
	struct stat st;
	char *text = NULL;
	size_t done = 0;
	ssize_t got = 1;

	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		fail(EINVAL, "blob: not a regular file");
		return NULL;
	}
	if ((size_t)st.st_size > limit) {
		fail(EFBIG, "blob: %lld bytes, more than the %zu it may have",
		     (long long)st.st_size, limit);
		return NULL;
	}
	text = malloc((size_t)st.st_size + 1);
	while (text && got > 0 && done < (size_t)st.st_size) {
		got = pread(fd, text + done, (size_t)st.st_size - done, (off_t)done);
		done += got > 0 ? (size_t)got : 0;
	}
	if (!text || got < 0) {
		fail(errno, "blob: cannot be read");
		free(text);
		return NULL;
	}
	text[done] = '\0';
	*length = done;
	return text;
}

char *
store_blob_read(const struct store *store, const char *digest, size_t limit, size_t *length)
{
	int fd = store_blob_open(store, digest);
	char *text;

	if (fd < 0) {
		fail(errno, "blob %s of the store", digest);
		return NULL;
	}
	text = blob_read(fd, limit, length);
	close(fd);
	return text;
}

/* ---- taking in ---- */

int
store_ingest_open(const struct store *store, const char *digest)
{
	char name[128];
	int fd;

	if (!digest_valid(digest))
		return fail(EINVAL, "\"%.80s\" is no digest", digest);
	fd = store_lock_own(store->fd, place("partial", digest, name), false, LOCK_EX | LOCK_NB);
	if (fd < 0 && errno != EWOULDBLOCK)
		return fail(errno, "open(\"%s/%s\")", store->path, name);
	return fd;
}

int
store_ingest_commit(const struct store *store, int fd, const char *digest)
{
	char from[128], to[128];
	struct stat st;
	int result = 0;

	if (fstat(fd, &st) < 0 || (st.st_size <= SYNCED && fsync(fd) < 0) ||
	    renameat(store->fd, place("partial", digest, from), store->fd,
		     place("blobs/sha256", digest, to)) < 0)
		result = fail(errno, "blob %s cannot be kept", digest);
	close(fd);
	return result;
}

void
store_ingest_drop(const struct store *store, int fd, const char *digest)
{
	char name[128];
	int error = errno;

	unlinkat(store->fd, place("partial", digest, name), 0);
	close(fd);
	errno = error;
}

int
store_blob_put(const struct store *store, const char *digest, const void *data, size_t length)
{
	int fd;

	if (store_has_blob(store, digest, (int64_t)length))
		return 0;
	while ((fd = store_ingest_open(store, digest)) < 0 && errno == EWOULDBLOCK)
		usleep(1000); /* another program puts the same one, which takes no time */
	if (fd < 0)
		return -1;
	for (size_t done = 0; done < length;) {
		ssize_t n = pwrite(fd, (const char *)data + done, length - done, (off_t)done);
		if (n < 0) {
			fail(errno, "blob %s cannot be written", digest);
			store_ingest_drop(store, fd, digest);
			return -1;
		}
		done += (size_t)n;
	}
	if (ftruncate(fd, (off_t)length) < 0) {
		fail(errno, "blob %s cannot be written", digest);
		store_ingest_drop(store, fd, digest);
		return -1;
	}
	return store_ingest_commit(store, fd, digest);
}

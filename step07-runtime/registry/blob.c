/*
 * blob: one piece of an image on its way into the store, hashed as it passes.
 * Follows the OCI image specification ("Descriptor: verification"), write(2).
 * Explained in book/08-registry.md.
 */
#include "step07-runtime/registry/blob.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "step01-unshare/call.h"
#include "step05-overlay/blobs.h"

static void
changed(struct blob *blob)
{
	if (blob->changed)
		blob->changed(blob);
}

/* An empty sum in place of whatever there was. */
static int
sum_anew(struct blob *blob)
{
	if (blob->sum.context)
		digest_end(&blob->sum, NULL);
	blob->sum.context = NULL;
	if (digest_begin(&blob->sum) < 0)
		return fail(ENOMEM, "the digest of blob %s", blob->what.digest);
	return 0;
}

/* Forgets what is there. */
static int
blob_restart(void *into)
{
	struct blob *blob = into;

	if (call(ftruncate(blob->fd, 0), "ftruncate(%d, 0)", blob->fd) < 0 ||
	    call(lseek(blob->fd, 0, SEEK_SET), "lseek(%d, 0, SEEK_SET)", blob->fd) < 0)
		return -1;
	blob->size = 0;
	blob->resumed = false;
	changed(blob);
	return sum_anew(blob);
}

/* Hashes what an earlier run left. */
static int
take_up(struct blob *blob)
{
	char buffer[1 << 16];
	ssize_t n;

	if (sum_anew(blob) < 0)
		return -1;
	while ((n = read(blob->fd, buffer, sizeof buffer)) > 0) {
		digest_add(&blob->sum, buffer, (size_t)n);
		blob->size += n;
	}
	blob->resumed = blob->size > 0;
	return n < 0 ? call(-1, "read(%d, \"%s\")", blob->fd, blob->what.digest) : 0;
}

/* ANCHOR: settle */
/* All bytes are there: right, and so given their name; or wrong. */
static int
settle(struct blob *blob)
{
	char digest[DIGEST_TEXT];
	bool resumed = blob->resumed;
	int fd = blob->fd;

	digest_end(&blob->sum, digest);
	blob->sum.context = NULL;
	if (!strcmp(digest, blob->what.digest)) {
		blob->fd = -1;
		if (store_ingest_commit(blob->store, fd, blob->what.digest) < 0)
			return -1;
		blob->here = true;
		changed(blob);
		return 0;
	}
	if (resumed) { /* the old part may be the bad one */
		if (blob_restart(blob) == 0)
			errno = EAGAIN;
		return -1;
	}
	blob->fd = -1;
	store_ingest_drop(blob->store, fd, blob->what.digest);
	return fail(EBADMSG, "digest mismatch: the blob %s came as %s", blob->what.digest, digest);
}
/* ANCHOR_END: settle */

static int
blob_open(struct blob *blob)
{
	blob->fd = store_ingest_open(blob->store, blob->what.digest);
	if (blob->fd < 0)
		return -1;
	blob->size = 0;
	return take_up(blob);
}

static int
blob_begin(void *into, int64_t *have)
{
	struct blob *blob = into;

	if (blob->fd < 0 && blob_open(blob) < 0)
		return -1;
	/* looked for after the lock is had: whoever held it may just have finished */
	if (store_has_blob(blob->store, blob->what.digest, blob->what.size)) {
		store_ingest_drop(blob->store, blob->fd, blob->what.digest);
		blob->fd = -1;
		blob->here = true;
		changed(blob);
		errno = EEXIST;
		return -1;
	}
	if (blob->size > blob->what.size && blob_restart(blob) < 0)
		return -1;
	if (blob->size == blob->what.size) {
		if (settle(blob) == 0)
			errno = EEXIST;
		if (errno != EAGAIN)
			return -1;
	}
	*have = blob->size;
	changed(blob);
	return 0;
}

static int
blob_write(void *into, const void *data, size_t size)
{
	struct blob *blob = into;
	const char *from = data;

	if ((int64_t)size > blob->what.size - blob->size) {
		int fd = blob->fd;

		blob->fd = -1;
		store_ingest_drop(blob->store, fd, blob->what.digest);
		return fail(EFBIG, "the blob %s is longer than the %lld bytes of its manifest",
			    blob->what.digest, (long long)blob->what.size);
	}
	while (size > 0) {
		ssize_t n = write(blob->fd, from, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			call(-1, "write(%d, …, %zu) of blob %s", blob->fd, size, blob->what.digest);
			return call_hint("what has come is kept; make room and pull again, or set "
					 "--root to a larger file system");
		}
		digest_add(&blob->sum, from, (size_t)n);
		blob->size += n;
		from += n;
		size -= (size_t)n;
	}
	changed(blob);
	return 0;
}

static int
blob_finish(void *into)
{
	struct blob *blob = into;

	if (blob->size == blob->what.size)
		return settle(blob);
	errno = EAGAIN; /* cut short, though the server called it whole */
	return -1;
}

const struct fetch_sink blob_sink = {
	.begin = blob_begin,
	.restart = blob_restart,
	.write = blob_write,
	.finish = blob_finish,
};

void
blob_init(struct blob *blob, const struct store *store, const struct descriptor *what)
{
	memset(blob, 0, sizeof *blob);
	blob->store = store;
	blob->what = *what;
	blob->fd = -1;
}

void
blob_close(struct blob *blob)
{
	if (blob->fd >= 0)
		close(blob->fd);
	if (blob->sum.context)
		digest_end(&blob->sum, NULL);
	blob->fd = -1;
	blob->sum.context = NULL;
}

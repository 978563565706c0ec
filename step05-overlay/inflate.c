/*
 * inflate: a compressed tarball made plain by a second thread, while its two digests are taken.
 *
 * One thread fills buffers, the other empties them; a buffer belongs to one of them at a time.
 * Follows archive_read(3), pthread_cond_wait(3), RFC 1952, RFC 8878.
 * Explained in book/05-overlay.md.
 */
#include "step05-overlay/inflate.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "step01-unshare/call.h"
#include "step05-overlay/digest.h"

const struct inflate_limits inflate_limits = {
	.bytes = 64LL << 30,
	.free = 512LL << 20,
	.ratio = 200,
};

enum { BUFFERS = 8, BUFFER = 1 << 18 };

struct inflate {
	int fd;
	struct inflate_limits limits;
	pthread_t thread;
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	char *data[BUFFERS];
	size_t length[BUFFERS];
	unsigned filled, taken; /* counted from the start; filled − taken are waiting */
	bool holding;		/* the reader works on the oldest one */
	bool done, cancelled;
	/* the filling thread's alone until it is joined */
	char in[BUFFER];
	int64_t bytes_in, bytes_out;
	size_t at; /* in the buffer being filled */
	struct digest blob, plain;
	int error;
	char message[200];
};

static int
trouble(struct inflate *inflate, int error, const char *message)
{
	inflate->error = error;
	snprintf(inflate->message, sizeof(inflate->message), "%s", message);
	return -1;
}

/* ---- the filling thread ---- */

/* libarchive asks for more of the file. */
static la_ssize_t
read_blob(struct archive *archive, void *with, const void **data)
{
	struct inflate *inflate = with;
	ssize_t got = pread(inflate->fd, inflate->in, BUFFER, inflate->bytes_in);

	if (got < 0) {
		archive_set_error(archive, errno, "%s", strerror(errno));
		return -1;
	}
	digest_add(&inflate->blob, inflate->in, (size_t)got);
	inflate->bytes_in += got;
	*data = inflate->in;
	return got;
}

/* Hands the buffer being filled over, and waits until the next one is free. */
static int
hand_over(struct inflate *inflate)
{
	unsigned slot = inflate->filled % BUFFERS;
	bool cancelled;

	digest_add(&inflate->plain, inflate->data[slot], inflate->at);
	pthread_mutex_lock(&inflate->mutex);
	inflate->length[slot] = inflate->at;
	inflate->filled++;
	inflate->at = 0;
	pthread_cond_signal(&inflate->changed);
	while (inflate->filled - inflate->taken == BUFFERS && !inflate->cancelled)
		pthread_cond_wait(&inflate->changed, &inflate->mutex);
	cancelled = inflate->cancelled;
	pthread_mutex_unlock(&inflate->mutex);
	return cancelled ? -1 : 0;
}

static int
check_limits(struct inflate *inflate)
{
	const struct inflate_limits *limits = &inflate->limits;

	if (inflate->bytes_out > limits->bytes)
		return trouble(inflate, EFBIG, "larger than a layer may be when unpacked");
	if (inflate->bytes_out > limits->free &&
	    inflate->bytes_out / limits->ratio > inflate->bytes_in)
		return trouble(inflate, EFBIG, "it grows without end when unpacked (a bomb)");
	return 0;
}

static int
fill(struct inflate *inflate, struct archive *archive)
{
	for (;;) {
		char *to = inflate->data[inflate->filled % BUFFERS] + inflate->at;
		la_ssize_t got = archive_read_data(archive, to, BUFFER - inflate->at);

		if (got < 0)
			return trouble(inflate, EINVAL, archive_error_string(archive));
		inflate->at += (size_t)got;
		inflate->bytes_out += got;
		if (check_limits(inflate) < 0)
			return -1;
		if ((inflate->at == BUFFER || (got == 0 && inflate->at > 0)) &&
		    hand_over(inflate) < 0)
			return -1;
		if (got == 0)
			return 0;
	}
}

/* What follows the compressed data is not the layer's, but it is the blob's. */
static void
read_rest(struct inflate *inflate)
{
	const void *data;

	while (read_blob(NULL, inflate, &data) > 0)
		;
}

static void *
thread_main(void *with)
{
	struct inflate *inflate = with;
	struct archive *archive = archive_read_new();
	struct archive_entry *entry;

	archive_read_support_filter_gzip(archive);
	archive_read_support_filter_zstd(archive);
	archive_read_support_format_raw(archive);
	archive_read_support_format_empty(archive);
	int first = archive_read_open(archive, inflate, NULL, read_blob, NULL);
	if (first == ARCHIVE_OK)
		first = archive_read_next_header(archive, &entry);
	if (first < ARCHIVE_WARN)
		trouble(inflate, EINVAL, archive_error_string(archive));
	else if (first != ARCHIVE_EOF)
		fill(inflate, archive);
	if (!inflate->error)
		read_rest(inflate);
	archive_read_free(archive);
	pthread_mutex_lock(&inflate->mutex);
	inflate->done = true;
	pthread_cond_signal(&inflate->changed);
	pthread_mutex_unlock(&inflate->mutex);
	return NULL;
}

/* ---- the reader's side ---- */

/* The next buffer; what it gave before is the filling thread's again. 0 at the end. */
static size_t
take(struct inflate *inflate, const void **data)
{
	size_t length = 0;

	pthread_mutex_lock(&inflate->mutex);
	if (inflate->holding) {
		inflate->taken++;
		inflate->holding = false;
		pthread_cond_signal(&inflate->changed);
	}
	while (inflate->filled == inflate->taken && !inflate->done)
		pthread_cond_wait(&inflate->changed, &inflate->mutex);
	if (inflate->filled != inflate->taken) {
		inflate->holding = true;
		*data = inflate->data[inflate->taken % BUFFERS];
		length = inflate->length[inflate->taken % BUFFERS];
	}
	pthread_mutex_unlock(&inflate->mutex);
	return length;
}

static la_ssize_t
read_plain(struct archive *archive, void *with, const void **data)
{
	struct inflate *inflate = with;
	size_t length = take(inflate, data);

	if (length == 0 && inflate->error) {
		archive_set_error(archive, inflate->error, "%s", inflate->message);
		return -1;
	}
	return (la_ssize_t)length;
}

static void
inflate_free(struct inflate *inflate)
{
	for (int i = 0; i < BUFFERS; i++)
		free(inflate->data[i]);
	pthread_mutex_destroy(&inflate->mutex);
	pthread_cond_destroy(&inflate->changed);
	free(inflate);
}

struct inflate *
inflate_start(int fd, const struct inflate_limits *limits)
{
	struct inflate *inflate = calloc(1, sizeof(*inflate));
	bool enough = inflate != NULL;

	for (int i = 0; enough && i < BUFFERS; i++)
		enough = (inflate->data[i] = malloc(BUFFER)) != NULL;
	if (!enough || digest_begin(&inflate->blob) < 0 || digest_begin(&inflate->plain) < 0) {
		fail(ENOMEM, "buffers to unpack with");
		return NULL; /* the program ends now */
	}
	inflate->fd = fd;
	inflate->limits = *limits;
	pthread_mutex_init(&inflate->mutex, NULL);
	pthread_cond_init(&inflate->changed, NULL);
	int error = pthread_create(&inflate->thread, NULL, thread_main, inflate);
	if (error) {
		fail(error, "a thread to unpack with");
		inflate_free(inflate);
		return NULL;
	}
	return inflate;
}

struct archive *
inflate_archive(struct inflate *inflate)
{
	struct archive *archive = archive_read_new();

	if (!archive) {
		fail(ENOMEM, "archive reader");
		return NULL;
	}
	archive_read_support_format_tar(archive);
	archive_read_support_format_empty(archive);
	if (archive_read_open(archive, inflate, NULL, read_plain, NULL) != ARCHIVE_OK) {
		if (!inflate->error)
			fail(EINVAL, "not a tarball: %s", archive_error_string(archive));
		archive_read_free(archive);
		return NULL;
	}
	return archive;
}

int
inflate_finish(struct inflate *inflate, struct descriptor *blob, char diff_id[DIGEST_TEXT])
{
	const void *data;
	int result = 0;

	while (take(inflate, &data) > 0)
		;
	pthread_join(inflate->thread, NULL);
	blob->size = inflate->bytes_in;
	digest_end(&inflate->blob, blob->digest);
	digest_end(&inflate->plain, diff_id);
	if (inflate->error)
		result = fail(inflate->error, "layer: %s", inflate->message);
	inflate_free(inflate);
	return result;
}

void
inflate_cancel(struct inflate *inflate)
{
	pthread_mutex_lock(&inflate->mutex);
	inflate->cancelled = true;
	pthread_cond_signal(&inflate->changed);
	pthread_mutex_unlock(&inflate->mutex);
	pthread_join(inflate->thread, NULL);
	if (inflate->error)
		fail(inflate->error, "layer: %s", inflate->message);
	digest_end(&inflate->blob, NULL);
	digest_end(&inflate->plain, NULL);
	inflate_free(inflate);
}

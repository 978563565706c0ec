/*
 * source: where the blobs of an image come from: a layout directory, an archive, or the store.
 *
 * Follows the OCI image specification (image-layout.md). Explained in book/05-overlay.md.
 */
#include "step05-overlay/source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "step01-unshare/call.h"
#include "step05-overlay/digest.h"
#include "step05-overlay/json.h"
#include "step05-overlay/place.h"
#include "step05-overlay/takeapart.h"

/* index.json is the only file of a layout that no digest vouches for. */
static int
open_layout(struct source *source, const char *path)
{
	int fd = openat(source->layout, "index.json",
			O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC),
	    result;
	size_t length;
	char *text;

	if (fd < 0) {
		fail(errno, "open(\"%s/index.json\")", path);
		return call_hint("an OCI image layout has this file, and a directory blobs");
	}
	text = blob_read(fd, JSON_BYTES, &length);
	close(fd);
	if (!text)
		return -1;
	result = image_index_choose(text, length, NULL, source->tag[0] ? source->tag : NULL,
				    &source->platform, &source->top);
	free(text);
	return result;
}

static int
open_archive(struct source *source, const struct place *place)
{
	int fd = open(place->path, O_RDONLY | O_CLOEXEC), result;

	if (fd < 0)
		return fail(errno, "open(\"%s\")", place->path);
	strcpy(source->archive, place->archive);
	source->scratch_fd = store_scratch(source->store, source->scratch);
	result = source->scratch_fd < 0 ? -1 : takeapart(fd, source->scratch_fd, source->tag);
	close(fd);
	if (result < 0)
		return -1;
	source->layout = fcntl(source->scratch_fd, F_DUPFD_CLOEXEC, 0);
	return open_layout(source, place->path);
}

/* The store knows neither type nor size: the text itself says which of the two it is. */
static int
open_stored(struct source *source, const char *digest)
{
	size_t length;
	char *text = store_blob_read(source->store, digest, JSON_BYTES, &length);
	struct json_object *object = text ? json_read(text, length, digest) : NULL;
	bool bad = false;
	const char *type;

	if (!object) {
		free(text);
		return -1;
	}
	type = json_text(object, "mediaType", &bad);
	if (!type && json_object_object_get_ex(object, "manifests", NULL))
		type = "application/vnd.oci.image.index.v1+json";
	snprintf(source->top.media_type, sizeof(source->top.media_type), "%.120s",
		 type ? type : "application/vnd.oci.image.manifest.v1+json");
	strcpy(source->top.digest, digest);
	source->top.size = (int64_t)length;
	json_object_put(object);
	free(text);
	return 0;
}

int
source_open(const struct store *store, const char *text, const char *platform,
	    struct source *source)
{
	struct place place;

	*source = (struct source){ .store = store, .layout = -1, .scratch_fd = -1 };
	if (platform_parse(platform, &source->platform) < 0)
		return -1;
	if (digest_valid(text))
		return open_stored(source, text);
	place_find(text, &place);
	strcpy(source->tag, place.tag);
	switch (place.kind) {
	case PLACE_LAYOUT:
		source->layout = open(place.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (source->layout < 0)
			return fail(errno, "open(\"%s\")", place.path);
		return open_layout(source, place.path);
	case PLACE_ARCHIVE:
		return open_archive(source, &place);
	default:
		return fail(ENOENT, "image \"%s\": neither a directory nor a file", text);
	}
}

void
source_close(struct source *source)
{
	int error = errno;

	if (source->layout >= 0)
		close(source->layout);
	if (source->scratch[0])
		store_scratch_remove(source->store, source->scratch);
	if (source->scratch_fd >= 0)
		close(source->scratch_fd);
	errno = error;
}

int
source_blob(const struct source *source, const struct descriptor *blob)
{
	char name[128];
	struct stat st;
	int fd = -1;

	if (source->layout >= 0) {
		snprintf(name, sizeof(name), "blobs/sha256/%s", digest_hex(blob->digest));
		fd = openat(source->layout, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	}
	if (fd < 0) /* a layout may leave out what the reader is known to have */
		fd = store_blob_open(source->store, blob->digest);
	if (fd < 0)
		return fail(errno, "blob %s of the image", blob->digest);
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size != blob->size) {
		close(fd);
		return fail(EINVAL, "blob %s: its size is not the %lld bytes announced",
			    blob->digest, (long long)blob->size);
	}
	return fd;
}

char *
source_text(const struct source *source, const struct descriptor *blob, size_t *length)
{
	char digest[DIGEST_TEXT];
	int fd = source_blob(source, blob);
	char *text;

	if (fd < 0)
		return NULL;
	text = blob_read(fd, JSON_BYTES, length);
	close(fd);
	if (!text)
		return NULL;
	digest_of(text, *length, digest);
	if (strcmp(digest, blob->digest) == 0)
		return text;
	fail(EBADMSG, "blob %s: its digest is %s", blob->digest, digest);
	free(text);
	return NULL;
}

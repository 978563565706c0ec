/*
 * takeapart: an image archive becomes a layout directory.
 *
 * Follows image-layout.md, docker's image spec v1.2, archive_read(3).
 * Explained in book/05-overlay.md.
 */
#include "step05-overlay/takeapart.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "step01-unshare/call.h"
#include "step05-overlay/blobs.h"
#include "step05-overlay/digest.h"
#include "step05-overlay/image.h"
#include "step05-overlay/inflate.h"
#include "step05-overlay/json.h"

enum { MEMBERS_MAX = 10000 };

struct member { /* a file of the archive, under the name that it has there */
	char *name;
	char *link; /* of a link: the name it stands for */
	char digest[DIGEST_TEXT];
	int64_t size;
};

struct parts {
	int dir;
	struct member *member;
	size_t count;
	int64_t bytes;
};

/* ---- the archive's members become blobs ---- */

/* "./a/../b" and "b" are the same member: names are compared without dots. Gives a copy. */
static char *
plain_name(const char *directory, size_t length, const char *name)
{
	char *out = malloc(length + strlen(name) + 2);
	size_t used = 0;

	if (!out)
		return NULL;
	memcpy(out, directory, length);
	used = length;
	while (*name) {
		size_t word = strcspn(name, "/");
		if (word == 2 && strncmp(name, "..", 2) == 0) {
			while (used > 0 && out[--used] != '/')
				;
		} else if (word > 0 && !(word == 1 && name[0] == '.')) {
			if (used)
				out[used++] = '/';
			memcpy(out + used, name, word);
			used += word;
		}
		name += word + (name[word] == '/');
	}
	out[used] = '\0';
	return out;
}

/* The limits of a layer, for the archive as a whole. */
static int
check_limits(struct archive *archive, const struct parts *parts)
{
	const struct inflate_limits *limits = &inflate_limits;
	int64_t in = archive_filter_bytes(archive, -1); /* as the file has them */

	if (parts->bytes > limits->bytes)
		return fail(EFBIG, "the archive is too large");
	if (parts->bytes > limits->free && parts->bytes / limits->ratio > in)
		return fail(EFBIG, "the archive grows without end when unpacked (a bomb)");
	return 0;
}

static int
store_data(struct archive *archive, struct parts *parts, struct member *member)
{
	int fd = openat(parts->dir, "member", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	struct digest digest;
	const void *data;
	size_t length;
	int64_t offset;
	char name[128];
	int got = ARCHIVE_FATAL, result = -1;

	if (fd < 0 || digest_begin(&digest) < 0)
		return fail(errno, "a file for the archive's member");
	while (check_limits(archive, parts) == 0 &&
	       (got = archive_read_data_block(archive, &data, &length, &offset)) == ARCHIVE_OK) {
		digest_add(&digest, data, length);
		parts->bytes += (int64_t)length;
		member->size += (int64_t)length;
		if (offset + (int64_t)length != member->size ||
		    write(fd, data, length) != (ssize_t)length) {
			fail(errno == ENOSPC ? ENOSPC : EIO, "write of \"%.200s\"", member->name);
			break;
		}
	}
	digest_end(&digest, member->digest);
	if (got != ARCHIVE_EOF)
		fail(EINVAL, "archive: %s", archive_error_string(archive));
	snprintf(name, sizeof(name), "blobs/sha256/%s", digest_hex(member->digest));
	if (got == ARCHIVE_EOF && (result = renameat(parts->dir, "member", parts->dir, name)) < 0)
		fail(errno, "rename of \"%.200s\"", member->name);
	close(fd);
	return result;
}

static int
take_member(struct archive *archive, struct archive_entry *entry, struct parts *parts)
{
	const char *name = archive_entry_pathname(entry), *hard = archive_entry_hardlink(entry);
	const char *soft = archive_entry_symlink(entry), *slash;
	struct member *member = &parts->member[parts->count];

	if (!name || (archive_entry_filetype(entry) == AE_IFDIR && !hard))
		return 0;
	if (parts->count + 1 >= MEMBERS_MAX)
		return fail(EFBIG, "archive: more than %d members", MEMBERS_MAX);
	*member = (struct member){ .name = plain_name("", 0, name) };
	if (!member->name)
		return fail(ENOMEM, "archive");
	parts->count++;
	slash = strrchr(member->name, '/');
	if (hard)
		member->link = plain_name("", 0, hard);
	else if (soft)
		member->link =
			plain_name(member->name, slash ? (size_t)(slash - member->name) : 0, soft);
	else if (archive_entry_filetype(entry) == AE_IFREG)
		return store_data(archive, parts, member);
	return 0;
}

static int
take_members(int fd, struct parts *parts)
{
	struct archive *archive = archive_read_new();
	struct archive_entry *entry;
	int got, result = 0;

	archive_read_support_filter_gzip(archive);
	archive_read_support_filter_zstd(archive);
	archive_read_support_format_tar(archive);
	got = archive_read_open_fd(archive, fd, 1 << 18);
	while (got >= ARCHIVE_WARN && result == 0) {
		got = archive_read_next_header(archive, &entry);
		if (got >= ARCHIVE_WARN && got != ARCHIVE_EOF)
			result = take_member(archive, entry, parts);
		if (got == ARCHIVE_EOF)
			break;
	}
	if (result == 0 && got != ARCHIVE_EOF) {
		result = fail(EINVAL, "not an image archive: %s", archive_error_string(archive));
		call_hint("an image is an OCI layout directory, or a tar archive of one, or made "
			  "by docker save");
	}
	archive_read_free(archive);
	return result;
}

/* The member of that name, links followed a few times; NULL with ENOENT recorded. */
static const struct member *
find_member(const struct parts *parts, const char *name)
{
	char *plain = plain_name("", 0, name);
	const char *wanted = plain;

	for (int links = 0; wanted && links < 8; links++) {
		const struct member *found = NULL;
		for (size_t i = 0; i < parts->count; i++)
			if (strcmp(parts->member[i].name, wanted) == 0)
				found = &parts->member[i];
		if (found && !found->link) {
			free(plain);
			return found;
		}
		wanted = found ? found->link : NULL;
	}
	free(plain);
	return NULL;
}

static struct json_object *
read_member(const struct parts *parts, const struct member *member)
{
	struct json_object *object = NULL;
	char name[128], *text, *wrapped = NULL;
	size_t length = 0;
	int fd;

	snprintf(name, sizeof(name), "blobs/sha256/%s", digest_hex(member->digest));
	fd = openat(parts->dir, name, O_RDONLY | O_CLOEXEC);
	text = fd < 0 ? NULL : blob_read(fd, JSON_BYTES - 32, &length);
	/* docker's manifest.json is an array; the reader of JSON here wants an object */
	if (text && asprintf(&wrapped, "{\"images\":%s}", text) > 0)
		object = json_read(wrapped, strlen(wrapped), "manifest.json");
	free(wrapped);
	free(text);
	if (fd >= 0)
		close(fd);
	return object;
}

/* ---- docker's format: a manifest is written ---- */

static struct json_object *
descriptor_json(const char *type, const struct member *member)
{
	struct json_object *object = json_object_new_object();

	json_put_text(object, "mediaType", type);
	json_put_text(object, "digest", member->digest);
	json_put_number(object, "size", member->size);
	return object;
}

/* Writes VALUE as a blob; MEMBER gets its digest and size. */
static int
write_blob(const struct parts *parts, struct json_object *value, struct member *member)
{
	const char *text = json_object_to_json_string_ext(value, JSON_C_TO_STRING_PLAIN);
	char name[128];
	int fd;

	member->size = (int64_t)strlen(text);
	digest_of(text, strlen(text), member->digest);
	snprintf(name, sizeof(name), "blobs/sha256/%s", digest_hex(member->digest));
	fd = openat(parts->dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, text, strlen(text)) != member->size) {
		fail(errno, "write of the manifest");
		member->size = -1;
	}
	if (fd >= 0)
		close(fd);
	return member->size < 0 ? -1 : 0;
}

static struct json_object *
manifest_json(const struct parts *parts, struct json_object *image)
{
	struct json_object *manifest = json_object_new_object(), *list = json_object_new_array();
	bool bad = false;
	const char *config = json_text(image, "Config", &bad);
	char **layers = json_vector(image, "Layers", &bad);
	const struct member *found = config && !bad ? find_member(parts, config) : NULL;

	json_put_number(manifest, "schemaVersion", 2);
	json_object_object_add(manifest, "layers", list);
	if (found)
		json_object_object_add(
			manifest, "config",
			descriptor_json("application/vnd.oci.image.config.v1+json", found));
	for (size_t i = 0; !bad && layers[i] && found; i++) {
		found = find_member(parts, layers[i]);
		if (found)
			json_object_array_add(
				list,
				descriptor_json("application/vnd.oci.image.layer.v1.tar", found));
	}
	free(layers);
	if (found)
		return manifest;
	fail(ENOENT, "manifest.json names a file that the archive does not have");
	json_object_put(manifest);
	return NULL;
}

/* Whether an image of manifest.json is the one: by one of its names, or because it is alone. */
static bool
is_wanted(struct json_object *image, const char *tag, size_t images)
{
	bool bad = false, wanted = false;
	char **names = json_vector(image, "RepoTags", &bad);

	for (size_t i = 0; tag[0] && !bad && names[i]; i++) {
		const char *colon = strrchr(names[i], ':');
		wanted |= strcmp(names[i], tag) == 0 || (colon && strcmp(colon + 1, tag) == 0);
	}
	free(names);
	return tag[0] ? wanted : images == 1;
}

static int
write_index(const struct parts *parts, const struct member *manifest, const char *tag)
{
	struct json_object *index = json_object_new_object(), *list = json_object_new_array();
	struct json_object *entry =
		descriptor_json("application/vnd.oci.image.manifest.v1+json", manifest);
	int result;

	if (tag[0]) {
		struct json_object *notes = json_object_new_object();
		json_put_text(notes, "org.opencontainers.image.ref.name", tag);
		json_object_object_add(entry, "annotations", notes);
	}
	json_object_array_add(list, entry);
	json_put_number(index, "schemaVersion", 2);
	json_object_object_add(index, "manifests", list);
	result = json_write(parts->dir, "index.json", index, false);
	json_object_put(index);
	return result;
}

static int
from_docker(const struct parts *parts, const struct member *list, const char *tag)
{
	struct json_object *file = read_member(parts, list), *images, *manifest = NULL;
	struct member written = { 0 };
	bool bad = false;
	int result = -1;

	images = file ? json_array(file, "images", &bad) : NULL;
	for (size_t i = 0; images && i < json_object_array_length(images) && !manifest; i++) {
		struct json_object *image = json_object_array_get_idx(images, i);
		if (is_wanted(image, tag, json_object_array_length(images)))
			manifest = manifest_json(parts, image);
	}
	if (manifest && write_blob(parts, manifest, &written) == 0)
		result = write_index(parts, &written, tag);
	if (!manifest && !call_error()->number) {
		fail(ENOENT, "the archive has no image%s%s, or more than one", tag[0] ? " " : "",
		     tag);
		call_hint("name one as FILE:TAG");
	}
	json_object_put(manifest);
	json_object_put(file);
	return result;
}

/* OCI's index.json was stored as a blob like the rest: it gets its name back. */
static int
from_oci(const struct parts *parts, const struct member *index)
{
	char name[128];

	snprintf(name, sizeof(name), "blobs/sha256/%s", digest_hex(index->digest));
	if (linkat(parts->dir, name, parts->dir, "index.json", 0) < 0)
		return fail(errno, "link(\"index.json\")");
	return 0;
}

int
takeapart(int fd, int dir, const char *tag)
{
	struct parts parts = { .dir = dir, .member = calloc(MEMBERS_MAX, sizeof(*parts.member)) };
	const struct member *found;
	int result = -1;

	if (!parts.member)
		return fail(ENOMEM, "archive");
	if (mkdirat(dir, "blobs", 0700) < 0 || mkdirat(dir, "blobs/sha256", 0700) < 0)
		fail(errno, "mkdir(\"blobs\")");
	else if (take_members(fd, &parts) < 0)
		;
	else if ((found = find_member(&parts, "index.json")))
		result = from_oci(&parts, found);
	else if ((found = find_member(&parts, "manifest.json")))
		result = from_docker(&parts, found, tag);
	else
		fail(EINVAL, "archive: neither index.json (OCI) nor manifest.json (docker) in it");
	for (size_t i = 0; i < parts.count; i++) {
		free(parts.member[i].name);
		free(parts.member[i].link);
	}
	free(parts.member);
	return result;
}

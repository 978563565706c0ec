/*
 * images: what the store calls an image. A record from a manifest's digest to its names and layers.
 *
 * Explained in book/05-overlay.md. What is no longer needed goes in collect.c.
 */
#include "step05-overlay/images.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "step01-unshare/call.h"
#include "step05-overlay/json.h"
#include "step05-overlay/reference.h"
#include "step05-overlay/store.h"

enum { SHORTEST_ID = 4 }; /* digits by which an image may be called */

/* ---- vectors of texts ---- */

static void
texts_free(char **texts)
{
	for (size_t i = 0; texts && texts[i]; i++)
		free(texts[i]);
	free(texts);
}

/* A vector of COUNT copied texts with room for one more; NULL with ENOMEM recorded. */
static char **
texts_copy(char *const *texts, size_t count)
{
	char **copy = calloc(count + 2, sizeof(*copy));

	for (size_t i = 0; copy && i < count; i++)
		if (!(copy[i] = strdup(texts[i]))) {
			texts_free(copy);
			copy = NULL;
		}
	if (!copy)
		fail(ENOMEM, "image record");
	return copy;
}

static size_t
texts_count(char *const *texts)
{
	size_t count = 0;

	while (texts && texts[count])
		count++;
	return count;
}

/* ---- one record ---- */

void
image_record_free(struct image_record *record)
{
	texts_free(record->names);
	texts_free(record->chain);
	free(record->source);
	*record = (struct image_record){ 0 };
}

static char **
read_texts(struct json_object *object, const char *key, bool *bad)
{
	char **borrowed = json_vector(object, key, bad), **own = NULL;

	if (!*bad)
		own = texts_copy(borrowed, texts_count(borrowed));
	free(borrowed);
	*bad |= !own;
	return own;
}

static int
read_digest(struct json_object *object, const char *key, char digest[DIGEST_TEXT])
{
	bool bad = false;
	const char *text = json_text(object, key, &bad);

	if (bad || !digest_valid(text))
		return fail(EINVAL, "images.json: \"%s\" is no digest", key);
	strcpy(digest, text);
	return 0;
}

static int
record_read(struct json_object *object, struct image_record *record)
{
	bool bad = false;
	const char *created = json_text(object, "created", &bad);
	const char *source = json_text(object, "source", &bad);

	*record = (struct image_record){ 0 };
	if (read_digest(object, "manifest", record->manifest) < 0 ||
	    read_digest(object, "target", record->target) < 0 ||
	    read_digest(object, "config", record->config) < 0)
		return -1;
	record->names = read_texts(object, "names", &bad);
	record->chain = read_texts(object, "layers", &bad);
	snprintf(record->created, sizeof(record->created), "%s", created ? created : "");
	record->size = json_number(object, "size", &bad);
	record->source = source ? strdup(source) : NULL;
	if (bad || (source && !record->source)) {
		image_record_free(record);
		return -1;
	}
	return 0;
}

static struct json_object *
texts_json(char *const *texts)
{
	struct json_object *array = json_object_new_array();

	for (; texts && *texts; texts++)
		json_object_array_add(array, json_object_new_string(*texts));
	return array;
}

static struct json_object *
record_json(const struct image_record *record)
{
	struct json_object *object = json_object_new_object();

	json_put_text(object, "manifest", record->manifest);
	json_put_text(object, "target", record->target);
	json_put_text(object, "config", record->config);
	json_object_object_add(object, "names", texts_json(record->names));
	json_object_object_add(object, "layers", texts_json(record->chain));
	json_put_text(object, "created", record->created);
	json_put_number(object, "size", record->size);
	if (record->source)
		json_put_text(object, "source", record->source);
	return object;
}

static int
record_copy(const struct image_record *from, struct image_record *to)
{
	*to = *from;
	to->source = from->source ? strdup(from->source) : NULL;
	to->names = texts_copy(from->names, texts_count(from->names));
	to->chain = texts_copy(from->chain, texts_count(from->chain));
	if (to->names && to->chain && (to->source || !from->source))
		return 0;
	image_record_free(to);
	return fail(ENOMEM, "image record");
}

/* ---- all of them ---- */

void
image_list_free(struct image_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		image_record_free(&list->item[i]);
	free(list->item);
	*list = (struct image_list){ 0 };
}

int
store_images(const struct store *store, struct image_list *list)
{
	int fd = openat(store->fd, "images.json", O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	struct json_object *file, *array;
	bool bad = false;
	size_t count;

	*list = (struct image_list){ 0 };
	if (fd < 0)
		return errno == ENOENT ? 0 : fail(errno, "open(\"%s/images.json\")", store->path);
	file = json_read_fd(fd, "images.json");
	close(fd);
	if (!file)
		return -1;
	array = json_array(file, "images", &bad);
	count = array ? json_object_array_length(array) : 0;
	list->item = calloc(count + 2, sizeof(*list->item)); /* room for one more */
	if (!list->item)
		bad = fail(ENOMEM, "images.json");
	for (; !bad && list->count < count; list->count++)
		if (record_read(json_object_array_get_idx(array, list->count),
				&list->item[list->count]) < 0)
			break;
	bad |= list->count < count;
	json_object_put(file);
	if (bad)
		image_list_free(list);
	return bad ? -1 : 0;
}

int
images_save(const struct store *store, const struct image_list *list)
{
	struct json_object *file = json_object_new_object(), *array = json_object_new_array();
	int result;

	for (size_t i = 0; i < list->count; i++)
		json_object_array_add(array, record_json(&list->item[i]));
	json_object_object_add(file, "images", array);
	result = json_write(store->fd, "images.json", file, true);
	json_object_put(file);
	return result;
}

static struct image_record *
by_manifest(const struct image_list *list, const char *manifest)
{
	for (size_t i = 0; i < list->count; i++)
		if (strcmp(list->item[i].manifest, manifest) == 0)
			return &list->item[i];
	return NULL;
}

/* ---- names ---- */

bool
image_drop_name(struct image_record *record, const char *name)
{
	for (size_t i = 0; record->names[i]; i++)
		if (strcmp(record->names[i], name) == 0) {
			free(record->names[i]);
			for (; record->names[i]; i++)
				record->names[i] = record->names[i + 1];
			return true;
		}
	return false;
}

/* Gives NAME to RECORD and takes it from all others. */
static int
take_name(struct image_list *list, struct image_record *record, const char *name)
{
	struct reference reference;
	char full[REFERENCE_TEXT], **names;

	if (reference_parse(name, &reference) < 0)
		return -1;
	reference_format(&reference, full);
	for (size_t i = 0; i < list->count; i++)
		image_drop_name(&list->item[i], full);
	names = texts_copy(record->names, texts_count(record->names));
	if (!names)
		return -1;
	texts_free(record->names);
	record->names = names;
	names[texts_count(names)] = strdup(full);
	return 0;
}

/* Puts RECORD in place of what the list has under its manifest, with the names of that. */
static struct image_record *
put_record(struct image_list *list, const struct image_record *record)
{
	struct image_record *old = by_manifest(list, record->manifest), new;

	if (record_copy(record, &new) < 0)
		return NULL;
	texts_free(new.names);
	new.names = old ? texts_copy(old->names, texts_count(old->names)) : texts_copy(NULL, 0);
	if (!new.names) {
		image_record_free(&new);
		return NULL;
	}
	if (old) {
		if (!new.source && old->source)
			new.source = strdup(old->source);
		image_record_free(old);
	} else {
		if (!list->item)
			list->item = calloc(2, sizeof(*list->item));
		old = &list->item[list->count++];
	}
	*old = new;
	return old;
}

int
store_image_add(const struct store *store, const struct image_record *record, const char *name)
{
	int lock = store_lock(store, "lock", LOCK_EX), result = -1;
	struct image_list list = { 0 };
	struct image_record *own;

	if (lock >= 0 && store_images(store, &list) == 0 && (own = put_record(&list, record)) &&
	    (!name || take_name(&list, own, name) == 0))
		result = images_save(store, &list);
	image_list_free(&list);
	if (lock >= 0)
		close(lock);
	return result;
}

int
store_tag(const struct store *store, const char *name, const char *manifest)
{
	int lock = store_lock(store, "lock", LOCK_EX), result = -1;
	struct image_list list = { 0 };
	struct image_record *own;

	if (lock >= 0 && store_images(store, &list) == 0) {
		own = by_manifest(&list, manifest);
		if (!own)
			fail(ENOENT, "image %s", manifest);
		else if (take_name(&list, own, name) == 0)
			result = images_save(store, &list);
	}
	image_list_free(&list);
	if (lock >= 0)
		close(lock);
	return result;
}

/* ---- finding ---- */

static bool
has_name(const struct image_record *record, const char *name)
{
	for (char **own = record->names; *own; own++)
		if (strcmp(*own, name) == 0)
			return true;
	return false;
}

bool
image_named(const struct image_record *record, const char *word, char full[REFERENCE_TEXT])
{
	struct call_error before = *call_error();
	struct reference reference;
	bool valid = reference_parse(word, &reference) == 0;

	*call_error() = before;
	full[0] = '\0';
	if (valid)
		reference_format(&reference, full);
	return valid && has_name(record, full);
}

static bool
has_digest(const struct image_record *record, const char *digest)
{
	return strcmp(record->manifest, digest) == 0 || strcmp(record->target, digest) == 0 ||
	       strcmp(record->config, digest) == 0;
}

/* The one whose id, or else whose manifest, begins with DIGITS. */
static struct image_record *
by_digits(const struct image_list *list, const char *digits)
{
	size_t length = strlen(digits);
	struct image_record *found = NULL;

	if (length < SHORTEST_ID || length > 64 || strspn(digits, "0123456789abcdef") != length)
		return NULL;
	for (size_t i = 0; i < list->count; i++) {
		struct image_record *item = &list->item[i];
		if (strncmp(digest_hex(item->config), digits, length) != 0 &&
		    strncmp(digest_hex(item->manifest), digits, length) != 0)
			continue;
		if (found) {
			fail(EEXIST, "\"%s\": more than one image's id begins so", digits);
			return NULL;
		}
		found = item;
	}
	return found;
}

struct image_record *
images_find(const struct image_list *list, const char *word)
{
	struct reference reference;
	struct image_record *found = NULL;
	char full[REFERENCE_TEXT];

	if (strncmp(word, "sha256:", 7) != 0 && reference_parse(word, &reference) == 0) {
		reference_format(&reference, full);
		for (size_t i = 0; i < list->count && !found; i++)
			if (has_name(&list->item[i], full) ||
			    (reference.digest[0] && has_digest(&list->item[i], reference.digest)))
				found = &list->item[i];
	} else {
		call_forget(); /* no name: perhaps a digest */
		for (size_t i = 0; i < list->count && !found; i++)
			if (has_digest(&list->item[i], word))
				found = &list->item[i];
	}
	if (!found)
		found = by_digits(list, strncmp(word, "sha256:", 7) == 0 ? word + 7 : word);
	if (!found && call_error()->number == 0) {
		fail(ENOENT, "no image \"%s\" in the store", word);
		call_hint("boxstep images lists what is there");
	}
	return found;
}

int
store_image_find(const struct store *store, const char *word, struct image_record *record)
{
	struct image_list list;
	struct image_record *found;
	int result = -1;

	if (store_images(store, &list) < 0)
		return -1;
	found = images_find(&list, word);
	if (found)
		result = record_copy(found, record);
	image_list_free(&list);
	return result;
}

int
store_image_from(const struct store *store, const char *source, struct image_record *record)
{
	struct image_list list;
	int result = -1;

	if (store_images(store, &list) < 0)
		return -1;
	for (size_t i = 0; i < list.count && result < 0; i++)
		if (list.item[i].source && strcmp(list.item[i].source, source) == 0)
			result = record_copy(&list.item[i], record);
	image_list_free(&list);
	if (result < 0 && call_error()->number == 0)
		errno = ENOENT;
	return result;
}

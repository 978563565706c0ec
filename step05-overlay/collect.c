/*
 * collect: what is no longer needed goes. An image's record first, then every layer and blob that
 * no other record, no pin and no running container needs.
 *
 * Follows flock(2). Explained in book/05-overlay.md.
 */
#include "step05-overlay/collect.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "step01-unshare/call.h"
#include "step05-overlay/json.h"
#include "step05-overlay/store.h"
#include "step05-overlay/tree.h"

/* ---- pins ---- */

static int
pin_name(const char *owner, char name[300])
{
	if (!owner[0] || owner[0] == '.' || strlen(owner) > 255 || strchr(owner, '/'))
		return fail(EINVAL, "\"%.80s\": not the name of an owner", owner);
	snprintf(name, 300, "pins/%s", owner);
	return 0;
}

/* A pin names the layers too, so that it holds them when the image's record is gone. */
static struct json_object *
pin_json(const struct image_record *record)
{
	struct json_object *object = json_object_new_object(), *layers = json_object_new_array();

	for (char **chain = record->chain; *chain; chain++)
		json_object_array_add(layers, json_object_new_string(*chain));
	json_put_text(object, "manifest", record->manifest);
	json_object_object_add(object, "layers", layers);
	return object;
}

int
store_pin(const struct store *store, const char *owner, const char *manifest)
{
	struct image_record record;
	struct json_object *object;
	char name[300];
	int pins, result = -1;

	if (pin_name(owner, name) < 0 || store_image_find(store, manifest, &record) < 0)
		return -1;
	object = pin_json(&record);
	image_record_free(&record);
	pins = openat(store->fd, "pins", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (pins < 0)
		fail(errno, "open(\"%s/pins\")", store->path);
	else
		result = json_write(pins, owner, object, true);
	if (pins >= 0)
		close(pins);
	json_object_put(object);
	return result;
}

int
store_unpin(const struct store *store, const char *owner)
{
	char name[300];

	if (pin_name(owner, name) < 0)
		return -1;
	if (unlinkat(store->fd, name, 0) < 0 && errno != ENOENT)
		return fail(errno, "unlink(\"%s/%s\")", store->path, name);
	return 0;
}

/* Calls EACH(owner, pin, WITH) for every pin, until it gives something else than 0. One that cannot
 * be read may hold anything: −1. */
static int
each_pin(const struct store *store, int (*each)(const char *, struct json_object *, void *),
	 void *with)
{
	int fd = openat(store->fd, "pins", O_RDONLY | O_DIRECTORY | O_CLOEXEC), result = 0;
	DIR *list = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (!list)
		return fail(errno, "open(\"%s/pins\")", store->path);
	while (result == 0 && (entry = readdir(list))) {
		if (entry->d_name[0] == '.')
			continue;
		int file = openat(fd, entry->d_name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
		if (file < 0 && errno == ENOENT)
			continue; /* its owner has just gone */
		struct json_object *pin = file < 0 ? NULL : json_read_fd(file, entry->d_name);

		if (file < 0)
			fail(errno, "open(\"%s/pins/%s\")", store->path, entry->d_name);
		result = pin ? each(entry->d_name, pin, with) : -1;
		json_object_put(pin);
		if (file >= 0)
			close(file);
	}
	closedir(list);
	return result;
}

/* ---- in use ---- */

static int
pinned_by(const char *owner, struct json_object *pin, void *with)
{
	bool bad = false;
	const char *manifest = json_text(pin, "manifest", &bad);

	if (!manifest || strcmp(manifest, with) != 0)
		return 0;
	return fail(EBUSY, "the image is needed by %s", owner);
}

/* Whoever runs an image holds a lock on each of its layers; the topmost is the most its own. */
static bool
top_layer_locked(const struct store *store, const struct image_record *record)
{
	size_t count = 0;
	char name[128];
	bool locked;
	int fd;

	while (record->chain[count])
		count++;
	if (count == 0)
		return false;
	snprintf(name, sizeof(name), "%s/%s/diff", store->layers,
		 digest_hex(record->chain[count - 1]));
	fd = openat(store->fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	locked = fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) < 0;
	if (fd >= 0)
		close(fd);
	return locked;
}

static int
check_unused(const struct store *store, const struct image_record *record)
{
	if (each_pin(store, pinned_by, (void *)(uintptr_t)record->manifest) < 0)
		return call_hint("remove that container first");
	if (top_layer_locked(store, record)) {
		fail(EBUSY, "the image is in use by a running container");
		return call_hint("stop it first");
	}
	return 0;
}

/* ---- collecting ---- */

struct needed { /* hex digits of what must stay */
	char (*hex)[65];
	size_t count;
};

static int
need(struct needed *needed, const char *digest)
{
	if ((needed->count & (needed->count - 1)) == 0) {
		size_t room = needed->count ? 2 * needed->count : 1;
		void *more = realloc(needed->hex, room * sizeof(*needed->hex));
		if (!more)
			return fail(ENOMEM, "list of what is needed");
		needed->hex = more;
	}
	strcpy(needed->hex[needed->count++], digest_hex(digest));
	return 0;
}

static int
compare(const void *a, const void *b)
{
	return strcmp(a, b);
}

static bool
is_needed(const struct needed *needed, const char *hex)
{
	return needed->count > 0 &&
	       bsearch(hex, needed->hex, needed->count, sizeof(*needed->hex), compare);
}

/* A manifest, and what it names: config and layer tarballs. */
static int
need_manifest(const struct store *store, struct needed *needed, const char *digest)
{
	struct image_manifest manifest;
	size_t length;
	char *text;
	int result = need(needed, digest);

	if (!store_has_blob(store, digest, -1))
		return result;
	text = store_blob_read(store, digest, JSON_BYTES, &length);
	if (!text || image_manifest_parse(text, length, NULL, &manifest) < 0) {
		free(text);
		return -1;
	}
	if (result == 0)
		result = need(needed, manifest.config.digest);
	for (size_t i = 0; i < manifest.layers && result == 0; i++)
		result = need(needed, manifest.layer[i].digest);
	image_manifest_free(&manifest);
	free(text);
	return result;
}

struct collecting {
	struct store *store;
	struct needed blobs, layers;
	store_told tell;
	void *with;
	int64_t freed; /* bytes */
};

static int
need_record(struct collecting *now, const struct image_record *record)
{
	int result = need_manifest(now->store, &now->blobs, record->manifest);

	if (result == 0)
		result = need(&now->blobs, record->target);
	for (char **chain = record->chain; *chain && result == 0; chain++)
		result = digest_valid(*chain) ? need(&now->layers, *chain) : 0;
	return result;
}

static void
gone(struct collecting *now, const char *hex, int64_t bytes)
{
	char digest[DIGEST_TEXT + 8];

	now->freed += bytes;
	snprintf(digest, sizeof(digest), "sha256:%.64s", hex);
	if (now->tell)
		now->tell("Deleted", digest, now->with);
}

/* A layer that nobody runs, moved aside first, so that half of it is never taken for the whole. */
static void
collect_layer(struct collecting *now, const char *kind, const char *hex)
{
	struct store as = *now->store;
	char from[128], to[128], diff[140], digest[DIGEST_TEXT + 8];
	int fd;

	as.layers = kind;
	snprintf(from, sizeof(from), "%s/%s", kind, hex);
	snprintf(diff, sizeof(diff), "%s/diff", from);
	snprintf(to, sizeof(to), "aside/gone-%s-%s", kind, hex);
	snprintf(digest, sizeof(digest), "sha256:%.64s", hex);
	fd = openat(as.fd, diff, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0) {
		int64_t bytes = store_layer_bytes(&as, digest);
		if (renameat(as.fd, from, as.fd, to) == 0 && tree_remove(as.fd, to) == 0)
			gone(now, hex, bytes);
	}
	if (fd >= 0)
		close(fd);
}

/* Goes over FOLDER ("layers", "flat", "blobs/sha256"); KIND is NULL for blobs. */
static void
collect_folder(struct collecting *now, const char *folder, const char *kind)
{
	int fd = openat(now->store->fd, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *list = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	struct stat st;

	while (list && (entry = readdir(list))) {
		if (entry->d_name[0] == '.' || strlen(entry->d_name) != 64 ||
		    is_needed(kind ? &now->layers : &now->blobs, entry->d_name))
			continue;
		if (kind)
			collect_layer(now, kind, entry->d_name);
		else if (fstatat(fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
			 unlinkat(fd, entry->d_name, 0) == 0)
			gone(now, entry->d_name, st.st_size);
	}
	if (list)
		closedir(list);
}

static int
need_pin(const char *owner, struct json_object *pin, void *with)
{
	struct collecting *now = with;
	bool bad = false;
	const char *manifest = json_text(pin, "manifest", &bad);
	char **layers = json_vector(pin, "layers", &bad);
	int result = 0;

	(void)owner;
	if (digest_valid(manifest))
		result = need_manifest(now->store, &now->blobs, manifest);
	for (size_t i = 0; !bad && layers[i] && result == 0; i++)
		result = digest_valid(layers[i]) ? need(&now->layers, layers[i]) : 0;
	free(layers);
	return bad ? -1 : result;
}

static int
find_needed(struct collecting *now)
{
	struct image_list list;
	int result = 0;

	if (store_images(now->store, &list) < 0)
		return -1;
	for (size_t i = 0; i < list.count && result == 0; i++)
		result = need_record(now, &list.item[i]);
	image_list_free(&list);
	if (result == 0)
		result = each_pin(now->store, need_pin, now);
	if (now->blobs.count)
		qsort(now->blobs.hex, now->blobs.count, sizeof(*now->blobs.hex), compare);
	if (now->layers.count)
		qsort(now->layers.hex, now->layers.count, sizeof(*now->layers.hex), compare);
	return result;
}

int64_t
store_collect(struct store *store, store_told tell, void *with)
{
	struct collecting now = { .store = store, .tell = tell, .with = with };
	int lock;

	store_release(store);
	lock = store_lock(store, "collect", LOCK_EX | LOCK_NB);
	if (lock < 0)
		return errno == EWOULDBLOCK ? 0 : -1;
	if (find_needed(&now) < 0) {
		now.freed = -1;
	} else {
		collect_folder(&now, "layers", "layers");
		collect_folder(&now, "flat", "flat");
		collect_folder(&now, "blobs/sha256", NULL);
	}
	free(now.blobs.hex);
	free(now.layers.hex);
	close(lock);
	return now.freed;
}

/* ---- removing an image ---- */

/* Takes the names away that WORD means; true when the record is to go as well. */
static int
untag(struct image_record *record, const char *word, bool force, store_told tell, void *with)
{
	size_t count = 0;
	char full[REFERENCE_TEXT];
	bool by_name = image_named(record, word, full);

	while (record->names[count])
		count++;
	if (!by_name && count > 1 && !force) {
		fail(EBUSY, "the image has %zu names", count);
		return call_hint("remove them one by one, or force it");
	}
	if (by_name && tell)
		tell("Untagged", full, with);
	if (by_name)
		image_drop_name(record, full);
	if (by_name && count > 1)
		return 0;
	for (char **name = record->names; *name; name++)
		if (tell)
			tell("Untagged", *name, with);
	return 1;
}

static void
list_remove(struct image_list *list, struct image_record *record)
{
	image_record_free(record);
	*record = list->item[--list->count];
	list->item[list->count] = (struct image_record){ 0 };
}

int
store_image_remove(struct store *store, const char *word, bool force, store_told tell, void *with)
{
	int lock = store_lock(store, "lock", LOCK_EX), result = -1, whole = -1;
	struct image_list list = { 0 };
	struct image_record *record;
	char full[REFERENCE_TEXT];

	if (lock < 0 || store_images(store, &list) < 0 || !(record = images_find(&list, word)))
		goto out;
	/* one name of several may go at any time, the image itself only when nobody needs it */
	bool last = !image_named(record, word, full) || !record->names[0] || !record->names[1];
	if (last && !force && check_unused(store, record) < 0)
		goto out;
	whole = untag(record, word, force, tell, with);
	if (whole < 0)
		goto out;
	if (whole)
		list_remove(&list, record);
	result = images_save(store, &list);
out:
	image_list_free(&list);
	if (lock >= 0)
		close(lock);
	if (result == 0 && whole && store_collect(store, tell, with) < 0)
		result = -1;
	return result;
}

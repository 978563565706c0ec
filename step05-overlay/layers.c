/*
 * layers: unpacked layers, each once, named by its chain id, which names all below it too.
 *
 * Follows the OCI image specification (config.md, "Layer ChainID"), flock(2), syncfs(2).
 * Explained in book/05-overlay.md.
 */
#include "step05-overlay/layers.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "step01-unshare/call.h"
#include "step05-overlay/json.h"
#include "step05-overlay/store.h"
#include "step05-overlay/tree.h"

/* "layers/HEX" and what is in it */
static const char *
place(const struct store *store, const char *chain, const char *file, char name[128])
{
	snprintf(name, 128, "%s/%s%s", store->layers, digest_hex(chain), file);
	return name;
}

/* "layers-HEX", in aside/ */
static const char *
aside(const struct store *store, const char *chain, char name[128])
{
	snprintf(name, 128, "aside/%s-%s", store->layers, digest_hex(chain));
	return name;
}

bool
store_has_layer(const struct store *store, const char *chain)
{
	char name[128];

	return digest_valid(chain) &&
	       faccessat(store->fd, place(store, chain, "/diff", name), F_OK, 0) == 0;
}

int
store_layer_open(const struct store *store, const char *chain)
{
	char name[128];
	int fd;

	if (!digest_valid(chain))
		return fail(EINVAL, "\"%.80s\" is no digest", chain);
	fd = openat(store->fd, place(store, chain, "/diff", name),
		    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return fail(errno, "layer %s of the store", chain);
	if (flock(fd, LOCK_SH) < 0) {
		fail(errno, "flock(\"%s\")", name);
		close(fd);
		return -1;
	}
	return fd;
}

int64_t
store_layer_bytes(const struct store *store, const char *chain)
{
	struct call_error before = *call_error();
	struct json_object *object = NULL;
	int64_t bytes = 0;
	char name[128];
	bool bad = false;
	int fd = openat(store->fd, place(store, chain, "/layer.json", name), O_RDONLY | O_CLOEXEC);

	if (fd >= 0) {
		object = json_read_fd(fd, "layer.json");
		bytes = object ? json_number(object, "bytes", &bad) : 0;
		json_object_put(object);
		close(fd);
	}
	*call_error() = before;
	return bytes;
}

/* ---- taking in ---- */

int
store_layer_begin(const struct store *store, const char *chain, struct store_layer *layer)
{
	char name[128];

	*layer = (struct store_layer){ .dir = -1, .diff = -1 };
	if (!digest_valid(chain))
		return fail(EINVAL, "\"%.80s\" is no digest", chain);
	strcpy(layer->chain, chain);
	if (store_has_layer(store, chain))
		return 0;
	/* waits for whoever makes it now; if that one was killed, its remains are ours to remove */
	layer->dir = store_lock_own(store->fd, aside(store, chain, name), true, LOCK_EX);
	if (layer->dir < 0)
		return fail(errno, "mkdir(\"%s/%s\")", store->path, name);
	if (store_has_layer(store, chain)) {
		store_layer_drop(store, layer);
		return 0;
	}
	if (tree_remove(layer->dir, "diff") < 0 || mkdirat(layer->dir, "diff", 0700) < 0 ||
	    (layer->diff = openat(layer->dir, "diff",
				  O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)) < 0) {
		fail(errno, "mkdir(\"%s/%s/diff\")", store->path, name);
		store_layer_drop(store, layer);
		return -1;
	}
	return 1;
}

static int
describe(const struct store_layer *layer, const char *diff_id, int64_t bytes, int64_t entries)
{
	struct json_object *object = json_object_new_object();
	int result;

	json_put_text(object, "diff_id", diff_id);
	json_put_number(object, "bytes", bytes);
	json_put_number(object, "entries", entries);
	result = json_write(layer->dir, "layer.json", object, false);
	json_object_put(object);
	return result;
}

static void
layer_close(struct store_layer *layer)
{
	if (layer->diff >= 0)
		close(layer->diff);
	if (layer->dir >= 0)
		close(layer->dir);
	layer->diff = layer->dir = -1;
}

/* ANCHOR: commit */
int
store_layer_commit(const struct store *store, struct store_layer *layer, const char *diff_id,
		   int64_t bytes, int64_t entries, bool sync)
{
	char from[128], to[128];

	if (describe(layer, diff_id, bytes, entries) < 0)
		return -1;
	if (sync && syncfs(layer->dir) < 0)
		return fail(errno, "syncfs(\"%s\")", store->path);
	if (renameat(store->fd, aside(store, layer->chain, from), store->fd,
		     place(store, layer->chain, "", to)) < 0)
		return fail(errno, "rename(\"%s\", \"%s\")", from, to);
	layer_close(layer);
	return 0;
}
/* ANCHOR_END: commit */

void
store_layer_drop(const struct store *store, struct store_layer *layer)
{
	char name[128];
	int error = errno;

	/* still locked while it goes, so that nobody begins in the middle of it */
	tree_remove(store->fd, aside(store, layer->chain, name));
	layer_close(layer);
	errno = error;
}

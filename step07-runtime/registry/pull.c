/*
 * pull: from a name to an image in the store.
 * Follows the OCI image and distribution specifications. Explained in book/08-registry.md.
 */
#include "step07-runtime/registry/pull.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include "step01-unshare/call.h"
#include "step05-overlay/blobs.h"
#include "step05-overlay/images.h"
#include "step05-overlay/layers.h"
#include "step05-overlay/obtain.h"
#include "step07-runtime/registry/blob.h"
#include "step07-runtime/registry/progress.h"

enum {
	PARALLEL = 4,
	NESTED = 3, /* an index may name an index, and so on, but not for ever */
	CONFIG_MAX = 4 << 20,
};

const struct option_row pull_options[] = {
	{ "platform", 0, "OS/ARCH[/VARIANT]", "image index",
	  "the platform to choose where there are several (this machine's)", option_text,
	  offsetof(struct pull_options, platform), 0 },
	{ "parallel", 0, "NUMBER", "connections", "layers that are got at the same time (4)",
	  option_count, offsetof(struct pull_options, parallel), 0 },
	{ "quiet", 'q', NULL, "stdout", "print the image's name and nothing else", option_flag,
	  offsetof(struct pull_options, quiet), 0 },
	{ 0 },
};

/* ---- which manifest ---- */

/* The index TEXT names the next descriptor, which must be what it was promised to be. */
static int
follow_index(struct pull *pull, char **text)
{
	struct descriptor chosen, came;
	struct platform platform;
	size_t length = (size_t)pull->what.size;

	if (platform_parse(pull->options->platform, &platform) < 0 ||
	    image_index_choose(*text, length, pull->what.media_type, NULL, &platform, &chosen) < 0)
		return -1;
	free(*text);
	if (remote_manifest(&pull->remote, chosen.digest, text, &came) < 0)
		return -1;
	if (came.size != chosen.size)
		return fail(EBADMSG, "the manifest %s has %lld bytes, the index says %lld",
			    chosen.digest, (long long)came.size, (long long)chosen.size);
	/* the index was verified, the header of this answer was not */
	pull->what = chosen;
	return store_blob_put(pull->store, chosen.digest, *text, (size_t)chosen.size);
}

int
pull_manifest(struct pull *pull)
{
	const struct reference *name = &pull->reference;
	char *text = NULL;
	int result = -1;

	if (remote_manifest(&pull->remote, *name->digest ? name->digest : name->tag, &text,
			    &pull->what) < 0 ||
	    store_blob_put(pull->store, pull->what.digest, text, (size_t)pull->what.size) < 0)
		goto out;
	pull->target = pull->what;
	for (int depth = 0; image_kind(pull->what.media_type) == IMAGE_INDEX; depth++) {
		if (depth == NESTED) {
			fail(ELOOP, "%s: an index in an index in an index", name->path);
			goto out;
		}
		if (follow_index(pull, &text) < 0)
			goto out;
	}
	result = image_manifest_parse(text, (size_t)pull->what.size, pull->what.media_type,
				      &pull->manifest);
out:
	free(text);
	return result;
}

/* ---- its blobs ---- */

struct row { /* where a blob is told */
	struct progress *progress;
	size_t line;
};

static void
row_changed(struct blob *blob)
{
	struct row *row = blob->context;
	struct progress_line *line = &row->progress->line[row->line];

	line->now = blob->size;
	line->state = "downloading";
	if (blob->here)
		progress_done(row->progress, row->line, "downloaded");
}

static void
tick(void *context)
{
	progress_draw(context, false);
}

struct batch { /* the blobs of one image */
	struct blob *blob;
	struct fetch *fetch;
	struct row *row;
	size_t count;
	struct progress progress;
};

static bool
has(const struct batch *batch, const char *digest)
{
	for (size_t i = 0; i < batch->count; i++)
		if (!strcmp(batch->blob[i].what.digest, digest))
			return true;
	return false;
}

/* One more blob to get, unless the store has it, or another layer of the image is the same. */
static int
add(struct batch *batch, const struct pull *pull, const struct descriptor *what)
{
	size_t i = batch->count;

	if (has(batch, what->digest) || store_has_blob(pull->store, what->digest, what->size))
		return 0;
	batch->fetch[i].url = remote_blob_url(&pull->remote, what->digest);
	if (!batch->fetch[i].url)
		return -1;
	blob_init(&batch->blob[i], pull->store, what);
	batch->blob[i].changed = row_changed;
	batch->blob[i].context = &batch->row[i];
	batch->fetch[i].sink = &blob_sink;
	batch->fetch[i].into = &batch->blob[i];
	batch->count++;
	return 0;
}

static int
batch_open(struct batch *batch, const struct pull *pull)
{
	size_t most = pull->manifest.layers + 1;

	memset(batch, 0, sizeof *batch);
	batch->blob = calloc(most, sizeof *batch->blob);
	batch->fetch = calloc(most, sizeof *batch->fetch);
	batch->row = calloc(most, sizeof *batch->row);
	if (!batch->blob || !batch->fetch || !batch->row)
		return fail(ENOMEM, "%zu blobs", most);
	if (add(batch, pull, &pull->manifest.config) < 0)
		return -1;
	for (size_t i = 0; i < pull->manifest.layers; i++)
		if (add(batch, pull, &pull->manifest.layer[i]) < 0)
			return -1;
	if (progress_open(&batch->progress, batch->count, pull->options->quiet) < 0)
		return -1;
	for (size_t i = 0; i < batch->count; i++) {
		struct progress_line *line = &batch->progress.line[i];

		batch->row[i] = (struct row){ &batch->progress, i };
		snprintf(line->name, sizeof line->name, "%.12s",
			 digest_hex(batch->blob[i].what.digest));
		line->state = "waiting";
		line->total = batch->blob[i].what.size;
	}
	return 0;
}

static void
batch_close(struct batch *batch)
{
	progress_close(&batch->progress);
	for (size_t i = 0; i < batch->count; i++) {
		blob_close(&batch->blob[i]);
		free((char *)batch->fetch[i].url);
	}
	free(batch->blob);
	free(batch->fetch);
	free(batch->row);
}

/* Better to say it before than after an hour. */
static int
check_room(const struct batch *batch, const struct store *store)
{
	struct statvfs disk;
	int64_t wanted = 0, there;

	for (size_t i = 0; i < batch->count; i++)
		if (__builtin_add_overflow(wanted, batch->blob[i].what.size, &wanted))
			return fail(EFBIG, "the layers have more bytes than can be counted");
	if (call(fstatvfs(store->fd, &disk), "fstatvfs(\"%s\")", store->path) < 0)
		return -1;
	there = (int64_t)(disk.f_bavail * disk.f_frsize);
	if (wanted <= there)
		return 0;
	fail(ENOSPC, "%s: %s are to come, and there is room for", store->path,
	     progress_size(wanted));
	return call_hint("%s are free: make room, or set --root to a larger file system",
			 progress_size(there));
}

int
pull_blobs(struct pull *pull)
{
	int64_t parallel = pull->options->parallel ? pull->options->parallel : PARALLEL;
	struct batch batch;
	int result = -1;

	if (pull->manifest.config.size > CONFIG_MAX)
		return fail(EFBIG, "the config %s has more than %d bytes",
			    pull->manifest.config.digest, CONFIG_MAX);
	if (batch_open(&batch, pull) == 0 && check_room(&batch, pull->store) == 0) {
		pull->remote.client.tick = tick;
		pull->remote.client.context = &batch.progress;
		result = fetch_run(&pull->remote.client, batch.fetch, batch.count,
				   (unsigned)(parallel < 64 ? parallel : 64));
	}
	batch_close(&batch);
	pull->remote.client.tick = NULL;
	return result;
}

/* ---- the image ---- */

bool
pull_is_here(const struct pull *pull)
{
	struct image_record record = { 0 };
	bool here = true;

	if (store_image_find(pull->store, pull->what.digest, &record) < 0) {
		call_forget();
		return false;
	}
	for (char **chain = record.chain; here && *chain; chain++)
		here = store_has_layer(pull->store, *chain);
	image_record_free(&record);
	return here;
}

int
pull_register(struct pull *pull, const struct idmap_options *idmap, bool user_namespace)
{
	char manifest[DIGEST_TEXT], name[REFERENCE_TEXT];

	reference_format(&pull->reference, name);
	if (!pull_is_here(pull) &&
	    image_unpack(pull->store, pull->target.digest, pull->options->platform, idmap,
			 user_namespace, manifest) < 0)
		return -1;
	return store_tag(pull->store, name, pull->what.digest);
}

void
pull_tell(const struct pull *pull, bool was_here)
{
	char name[REFERENCE_TEXT];

	reference_format(&pull->reference, name);
	if (!pull->options->quiet) {
		printf("Digest: %s\n", pull->target.digest);
		printf("Status: %s %s\n",
		       was_here ? "Image is up to date for" : "Downloaded newer image for", name);
	}
	puts(name);
}

void
pull_close(struct pull *pull)
{
	image_manifest_free(&pull->manifest);
	remote_close(&pull->remote);
}

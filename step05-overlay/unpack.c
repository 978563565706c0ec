/*
 * unpack: an image brought into the store. Every blob verified, every layer unpacked once.
 *
 * Follows the OCI image specification (image-index.md, manifest.md, config.md), user_namespaces(7).
 * Explained in book/05-overlay.md.
 */
#include "step05-overlay/unpack.h"

#include <archive.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "step01-unshare/call.h"
#include "step05-overlay/digest.h"
#include "step05-overlay/image_config.h"
#include "step05-overlay/inflate.h"
#include "step05-overlay/layer.h"
#include "step05-overlay/source.h"

enum { INDEXES_MAX = 4 }; /* an index may name an index, but not for ever */

const struct option_row unpack_options[] = {
	{ .name = "platform",
	  .unit = "OS/ARCH[/VARIANT]",
	  .object = "entry of the image index",
	  .help = "which image of several (default: this machine's)",
	  .set = option_text,
	  .offset = offsetof(struct unpack_options, platform) },
	{ .name = "name",
	  .unit = "NAME[:TAG]",
	  .object = "images.json",
	  .help = "what the image is called from now on",
	  .set = option_text,
	  .offset = offsetof(struct unpack_options, name) },
	{ .name = "no-sync",
	  .object = "syncfs(2)",
	  .help = "do not wait for the disk: a power cut may leave layers without their data",
	  .set = option_flag,
	  .offset = offsetof(struct unpack_options, unsynced) },
	{ .name = "report",
	  .object = "stdout",
	  .help = "the result in binary, for the program that started this one",
	  .set = option_flag,
	  .offset = offsetof(struct unpack_options, report) },
	{ .name = "limit-bytes",
	  .unit = "BYTES",
	  .object = "files of a layer",
	  .help = "refuse a layer with more than this (default: 64g)",
	  .set = option_bytes,
	  .offset = offsetof(struct unpack_options, bytes) },
	{ .name = "limit-entries",
	  .unit = "COUNT",
	  .object = "files of a layer",
	  .help = "refuse a layer with more than this (default: 4194304)",
	  .set = option_count,
	  .offset = offsetof(struct unpack_options, entries) },
	{ 0 }
};

/* What is being brought in. */
struct unpacking {
	struct store *store;
	const struct unpack_options *options;
	struct source source;
	struct image_manifest manifest;
	struct image_config config;
	struct image_record record;
	int *layer; /* directories, top first: the lowest is the last, as overlayfs has them */
	struct layer_report left;
};

/* ---- from what was named to manifest and config ---- */

/* Goes down from an index to the manifest for the platform. TEXT is the manifest's, to be freed. */
static char *
find_manifest(struct unpacking *now, struct descriptor *found, size_t *length)
{
	struct descriptor next = now->source.top;

	for (int depth = 0; depth < INDEXES_MAX; depth++) {
		char *text = source_text(&now->source, &next, length);
		int result = -1;

		if (!text)
			return NULL;
		*found = next;
		if (store_blob_put(now->store, next.digest, text, *length) < 0)
			;
		else if (image_kind(next.media_type) == IMAGE_MANIFEST)
			return text;
		else if (image_kind(next.media_type) == IMAGE_INDEX)
			result = image_index_choose(text, *length, found->media_type, NULL,
						    &now->source.platform, &next);
		else
			fail(EINVAL, "media type \"%.100s\": neither an image nor an index",
			     next.media_type);
		free(text);
		if (result < 0)
			return NULL;
	}
	fail(ELOOP, "image index: more than %d below each other", INDEXES_MAX);
	return NULL;
}

static int
read_config(struct unpacking *now)
{
	size_t length;
	char *text = source_text(&now->source, &now->manifest.config, &length);
	int result = -1;

	if (text && image_config_parse(text, length, &now->config) == 0 &&
	    store_blob_put(now->store, now->manifest.config.digest, text, length) == 0)
		result = 0;
	free(text);
	if (result == 0 && now->config.layers != now->manifest.layers)
		return fail(EINVAL, "image config: %zu diff ids for %zu layers", now->config.layers,
			    now->manifest.layers);
	if (result == 0 && now->config.os && strcmp(now->config.os, "linux") != 0)
		return fail(EINVAL, "the image is for %.40s, not for linux", now->config.os);
	return result;
}

static int
read_image(struct unpacking *now)
{
	struct descriptor found;
	size_t length;
	char *text = find_manifest(now, &found, &length);
	int result = -1;

	if (text && image_manifest_parse(text, length, found.media_type, &now->manifest) == 0)
		result = read_config(now);
	free(text);
	if (result < 0)
		return -1;
	strcpy(now->record.manifest, found.digest);
	strcpy(now->record.target, now->source.top.digest);
	strcpy(now->record.config, now->manifest.config.digest);
	snprintf(now->record.created, sizeof(now->record.created), "%.39s",
		 now->config.created ? now->config.created : "");
	if (now->source.archive[0])
		now->record.source = strdup(now->source.archive);
	return 0;
}

/* ---- layers ---- */

static void
add_up(struct layer_report *all, const struct layer_report *one)
{
	all->bytes += one->bytes;
	all->entries += one->entries;
	all->owners_left += one->owners_left;
	all->nodes_left += one->nodes_left;
}

/* Both digests, and what was applied (APPLIED: as layer_apply said). Data that were changed on the
 * way may fail anywhere; that they were changed is the thing to say, so even then the rest is read.
 */
static int
verify(struct unpacking *now, const struct descriptor *blob, size_t index, struct inflate *inflate,
       int applied)
{
	struct call_error first = *call_error();
	struct descriptor got = { 0 };
	char diff_id[DIGEST_TEXT];

	if (applied < 0 && first.number != EINVAL && first.number != EILSEQ) {
		inflate_cancel(inflate);
		return -1;
	}
	call_forget();
	if (inflate_finish(inflate, &got, diff_id) < 0) {
		applied = -1;
		/* at its limit the reading ends, and nothing is known of the whole */
		if (call_error()->number == EFBIG) {
			if (first.number)
				call_adopt(&first);
			return -1;
		}
	}
	if (strcmp(got.digest, blob->digest) != 0) {
		call_forget();
		return fail(EBADMSG, "layer %s: its digest is %s", blob->digest, got.digest);
	}
	if (first.number)
		call_adopt(&first);
	if (applied == 0 && strcmp(diff_id, now->config.diff_id[index]) != 0)
		return fail(EBADMSG, "layer %s: unpacked it is %s, not the config's %s",
			    blob->digest, diff_id, now->config.diff_id[index]);
	return applied;
}

/* ANCHOR: layer */
/* Unpacks BLOB into DIRECTORY; the two digests come out of the same pass over the data. */
static int
unpack_blob(struct unpacking *now, const struct descriptor *blob, size_t index, int directory,
	    struct layer_report *report)
{
	struct layer_limits limits = layer_limits;
	const struct layer_target target = { .dir = directory,
					     .lower = now->layer + now->manifest.layers - index,
					     .lowers = index,
					     .user = now->options->user,
					     .flat = now->options->flat,
					     .limits = &limits };
	struct inflate_limits plain = inflate_limits;
	struct inflate *inflate = NULL;
	struct archive *archive = NULL;
	int fd = source_blob(&now->source, blob), result = -1;

	if (now->options->bytes)
		limits.bytes = plain.bytes = now->options->bytes;
	if (now->options->entries)
		limits.entries = now->options->entries;
	if (fd >= 0 && (inflate = inflate_start(fd, &plain))) {
		archive = inflate_archive(inflate);
		if (archive)
			result = layer_apply(archive, &target, report);
		result = verify(now, blob, index, inflate, result);
	}
	if (archive)
		archive_read_free(archive);
	if (fd >= 0)
		close(fd);
	return result;
}
/* ANCHOR_END: layer */

/* One layer, unless the store has it. */
static int
bring_layer(struct unpacking *now, size_t index, const char *chain)
{
	struct layer_report report = { 0 };
	struct store_layer layer;
	int made = store_layer_begin(now->store, chain, &layer);

	if (made < 0)
		return -1;
	if (made == 1) {
		if (unpack_blob(now, &now->manifest.layer[index], index, layer.diff, &report) < 0 ||
		    store_layer_commit(now->store, &layer, now->config.diff_id[index], report.bytes,
				       report.entries, !now->options->unsynced) < 0) {
			store_layer_drop(now->store, &layer);
			return -1;
		}
		add_up(&now->left, &report);
	}
	now->layer[now->manifest.layers - 1 - index] = store_layer_open(now->store, chain);
	now->record.size += store_layer_bytes(now->store, chain);
	return now->layer[now->manifest.layers - 1 - index] < 0 ? -1 : 0;
}

static int
bring_layers(struct unpacking *now)
{
	size_t count = now->manifest.layers;
	char chain[DIGEST_TEXT];

	now->layer = calloc(count + 1, sizeof(*now->layer));
	now->record.chain = calloc(count + 1, sizeof(*now->record.chain));
	if (!now->layer || !now->record.chain)
		return fail(ENOMEM, "layers");
	for (size_t i = 0; i < count; i++)
		now->layer[i] = -1;
	for (size_t i = 0; i < count; i++) {
		digest_chain(i ? now->record.chain[i - 1] : NULL, now->config.diff_id[i], chain);
		now->record.chain[i] = strdup(chain);
		if (!now->record.chain[i])
			return fail(ENOMEM, "layers");
		if (bring_layer(now, i, chain) < 0)
			return -1;
	}
	return 0;
}

/* ---- all of it ---- */

/* What could not be done, once and in one sentence. */
static void
say_what_is_left(const struct layer_report *left)
{
	if (left->owners_left)
		fprintf(stderr,
			"boxstep-unpack: %lld files belong to you instead of their owners, "
			"because this user namespace has one id; --map-auto gives more\n",
			(long long)left->owners_left);
	if (left->nodes_left)
		fprintf(stderr,
			"boxstep-unpack: %lld device nodes left out: only root may make them\n",
			(long long)left->nodes_left);
}

int
unpack_image(struct store *store, const struct unpack_options *options, const char *source,
	     char manifest[DIGEST_TEXT])
{
	struct unpacking now = { .store = store, .options = options };
	int result = -1;

	if (store_hold(store) == 0 &&
	    source_open(store, source, options->platform, &now.source) == 0 &&
	    read_image(&now) == 0 && bring_layers(&now) == 0)
		result = store_image_add(store, &now.record, options->name);
	if (result == 0) {
		strcpy(manifest, now.record.manifest);
		say_what_is_left(&now.left);
	}
	source_close(&now.source);
	for (size_t i = 0; now.layer && i < now.manifest.layers; i++)
		if (now.layer[i] >= 0)
			close(now.layer[i]);
	free(now.layer);
	image_record_free(&now.record);
	image_config_free(&now.config);
	image_manifest_free(&now.manifest);
	store_release(store);
	return result;
}

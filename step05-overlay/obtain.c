/*
 * obtain: the image that somebody named, made ready to mount.
 *
 * Explained in book/05-overlay.md.
 */
#include "step05-overlay/obtain.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "step01-unshare/call.h"
#include "step01-unshare/exec.h"
#include "step02-pidns/handshake.h"
#include "step02-pidns/spawn.h"
#include "step05-overlay/json.h"
#include "step05-overlay/place.h"
#include "step05-overlay/rights.h"

const struct option_row image_options[] = {
	{ .name = "platform",
	  .unit = "OS/ARCH",
	  .object = "entry of the image index",
	  .help = "which image of several (default: this machine's)",
	  .set = option_text,
	  .offset = offsetof(struct image_options, platform) },
	{ .name = "entrypoint",
	  .unit = "WORD",
	  .object = "argv[0] of execve(2)",
	  .help = "instead of the image's Entrypoint",
	  .set = option_text,
	  .offset = offsetof(struct image_options, entrypoint) },
	{ .name = "env",
	  .letter = 'e',
	  .unit = "NAME[=VALUE]",
	  .object = "envp of execve(2)",
	  .help = "set in the environment; without a value, the caller's",
	  .set = option_list,
	  .offset = offsetof(struct image_options, env) },
	{ .name = "workdir",
	  .letter = 'w',
	  .unit = "DIR",
	  .object = "working directory",
	  .help = "instead of the image's WorkingDir",
	  .set = option_text,
	  .offset = offsetof(struct image_options, workdir) },
	{ .name = "run-as",
	  .unit = "USER[:GROUP]",
	  .object = "uid and gid",
	  .help = "instead of the image's User; names as in its /etc/passwd",
	  .set = option_text,
	  .offset = offsetof(struct image_options, user) },
	{ 0 }
};

void
image_free(struct image *image)
{
	image_record_free(&image->record);
	image_config_free(&image->config);
}

bool
image_flat(const struct idmap_options *maps, bool user_namespace)
{
	bool inside, single;

	rights_look(&inside, &single);
	if (single)
		return true;
	return user_namespace && (inside || geteuid() != 0) && !maps->automatic &&
	       maps->uid_count < 2;
}

/* ---- boxstep-unpack ---- */

/* Child: stdout becomes the pipe on which the result is sent. */
static void
unpack_child(char **argv, int out, bool in_user_namespace, struct handshake *shake)
{
	handshake_in_child(shake);
	if (handshake_wait_go(shake) < 0 || (in_user_namespace && idmap_become_root() < 0) ||
	    spawn_die_with_parent() < 0)
		handshake_fail(shake);
	if (dup2(out, STDOUT_FILENO) < 0) {
		fail(errno, "dup2(%d, 1)", out);
		handshake_fail(shake);
	}
	exec_command(argv, environ, 0);
	handshake_fail(shake);
}

/* The answer is a struct call_error; a program that died sends none. */
static int
read_answer(int in, char manifest[DIGEST_TEXT])
{
	struct call_error answer;
	size_t got = 0;
	ssize_t n = 1;

	while (got < sizeof(answer) && n > 0) {
		n = read(in, (char *)&answer + got, sizeof(answer) - got);
		got += n > 0 ? (size_t)n : 0;
	}
	if (got < sizeof(answer))
		return fail(ECHILD, "boxstep-unpack ended without a result");
	if (answer.number == 0) {
		snprintf(manifest, DIGEST_TEXT, "%.71s", answer.what);
		return 0;
	}
	call_adopt(&answer);
	errno = answer.number;
	return -1;
}

static int
run_unpack(char **argv, const struct idmap_options *maps, bool in_user_namespace,
	   char manifest[DIGEST_TEXT])
{
	struct handshake shake = { -1, -1 };
	struct spawn child = { 0, -1 };
	int pipe[2] = { -1, -1 }, result = -1;
	siginfo_t info;

	if (pipe2(pipe, O_CLOEXEC) < 0)
		return fail(errno, "pipe2(O_CLOEXEC)");
	if (handshake_open(&shake) < 0)
		goto out;
	if (spawn_clone(in_user_namespace ? CLONE_NEWUSER : 0, -1, &child) == 0)
		unpack_child(argv, pipe[1], in_user_namespace, &shake);
	handshake_in_parent(&shake);
	close(pipe[1]);
	pipe[1] = -1;
	if (child.pidfd >= 0 && (!in_user_namespace || idmap_write(maps, child.pid) == 0) &&
	    handshake_go(&shake, child.pid) == 0 && handshake_wait_exec(&shake) == 0)
		result = read_answer(pipe[0], manifest);
	if (result == 0)
		waitid(P_PIDFD, (id_t)child.pidfd, &info, WEXITED);
out:
	handshake_close(&shake);
	spawn_end(&child);
	close(pipe[0]);
	if (pipe[1] >= 0)
		close(pipe[1]);
	return result;
}

int
image_unpack(const struct store *store, const char *source, const char *platform,
	     const struct idmap_options *maps, bool user_namespace, char manifest[DIGEST_TEXT])
{
	char path[PATH_MAX], *argv[12];
	int count = 0;
	bool inside, single;

	stage("unpack", "The image is not in the store yet: its layers are verified and unpacked.",
	      "ls %s/layers", store->path);
	if (program_beside("boxstep-unpack", path) < 0)
		return -1;
	rights_look(&inside, &single);
	argv[count++] = path;
	argv[count++] = (char *)(uintptr_t) "--report";
	argv[count++] = (char *)(uintptr_t) "--root";
	argv[count++] = store->path;
	if (platform) {
		argv[count++] = (char *)(uintptr_t) "--platform";
		argv[count++] = (char *)(uintptr_t)platform;
	}
	argv[count++] = (char *)(uintptr_t) "--";
	argv[count++] = (char *)(uintptr_t)source;
	argv[count] = NULL;
	return run_unpack(argv, maps, user_namespace && (inside || geteuid() != 0), manifest);
}

/* ---- looking up ---- */

static int
read_config(const struct store *store, struct image *image)
{
	size_t length;
	char *text = store_blob_read(store, image->record.config, JSON_BYTES, &length);
	int result = text ? image_config_parse(text, length, &image->config) : -1;

	free(text);
	return result;
}

/* Goes down from an index to a manifest with the blobs that the store has: 1 when they do not
 * suffice. */
static int
resolve_here(const struct store *store, struct descriptor *next, const struct platform *platform)
{
	while (image_kind(next->media_type) == IMAGE_INDEX) {
		struct descriptor from = *next;
		size_t length;
		char *text;
		int result;

		if (!store_has_blob(store, from.digest, from.size))
			return 1;
		text = store_blob_read(store, from.digest, JSON_BYTES, &length);
		if (!text)
			return -1;
		result = image_index_choose(text, length, from.media_type, NULL, platform, next);
		free(text);
		if (result < 0)
			return -1;
	}
	return 0;
}

/* The manifest that a layout means, as far as it and the store can tell without unpacking: 0 with
 * the record; 1 when it has to be brought in. */
static int
find_layout(const struct store *store, const struct place *place, const char *platform_text,
	    struct image_record *record)
{
	char name[PATH_MAX + 16], *text = NULL;
	struct descriptor chosen;
	struct platform platform;
	size_t length;
	int fd, result = -1;

	snprintf(name, sizeof(name), "%s/index.json", place->path);
	fd = open(name, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0) {
		fail(errno, "open(\"%s\")", name);
		return call_hint("an OCI image layout has this file, and a directory blobs");
	}
	if (platform_parse(platform_text, &platform) == 0 &&
	    (text = blob_read(fd, JSON_BYTES, &length)) &&
	    image_index_choose(text, length, NULL, place->tag[0] ? place->tag : NULL, &platform,
			       &chosen) == 0)
		result = resolve_here(store, &chosen, &platform);
	free(text);
	close(fd);
	if (result == 0 && store_image_find(store, chosen.digest, record) < 0) {
		call_forget();
		result = 1;
	}
	return result;
}

static bool
has_all_layers(const struct store *store, const struct image_record *record)
{
	for (char **chain = record->chain; *chain; chain++)
		if (!store_has_layer(store, *chain))
			return false;
	return store_has_blob(store, record->config, -1);
}

static int
bring_in(struct store *store, const char *source, const char *platform,
	 const struct idmap_options *maps, bool user_namespace, struct image *image)
{
	char manifest[DIGEST_TEXT];

	image_record_free(&image->record);
	if (image_unpack(store, source, platform, maps, user_namespace, manifest) < 0)
		return -1;
	return store_image_find(store, manifest, &image->record);
}

/* An image that the store has by name, id or digest; its layers may be missing. */
static int
obtain_stored(struct store *store, const char *word, const struct idmap_options *maps,
	      bool user_namespace, struct image *image)
{
	char manifest[DIGEST_TEXT];

	if (store_hold(store) < 0 || store_image_find(store, word, &image->record) < 0)
		return -1;
	strcpy(manifest, image->record.manifest);
	if ((has_all_layers(store, &image->record) ||
	     bring_in(store, manifest, NULL, maps, user_namespace, image) == 0) &&
	    read_config(store, image) == 0)
		return 0;
	image_free(image);
	return -1;
}

int
image_obtain(struct store *store, const struct image_options *options, const char *word,
	     const struct idmap_options *maps, bool user_namespace, struct image *image)
{
	struct place place;
	int missing;

	*image = (struct image){ 0 };
	place_find(word, &place);
	if (place.kind == PLACE_NONE) {
		if (obtain_stored(store, word, maps, user_namespace, image) == 0)
			return 0;
		return errno == ENOENT ? call_hint("it is no directory and no archive either") : -1;
	}
	if (store_hold(store) < 0)
		return -1;
	if (place.kind == PLACE_LAYOUT)
		missing = find_layout(store, &place, options->platform, &image->record);
	else
		missing = options->platform != NULL ||
			  store_image_from(store, place.archive, &image->record) < 0;
	if (missing < 0)
		return -1;
	if ((missing || !has_all_layers(store, &image->record)) &&
	    bring_in(store, word, options->platform, maps, user_namespace, image) < 0)
		return -1;
	if (read_config(store, image) == 0)
		return 0;
	image_free(image);
	return -1;
}

int
image_add_layers(struct store *store, const struct image *image, struct overlay *overlay)
{
	size_t count = 0;

	while (image->record.chain[count])
		count++;
	while (count-- > 0)
		if (overlay_add_lower(overlay, store_layer_open(store, image->record.chain[count])))
			return -1;
	store_release(store); /* from here on the locks on the layers do it */
	return 0;
}

/* ---- volumes ---- */

static bool
mounted_already(const struct mount_list *list, const char *target)
{
	for (size_t i = 0; i < list->count; i++)
		if (strcmp(list->entry[i].spec.target, target) == 0)
			return true;
	return false;
}

int
image_add_volumes(const struct store *store, const struct image *image, struct overlay *overlay,
		  struct mount_list *list)
{
	for (size_t i = 0; image->config.volumes && image->config.volumes[i]; i++) {
		char name[32], source[PATH_MAX + 64];
		struct mount_spec spec = { .target = image->config.volumes[i],
					   .type = "bind",
					   .source = source,
					   .options = "rbind,rprivate,tmpcopyup" };

		if (mounted_already(list, spec.target))
			continue;
		if (overlay_scratch(overlay, store) < 0)
			return -1;
		snprintf(name, sizeof(name), "volume%zu", i);
		snprintf(source, sizeof(source), "%s/scratch/%s/%s", store->path, overlay->scratch,
			 name);
		if (mkdirat(overlay->scratch_fd, name, 0755) < 0 ||
		    (overlay->mapped &&
		     fchownat(overlay->scratch_fd, name, overlay->uid, overlay->gid, 0) < 0))
			return fail(errno, "mkdir(\"%s\")", source);
		if (mounts_add(list, &spec) < 0)
			return -1;
	}
	return 0;
}

/*
 * contents: what a container has, from an image to a mounted root.
 *
 * Follows the OCI image specification's conversion.md. Explained in book/05-overlay.md.
 */
#include "step05-overlay/contents.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "step01-unshare/call.h"
#include "step02-pidns/spawn.h"
#include "step03-mounts/inside.h"

static size_t
count_words(char *const *words)
{
	size_t count = 0;

	while (words[count])
		count++;
	return count;
}

static int
find_image(struct contents *contents, char **words, int kinds, const struct idmap_options *maps)
{
	size_t count = count_words(words);
	int signal;

	if (count == 0)
		return fail(EINVAL, "no IMAGE: IMAGE [COMMAND...], or --rootfs DIR COMMAND...");
	stage("image", "An image is found by its name; its layers are locked while it runs.",
	      "ls %s/layers", contents->store.path);
	if (image_obtain(&contents->store, &contents->how, words[0], maps, kinds & CLONE_NEWUSER,
			 &contents->image) < 0 ||
	    image_add_layers(&contents->store, &contents->image, &contents->overlay) < 0)
		return -1;
	contents->argv =
		image_argv(&contents->image.config, contents->how.entrypoint, words + 1, count - 1);
	signal = image_stop_signal(&contents->image.config);
	if (!contents->argv || signal < 0)
		return -1;
	spawn_stop_signal(signal);
	return 0;
}

/* An option that would be passed over in silence: without an image there is no entrypoint to
 * replace, and over a root that is used as it is there is no upper directory. */
static int
refuse_idle(const struct contents *contents, const struct view *view)
{
	const struct image_options *how = &contents->how;
	const struct overlay_options *parts = &contents->parts;
	bool rooted = view->rootfs.path, bare = rooted || parts->lower;
	const struct {
		bool idle;
		const char *name, *hint;
	} option[] = {
		{ bare && how->platform, "--platform", "it is for an image" },
		{ bare && how->entrypoint, "--entrypoint", "it is for an image" },
		{ rooted && parts->lower, "--lower", "give one of the two" },
		{ rooted && parts->upper, "--upper",
		  "--lower DIR takes one, in place of --rootfs" },
		{ rooted && parts->keep, "--keep", "the changes are in that directory" },
		{ rooted && parts->diff, "--diff", "--lower DIR has it, in place of --rootfs" },
	};

	for (size_t i = 0; i < sizeof(option) / sizeof(option[0]); i++)
		if (option[i].idle) {
			fail(EINVAL, "%s does nothing with %s", option[i].name,
			     rooted ? "--rootfs" : "--lower");
			return call_hint("%s", option[i].hint);
		}
	return 0;
}

/* The image's, and what --env says; without both the caller's own. */
static int
make_environ(struct contents *contents)
{
	struct text_list *given = &contents->how.env;

	contents->env = environ;
	if (given->count == 0 && !contents->image.config.json)
		return 0;
	if (given->count && text_list_add(given, NULL) < 0)
		return -1;
	contents->env =
		image_environ(&contents->image.config, given->count ? (char **)given->item : NULL);
	return contents->env ? 0 : -1;
}

int
contents_find(struct contents *contents, struct view *view, char **words, int kinds,
	      const struct idmap_options *maps)
{
	int result = 0;

	overlay_init(&contents->overlay);
	contents->store.fd = contents->store.held = -1;
	contents->layered = !view->rootfs.path;
	contents->argv = words;
	view->later = contents->layered;
	if (refuse_idle(contents, view) < 0)
		return -1;
	if (contents->layered) {
		contents->place.flat = image_flat(maps, kinds & CLONE_NEWUSER);
		if (store_open(&contents->place, &contents->store) < 0)
			return -1;
		result = contents->parts.lower
				 ? overlay_open_lower(&contents->overlay, &contents->parts)
				 : find_image(contents, words, kinds, maps);
	}
	if (result == 0 && !contents->argv[0])
		result = fail(EINVAL, "no COMMAND");
	if (result == 0)
		result = make_environ(contents);
	return result < 0 ? contents_close(contents, -1) : 0;
}

int
contents_prepare(struct contents *contents, struct view *view, int kinds,
		 const struct idmap_options *maps)
{
	struct overlay *overlay = &contents->overlay;

	if (!contents->layered)
		return 0;
	if (overlay_map_ids(overlay, &contents->store, kinds, maps) < 0 ||
	    overlay_open_upper(overlay, &contents->parts, &contents->store) < 0 ||
	    image_add_volumes(&contents->store, &contents->image, overlay, &view->list) < 0)
		return -1;
	view->tree = overlay_in_parent(overlay);
	return view->tree == -1 ? -1 : 0;
}

int
contents_used_by(const struct contents *contents, pid_t pid)
{
	int scratch = contents->overlay.scratch_fd;

	return scratch < 0 ? 0 : store_scratch_used_by(scratch, pid);
}

int
contents_mount(const struct contents *contents, struct view *view)
{
	if (!contents->layered || view->tree >= 0)
		return 0;
	view->tree = overlay_mount(&contents->overlay);
	return view->tree < 0 ? -1 : 0;
}

/* A working directory that the image does not have is made, as every engine does. */
static int
enter_working_directory(const struct contents *contents, int root)
{
	const char *path =
		contents->how.workdir ? contents->how.workdir : contents->image.config.working_dir;
	int fd, result;

	if (!path || !path[0])
		return 0;
	fd = inside_make(root, path, S_IFDIR | 0755);
	if (fd < 0)
		return -1;
	result = fchdir(fd);
	if (result < 0)
		fail(errno, "chdir(\"%s\")", path);
	close(fd);
	return result;
}

/* HOME is not the image's to say: it is in its passwd, for the user that runs. */
static int
set_home(struct contents *contents)
{
	size_t count = count_words(contents->env);
	char *home;

	for (size_t i = 0; i < count; i++)
		if (strncmp(contents->env[i], "HOME=", 5) == 0)
			return 0;
	if (asprintf(&home, "HOME=%s", contents->user.home) < 0)
		return fail(ENOMEM, "environment");
	contents->env[count] = home; /* image_environ has left room */
	contents->env[count + 1] = NULL;
	return 0;
}

int
contents_settle(struct contents *contents)
{
	const char *name = contents->how.user ? contents->how.user : contents->image.config.user;
	int root, result = -1;

	if (!contents->image.config.json && !contents->how.user && !contents->how.workdir)
		return 0;
	root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return fail(errno, "open(\"/\")");
	if (user_resolve(root, name ? name : "", &contents->user) == 0 &&
	    enter_working_directory(contents, root) == 0)
		result = contents->env == environ ? 0 : set_home(contents);
	close(root);
	return result;
}

int
contents_become(const struct contents *contents)
{
	if (!contents->image.config.json && !contents->how.user)
		return 0;
	stage("user", "The image says in words who runs; its own passwd says which number that is.",
	      "grep -E '^(Uid|Gid|Groups)' /proc/%d/status", call_pid());
	return user_become(&contents->user);
}

int
contents_close(struct contents *contents, int result)
{
	if (!contents->layered)
		return result;
	if (contents->store.fd >= 0 &&
	    overlay_finish(&contents->overlay, &contents->parts, &contents->store) < 0)
		result = -1;
	image_free(&contents->image);
	if (contents->store.fd >= 0)
		store_close(&contents->store);
	return result;
}

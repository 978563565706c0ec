/*
 * volume.c: the words of -v and --tmpfs into entries of a mount list.
 * Follows docker run. Explained in book/07-runtime.md.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "step01-unshare/call.h"
#include "step05-overlay/rights.h"
#include "step07-runtime/engine/volume.h"
#include "step07-runtime/security/labels.h"

/* The real path of what DIRFD is open on: mounts takes paths. */
static int
path_of(int dirfd, const char *name, char path[PATH_MAX])
{
	char link[64];
	ssize_t n;

	snprintf(link, sizeof link, "/proc/self/fd/%d", dirfd);
	n = readlink(link, path, PATH_MAX - 256);
	if (n < 0)
		return fail(errno, "readlink(\"%s\")", link);
	snprintf(path + n, 256, "/%s", name);
	return 0;
}

/* How a directory of the store is mounted: it begins with what the image has there, when it is
 * empty; and where root has made a user namespace its 0 is the host's, as in the layers (chapter
 * 5). */
static const char *
kept_options(int kinds)
{
	bool inside, single;

	rights_look(&inside, &single);
	return (kinds & CLONE_NEWUSER) && geteuid() == 0 && !inside ? "rbind,idmap,tmpcopyup"
								    : "rbind,tmpcopyup";
}

/* A named volume stands beside the containers: ROOT/volumes/NAME; it stays when they go. */
static int
named_volume(const struct container *container, const char *name, char path[PATH_MAX])
{
	int volumes = -1, root;

	if (strchr(name, '/') || name[0] == '.' || strlen(name) > 128)
		return fail(EINVAL, "-v %s: neither an absolute path nor a name for a volume",
			    name);
	root = openat(container->dir, "../..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (root >= 0 && (mkdirat(root, "volumes", 0711) == 0 || errno == EEXIST))
		volumes = openat(root, "volumes", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (volumes < 0 || (mkdirat(volumes, name, 0755) < 0 && errno != EEXIST))
		fail(errno, "mkdir of the volume %s", name);
	else
		path_of(volumes, name, path);
	if (volumes >= 0)
		close(volumes);
	if (root >= 0)
		close(root);
	return call_error()->number ? -1 : 0;
}

/* Puts the words of MORE behind OPTIONS. `z` and `Z` ask that the source be labelled for SELinux:
 * without SELinux they mean nothing, and with it a source without the label is denied inside. */
static int
add_options(char *options, char *more, const char *word)
{
	char *one;

	while ((one = strsep(&more, ","))) {
		if (strcasecmp(one, "z") != 0)
			strcat(strcat(options, ","), one);
		else if (labels_selinux_enabled()) {
			fail(ENOTSUP, "-v %s: boxstep gives no SELinux label to what it mounts",
			     word);
			return call_hint("give it yourself, and leave out %s: chcon -R -t "
					 "container_file_t SOURCE",
					 one);
		}
	}
	return 0;
}

static int
add_bind(struct mount_list *list, const char *word, int kinds, const struct container *container)
{
	char copy[PATH_MAX], source[PATH_MAX], options[PATH_MAX + 32], *target, *more;
	struct mount_spec spec = {
		.type = "bind", .source = source, .options = options, .strict = true
	};

	if (snprintf(copy, sizeof copy, "%s", word) >= (int)sizeof copy)
		return fail(EINVAL, "-v %.40s…: longer than a path may be", word);
	if (!(target = strchr(copy, ':')))
		return fail(EINVAL, "-v %s: SOURCE:TARGET[:OPTIONS] is expected", word);
	*target++ = '\0';
	if ((more = strchr(target, ':')))
		*more++ = '\0';
	if (target[0] != '/' || !copy[0])
		return fail(EINVAL, "-v %s: the target has to be an absolute path", word);
	if (copy[0] == '/')
		snprintf(source, sizeof source, "%s", copy);
	else if (named_volume(container, copy, source) < 0)
		return -1;
	/* private is the default; said first, a slave would have nobody to follow */
	strcpy(options, copy[0] == '/' ? "rbind" : kept_options(kinds));
	if (add_options(options, more, word) < 0)
		return -1;
	spec.target = target;
	if (access(source, F_OK) < 0)
		return fail(errno, "-v %s: source \"%s\"", word, source);
	return mounts_add(list, &spec);
}

static int
add_tmpfs(struct mount_list *list, const char *word)
{
	char copy[PATH_MAX], options[PATH_MAX + 32];
	const char *more = strchr(word, ':');
	struct mount_spec spec = {
		.target = copy, .type = "tmpfs", .source = "tmpfs", .options = options
	};

	if (strlen(word) >= sizeof copy) /* cut off, it would be another place or right */
		return fail(EINVAL, "--tmpfs %.40s…: longer than a path may be", word);
	snprintf(copy, sizeof copy, "%.*s", more ? (int)(more - word) : (int)strlen(word), word);
	snprintf(options, sizeof options, "nosuid,nodev,noexec%s%s", more ? "," : "",
		 more ? more + 1 : "");
	if (copy[0] != '/')
		return fail(EINVAL, "--tmpfs %s: the target has to be an absolute path", word);
	return mounts_add(list, &spec);
}

static bool
covered(const struct mount_list *list, const char *target)
{
	for (size_t i = 0; i < list->count; i++)
		if (strcmp(list->entry[i].spec.target, target) == 0)
			return true;
	return false;
}

/* VOLUME of the image: a directory of the container's own. */
static int
add_image_volume(struct mount_list *list, const char *target, size_t number, int kinds,
		 const struct container *container)
{
	char name[32], source[PATH_MAX];
	struct mount_spec spec = {
		.target = target, .type = "bind", .source = source, .options = kept_options(kinds)
	};

	snprintf(name, sizeof name, "volume%zu", number);
	if (mkdirat(container->dir, name, 0755) < 0 && errno != EEXIST)
		return fail(errno, "mkdir of the volume for %s", target);
	return path_of(container->dir, name, source) < 0 ? -1 : mounts_add(list, &spec);
}

int
volumes_add(struct mount_list *list, const struct text_list *volume, const struct text_list *tmpfs,
	    int kinds, struct container *container, const struct image *image)
{
	for (size_t i = 0; i < volume->count; i++)
		if (add_bind(list, volume->item[i], kinds, container) < 0)
			return -1;
	for (size_t i = 0; i < tmpfs->count; i++)
		if (add_tmpfs(list, tmpfs->item[i]) < 0)
			return -1;
	for (size_t i = 0; image->config.volumes && image->config.volumes[i]; i++)
		if (!covered(list, image->config.volumes[i]) &&
		    add_image_volume(list, image->config.volumes[i], i, kinds, container) < 0)
			return -1;
	return 0;
}

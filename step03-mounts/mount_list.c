/*
 * mount_list.c: the mounts that a container wants, taken and checked.
 * Follows the runtime-spec's config.md ("Mounts"), mount(8). Explained in book/03-mounts.md.
 */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "step01-unshare/call.h"
#include "step03-mounts/mount_ids.h"
#include "step03-mounts/mount_list.h"

/* ---- the list ---- */

bool
mount_is_type(const struct mount_entry *entry, const char *type)
{
	return !entry->flags.bind && entry->spec.type && strcmp(entry->spec.type, type) == 0;
}

/* A change of what is mounted at the target already, in place of a new mount. */
bool
mount_is_change(const struct mount_entry *entry)
{
	const char *type = entry->spec.type;

	return entry->flags.remount ||
	       (!entry->flags.bind && (!type || !type[0] || strcmp(type, "none") == 0));
}

bool
mount_is_bind(const struct mount_entry *entry)
{
	return entry->flags.bind && !mount_is_change(entry);
}

bool
mount_is_on(const struct mount_entry *entry, const char *path)
{
	const char *target = entry->spec.target + strspn(entry->spec.target, "/");
	size_t length = strlen(path + 1);

	return strncmp(target, path + 1, length) == 0 &&
	       target[length + strspn(target + length, "/")] == '\0';
}

const struct mount_entry *
mounts_last_on(const struct mount_list *list, const char *path)
{
	for (size_t i = list->count; i-- > 0;)
		if (mount_is_on(&list->entry[i], path) && !mount_is_change(&list->entry[i]))
			return &list->entry[i];
	return NULL;
}

static int
check_entry(const struct mount_entry *entry)
{
	const struct mount_spec *spec = &entry->spec;
	const struct mount_flags *flags = &entry->flags;

	if (!spec->target || !spec->target[0])
		return fail(EINVAL, "a mount without a target");
	if (mount_is_change(entry) && !flags->remount && !flags->spread_count)
		return fail(
			EINVAL,
			"mount on %s: without a type, and neither bind, remount nor a propagation",
			spec->target);
	if (mount_is_bind(entry) && entry->tree < 0 && (!spec->source || !spec->source[0]))
		return fail(EINVAL, "bind mount on %s: no source", spec->target);
	if (spec->strict && flags->bind && flags->data_count)
		return fail(EINVAL, "bind mount on %s: %s is an option of a file system",
			    spec->target, flags->data[0]);
	if ((flags->idmap || spec->uid_count || spec->gid_count) && !mount_is_bind(entry))
		return fail(EINVAL, "mount on %s: ids can be mapped in a bind mount only",
			    spec->target);
	if ((flags->idmap || spec->uid_count) && spec->tree > 0)
		return fail(EINVAL, "mount on %s: an open mount is mapped by who opened it",
			    spec->target);
	if (flags->maps && spec->uid_count)
		return fail(EINVAL, "mount on %s: maps of ids in an option, and others beside it",
			    spec->target);
	if (flags->maps && mount_ids_check(entry) < 0)
		return -1;
	if (!spec->uid_count != !spec->gid_count)
		return fail(EINVAL, "mount on %s: uid and gid maps come together", spec->target);
	if (flags->copy_up && !mount_is_type(entry, "tmpfs") && !mount_is_bind(entry))
		return fail(EINVAL, "mount on %s: tmpcopyup is for a tmpfs or a bind mount",
			    spec->target);
	return 0;
}

static int
copy_text(const char **text)
{
	if (*text && !(*text = strdup(*text)))
		return fail(ENOMEM, "memory for a mount");
	return 0;
}

static void
free_entry(struct mount_entry *entry)
{
	int number = errno;

	free((char *)entry->spec.target);
	free((char *)entry->spec.type);
	free((char *)entry->spec.source);
	free((char *)entry->spec.options);
	mount_flags_free(&entry->flags);
	if (entry->tree >= 0)
		close(entry->tree);
	errno = number;
}

/* The options as one text, for whoever writes the list down again. */
static char *
join_options(const struct mount_spec *spec)
{
	const char *first = spec->options ? spec->options : "";
	size_t length = strlen(first) + 1;
	char *text, *end;

	for (size_t i = 0; i < spec->option_count; i++)
		length += 1 + strlen(spec->option[i]);
	if (!(text = malloc(length)))
		return NULL;
	end = stpcpy(text, first);
	for (size_t i = 0; i < spec->option_count; i++)
		end = stpcpy(stpcpy(end, end > text ? "," : ""), spec->option[i]);
	return text;
}

int
mounts_add(struct mount_list *list, const struct mount_spec *spec)
{
	struct mount_entry entry = { .spec = *spec, .tree = spec->tree > 0 ? spec->tree : -1 };
	struct mount_entry *grown = reallocarray(list->entry, list->count + 1, sizeof *list->entry);
	int done;

	if (!grown)
		return fail(ENOMEM, "memory for a mount");
	list->entry = grown;
	if (copy_text(&entry.spec.target) < 0 || copy_text(&entry.spec.type) < 0 ||
	    copy_text(&entry.spec.source) < 0)
		return -1;
	done = spec->options ? mount_flags_add(&entry.flags, spec->options) : 0;
	for (size_t i = 0; i < spec->option_count && done == 0; i++)
		done = mount_flags_add(&entry.flags, spec->option[i]);
	/* older configurations say it with the type instead of an option */
	if (!entry.flags.bind && spec->type && strcmp(spec->type, "bind") == 0)
		entry.flags.bind = entry.flags.recursive = true;
	entry.spec.options = join_options(spec);
	entry.spec.option = NULL;
	entry.spec.option_count = 0;
	if (!entry.spec.options)
		done = fail(ENOMEM, "memory for the options of a mount");
	if (done < 0 || check_entry(&entry) < 0) {
		free_entry(&entry);
		return -1;
	}
	list->entry[list->count++] = entry;
	return 0;
}

void
mounts_drop(struct mount_list *list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free_entry(&list->entry[i]);
	list->count -= count;
	memmove(list->entry, list->entry + count, list->count * sizeof *list->entry);
}

void
mounts_free(struct mount_list *list)
{
	if (list->count)
		mounts_drop(list, list->count);
	free(list->entry);
	*list = (struct mount_list){ 0 };
}

/* ---- what the command line wants ---- */

/* Cuts SRC:DST[:OPTIONS] (PARTS 2) or DST[:OPTIONS] (PARTS 1) at its colons, in a copy. */
static int
set_wanted(const struct option_row *row, const char *value, void *into)
{
	struct mounts_options *options = into;
	bool bind = strcmp(row->name, "bind") == 0;
	struct mount_spec spec = { .type = bind ? "none" : "tmpfs",
				   .source = "tmpfs",
				   .strict = true };
	char *copy = strdup(value), *rest = copy, *words;
	int done = -1;

	if (!copy)
		return fail(ENOMEM, "memory for --%s", row->name);
	if (bind)
		spec.source = strsep(&rest, ":");
	spec.target = rest ? strsep(&rest, ":") : "";
	words = rest ? rest : "";
	const char *options_of[] = { bind ? "rbind" : "nosuid,nodev,noexec", words };
	spec.option = options_of;
	spec.option_count = 2;
	if (spec.target[0] != '/')
		fail(EINVAL, "--%s %s: not %s", row->name, value, row->unit);
	else
		done = mounts_add(&options->wanted, &spec);
	free(copy);
	return done < 0 ? call_hint("DST is an absolute path inside; options are mount(8)'s") : 0;
}

const struct option_row mounts_options[] = {
	{ "bind", 0, "SRC:DST[:OPTIONS]", "open_tree(2), move_mount(2)",
	  "SRC of the host appears at DST; options: ro, rro, nosuid, rslave, idmap …", set_wanted,
	  0, 0 },
	{ "tmpfs", 0, "DST[:OPTIONS]", "fsopen(2)",
	  "an empty file system in memory at DST; options: size=64m, mode=755, exec …", set_wanted,
	  0, 0 },
	{ "shm-size", 0, "BYTES", "tmpfs size=", "size of /dev/shm (64m)", option_bytes,
	  offsetof(struct mounts_options, shm_size), 0 },
	{ 0 },
};

/* ANCHOR: defaults */
int
mounts_add_defaults(struct mount_list *list, const struct mounts_options *options)
{
	char shm[64];
	const char *const defaults[][4] = {
		{ "/proc", "proc", "proc", "nosuid,nodev,noexec" },
		{ "/dev", "tmpfs", "tmpfs", "nosuid,strictatime,mode=755,size=65536k" },
		{ "/dev/pts", "devpts", "devpts",
		  "nosuid,noexec,newinstance,ptmxmode=0666,mode=0620,gid=5" },
		{ "/dev/shm", "tmpfs", "shm", shm },
		{ "/dev/mqueue", "mqueue", "mqueue", "nosuid,nodev,noexec" },
		{ "/sys", "sysfs", "sysfs",
		  options->writable_sys ? "nosuid,nodev,noexec" : "nosuid,nodev,noexec,ro" },
	};

	snprintf(shm, sizeof shm, "nosuid,nodev,noexec,mode=1777,size=%lld",
		 options->shm_size ? (long long)options->shm_size : 64LL << 20);
	for (size_t i = 0; i < sizeof defaults / sizeof defaults[0]; i++) {
		struct mount_spec spec = { .target = defaults[i][0],
					   .type = defaults[i][1],
					   .source = defaults[i][2],
					   .options = defaults[i][3] };
		if (mounts_add(list, &spec) < 0)
			return -1;
	}
	return 0;
}
/* ANCHOR_END: defaults */

int
mounts_add_wanted(struct mount_list *list, struct mounts_options *options)
{
	struct mount_list *wanted = &options->wanted;
	struct mount_entry *grown =
		reallocarray(list->entry, list->count + wanted->count + 1, sizeof *list->entry);

	if (!grown)
		return fail(ENOMEM, "memory for %zu mounts", wanted->count);
	list->entry = grown;
	for (size_t i = 0; i < wanted->count; i++)
		list->entry[list->count++] = wanted->entry[i];
	free(wanted->entry);
	*wanted = (struct mount_list){ 0 };
	return 0;
}

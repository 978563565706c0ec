/*
 * mount_ids.c: maps of ids, read from an option and given to a mount.
 * Follows mount_setattr(2), user_namespaces(7), filesystems/idmappings.rst. Explained in
 * book/03-mounts.md.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "step01-unshare/call.h"
#include "step01-unshare/namespaces.h"
#include "step02-pidns/handshake.h"
#include "step02-pidns/spawn.h"
#include "step03-mounts/detached.h"
#include "step03-mounts/mount_ids.h"

bool
mount_ids_wanted(const struct mount_entry *entry)
{
	return entry->flags.idmap || entry->spec.uid_count > 0;
}

/* ---- maps in an option ---- */

/* Lines of a map; of which FROM, of the container's, lead what follows an @ outside. */
struct lines {
	struct id_range *line;
	size_t count;
	const struct id_range *from;
	size_t from_count;
	bool lost; /* an @ that none of them has */
};

/* Goes past a number, and past END behind it; '\0': whatever follows is looked at by the caller. */
static bool
take_number(const char **at, char end, uint32_t *number)
{
	char *rest;
	unsigned long n = strtoul(*at, &rest, 10);

	if (!isdigit((unsigned char)**at) || n > UINT32_MAX || (end && *rest != end))
		return false;
	*at = rest + (end != '\0');
	*number = (uint32_t)n;
	return true;
}

/* HOST of LINE is an id of the container's: leads it and those that follow outside. */
static bool
lead_outside(const struct lines *lines, struct id_range *line)
{
	for (size_t i = 0; i < lines->from_count; i++) {
		const struct id_range *from = &lines->from[i];
		if (line->outside >= from->inside &&
		    (uint64_t)line->outside + line->count <= (uint64_t)from->inside + from->count) {
			line->outside += from->outside - from->inside;
			return true;
		}
	}
	return false;
}

/* Triples with a # between them; AT is at what follows then. */
static bool
take_lines(const char **at, struct lines *lines)
{
	do {
		struct id_range *line = &lines->line[lines->count++];
		bool inside = **at == '@';
		*at += inside;
		if (!take_number(at, '-', &line->inside) || !take_number(at, '-', &line->outside) ||
		    !take_number(at, '\0', &line->count))
			return false;
		lines->lost |= inside && !lead_outside(lines, line);
	} while (**at == '#' && *(*at)++);
	return true;
}

/* The maps of TEXT into UIDS and GIDS, whose lines are to be freed. */
static int
read_maps(const char *text, struct lines *uids, struct lines *gids)
{
	const char *at = text;
	size_t most = strlen(text) / strlen("0-0-1") + 1;
	bool good;

	uids->line = calloc(most, sizeof *uids->line);
	gids->line = calloc(most, sizeof *gids->line);
	if (!uids->line || !gids->line)
		return fail(ENOMEM, "memory for an idmap");
	do {
		struct lines *lines = strncmp(at, "uids=", 5) == 0   ? uids
				      : strncmp(at, "gids=", 5) == 0 ? gids
								     : NULL;
		good = lines && lines->count == 0;
		if (good) {
			at += strlen("uids=");
			good = take_lines(&at, lines);
		}
	} while (good && *at == ';' && *at++);
	if (!good || *at || !uids->count || !gids->count)
		return fail(EINVAL, "idmap=%s: not uids=DISK-HOST-COUNT[#…];gids=…", text);
	return idmap_check(uids->line, uids->count, "uids of idmap") < 0
		       ? -1
		       : idmap_check(gids->line, gids->count, "gids of idmap");
}

int
mount_ids_check(const struct mount_entry *entry)
{
	struct lines uids = { 0 }, gids = { 0 };
	int done = read_maps(entry->flags.maps, &uids, &gids);

	free(uids.line);
	free(gids.line);
	return done;
}

/* ---- maps given to a mount ---- */

/*
 * A process holds the namespace just long enough for it to be opened. Should this one be killed
 * meanwhile, the end of the handshake ends that one, at whatever instant.
 */
int
mount_ids_namespace(const struct idmap_options *maps)
{
	struct spawn holder = { 0, -1 };
	struct handshake shake;
	char path[64];
	int fd = -1;

	if (handshake_open(&shake) < 0)
		return -1;
	if (spawn_clone(CLONE_NEWUSER, -1, &holder) == 0) {
		handshake_in_child(&shake);
		handshake_wait_go(&shake); /* never said */
		_exit(0);
	}
	handshake_in_parent(&shake);
	snprintf(path, sizeof path, "/proc/%d/ns/user", holder.pid);
	if (holder.pidfd >= 0 && idmap_write(maps, holder.pid) == 0 &&
	    (fd = open(path, O_RDONLY | O_CLOEXEC)) < 0)
		fail(errno, "open(\"%s\")", path);
	spawn_end(&holder);
	handshake_close(&shake);
	return fd;
}

static int
map_by(struct mount_entry *entry, const struct idmap_options *maps)
{
	int fd, done;

	if (!maps || (!idmap_kind(maps) && !maps->joined))
		return fail(EINVAL, "idmap on %s: there are no maps, and no user namespace",
			    entry->spec.target);
	fd = idmap_kind(maps) ? mount_ids_namespace(maps)
			      : ns_open_other(maps->joined, CLONE_NEWUSER);
	if (fd < 0)
		return -1;
	done = detached_map_ids(entry->tree, fd, entry->flags.idmap_all);
	close_fd(fd);
	return done;
}

static int
map_by_option(struct mount_entry *entry, const struct idmap_options *container)
{
	struct lines uids = { 0 }, gids = { 0 };
	int done;

	if (container) {
		uids.from = container->uid;
		uids.from_count = container->uid_count;
		gids.from = container->gid;
		gids.from_count = container->gid_count;
	}
	done = read_maps(entry->flags.maps, &uids, &gids);
	if (done == 0 && (uids.lost || gids.lost))
		done = fail(EINVAL, "idmap=%s: no line of the container's own map has all of an @",
			    entry->flags.maps);
	if (done == 0)
		done = map_by(entry, &(struct idmap_options){ .uid = uids.line,
							      .gid = gids.line,
							      .uid_count = uids.count,
							      .gid_count = gids.count });
	free(uids.line);
	free(gids.line);
	return done;
}

int
mount_ids_map(struct mount_entry *entry, const struct idmap_options *container)
{
	const struct mount_spec *spec = &entry->spec;

	if (entry->flags.maps)
		return map_by_option(entry, container);
	return map_by(entry, !spec->uid_count
				     ? container
				     : &(struct idmap_options){ .uid = (struct id_range *)spec->uid,
								.gid = (struct id_range *)spec->gid,
								.uid_count = spec->uid_count,
								.gid_count = spec->gid_count });
}

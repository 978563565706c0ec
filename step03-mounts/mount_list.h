/*
 * mount_list: what a container wants mounted, before anything is.
 *
 * A list of mounts as the runtime-spec's config.json has it (config.md, "Mounts"): the defaults of
 * the usual engines, the command line's, and what other floors add. Checked when it is added, in
 * the parent, so that a wrong word fails before anything is made. Follows the runtime-spec,
 * mount(8). Explained in book/03-mounts.md.
 */
#ifndef BOXSTEP_MOUNT_LIST_H
#define BOXSTEP_MOUNT_LIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "step01-unshare/idmap.h"
#include "step01-unshare/options.h"
#include "step03-mounts/mount_options.h"

/* One mount as it is asked for. It is copied, but for the id ranges, which stay the caller's. */
struct mount_spec {
	const char *target;	   /* destination: a path inside; relative means to `/` */
	const char *type;	   /* "proc", "tmpfs" …; for a bind anything, or NULL */
	const char *source;	   /* of a bind: a path of the host; else a device or a mere name */
	const char *options;	   /* "nosuid,size=64m", or NULL */
	const char *const *option; /* the same as OPTION_COUNT words, beside or instead */
	size_t option_count;
	/* Of a bind: from this letter on, SOURCE is a path inside the root too, and is opened there
	 * at its turn, so that it has what was mounted before it. 0: it is not. */
	size_t inside;
	bool strict; /* somebody typed it: of a bind, data for a file system is a slip, refused;
		      * else it is ignored, as by mount(2) */
	/* Of a bind, in place of the path: a detached mount (open_tree(2), fsmount(2)). It goes
	 * over to the list, which closes it. 0: none. */
	int tree;
	/* uidMappings and gidMappings of an id-mapped bind: the inside is the id on disk, the
	 * outside what the host sees of it. None: the container's own. */
	const struct id_range *uid, *gid;
	size_t uid_count, gid_count;
};

struct mount_entry {
	struct mount_spec spec; /* copied; all its option words are in `options`, joined */
	struct mount_flags flags;
	int tree; /* the detached mount once the source is open; what mounts_seal has to do; −1 */
};

struct mount_list { /* begin with {0} */
	struct mount_entry *entry;
	size_t count;
};

/* Appends SPEC. −1 with EINVAL: no target, a bind without source, options at odds; ENOMEM. */
int mounts_add(struct mount_list *list, const struct mount_spec *spec);
/* Takes the first COUNT away again. */
void mounts_drop(struct mount_list *list, size_t count);
void mounts_free(struct mount_list *list);

struct mounts_options {
	struct mount_list wanted; /* --bind, --tmpfs, in the order given */
	int64_t shm_size;	  /* --shm-size: bytes of /dev/shm; 0: 64 MiB */
	bool writable_sys;	  /* /sys without `ro`, as --privileged wants it */
};
extern const struct option_row mounts_options[]; /* --bind, --tmpfs, --shm-size */

/* Appends /proc, /dev, /dev/pts, /dev/shm, /dev/mqueue, /sys, with the options of the usual
 * engines; later floors add theirs, and then what the user wants on top. */
int mounts_add_defaults(struct mount_list *list, const struct mounts_options *options);
int mounts_add_wanted(struct mount_list *list, struct mounts_options *options);

/* The last new mount in LIST whose target is PATH, a top directory ("/dev") or `/`, however it is
 * written; NULL when there is none. */
const struct mount_entry *mounts_last_on(const struct mount_list *list, const char *path);

/* What an entry is: a bind, or a change of what is mounted there; else a new file system. */
bool mount_is_bind(const struct mount_entry *entry);
bool mount_is_change(const struct mount_entry *entry);
bool mount_is_type(const struct mount_entry *entry, const char *type);
/* Is its target PATH, a top directory ("/proc") or `/`, however it is written ("proc", "//proc/")?
 */
bool mount_is_on(const struct mount_entry *entry, const char *path);

#endif

/*
 * mounts: everything a container has mounted, put there by descriptor below a root that cannot be
 * left.
 *
 * A list of mounts as the runtime-spec's config.json has it (config.md, "Mounts"), applied in its
 * order: new file systems with fsopen(2), fsconfig(2), fsmount(2); binds with open_tree(2);
 * attributes with mount_setattr(2); all attached with move_mount(2) to a target that inside.h
 * found. Follows the same man pages, proc(5), user_namespaces(7). Explained in book/03-mounts.md.
 */
#ifndef BOXSTEP_MOUNTS_H
#define BOXSTEP_MOUNTS_H

#include <stdint.h>

#include "step01-unshare/idmap.h"
#include "step03-mounts/mount_options.h"

/* One mount as it is asked for. Nothing of it is kept but by copy, except the id ranges. */
struct mount_spec {
	const char *target;	   /* destination: a path inside; relative means to `/` */
	const char *type;	   /* "proc", "tmpfs" …; for a bind anything, or NULL */
	const char *source;	   /* of a bind: a path of the host; else a device or a mere name */
	const char *options;	   /* "nosuid,size=64m", or NULL */
	const char *const *option; /* the same as OPTION_COUNT words, beside or instead */
	size_t option_count;
	const struct id_range *uid; /* uidMappings, gidMappings of an id-mapped mount; the inside */
	size_t uid_count; /* is the id on disk, the outside what the host sees; none: the */
	const struct id_range *gid; /* container's own maps. They are the caller's and stay */
	size_t gid_count;
};

struct mount_entry { /* private to mounts.c */
	struct mount_spec spec;
	struct mount_flags flags;
	int tree;  /* the detached mount, once the source is open; −1 */
	int mount; /* descriptor of the finished mount while something is left to do; −1 */
};

struct mount_list { /* begin with {0} */
	struct mount_entry *entry;
	size_t count;
};

/* Appends SPEC. −1 with EINVAL: no target, a bind without source, options at odds; ENOMEM. */
int mounts_add(struct mount_list *list, const struct mount_spec *spec);
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
int mounts_add_wanted(struct mount_list *list, const struct mounts_options *options);

/*
 * Parent, before clone3: opens the sources that only the parent can open, when there will be a user
 * namespace (KINDS has CLONE_NEWUSER) and the caller is privileged: the host's root may read what
 * the container's cannot, and only it may map ids. The child inherits the descriptors. MAPS are
 * the container's, for `idmap` without maps of its own. Without the right to it, nothing is done.
 */
int mounts_open_in_parent(struct mount_list *list, int kinds, const struct idmap_options *maps);

/*
 * Child, before rootfs_attach: opens the sources of the binds (as detached copies of their mount
 * trees) that are not open yet. Before, because mounts still spread as on the host: so `rslave` and
 * `rshared` mean the host's peers. Default is rprivate. ENOENT names the source.
 */
int mounts_open(struct mount_list *list);

/*
 * Child, after rootfs_attach: mounts the list in its order below ROOT. Missing mount points are
 * made inside. Refused: /proc, /sys and /dev that are links in the image (ELOOP); anything but a
 * procfs on /proc, or but a file inside it (EPERM). In a user namespace that may not mount sysfs
 * or mqueue (or procfs when it shares the host's PIDs) the host's is bound, recursively.
 */
int mounts_apply(struct mount_list *list, int root);

/* Child, when the devices are made: new tmpfs mounts that were to be `ro` become so. */
int mounts_seal(struct mount_list *list);

/* The number of mounts in /proc/self/mountinfo, for the stage's text and for tests; −1. */
int mounts_count(void);

#endif

/*
 * layer: a tarball of changes, applied below a directory that it cannot leave.
 *
 * No path is ever followed through a link: each parent is opened by openat2(2) with
 * RESOLVE_BENEATH|RESOLVE_NO_SYMLINKS, and the last component is made by descriptor.
 * Follows the OCI image specification ("layer"), tar(5), overlayfs.rst ("whiteouts and opaque
 * directories"). Part of the program boxstep-unpack. Explained in book/05-overlay.md.
 */
#ifndef BOXSTEP_LAYER_H
#define BOXSTEP_LAYER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct archive;

struct layer_limits {
	int64_t bytes;	 /* of all files together */
	int64_t entries; /* files of every kind */
	int depth;	 /* path components */
};
extern const struct layer_limits
	layer_limits; /* what there is without options: 64 GiB, 4 Mi, 128 */

struct layer_target {
	int dir; /* an empty directory that becomes the layer */
	const int
		*lower; /* the layers below it, top first: owners of implied parents, hard links */
	size_t lowers;
	bool user; /* made in a user namespace: user.overlay.*, and some owners may not exist */
	bool flat; /* it has a single id: no owner can be kept */
	const struct layer_limits *limits;
};

struct layer_report {
	int64_t bytes, entries;
	int64_t owners_left; /* files whose owner could not be set */
	int64_t nodes_left;  /* device nodes that could not be made */
};

/* Applies what ARCHIVE (opened for reading) yields. −1 with the entry named: EINVAL for a path that
 * leaves the layer or goes through a link, EFBIG for a limit. */
int layer_apply(struct archive *archive, const struct layer_target *target,
		struct layer_report *report);

#endif

/*
 * volume: what is mounted into a container beside its root: -v, --tmpfs, and the image's volumes.
 * Explained in book/07-runtime.md.
 */
#ifndef BOXSTEP_VOLUME_H
#define BOXSTEP_VOLUME_H

#include "step03-mounts/mounts.h"
#include "step05-overlay/obtain.h"
#include "step07-runtime/engine/container.h"

/*
 * Appends -v SRC:DST[:OPTIONS] (SRC absolute, or a name: a volume of the store, made when it is
 * missing), --tmpfs DST[:OPTIONS], and an empty volume in the container's own directory for each of
 * the image's VOLUMEs that none of these covers. A volume that is empty begins with what the image
 * has there. KINDS has CLONE_NEWUSER when the container gets a user namespace. EINVAL names the
 * word.
 */
int volumes_add(struct mount_list *list, const struct text_list *volume,
		const struct text_list *tmpfs, int kinds, struct container *container,
		const struct image *image);

#endif

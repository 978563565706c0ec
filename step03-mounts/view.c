/*
 * view.c: the calls of step03.c in the same order.
 * Follows pivot_root(2), mount_namespaces(7). Explained in book/03-mounts.md.
 */
#include "step03-mounts/view.h"

int
view_begin(struct view *view)
{
	view->tree = ROOTFS_IN_CHILD;
	return mounts_add_defaults(&view->list, &view->mounts);
}

int
view_prepare(struct view *view, int kinds, const struct idmap_options *maps)
{
	if (mounts_add_wanted(&view->list, &view->mounts) < 0)
		return -1;
	/* what the root of a user namespace could not reach is opened out here */
	if (!view->later && (view->tree = rootfs_open(&view->rootfs, kinds)) == -1)
		return -1;
	return mounts_open_in_parent(&view->list, kinds, maps);
}

int
view_enter(struct view *view)
{
	int root;

	/* sources first, while mounts spread as they do on the host */
	if (mounts_open(&view->list) < 0 || (root = rootfs_attach(&view->rootfs, view->tree)) < 0 ||
	    /* while the host's /proc is in sight, without which a user namespace gets no own */
	    mounts_apply(&view->list, root) < 0 ||
	    devices_make(&view->devices, &view->list, root) < 0 ||
	    /* what had to be writable until here; then what the command is not to see */
	    mounts_seal(&view->list) < 0 || devices_hide(&view->devices, root) < 0)
		return -1;
	return rootfs_pivot(&view->rootfs, root);
}

/*
 * detached.c: the six calls of the descriptor-based mount interface.
 * Follows fsopen(2), fsconfig(2), fsmount(2), open_tree(2), mount_setattr(2), move_mount(2).
 * Explained in book/03-mounts.md.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "step01-unshare/call.h"
#include "step03-mounts/detached.h"

/* A file system context can be read for what it has to say: "e tmpfs: Bad value for 'size'". */
static int
hint_from(int context)
{
	char text[256];
	int number = errno;
	ssize_t length = read(context, text, sizeof text - 1);

	if (length > 2) {
		text[length] = '\0';
		text[strcspn(text, "\n")] = '\0';
		call_hint("the kernel says: %s", text + 2);
	}
	errno = number;
	return -1;
}

/* One word of data: KEY=VALUE, or a flag. */
static int
configure(int context, const char *word)
{
	char key[256];
	const char *equals = strchr(word, '=');

	if (!equals)
		return call(fsconfig(context, FSCONFIG_SET_FLAG, word, NULL, 0),
			    "fsconfig(%d, FSCONFIG_SET_FLAG, \"%s\", NULL, 0)", context, word);
	snprintf(key, sizeof key, "%.*s", (int)(equals - word), word);
	return call(fsconfig(context, FSCONFIG_SET_STRING, key, equals + 1, 0),
		    "fsconfig(%d, FSCONFIG_SET_STRING, \"%s\", \"%s\", 0)", context, key,
		    equals + 1);
}

/* ANCHOR: new */
int
detached_new(const char *type, const char *source, char *const data[], size_t count,
	     uint64_t attributes)
{
	int mount = -1, done = 0;
	int context = call(fsopen(type, FSOPEN_CLOEXEC), "fsopen(\"%s\", FSOPEN_CLOEXEC)", type);

	if (context < 0 && errno == ENODEV)
		call_hint("the kernel has no file system of that name; see /proc/filesystems");
	if (context < 0)
		return -1;
	if (source && source[0])
		done = call(fsconfig(context, FSCONFIG_SET_STRING, "source", source, 0),
			    "fsconfig(%d, FSCONFIG_SET_STRING, \"source\", \"%s\", 0)", context,
			    source);
	for (size_t i = 0; i < count && done == 0; i++)
		done = configure(context, data[i]);
	if (done == 0)
		done = call(fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0),
			    "fsconfig(%d, FSCONFIG_CMD_CREATE, NULL, NULL, 0)", context);
	if (done == 0)
		mount = call(fsmount(context, FSMOUNT_CLOEXEC, (unsigned)attributes),
			     "fsmount(%d, FSMOUNT_CLOEXEC, %s)", context,
			     mount_attr_names(attributes));
	if (mount < 0)
		hint_from(context);
	close_fd(context);
	return mount;
}
/* ANCHOR_END: new */

int
detached_reconfigure(int mount, char *const data[], size_t count)
{
	int context = call(fspick(mount, "", FSPICK_CLOEXEC | FSPICK_EMPTY_PATH),
			   "fspick(%d, \"\", FSPICK_CLOEXEC|FSPICK_EMPTY_PATH)", mount);
	int done = context < 0 ? -1 : 0;

	for (size_t i = 0; i < count && done == 0; i++)
		done = configure(context, data[i]);
	if (done == 0)
		done = call(fsconfig(context, FSCONFIG_CMD_RECONFIGURE, NULL, NULL, 0),
			    "fsconfig(%d, FSCONFIG_CMD_RECONFIGURE, NULL, NULL, 0)", context);
	if (context < 0)
		return -1;
	if (done < 0)
		hint_from(context);
	close_fd(context);
	return done;
}

/* For the telling. */
static const char *
directory_name(int dirfd)
{
	static char number[16];

	snprintf(number, sizeof number, "%d", dirfd);
	return dirfd == AT_FDCWD ? "AT_FDCWD" : number;
}

/* ANCHOR: copy */
int
detached_copy(int dirfd, const char *path, bool recursive)
{
	unsigned flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (recursive ? AT_RECURSIVE : 0U) |
			 (path[0] ? 0U : AT_EMPTY_PATH);
	return call(open_tree(dirfd, path, flags),
		    "open_tree(%s, \"%s\", OPEN_TREE_CLONE|OPEN_TREE_CLOEXEC%s%s)",
		    directory_name(dirfd), path, path[0] ? "" : "|AT_EMPTY_PATH",
		    recursive ? "|AT_RECURSIVE" : "");
}
/* ANCHOR_END: copy */

static const char *
propagation_name(unsigned long propagation)
{
	return propagation & MS_SHARED	     ? "MS_SHARED"
	       : propagation & MS_SLAVE	     ? "MS_SLAVE"
	       : propagation & MS_PRIVATE    ? "MS_PRIVATE"
	       : propagation & MS_UNBINDABLE ? "MS_UNBINDABLE"
					     : "0";
}

static int
set_attributes(int mount, struct mount_attr *attr, bool recursive)
{
	unsigned flags = AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0U);

	return call(mount_setattr(mount, "", flags, attr, sizeof *attr),
		    "mount_setattr(%d, \"\", AT_EMPTY_PATH%s, {attr_set=%s, attr_clr=%s, "
		    "propagation=%s, userns_fd=%llu}, %zu)",
		    mount, recursive ? "|AT_RECURSIVE" : "", mount_attr_names(attr->attr_set),
		    mount_attr_names(attr->attr_clr), propagation_name(attr->propagation),
		    (unsigned long long)attr->userns_fd, sizeof *attr);
}

int
detached_change(int mount, struct mount_bits bits, unsigned long propagation, bool recursive)
{
	struct mount_attr attr = { .attr_set = bits.set,
				   .attr_clr = bits.clear,
				   .propagation = propagation & ~(unsigned long)MS_REC };

	if (!bits.set && !bits.clear && !propagation)
		return 0;
	return set_attributes(mount, &attr, recursive);
}

int
detached_map_ids(int mount, int namespace_fd, bool recursive)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_IDMAP,
				   .userns_fd = (unsigned)namespace_fd };

	if (set_attributes(mount, &attr, recursive) == 0)
		return 0;
	if (errno == EINVAL)
		return call_hint("this kind of file system cannot map ids (ext4, xfs, btrfs and "
				 "tmpfs can, tmpfs only since Linux 6.3)"
				 ", or it is mapped already");
	return call_hint("needs CAP_SYS_ADMIN where the file system was mounted: the host's root");
}

/* ANCHOR: attach */
int
detached_attach(int mount, int target, const char *shown)
{
	return call(move_mount(mount, "", target, "",
			       MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH),
		    "move_mount(%d, \"\", %d, \"\", "
		    "MOVE_MOUNT_F_EMPTY_PATH|MOVE_MOUNT_T_EMPTY_PATH /* on %s */)",
		    mount, target, shown);
}
/* ANCHOR_END: attach */

/*
 * layer: a tarball of changes, applied below a directory that it cannot leave.
 *
 * Follows the OCI image specification's layer.md, tar(5), archive_entry(3).
 * Explained in book/05-overlay.md.
 */
#include "step05-overlay/layer.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "step01-unshare/call.h"
#include "step05-overlay/below.h"

const struct layer_limits layer_limits = { .bytes = 64LL << 30, .entries = 4 << 20, .depth = 128 };

/* One tarball on its way into one directory. */
struct applying {
	struct below below;
	const struct layer_target *target;
	struct layer_report *report;
	struct archive *archive;
	struct archive_entry *entry;
	char path[PATH_MAX]; /* of the entry, clean */
};

/* ---- attributes ---- */

/* Owner, mode, extended attributes, in this order: chown(2) takes the others away. */
static int
set_owner(struct applying *now, int fd)
{
	int64_t uid = archive_entry_uid(now->entry), gid = archive_entry_gid(now->entry);

	if (uid < 0 || uid > UINT32_MAX - 1 || gid < 0 || gid > UINT32_MAX - 1)
		return fail(EINVAL, "layer entry \"%.200s\": owner out of range", now->path);
	if (now->target->flat) {
		now->report->owners_left += uid != 0 || gid != 0;
		return 0;
	}
	if (fchownat(fd, "", (uid_t)uid, (gid_t)gid, AT_EMPTY_PATH) == 0)
		return 0;
	if (!now->target->user || (errno != EINVAL && errno != EPERM)) {
		fail(errno, "fchown(\"%.200s\", %lld, %lld)", now->path, (long long)uid,
		     (long long)gid);
		return errno == EPERM ? call_hint("files have many owners, which root gives, or "
						  "a user namespace: --user --map-auto")
				      : -1;
	}
	now->report->owners_left++;
	return 0;
}

static int
set_xattrs(struct applying *now, int fd)
{
	const char *name;
	const void *value;
	size_t size;

	archive_entry_xattr_reset(now->entry);
	while (archive_entry_xattr_next(now->entry, &name, &value, &size) == ARCHIVE_OK) {
		if (!attribute_wanted(name) || fsetxattr(fd, name, value, size, 0) == 0)
			continue;
		if (errno == ENOTSUP || (now->target->user && errno == EPERM))
			continue; /* a file system without them; not ours to give */
		return fail(errno, "fsetxattr(\"%.200s\", \"%.100s\")", now->path, name);
	}
	return 0;
}

static struct timespec
entry_time(struct archive_entry *entry)
{
	return (struct timespec){ archive_entry_mtime(entry), archive_entry_mtime_nsec(entry) };
}

static int
set_attributes(struct applying *now, int fd)
{
	if (set_owner(now, fd) < 0)
		return -1;
	if (fchmod(fd, archive_entry_perm(now->entry)) < 0)
		return fail(errno, "fchmod(\"%.200s\")", now->path);
	return set_xattrs(now, fd);
}

/* ---- the kinds of entries ---- */

static int
write_data(struct applying *now, int fd)
{
	int64_t size = archive_entry_size(now->entry), offset, end = 0;
	const void *data;
	size_t length;
	int got;

	if (size < 0) /* libarchive only warns of it; subtracted, it would raise the limit */
		return fail(EINVAL, "layer entry \"%.200s\": its size is negative", now->path);
	if (size > now->target->limits->bytes - now->report->bytes)
		return fail(EFBIG, "layer entry \"%.200s\": the layer is too large", now->path);
	now->report->bytes += size;
	while ((got = archive_read_data_block(now->archive, &data, &length, &offset)) ==
	       ARCHIVE_OK) {
		for (size_t done = 0; done < length;) {
			ssize_t n = pwrite(fd, (const char *)data + done, length - done,
					   offset + (off_t)done);
			if (n < 0)
				return fail(errno, "pwrite(\"%.200s\")", now->path);
			done += (size_t)n;
		}
		end = offset + (int64_t)length;
	}
	if (got != ARCHIVE_EOF)
		return fail(EINVAL, "layer entry \"%.200s\": %s", now->path,
			    archive_error_string(now->archive));
	if (end < size && ftruncate(fd, size) < 0) /* it ends with a hole */
		return fail(errno, "ftruncate(\"%.200s\")", now->path);
	return 0;
}

static int
make_file(struct applying *now, int parent, const char *last)
{
	struct timespec times[2] = { entry_time(now->entry), entry_time(now->entry) };
	int fd = openat(parent, last, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	int result = -1;

	if (fd < 0)
		return fail(errno, "openat(\"%.200s\", O_CREAT|O_EXCL)", now->path);
	if (write_data(now, fd) == 0 && set_attributes(now, fd) == 0) {
		result = futimens(fd, times);
		if (result < 0)
			fail(errno, "futimens(\"%.200s\")", now->path);
	}
	close(fd);
	return result;
}

/* A directory that is there stays, with what is in it; anything else gives way. */
static int
make_directory(struct applying *now, int parent, const char *last)
{
	const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
	int fd = openat(parent, last, flags), result = -1, whiteout = 0;

	if (fd < 0) {
		whiteout = below_remove(parent, last);
		if (whiteout < 0)
			return -1;
		if (mkdirat(parent, last, 0700) < 0 || (fd = openat(parent, last, flags)) < 0)
			return fail(errno, "mkdirat(\"%.200s\")", now->path);
	}
	/* deleted and made anew in one layer: what the lower ones have in it must not show */
	if ((whiteout == 0 || below_opaque(&now->below, fd) == 0) && set_attributes(now, fd) == 0)
		result = below_note_time(&now->below, now->path, entry_time(now->entry));
	close(fd);
	return result;
}

static int
make_link(struct applying *now, int parent, const char *last)
{
	struct timespec times[2] = { entry_time(now->entry), entry_time(now->entry) };
	const char *target = archive_entry_symlink(now->entry);
	int fd, result;

	if (!target || !target[0] || strlen(target) >= PATH_MAX)
		return fail(EINVAL, "layer entry \"%.200s\": a link without a target", now->path);
	if (symlinkat(target, parent, last) < 0)
		return fail(errno, "symlinkat(\"%.200s\")", now->path);
	fd = openat(parent, last, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return fail(errno, "openat(\"%.200s\", O_PATH)", now->path);
	result = set_owner(now, fd);
	close(fd);
	if (result == 0 && utimensat(parent, last, times, AT_SYMLINK_NOFOLLOW) < 0)
		return fail(errno, "utimensat(\"%.200s\")", now->path);
	return result;
}

/* A file of a lower layer is copied up, as overlayfs does it when a program asks for a link to it.
 * From here on it counts as this layer's. */
static int
copy_up(struct applying *now, const char *target, int parent, const char *last)
{
	int64_t size = below_copy_up(&now->below, target,
				     now->target->limits->bytes - now->report->bytes, parent, last);

	if (size < 0)
		return fail(ENOENT, "layer entry \"%.200s\": hard link to \"%.200s\"", now->path,
			    target);
	now->report->bytes += size;
	return 0;
}

/* Another name for a file, which may have to be brought into this layer first. */
static int
make_hard_link(struct applying *now, int parent, const char *last)
{
	char target[PATH_MAX];
	const char *name;
	int from, result = -1;

	if (below_clean(&now->below, archive_entry_hardlink(now->entry), target) < 0)
		return -1;
	if (strcmp(target, now->path) == 0 || target[0] == '\0')
		return fail(EINVAL, "layer entry \"%.200s\": a hard link to itself", now->path);
	parent = fcntl(parent, F_DUPFD_CLOEXEC, 0); /* the next line may lose the lent one */
	if (parent < 0)
		return fail(errno, "fcntl(F_DUPFD_CLOEXEC)");
	from = below_parent(&now->below, target, &name);
	if (from >= 0) {
		struct stat st;
		bool here = fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW) == 0;

		if (!here && copy_up(now, target, from, name) < 0)
			;
		else if (here && is_whiteout(&st))
			fail(EINVAL, "layer entry \"%.200s\": hard link to a whiteout", now->path);
		else if (linkat(from, name, parent, last, 0) < 0)
			fail(errno, "linkat(\"%.200s\", \"%.200s\")", target, now->path);
		else
			result = 0;
	}
	close(parent);
	return result;
}

static int
make_node(struct applying *now, int parent, const char *last)
{
	struct timespec times[2] = { entry_time(now->entry), entry_time(now->entry) };
	mode_t type = archive_entry_filetype(now->entry);
	int fd, result = -1;

	if (mknodat(parent, last, type | 0600, archive_entry_rdev(now->entry)) < 0) {
		if (errno == EPERM && now->target->user) {
			now->report->nodes_left++;
			return 0;
		}
		return fail(errno, "mknodat(\"%.200s\")", now->path);
	}
	fd = openat(parent, last, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return fail(errno, "openat(\"%.200s\", O_PATH)", now->path);
	if (set_owner(now, fd) == 0) {
		if (fchmodat(parent, last, archive_entry_perm(now->entry), 0) < 0 ||
		    utimensat(parent, last, times, AT_SYMLINK_NOFOLLOW) < 0)
			fail(errno, "attributes of \"%.200s\"", now->path);
		else
			result = 0;
	}
	close(fd);
	return result;
}

/* ---- whiteouts ---- */

/* ANCHOR: whiteout */
/* `.wh.NAME` deletes NAME of the layers below; `.wh..wh..opq` all that they have in this directory.
 * Neither touches what this same layer brings. */
static int
apply_whiteout(struct applying *now, int parent, const char *last)
{
	const char *name = last + strlen(".wh.");
	struct stat st;
	int fd, result;

	if (strcmp(last, ".wh..wh..opq") == 0)
		return below_opaque(&now->below, parent);
	if (strncmp(name, ".wh.", 4) == 0)
		return 0; /* aufs's own notes */
	if (name[0] == '\0' || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return fail(EINVAL, "layer entry \"%.200s\": whiteout of nothing", now->path);
	if (fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return below_whiteout(parent, name);
	if (!S_ISDIR(st.st_mode))
		return 0; /* hides what is below already */
	fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return fail(errno, "openat(\"%.200s\")", now->path);
	result = below_opaque(&now->below, fd);
	close(fd);
	return result;
}
/* ANCHOR_END: whiteout */

/* ---- all of it ---- */

/* The entry `./`: the root directory of the layer. */
static int
apply_root(struct applying *now)
{
	if (archive_entry_hardlink(now->entry) || archive_entry_filetype(now->entry) != AE_IFDIR)
		return fail(EINVAL, "layer: its root is no directory");
	if (set_attributes(now, now->target->dir) < 0)
		return -1;
	return below_note_time(&now->below, "", entry_time(now->entry));
}

static int
apply_entry(struct applying *now)
{
	mode_t type = archive_entry_filetype(now->entry);
	const char *last;
	int parent, whiteout;

	if (now->path[0] == '\0')
		return apply_root(now);
	parent = below_parent(&now->below, now->path, &last);
	if (parent < 0)
		return -1;
	if (strncmp(last, ".wh.", 4) == 0)
		return apply_whiteout(now, parent, last);
	if (type == AE_IFDIR && !archive_entry_hardlink(now->entry))
		return make_directory(now, parent, last);
	whiteout = below_remove(parent, last);
	if (whiteout < 0)
		return -1;
	if (archive_entry_hardlink(now->entry))
		return make_hard_link(now, parent, last);
	switch (type) {
	case AE_IFREG:
		return make_file(now, parent, last);
	case AE_IFLNK:
		return make_link(now, parent, last);
	case AE_IFCHR:
	case AE_IFBLK:
	case AE_IFIFO:
		return make_node(now, parent, last);
	default:
		return fail(EINVAL, "layer entry \"%.200s\": of no known kind", now->path);
	}
}

static int
apply_next(struct applying *now)
{
	const char *name = archive_entry_pathname(now->entry);

	if (!name)
		return fail(EILSEQ, "layer entry %lld: its name cannot be read",
			    (long long)now->report->entries);
	if (++now->report->entries > now->target->limits->entries)
		return fail(EFBIG, "layer: more than %lld entries",
			    (long long)now->target->limits->entries);
	if (below_clean(&now->below, name, now->path) < 0)
		return -1;
	return apply_entry(now);
}

int
layer_apply(struct archive *archive, const struct layer_target *target, struct layer_report *report)
{
	struct applying now = {
		.below = { .dir = target->dir,
			   .lower = target->lower,
			   .lowers = target->lowers,
			   .user = target->user,
			   .depth = target->limits->depth },
		.target = target,
		.report = report,
		.archive = archive,
	};
	int got, result;

	*report = (struct layer_report){ 0 };
	result = below_open(&now.below);
	while (result == 0) {
		got = archive_read_next_header(archive, &now.entry);
		if (got == ARCHIVE_EOF)
			break;
		if (got < ARCHIVE_WARN)
			result = fail(EINVAL, "layer: %s", archive_error_string(archive));
		else
			result = apply_next(&now);
	}
	if (below_close(&now.below, result == 0) < 0)
		result = -1;
	return result;
}

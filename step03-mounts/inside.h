/*
 * inside: paths of a container's root, opened so that the root cannot be left.
 *
 * A path inside an image is hostile: any part of it may be a link to `/etc` or `../../..`, or
 * become one while we look. So it is resolved once, by the kernel, with the root as `/`, and
 * everything afterwards is done by descriptor. Follows openat2(2) (RESOLVE_IN_ROOT),
 * path_resolution(7). Explained in book/03-mounts.md.
 */
#ifndef BOXSTEP_INSIDE_H
#define BOXSTEP_INSIDE_H

#include <stdint.h>
#include <sys/types.h>

/*
 * openat2(2) of PATH with ROOT as its `/`: absolute links and `..` stay below ROOT, magic links
 * (/proc/PID/fd/…) are refused. FLAGS as for open(2), O_CLOEXEC is added; NO_LINKS refuses any
 * symbolic link (ELOOP). Gives a descriptor, or −1 with errno and nothing recorded: whether a
 * missing path is an error is for the caller to say.
 */
int inside_open(int root, const char *path, int flags);
int inside_open_no_links(int root, const char *path, int flags);

/*
 * The mount point PATH: opened (O_PATH) if it is there; made if it is not, its parents with it, as
 * a directory (MODE has S_IFDIR) or an empty file (S_IFREG). A link to something missing is
 * followed, inside the root, and its target made. Gives a descriptor, or −1 with errno and the
 * error recorded: ENOTDIR or EISDIR when what is there is of the other kind.
 */
int inside_make(int root, const char *path, mode_t mode);
/* The same for a place that no link of the image may choose: ELOOP, recorded, if there is one on
 * the way. */
int inside_make_no_links(int root, const char *path, mode_t mode);

/*
 * Opens (O_PATH) the directory that PATH's last component stands in, made if missing, and gives
 * that component's name in *NAME (a pointer into PATH). For what is created there: nodes, links.
 * EINVAL when there is no such name (`/`, `..`).
 */
int inside_parent(int root, const char *path, const char **name);

#endif

/*
 * devices: the nodes of /dev that every program expects, the pty, and the paths that a container
 * must not see or change.
 *
 * Where mknod(2) is not allowed (in a user namespace) a node is bound instead: one that was made
 * outside for it, or the host's.
 * Follows mknod(2), pty(7), ioctl_tty(2) (TIOCGPTPEER), and the runtime-spec's config-linux.md:
 * "Devices", "Default Devices", "Masked Paths", "Readonly Paths". Explained in book/03-mounts.md.
 */
#ifndef BOXSTEP_DEVICES_H
#define BOXSTEP_DEVICES_H

#include <stdbool.h>
#include <sys/types.h>

#include "step01-unshare/idmap.h"
#include "step01-unshare/options.h"
#include "step03-mounts/mount_list.h"

struct device_node {
	const char *path; /* inside, may be anywhere */
	char type;	  /* c (or u), b, p */
	unsigned major, minor;
	mode_t mode; /* permission bits */
	uid_t uid;
	gid_t gid; /* inside */
	int tree;  /* it, made by devices_make_outside: a detached mount; 0: it is not */
};

struct devices_options {
	const struct device_node *node; /* beside the default ones */
	size_t node_count;
	struct text_list mask;	    /* --mask: paths that appear empty */
	struct text_list read_only; /* paths that cannot be written */
	bool only_these;	    /* leave out the engines' default lists of both */
};
extern const struct option_row devices_options[]; /* --mask */

/* What the usual engines mask and make read-only; NULL-terminated. */
extern const char *const devices_usual_masks[];
extern const char *const devices_usual_read_only[];

/*
 * Parent, before clone3, when there will be another user namespace: makes the nodes of the options
 * outside, where it may, each with its mode and the owner that MAPS say, in a tmpfs that is
 * attached nowhere. The child inherits them, and devices_make binds them. What cannot be made is
 * left to the child: without the right to it, or before Linux 6.15, in which a part of what is
 * attached nowhere cannot be copied.
 */
void devices_make_outside(struct devices_options *options, const struct idmap_options *maps);

/*
 * Child, after mounts_apply: null zero full random urandom tty and the nodes of the options, the
 * links ptmx, fd, stdin, stdout, stderr, below ROOT. A node that is there already must be the one
 * asked for (EEXIST). Nothing is made in a /dev that is the host's, because the last entry of LIST
 * on it is a bind mount or the root is the host's own: it is as it is meant to be. 0 or −1.
 */
int devices_make(const struct devices_options *options, const struct mount_list *list, int root);

/*
 * Child: hides the masked paths (a file under /dev/null, which is checked to be the device 1:3; a
 * directory under an empty read-only tmpfs) and makes the read-only paths so. Missing ones
 * are left out. 0 or −1.
 */
int devices_hide(const struct devices_options *options, int root);

/*
 * A terminal from the devpts of the container: its master and its other end, both close-on-exec,
 * the latter by TIOCGPTPEER, because the path /dev/pts/N may be a link by then (CVE-2025-52565).
 * EXDEV when /dev/pts/ptmx is no devpts.
 */
int devices_pty(int root, int *master, int *terminal);

/* Binds TERMINAL (checked to be a pty of a devpts) to /dev/console. */
int devices_console(int root, int terminal);

#endif

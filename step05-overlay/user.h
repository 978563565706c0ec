/*
 * user: who the command runs as. The image says it in words; only the image's own files can say
 * which numbers they mean.
 *
 * A name is looked up inside the root, by descriptor, because a passwd that is a link or a FIFO is
 * the image author's to choose (CVE-2024-9676); glibc's getpwnam would read the host's.
 * Follows passwd(5), group(5), setgroups(2), credentials(7). Explained in book/05-overlay.md.
 */
#ifndef BOXSTEP_USER_H
#define BOXSTEP_USER_H

#include <stddef.h>
#include <sys/types.h>

enum { USER_HOME = 256 };

struct user {
	uid_t uid;
	gid_t gid;
	gid_t *groups; /* supplementary; to be freed with user_free */
	size_t count;
	char home[USER_HOME]; /* from passwd; "/" when there is none */
};

/*
 * Resolves "", "USER", "USER:GROUP" with names or numbers, in the tree below ROOT (a directory
 * descriptor). A number is decimal and at most INT32_MAX. Without a group: the one of passwd, and
 * the groups that list the user; with one: that alone. EINVAL for a name that is not there or a
 * number out of range; EFBIG for a passwd or group above 1 MiB; ELOOP, EINVAL for no regular file.
 */
int user_resolve(int root, const char *text, struct user *user);
/* The same in the root that is `/` now. */
int user_resolve_here(const char *text, struct user *user);
/* The home of a number alone, by the passwd of that root; "/" when it has none, or no passwd. */
void user_home_here(uid_t uid, char home[USER_HOME]);
void user_free(struct user *user);

/* Becomes it: setgroups, setresgid, setresuid, in this order. In a user namespace that denies
 * setgroups the supplementary groups stay as they are. EINVAL: the id has no map there. */
int user_become(const struct user *user);

#endif

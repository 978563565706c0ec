/*
 * user.c: names to numbers, from the files of the root itself.
 * Follows passwd(5), group(5), openat2(2), setgroups(2). Explained in book/05-overlay.md.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "step01-unshare/call.h"
#include "step01-unshare/idmap.h"
#include "step03-mounts/inside.h"
#include "step05-overlay/user.h"

enum { FILE_MAX_BYTES = 1 << 20, GROUPS_MAX = 1024 };

/* ---- the files ---- */

/*
 * All of PATH below ROOT, NUL-terminated, to be freed; an empty text when there is no such file, as
 * in an image of a single program. O_NONBLOCK: opening a FIFO would wait for its other end for
 * ever.
 */
static char *
read_inside(int root, const char *path)
{
	int fd = inside_open(root, path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
	struct stat status;
	char *text = NULL;
	ssize_t n = 0;

	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
		return calloc(1, 1);
	if (fd < 0 || fstat(fd, &status) < 0)
		fail(errno, "open(\"%s\") of the container", path);
	else if (!S_ISREG(status.st_mode))
		fail(EINVAL, "%s of the container is not a regular file", path);
	else if (status.st_size > FILE_MAX_BYTES)
		fail(EFBIG, "%s of the container: %lld bytes are more than 1 MiB", path,
		     (long long)status.st_size);
	else if (!(text = calloc(1, (size_t)status.st_size + 1)))
		fail(ENOMEM, "memory for %s", path);
	else if ((n = read(fd, text, (size_t)status.st_size)) < 0) {
		fail(errno, "read of %s of the container", path);
		free(text);
		text = NULL;
	}
	if (fd >= 0)
		close(fd);
	return text;
}

/* Takes the next line from *TEXT and cuts it at its colons: up to SEVEN fields, missing ones empty.
 */
static bool
next_entry(char **text, char *fields[7])
{
	static char none[1];
	char *line = strsep(text, "\n");

	if (!line)
		return false;
	for (int i = 0; i < 7; i++) {
		char *field = strsep(&line, ":");
		fields[i] = field ? field : none;
	}
	return true;
}

static bool
parse_id(const char *text, uint32_t *id)
{
	int64_t number;

	/* above INT32_MAX some kernel and C interfaces see a negative number (CVE-2024-40635) */
	if (number_parse(text, 0, INT32_MAX, &number) < 0)
		return false;
	*id = (uint32_t)number;
	return true;
}

/* What is written as a number is one or is refused, and is never looked up as a name: an image
 * could give that name to root (CVE-2026-46680). */
static bool
written_as_number(const char *text)
{
	text += *text == '-' || *text == '+';
	return *text && !text[strspn(text, "0123456789")];
}

/* ---- the user ---- */

/* Finds NAME, or the number UID, in passwd: fills uid, gid, home, and NAME's own spelling for
 * groups. */
static bool
find_user(char *passwd, const char *name, bool numeric, struct user *user, char login[256])
{
	char *fields[7];
	uint32_t uid, gid;

	while (next_entry(&passwd, fields)) {
		if (!parse_id(fields[2], &uid) || !parse_id(fields[3], &gid))
			continue;
		if (numeric ? uid != user->uid : strcmp(fields[0], name) != 0)
			continue;
		user->uid = uid;
		user->gid = gid;
		if (fields[5][0] == '/')
			snprintf(user->home, sizeof user->home, "%s", fields[5]);
		snprintf(login, 256, "%s", fields[0]);
		return true;
	}
	return false;
}

static int
resolve_user(int root, const char *name, struct user *user, char login[256])
{
	bool numeric = parse_id(name, &user->uid), found;
	char *passwd;

	if (!numeric && written_as_number(name))
		return fail(EINVAL, "user %s: not a number from 0 to %d", name, INT32_MAX);
	if (!(passwd = read_inside(root, "/etc/passwd")))
		return -1;
	found = find_user(passwd, name, numeric, user, login);
	free(passwd);
	if (found || numeric)
		return 0;
	return fail(EINVAL, "user %s is not in /etc/passwd of the container", name);
}

/* ---- groups ---- */

static bool
lists(char *members, const char *login)
{
	char *member;

	while ((member = strsep(&members, ",")))
		if (login[0] && strcmp(member, login) == 0)
			return true;
	return false;
}

/* GROUP by name or number alone, or (NULL) the supplementary groups that list LOGIN. */
static int
resolve_groups(int root, const char *group, const char *login, struct user *user)
{
	char *text, *rest, *fields[7];
	uint32_t gid;
	bool found = group && parse_id(group, &user->gid);

	if (found)
		return 0;
	if (group && written_as_number(group))
		return fail(EINVAL, "group %s: not a number from 0 to %d", group, INT32_MAX);
	rest = text = read_inside(root, "/etc/group");
	user->groups = calloc(GROUPS_MAX, sizeof *user->groups);
	if (!text || !user->groups) {
		free(text);
		return call_error()->number ? -1 : fail(ENOMEM, "memory for groups");
	}
	while (next_entry(&rest, fields)) {
		if (!parse_id(fields[2], &gid))
			continue;
		if (group && strcmp(fields[0], group) == 0) {
			user->gid = gid;
			found = true;
			break;
		}
		if (!group && user->count < GROUPS_MAX && lists(fields[3], login))
			user->groups[user->count++] = gid;
	}
	free(text);
	if (group && !found)
		return fail(EINVAL, "group %s is not in /etc/group of the container", group);
	return 0;
}

int
user_resolve(int root, const char *text, struct user *user)
{
	char name[256], login[256] = "";
	const char *colon = strchr(text, ':'), *group = colon ? colon + 1 : NULL;

	*user = (struct user){ .home = "/" };
	if (snprintf(name, sizeof name, "%.*s", colon ? (int)(colon - text) : (int)strlen(text),
		     text) >= (int)sizeof name)
		return fail(EINVAL, "user %.32s…: the name is too long", text);
	if (resolve_user(root, name[0] ? name : "0", user, login) < 0 ||
	    resolve_groups(root, group && group[0] ? group : NULL, login, user) < 0) {
		user_free(user);
		return -1;
	}
	return 0;
}

int
user_resolve_here(const char *name, struct user *user)
{
	int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC), done;

	if (root < 0)
		return fail(errno, "open(\"/\")");
	done = user_resolve(root, name, user);
	close(root);
	return done;
}

void
user_home_here(uid_t uid, char home[USER_HOME])
{
	int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	char login[256], *passwd = root < 0 ? NULL : read_inside(root, "/etc/passwd");
	struct user user = { .uid = uid, .home = "/" };

	if (passwd)
		find_user(passwd, NULL, true, &user, login);
	else
		call_forget(); /* a damaged passwd is the image's own business */
	strcpy(home, user.home);
	free(passwd);
	close_fd(root);
}

void
user_free(struct user *user)
{
	free(user->groups);
	user->groups = NULL;
	user->count = 0;
}

/* ---- becoming it ---- */

/* ANCHOR: become */
int
user_become(const struct user *user)
{
	const char *no_map = "the id has no map in this user namespace: --map-auto gives a range";

	/* the uid last: leaving 0 takes away the right to the others */
	if (idmap_set_groups(user->count, user->groups) < 0)
		return call_hint("%s", no_map);
	if (call(setresgid(user->gid, user->gid, user->gid), "setresgid(%u, %u, %u)", user->gid,
		 user->gid, user->gid) < 0 ||
	    call(setresuid(user->uid, user->uid, user->uid), "setresuid(%u, %u, %u)", user->uid,
		 user->uid, user->uid) < 0)
		return errno == EINVAL ? call_hint("%s", no_map) : -1;
	return 0;
}
/* ANCHOR_END: become */

/*
 * idmap.c: uid_map and gid_map, by one write or by newuidmap.
 * Follows user_namespaces(7), newuidmap(1), subuid(5). Explained in book/01-unshare.md.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <sched.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "step01-unshare/call.h"
#include "step01-unshare/idmap.h"
#include "step01-unshare/namespaces.h"

const struct option_row idmap_options[] = {
	{ "map-root", 0, NULL, "/proc/PID/uid_map",
	  "root inside is the caller outside, and nobody else (with --user)", option_flag,
	  offsetof(struct idmap_options, root), 0 },
	{ "map-auto", 0, NULL, "/proc/PID/uid_map",
	  "a whole range of ids, from /etc/subuid (with --user)", option_flag,
	  offsetof(struct idmap_options, automatic), 0 },
	{ 0 },
};

/* ---- ranges ---- */

/* The name of UID in /etc/passwd; fgetpwent(3) reads the file itself, so it works in a static
 * program. */
static void
name_of(uid_t uid, char *name, size_t size)
{
	FILE *file = fopen("/etc/passwd", "re");
	struct passwd *entry;

	name[0] = '\0';
	while (file && (entry = fgetpwent(file)))
		if (entry->pw_uid == uid) {
			snprintf(name, size, "%s", entry->pw_name);
			break;
		}
	if (file)
		fclose(file);
}

/* The first range of NAME (or of its number) in FILE, subuid(5): NAME:START:COUNT. 0, or −1 for
 * none. */
static int
subordinate(const char *path, uid_t id, struct id_range *range)
{
	char name[256], line[512], number[16];
	FILE *file = fopen(path, "re");
	int found = -1;

	name_of(id, name, sizeof name);
	snprintf(number, sizeof number, "%u", id);
	while (file && found < 0 && fgets(line, sizeof line, file)) {
		char *start = strchr(line, ':'), *count = start ? strchr(start + 1, ':') : NULL;
		int64_t first, length;

		if (!count)
			continue;
		*start++ = *count++ = '\0';
		count[strcspn(count, "\n")] = '\0';
		if (strcmp(line, number) != 0 && (!name[0] || strcmp(line, name) != 0))
			continue;
		if (number_parse(start, 1, UINT32_MAX - 1, &first) == 0 &&
		    number_parse(count, 1, UINT32_MAX - first, &length) == 0) {
			*range = (struct id_range){ 0, (uint32_t)first, (uint32_t)length };
			found = 0;
		}
	}
	if (file)
		fclose(file);
	return found;
}

bool
idmap_has_range(void)
{
	struct id_range range;

	return geteuid() == 0 || (subordinate("/etc/subuid", geteuid(), &range) == 0 &&
				  subordinate("/etc/subgid", geteuid(), &range) == 0);
}

/* Fills LINES (two at most) for one of the two maps; gives how many, or −1. */
static int
automatic_map(const char *path, uint32_t id, struct id_range lines[2])
{
	struct id_range range;
	int found = subordinate(path, id, &range);

	if (geteuid() == 0) {
		if (found < 0)
			range.outside = 100000;
		lines[0] =
			(struct id_range){ 0, range.outside,
					   found < 0 || range.count > 65536 ? 65536 : range.count };
		return 1;
	}
	if (found < 0) {
		fail(EINVAL, "--map-auto: %s has no range for uid %u", path, id);
		return call_hint(
			"usermod --add-subuids 100000-165535 --add-subgids 100000-165535 USER; "
			"or --map-root, which needs none");
	}
	lines[0] = (struct id_range){ 0, id, 1 };
	lines[1] = (struct id_range){ 1, range.outside, range.count };
	return 2;
}

/* ---- writing ---- */

static void
proc_file(char *path, size_t size, pid_t pid, const char *name)
{
	if (pid)
		snprintf(path, size, "/proc/%d/%s", pid, name);
	else
		snprintf(path, size, "/proc/self/%s", name);
}

static int
write_map(pid_t pid, const char *name, const struct id_range *lines, size_t count)
{
	char path[64], *text = NULL;
	size_t length;
	FILE *out = open_memstream(&text, &length);
	int done = -1;

	if (!out)
		return fail(ENOMEM, "memory for %s", name);
	for (size_t i = 0; i < count; i++)
		fprintf(out, "%u %u %u\n", lines[i].inside, lines[i].outside, lines[i].count);
	proc_file(path, sizeof path, pid, name);
	if (fclose(out) == 0)
		done = call_write(path, text);
	free(text);
	return done < 0 ? ns_hint_rights(CLONE_NEWUSER) : 0;
}

/* gid_map first: with uid_map written, the caller may have lost the right to write the other. */
static int
write_maps(pid_t pid, const struct id_range *uid, size_t uids, const struct id_range *gid,
	   size_t gids)
{
	if (write_map(pid, "gid_map", gid, gids) < 0)
		return -1;
	return write_map(pid, "uid_map", uid, uids);
}

/* Ranges of an ordinary user are checked against /etc/subuid by a set-user-id program. */
static int
run_newidmap(const char *program, pid_t pid, const struct id_range *lines, int count)
{
	char words[8][16];
	char *argv[10] = { (char *)program };
	int n = 0, status;
	pid_t child;

	snprintf(words[n], sizeof words[n], "%d", pid);
	for (int i = 0; i < count; i++) {
		snprintf(words[++n], sizeof words[n], "%u", lines[i].inside);
		snprintf(words[++n], sizeof words[n], "%u", lines[i].outside);
		snprintf(words[++n], sizeof words[n], "%u", lines[i].count);
	}
	for (int i = 0; i <= n; i++)
		argv[i + 1] = words[i];
	child = fork();
	if (child == 0) {
		tell_exec("execve(\"%s\", %s)", program, call_argv(argv));
		execvp(program, argv);
		_exit(127);
	}
	if (child < 0 || waitpid(child, &status, 0) < 0)
		return fail(errno, "fork for %s", program);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 127) {
		fail(ENOENT, "%s, which writes a range of ids for an ordinary user", program);
		return call_hint("install the package uidmap");
	}
	fail(EPERM, "%s for process %d ended with status %d", program, pid, WEXITSTATUS(status));
	return call_hint("see subuid(5)");
}

/* Both maps of --map-auto. */
static int
write_ranges(pid_t pid)
{
	struct id_range uids[2], gids[2];
	uint32_t uid = geteuid();
	int uid_lines = automatic_map("/etc/subuid", uid, uids);
	int gid_lines = uid_lines < 0 ? -1 : automatic_map("/etc/subgid", uid, gids);

	if (gid_lines < 0)
		return -1;
	if (uid == 0)
		return write_maps(pid, uids, (size_t)uid_lines, gids, (size_t)gid_lines);
	gids[0].outside = getegid();
	if (run_newidmap("newgidmap", pid, gids, gid_lines) < 0)
		return -1;
	return run_newidmap("newuidmap", pid, uids, uid_lines);
}

int
idmap_check(const struct id_range *map, size_t count, const char *where)
{
	if (count > IDMAP_LINES)
		return fail(EINVAL, "%s: %zu id mappings are more than the kernel takes", where,
			    count);
	for (size_t i = 0; i < count; i++)
		if (map[i].inside > UINT32_MAX - map[i].count ||
		    map[i].outside > UINT32_MAX - map[i].count || !map[i].count)
			return fail(EINVAL, "%s[%zu]: an id mapping of %u ids is out of range",
				    where, i, map[i].count);
	return 0;
}

int
idmap_kind(const struct idmap_options *options)
{
	return options->root || options->automatic || options->uid_count ? CLONE_NEWUSER : 0;
}

/* ANCHOR: write */
static int
write_as(const struct idmap_options *options, pid_t pid, uint32_t uid, uint32_t gid)
{
	struct id_range one_uid = { 0, uid, 1 }, one_gid = { 0, gid, 1 };
	char path[64];

	if (!idmap_kind(options))
		return 0;
	stage("idmap",
	      "Ids are numbers; a map says which number outside each one inside stands for.",
	      "cat /proc/%d/uid_map", pid ? pid : getpid());
	if (options->uid_count && uid == 0)
		return write_maps(pid, options->uid, options->uid_count, options->gid,
				  options->gid_count);
	if (!options->uid_count && options->automatic)
		return write_ranges(pid);
	/* Who lacks CAP_SETGID outside gives up setgroups first: membership of a group can also
	 * take rights away, and dropping it would give them back. Who maps itself always lacks it.
	 */
	proc_file(path, sizeof path, pid, "setgroups");
	if ((pid == 0 || uid != 0) && call_write(path, "deny") < 0)
		return ns_hint_rights(CLONE_NEWUSER);
	if (options->uid_count)
		return write_maps(pid, options->uid, options->uid_count, options->gid,
				  options->gid_count);
	return write_maps(pid, &one_uid, 1, &one_gid, 1);
}

int
idmap_write(const struct idmap_options *options, pid_t pid)
{
	return write_as(options, pid, geteuid(), getegid());
}
/* ANCHOR_END: write */

/* O_NONBLOCK: in a container's root this can be a FIFO, that nobody ever opens for writing. */
static bool
says_deny(void)
{
	char word[8] = "";
	int fd = open("/proc/self/setgroups", O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd < 0)
		return false;
	if (read(fd, word, sizeof word - 1) < 0)
		word[0] = '\0';
	close(fd);
	return strncmp(word, "deny", 4) == 0;
}

/* As strace prints them, [10, 20]; in a static buffer. */
static const char *
groups_text(size_t count, const gid_t *groups)
{
	static char text[512];
	size_t used = 1;

	if (!groups)
		return "NULL";
	strcpy(text, "[");
	for (size_t i = 0; i < count && used < sizeof text - 16; i++)
		used += (size_t)snprintf(text + used, sizeof text - used, "%s%u", i ? ", " : "",
					 groups[i]);
	return strcat(text, "]");
}

static bool groups_are_kept;

void
idmap_keep_groups(bool keep)
{
	groups_are_kept = keep;
}

int
idmap_set_groups(size_t count, const gid_t *groups)
{
	int number;

	if (groups_are_kept || call_try(setgroups(count, groups), "setgroups(%zu, %s)", count,
					groups_text(count, groups)) == 0)
		return 0;
	number = errno;
	/* the file alone is not asked: a container can make it say so, to keep the groups of
	 * whoever enters it */
	if (number == EPERM && says_deny())
		return 1;
	return fail(number, "setgroups(%zu, %s)", count, groups_text(count, groups));
}

int
idmap_become_root(void)
{
	if (idmap_set_groups(0, NULL) < 0)
		return -1;
	if (call(setresgid(0, 0, 0), "setresgid(0, 0, 0)") < 0 ||
	    call(setresuid(0, 0, 0), "setresuid(0, 0, 0)") < 0)
		return call_hint("0 has to be in the map: add --map-root or --map-auto");
	return 0;
}

/* ---- a writer outside, for the program without a child ---- */

int
idmap_writer_start(const struct idmap_options *options, struct idmap_writer *writer)
{
	pid_t caller = getpid();
	int ends[2];
	char go;

	writer->pid = 0;
	writer->fd = -1;
	writer->uid = geteuid(); /* after the unshare they read as 65534 */
	writer->gid = getegid();
	if (!options->automatic)
		return 0; /* one line can be written from inside */
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		return fail(errno, "socketpair for the writer of the maps");
	writer->pid = fork();
	if (writer->pid < 0) {
		fail(errno, "fork for the writer of the maps");
		close_fd(ends[0]);
		close_fd(ends[1]);
		return -1;
	}
	if (writer->pid == 0) {
		close(ends[0]);
		if (read(ends[1], &go, 1) != 1)
			_exit(0); /* the caller failed before its unshare */
		idmap_write(options, caller);
		if (write(ends[1], call_error(), sizeof(struct call_error)) < 0)
			_exit(1);
		_exit(0);
	}
	close(ends[1]);
	writer->fd = ends[0];
	return 0;
}

int
idmap_writer_finish(const struct idmap_options *options, struct idmap_writer *writer)
{
	struct call_error error;
	ssize_t n;
	int status;

	if (!writer->pid)
		return write_as(options, 0, writer->uid, writer->gid);
	n = write(writer->fd, "g", 1) == 1 ? read(writer->fd, &error, sizeof error) : -1;
	close(writer->fd);
	waitpid(writer->pid, &status, 0);
	if (n != (ssize_t)sizeof error)
		return fail(ECHILD, "the writer of the maps ended early");
	if (!error.number)
		return 0;
	call_adopt(&error);
	return -1;
}

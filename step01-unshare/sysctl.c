/*
 * sysctl.c: which settings are a container's own, and setting them.
 * Follows sysctl(8), ipc_namespaces(7), network_namespaces(7), uts_namespaces(7),
 * mq_overview(7). Explained in book/01-unshare.md.
 */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "step01-unshare/call.h"
#include "step01-unshare/namespaces.h"
#include "step01-unshare/procfs.h"
#include "step01-unshare/sysctl.h"

/* ANCHOR: owners */
/* Below a name that ends with a slash everything is the namespace's. */
static const struct {
	const char *path;
	int kind;
} owners[] = {
	{ "net/", CLONE_NEWNET },
	{ "fs/mqueue/", CLONE_NEWIPC },
	{ "kernel/auto_msgmni", CLONE_NEWIPC },
	{ "kernel/msg_next_id", CLONE_NEWIPC },
	{ "kernel/msgmax", CLONE_NEWIPC },
	{ "kernel/msgmnb", CLONE_NEWIPC },
	{ "kernel/msgmni", CLONE_NEWIPC },
	{ "kernel/sem", CLONE_NEWIPC },
	{ "kernel/sem_next_id", CLONE_NEWIPC },
	{ "kernel/shm_next_id", CLONE_NEWIPC },
	{ "kernel/shm_rmid_forced", CLONE_NEWIPC },
	{ "kernel/shmall", CLONE_NEWIPC },
	{ "kernel/shmmax", CLONE_NEWIPC },
	{ "kernel/shmmni", CLONE_NEWIPC },
	{ "kernel/domainname", CLONE_NEWUTS }, /* the host name has an option of its own */
	{ "user/", CLONE_NEWUSER },
};
/* ANCHOR_END: owners */

/* "net.ipv4.conf.eth0/1.forwarding" to "net/ipv4/conf/eth0.1/forwarding": whichever of the two
 * comes first separates, and the other stands for what the separator is not. */
static int
path_of(const char *key, size_t length, char *path, size_t size)
{
	const char *first = strpbrk(key, "./");
	bool dots = first && *first == '.';

	if (!length || length >= size)
		return -1;
	for (size_t i = 0; i < length; i++)
		path[i] = !dots ? key[i] : key[i] == '.' ? '/' : key[i] == '/' ? '.' : key[i];
	path[length] = 0;
	for (const char *part = path; part;
	     part = strchr(part, '/') ? strchr(part, '/') + 1 : NULL) {
		size_t part_length = strcspn(part, "/");
		if (part_length == 0 || strncmp(part, "..", part_length) == 0)
			return -1; /* "", ".", ".." */
	}
	for (const unsigned char *c = (const unsigned char *)path; *c; c++)
		if (*c <= ' ' || *c == 0x7f)
			return -1;
	return 0;
}

static int
owner_of(const char *path)
{
	for (size_t i = 0; i < sizeof owners / sizeof owners[0]; i++) {
		size_t length = strlen(owners[i].path);
		bool below = owners[i].path[length - 1] == '/';
		if (strncmp(path, owners[i].path, length) == 0 && (below || !path[length]))
			return owners[i].kind;
	}
	return 0;
}

/* Takes an item of the list apart; the value is what follows the first '='. */
static int
read_item(const char *item, char *path, size_t size, const char **value)
{
	const char *equals = strchr(item, '=');

	if (!equals || path_of(item, (size_t)(equals - item), path, size) < 0)
		return fail(EINVAL, "sysctl \"%s\": not KEY=VALUE", item);
	*value = equals + 1;
	return 0;
}

int
sysctl_add(struct sysctl_options *options, const char *key, const char *value)
{
	char *item;

	if (strchr(key, '='))
		return fail(EINVAL, "sysctl \"%s\": not a key", key);
	if (asprintf(&item, "%s=%s", key, value) < 0)
		return fail(ENOMEM, "sysctl %s", key);
	return text_list_add(&options->set, item);
}

int
sysctl_check(const struct sysctl_options *options, int kinds)
{
	char path[256];
	const char *value;

	for (size_t i = 0; i < options->set.count; i++) {
		if (read_item(options->set.item[i], path, sizeof path, &value) < 0)
			return -1;
		int kind = owner_of(path);
		if (!kind) {
			fail(EPERM, "sysctl %s: not one that belongs to a namespace", path);
			return call_hint("set it on the host, for everybody; see sysctl(8)");
		}
		if (!(kinds & kind)) {
			fail(EPERM,
			     "sysctl %s: belongs to a namespace that is shared with the host",
			     path);
			return call_hint("give the container its own: %s", ns_flag_names(kind));
		}
	}
	return 0;
}

int
sysctl_apply(const struct sysctl_options *options, int proc)
{
	char path[256], name[280];
	const char *value;

	if (options->set.count)
		stage("settings", "Some of the kernel's settings belong to a namespace.",
		      "nsenter -t %d --all sysctl -a", call_pid());
	for (size_t i = 0; i < options->set.count; i++) {
		if (read_item(options->set.item[i], path, sizeof path, &value) < 0)
			return -1;
		snprintf(name, sizeof name, "sys/%s", path);
		if (procfs_write(proc, name, value) < 0)
			return errno == EACCES
				       ? call_hint("it is root's: of the user namespace, if that "
						   "has one (--map-root), or of the host alone")
				       : -1;
	}
	return 0;
}

int
sysctl_set(const struct sysctl_options *options, int kinds)
{
	int proc, done;

	if (!options->set.count)
		return 0;
	if (sysctl_check(options, kinds) < 0 || (proc = procfs_open()) < 0)
		return -1;
	done = sysctl_apply(options, proc);
	close(proc);
	return done;
}

const struct option_row sysctl_options[] = {
	{ "sysctl", 0, "KEY=VALUE", "/proc/sys/KEY", "a kernel setting of the container's own",
	  option_list, offsetof(struct sysctl_options, set), 0 },
	{ 0 },
};

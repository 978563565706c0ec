/*
 * container.c: the records of the engine. Follows flock(2), rename(2). Explained in
 *book/07-runtime.md.
 *
 *	members of container.json
 *	id, name, image (as it was typed), manifest, command (for `ps`), created,
 *	status, pid, startTime (of that pid), startedAt, finishedAt, exitCode, oomKilled, error,
 *	remove, tty, stopSignal, ports (array of texts), labels, network, cgroup (see
 *	supervise.c)
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "step01-unshare/call.h"
#include "step05-overlay/json.h"
#include "step05-overlay/tree.h"
#include "step07-runtime/engine/container.h"
#include "step07-runtime/engine/leftover.h"
#include "step07-runtime/engine/names.h"
#include "step07-runtime/oci/state.h"

static int
open_all(const struct store *store)
{
	int fd;

	if (mkdirat(store->fd, "containers", 0711) < 0 && errno != EEXIST)
		return fail(errno, "mkdir(\"%s/containers\")", store->path);
	fd = openat(store->fd, "containers", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		fail(errno, "open(\"%s/containers\")", store->path);
	return fd;
}

/* ---- the record ---- */

const char *
container_text(const struct container *container, const char *key)
{
	struct json_object *member;

	return json_object_object_get_ex(container->json, key, &member) && member
		       ? json_object_get_string(member)
		       : "";
}

int64_t
container_number(const struct container *container, const char *key)
{
	struct json_object *member;

	return json_object_object_get_ex(container->json, key, &member)
		       ? json_object_get_int64(member)
		       : 0;
}

int
container_save(const struct container *container)
{
	return json_write(container->dir, "container.json", container->json, true);
}

/* ---- finding ---- */

/* One try. EWOULDBLOCK: somebody has it; ENOENT: the container is gone. Nothing is recorded. */
static int
take_lock(struct container *container, int create)
{
	int error;

	container->lock = openat(container->dir, "lock", O_RDWR | O_CLOEXEC | create, 0600);
	if (container->lock >= 0 && flock(container->lock, LOCK_EX | LOCK_NB) == 0)
		return 0;
	error = errno;
	if (container->lock >= 0)
		close(container->lock);
	container->lock = -1;
	errno = error;
	return -1;
}

/*
 * In place of a record that somebody has damaged: what the runtime's own state says. The container
 * is listed, and `rm -f` removes it, by its id; a monitor that lives writes its record anew at the
 * end.
 */
static struct json_object *
substitute(const char *id)
{
	struct json_object *json = json_object_new_object();
	struct oci_state state;
	char name[13];

	call_forget();
	if (!json)
		return NULL;
	snprintf(name, sizeof name, "%s", id);
	json_put_text(json, "id", id);
	json_put_text(json, "name", name);
	json_put_text(json, "status", "created");
	json_put_text(json, "error", "container.json was damaged");
	if (oci_state_look(oci_root_default(), id, &state) == 0) {
		json_put_text(json, "status", "running");
		json_put_number(json, "pid", state.pid);
		json_put_number(json, "startTime", (int64_t)state.start_time);
		json_put_text(json, "cgroup", state.cgroup);
		oci_state_close(&state);
	}
	call_forget();
	return json;
}

/* Reads ID's record. −1 with ENOENT, nothing recorded, while it is being made. */
static int
load(int all, const char *id, struct container *container)
{
	int fd, error;

	*container = (struct container){ .dir = -1, .lock = -1 };
	if (strlen(id) != CONTAINER_ID - 1) {
		errno = EINVAL;
		return -1;
	}
	container->dir = openat(all, id, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	fd = container->dir < 0 ? -1
				: openat(container->dir, "container.json", O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		container->json = json_read_fd(fd, "container.json");
		if (container->json ? strcmp(container_text(container, "id"), id) != 0
				    : errno == EINVAL || errno == EFBIG) {
			json_object_put(container->json);
			container->json = substitute(id);
		}
		close_fd(fd);
	}
	if (!container->json) {
		error = errno;
		container_close(container);
		errno = error;
		return -1;
	}
	snprintf(container->id, sizeof container->id, "%s", id);
	snprintf(container->name, sizeof container->name, "%s", container_text(container, "name"));
	return 0;
}

/* The record as it is now, for the holder of the lock. */
static int
reload(int all, const char *id, struct container *container)
{
	struct container now;
	int lock = container->lock;

	if (load(all, id, &now) < 0)
		return -1;
	container->lock = -1;
	container_close(container);
	*container = now;
	container->lock = lock;
	return 0;
}

/* ANCHOR: bury */
/*
 * A monitor that was killed could not write down the end; the lock that it let go of tells. The
 * record is read again under the lock: the monitor may have written it, or removed it, between the
 * first look and now. False: the container is gone.
 */
static bool
bury(int all, struct container *container)
{
	char id[CONTAINER_ID];

	if (container_status(container) == CONTAINER_EXITED)
		return true;
	if (take_lock(container, 0) < 0)
		return errno != ENOENT;
	memcpy(id, container->id, sizeof id);
	if (reload(all, id, container) < 0)
		return false;
	if (container_status(container) != CONTAINER_EXITED) {
		leftover_clear(id, container_text(container, "cgroup"));
		json_put_text(container->json, "status", "exited");
		json_put_number(container->json, "pid", 0);
		json_put_number(container->json, "exitCode", 137);
		if (!container_text(container, "error")[0])
			json_put_text(container->json, "error",
				      "the monitor was killed, or its disk was full");
		json_put_now(container->json, "finishedAt");
		container_save(container);
		call_forget(); /* on a full disk the next command tries again */
	}
	close(container->lock);
	container->lock = -1;
	return true;
}
/* ANCHOR_END: bury */

/*
 * A directory without a record is being made, by a holder of the lock of all of them; or being
 * removed, by a holder of its own; or it is what a killed command of either kind left.
 */
static void
sweep(int all, const char *id)
{
	int dir = openat(all, id, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

	if (dir >= 0 && flock(all, LOCK_EX | LOCK_NB) == 0) {
		if (flock(dir, LOCK_EX | LOCK_NB) == 0 &&
		    faccessat(dir, "container.json", F_OK, 0) < 0 && errno == ENOENT) {
			leftover_clear(id, "");
			tree_remove(all, id);
			call_forget(); /* the next command tries again */
		}
		flock(all, LOCK_UN);
	}
	if (dir >= 0)
		close(dir);
}

static int
newest_first(const void *one, const void *other)
{
	return strcmp(container_text(other, "created"), container_text(one, "created"));
}

int
container_all(const struct store *store, struct container_list *list)
{
	int all = open_all(store), fd = all < 0 ? -1 : fcntl(all, F_DUPFD_CLOEXEC, 3);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	*list = (struct container_list){ 0 };
	if (all >= 0 && !dir)
		fail(errno, "reading of \"%s/containers\"", store->path);
	if (!dir && fd >= 0)
		close(fd);
	while (dir && (entry = readdir(dir))) {
		struct container container, *grown;
		if (load(all, entry->d_name, &container) < 0) {
			/* one that is there and cannot be looked at is not one that is not there */
			if (errno == EMFILE || errno == ENFILE || errno == ENOMEM) {
				fail(errno, "open(\"%s/containers/%.12s\")", store->path,
				     entry->d_name);
				call_hint("each takes a descriptor: ulimit -n");
				break;
			}
			if (errno == ENOENT)
				sweep(all, entry->d_name);
			call_forget();
			continue;
		}
		grown = reallocarray(list->item, list->count + 1, sizeof *grown);
		if (!grown) {
			container_close(&container);
			fail(ENOMEM, "memory for a list of containers");
			break;
		}
		list->item = grown;
		if (bury(all, &container))
			list->item[list->count++] = container;
		else {
			container_close(&container);
			call_forget();
		}
	}
	if (dir)
		closedir(dir);
	if (all >= 0)
		close(all);
	if (list->count)
		qsort(list->item, list->count, sizeof *list->item, newest_first);
	return call_error()->number ? -1 : 0;
}

void
container_list_free(struct container_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		container_close(list->item + i);
	free(list->item);
	*list = (struct container_list){ 0 };
}

int
container_find(const struct store *store, const char *word, struct container *container)
{
	struct container_list list;
	size_t found = 0, at = 0;

	*container = (struct container){ .dir = -1, .lock = -1 };
	if (container_all(store, &list) < 0)
		return -1;
	for (size_t i = 0; i < list.count && found != SIZE_MAX; i++)
		if (strcmp(list.item[i].name, word) == 0 || strcmp(list.item[i].id, word) == 0) {
			at = i;
			found = SIZE_MAX; /* a whole name wins over beginnings of ids */
		} else if (word[0] && strncmp(list.item[i].id, word, strlen(word)) == 0) {
			at = i;
			found++;
		}
	if (found == 1 || found == SIZE_MAX) {
		*container = list.item[at];
		list.item[at] = (struct container){ .dir = -1, .lock = -1 };
	} else if (found == 0)
		fail(ENOENT, "no such container: %s", word);
	else
		fail(EEXIST, "%s is the beginning of %zu ids", word, found);
	container_list_free(&list);
	return container->json ? 0 : -1;
}

int
container_await_start(const struct store *store, struct container *container)
{
	const struct timespec pause = { 0, 10000000 };

	for (int tries = 0; container_status(container) == CONTAINER_CREATED; tries++) {
		struct container now;

		if (tries == 3000)
			return fail(EBUSY, "container %s is still being made", container->name);
		nanosleep(&pause, NULL);
		if (container_find(store, container->id, &now) < 0) {
			if (errno != ENOENT)
				return -1;
			call_forget();
			json_put_text(container->json, "status", "exited");
			return 0;
		}
		container_close(container);
		*container = now;
	}
	return 0;
}

void
container_close(struct container *container)
{
	json_object_put(container->json);
	if (container->lock >= 0)
		close(container->lock);
	if (container->dir >= 0)
		close(container->dir);
	container->json = NULL;
	container->dir = container->lock = -1;
}

/* ---- locks ---- */

int
container_lock(struct container *container)
{
	struct timespec pause = { 0, 10000000 };

	/* whoever looks holds it for a moment; a monitor holds it for good */
	for (int tries = 0; tries < 100; tries++) {
		if (take_lock(container, 0) == 0)
			return 0;
		if (errno != EWOULDBLOCK)
			break;
		nanosleep(&pause, NULL);
	}
	return -1;
}

enum container_status
container_status(const struct container *container)
{
	const char *status = container_text(container, "status");

	return strcmp(status, "running") == 0  ? CONTAINER_RUNNING
	       : strcmp(status, "exited") == 0 ? CONTAINER_EXITED
					       : CONTAINER_CREATED;
}

int
container_wait_end(const struct container *container, int seconds)
{
	int fd = openat(container->dir, "lock", O_RDWR | O_CLOEXEC), done = 0;
	struct timespec pause = { 0, 10000000 };

	/* flock(2) has no time-out, and the monitor may take its time: looked at again and again */
	for (int64_t tries = 0; fd >= 0 && !done && (seconds < 0 || tries <= seconds * 100LL);
	     tries++) {
		done = flock(fd, LOCK_SH | LOCK_NB) == 0;
		if (!done)
			nanosleep(&pause, NULL);
	}
	if (fd >= 0)
		close(fd);
	return fd < 0 ? errno == ENOENT : done; /* gone; any other error says nothing */
}

/* ---- making and removing ---- */

static bool
name_valid(const char *name)
{
	size_t length = strlen(name);

	return length > 1 && length < CONTAINER_NAME && name[0] != '.' && name[0] != '-' &&
	       name[0] != '_' &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-") ==
		       length;
}

static bool
name_taken(const struct store *store, const char *name)
{
	struct container_list list;
	bool taken = false;

	if (container_all(store, &list) < 0)
		return true;
	for (size_t i = 0; i < list.count; i++)
		taken |= strcmp(list.item[i].name, name) == 0;
	container_list_free(&list);
	return taken;
}

static int
fresh_id(char id[CONTAINER_ID])
{
	unsigned char bytes[32];

	if (getrandom(bytes, sizeof bytes, 0) != (ssize_t)sizeof bytes)
		return fail(errno, "getrandom");
	for (size_t i = 0; i < sizeof bytes; i++)
		snprintf(id + 2 * i, 3, "%02x", bytes[i]);
	return 0;
}

static int
choose_name(const struct store *store, const char *name, struct container *container)
{
	if (!name) {
		do
			name_make_up(container->name, sizeof container->name);
		while (name_taken(store, container->name) && !call_error()->number);
		return call_error()->number ? -1 : 0;
	}
	if (!name_valid(name))
		return fail(EINVAL,
			    "--name %s: two or more letters, digits and _ . -, the first a letter "
			    "or digit",
			    name);
	if (name_taken(store, name))
		return call_error()->number
			       ? -1
			       : fail(EEXIST, "--name %s: the name is taken by another container",
				      name);
	snprintf(container->name, sizeof container->name, "%s", name);
	return 0;
}

int
container_make(const struct store *store, const char *name, struct container *container)
{
	int all = open_all(store), done = -1;

	*container = (struct container){ .dir = -1, .lock = -1 };
	/* two runs with one name: the second waits here until the first has written its record */
	if (all < 0 || flock(all, LOCK_EX) < 0 || choose_name(store, name, container) < 0 ||
	    fresh_id(container->id) < 0)
		goto out;
	if (mkdirat(all, container->id, 0711) < 0 ||
	    (container->dir = openat(all, container->id, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0) {
		fail(errno, "mkdir(\"%s/containers/%s\")", store->path, container->id);
		goto out;
	}
	container->json = json_object_new_object();
	if (!container->json || take_lock(container, O_CREAT) < 0) {
		fail(errno, "making of the record of %s", container->name);
		goto out;
	}
	json_put_text(container->json, "id", container->id);
	json_put_text(container->json, "name", container->name);
	json_put_text(container->json, "status", "created");
	json_put_now(container->json, "created");
	done = container_save(container);
out:
	if (done < 0 && container->dir >= 0)
		container_remove(store, container);
	if (all >= 0)
		close(all);
	return done;
}

int
container_remove(const struct store *store, struct container *container)
{
	int number = errno, all = open_all(store), done = -1;

	if (all >= 0) {
		store_unpin(store, container->id);
		/* the record first, so that a kill in the middle leaves what the next command
		 * sweeps; the lock keeps it from doing so now */
		if (container->dir >= 0 && flock(container->dir, LOCK_EX | LOCK_NB) == 0)
			unlinkat(container->dir, "container.json", 0);
		done = tree_remove(all, container->id);
		close(all);
	}
	container_close(container);
	errno = number;
	return done;
}

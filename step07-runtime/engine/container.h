/*
 * container: what the engine remembers of a container: one readable JSON file, and a directory.
 *
 *	ROOT/containers/ID/          ROOT: the store's (/var/lib/boxstep); ID: 64 hex digits
 *	  lock                       flock: held by the monitor as long as it lives
 *	  container.json             the record below; written aside, synced, renamed
 *	  config.json                the bundle's configuration, as boxstep-oci takes it
 *	  upper/ upper.work/         what it wrote, until `rm`
 *	  log.json                   what it said
 *
 * A record that says "running" is believed only while somebody holds the lock: a monitor that was
 *killed let go of it, and the next command writes down what became of the container. Explained in
 *book/07-runtime.md.
 */
#ifndef BOXSTEP_CONTAINER_H
#define BOXSTEP_CONTAINER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "step05-overlay/store.h"

struct json_object;

#define CONTAINER_ID   65 /* 64 hex digits, NUL */
#define CONTAINER_NAME 64

enum container_status { CONTAINER_CREATED, CONTAINER_RUNNING, CONTAINER_EXITED };

struct container {
	char id[CONTAINER_ID], name[CONTAINER_NAME];
	int dir;		  /* ROOT/containers/ID; −1 */
	int lock;		  /* of its lock file, when this process holds it; −1 */
	struct json_object *json; /* the record: see container.c for its members */
};

/* Makes the directory of a new container with a fresh id. NAME NULL: one is made up. EEXIST: the
 * name is taken; EINVAL: it is no name. */
int container_make(const struct store *store, const char *name, struct container *container);
/* By id, by an unambiguous beginning of an id, or by name. ENOENT: "no such container". Writes down
 * the end of one whose monitor was killed. */
int container_find(const struct store *store, const char *word, struct container *container);
/* Waits, half a minute at most, while CONTAINER is being made, and reads its record anew; of one
 * that has come to nothing the status says that it has ended. 0 or −1. */
int container_await_start(const struct store *store, struct container *container);
void container_close(struct container *container);

struct container_list {
	struct container *item;
	size_t count;
};
/* All of them, the newest first, but those that are being made; of one whose record is damaged
 * what the runtime's state says. */
int container_all(const struct store *store, struct container_list *list);
void container_list_free(struct container_list *list);

/* ---- the record ---- */

/* Writes it to the disk. 0 or −1. */
int container_save(const struct container *container);
/* Members; "" or 0 when absent. */
const char *container_text(const struct container *container, const char *key);
int64_t container_number(const struct container *container, const char *key);
/* They are set in JSON, by json_put_text and its kin. */

/* "created", "running", "exited": as the lock and the record say. */
enum container_status container_status(const struct container *container);

/* Takes the lock; EWOULDBLOCK (nothing recorded) when the monitor lives. */
int container_lock(struct container *container);
/* Waits until the monitor has ended, SECONDS at most (−1: as long as it takes): 1 it has, 0 not. */
int container_wait_end(const struct container *container, int seconds);

/* Removes the directory and everything in it, by a holder of the lock; closes. */
int container_remove(const struct store *store, struct container *container);

#endif

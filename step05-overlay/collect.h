/*
 * collect: what is no longer needed goes. An image's record first, then every layer and blob that
 * no other record, no pin and no running container needs.
 *
 * Explained in book/05-overlay.md.
 */
#ifndef BOXSTEP_COLLECT_H
#define BOXSTEP_COLLECT_H

#include <stdbool.h>
#include <stdint.h>

struct store;

/* Holds an image for OWNER (a container's id), though nothing of it may run now. */
int store_pin(const struct store *store, const char *owner, const char *manifest);
int store_unpin(const struct store *store, const char *owner);

typedef void (*store_told)(const char *what, const char *name, void *with);
/*
 * Takes the name WORD away; with the last name (or when WORD is an id or digest) the image goes,
 * and with it every layer and blob that no other image needs. EBUSY when it runs, is pinned or has
 * other names than the id was asked for: said; FORCE removes the record all the same and leaves to
 * a later collection what is locked. TELL (may be NULL) is called for each thing gone:
 * ("Untagged", name), ("Deleted", digest).
 */
int store_image_remove(struct store *store, const char *word, bool force, store_told tell,
		       void *with);
/* Removes what no record and no pin needs. Gives the bytes freed, or −1; 0 also when something is
 * being brought in at the moment. */
int64_t store_collect(struct store *store, store_told tell, void *with);

#endif

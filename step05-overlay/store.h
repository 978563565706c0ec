/*
 * store: what has been brought in, once, for every container after it. Blobs and layers named by
 * digest, images named by people.
 *
 *	ROOT/                    /var/lib/boxstep; without root $XDG_DATA_HOME/boxstep; mode 0700
 *	  images.json            the image records, replaced by rename                    images.h
 *	  blobs/sha256/HEX       complete: indexes, manifests, configs, layer tarballs    blobs.h
 *	  partial/HEX            a blob on its way in, kept a week for the next try
 *	  layers/HEX/            an unpacked layer, HEX of its chain id                   layers.h
 *	      diff/              its files: a lower directory of overlayfs
 *	      layer.json         diff id, bytes, entries
 *	  flat/HEX/              the same where owners cannot be kept: a single-id user namespace
 *	  aside/KIND-HEX/        a layer on its way in, renamed to KIND/HEX when whole
 *	  scratch/NAME/          upper, work and volumes of one run, gone with it; a link `user`
 *	  kept/NAME/             what --keep has kept of a run
 *	  containers/ volumes/   the engine's, of step 7
 *	  pins/OWNER             the image of something that stands still (a stopped container)
 *	  lock                   flock(2): exclusive for a change of images.json
 *	  collect                flock(2): shared while something is brought in or looked up and not
 *	                         yet locked itself; exclusive while something is removed
 *
 * Nothing is changed in place: it is made aside (a file by tree_write) and renamed. Whoever makes
 *something holds an flock(2) on it, which the kernel drops with its holder, so store_open sweeps
 *what nobody holds. A layer in use is held by a shared flock on its diff directory. Follows
 *flock(2), rename(2), config.md ("Layer ChainID"). Explained in book/05-overlay.md.
 */
#ifndef BOXSTEP_STORE_H
#define BOXSTEP_STORE_H

#include <stdbool.h>
#include <sys/types.h>
#include "step01-unshare/options.h"

struct store {
	int fd;		    /* ROOT */
	char *path;	    /* of it, absolute */
	const char *layers; /* "layers", or "flat" */
	int held;	    /* `collect`, shared; −1 */
};

struct store_options {
	const char *root; /* --root DIR; NULL: $BOXSTEP_ROOT, then the default */
	bool flat;	  /* layers for a single-id user namespace */
};
extern const struct option_row store_options[]; /* --root */

/* Opens the store, makes what is missing of it, sweeps what a crash left.
 * EROFS, EACCES, ENOSPC: the hint names --root. store_close frees it. */
int store_open(const struct store_options *options, struct store *store);
void store_close(struct store *store);

/* Nothing is removed between hold and release: what is brought in has no record yet, what is
 * looked up is not locked yet. Waits for a removal to end. */
int store_hold(struct store *store);
void store_release(struct store *store);

/* Opens and locks a lock file of the store; OPERATION as for flock(2). Gives a descriptor to be
 * closed; −1 with errno (EWOULDBLOCK is not recorded). */
int store_lock(const struct store *store, const char *name, int operation);

/* Opens (O_DIRECTORY) or makes, and locks, a directory or file that belongs to whoever made it. A
 * name that somebody replaced in between is taken again. −1 with errno, EWOULDBLOCK and EEXIST not
 * recorded. */
int store_lock_own(int dirfd, const char *name, bool directory, int operation);

/* A fresh directory scratch/NAME (12 hex digits, filled in), mode 0700, locked; the next
 * store_open sweeps it when its descriptor is closed everywhere. */
int store_scratch(const struct store *store, char name[16]);
/* Says that process PID lives in the scratch directory SCRATCH: it is then not swept before that
 * process has ended, even if nobody holds the lock. A command must not have the descriptor that
 * holds it, so a container that outlives its program (spawn_die_with_parent) cannot hold it. */
int store_scratch_used_by(int scratch, pid_t pid);
int store_scratch_remove(const struct store *store, const char *name);

#endif

#include "step05-overlay/blobs.h"
#include "step05-overlay/collect.h"
#include "step05-overlay/images.h"
#include "step05-overlay/layers.h"

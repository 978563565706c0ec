/*
 * blob: one piece of an image on its way into the store, hashed as it passes.
 *
 * What an earlier try left is hashed first and then continued; nothing gets its name in the store
 * before size and digest are what the manifest says. Follows the OCI image specification
 * ("Descriptor: verification"). Explained in book/08-registry.md.
 */
#ifndef BOXSTEP_BLOB_H
#define BOXSTEP_BLOB_H

#include <stdbool.h>
#include "step05-overlay/digest.h"
#include "step05-overlay/image.h"
#include "step05-overlay/store.h"
#include "step07-runtime/registry/fetch.h"

struct blob {
	const struct store *store;
	struct descriptor what;
	int fd; /* of the partial file; −1: not open */
	struct digest sum;
	int64_t size; /* bytes in the file, all of them in SUM */
	bool resumed; /* some of them from an earlier run */
	bool here;    /* complete, in the store */
	/* Told after each change; or NULL. */
	void (*changed)(struct blob *blob);
	void *context;
};

void blob_init(struct blob *blob, const struct store *store, const struct descriptor *what);
/* A partial file is kept for the next time. */
void blob_close(struct blob *blob);

/* For fetch_run; EBADMSG for a wrong digest, EFBIG for too many bytes, ENOSPC. */
extern const struct fetch_sink blob_sink;

#endif

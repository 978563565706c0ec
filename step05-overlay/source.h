/*
 * source: where the blobs of an image come from: a layout directory, an archive, or the store.
 *
 * An archive is first taken apart into the store's scratch directory, where it is a layout too; for
 * docker's own format, which names files instead of digests, a manifest is written.
 * Follows the OCI image specification (image-layout.md) and docker's image spec v1.2.
 * Part of the program boxstep-unpack. Explained in book/05-overlay.md.
 */
#ifndef BOXSTEP_SOURCE_H
#define BOXSTEP_SOURCE_H

#include "step05-overlay/image.h"
#include "step05-overlay/store.h"

struct source {
	const struct store *store;
	int layout;	       /* a directory with blobs/sha256; −1: the store has them */
	struct descriptor top; /* the manifest or index that is meant */
	char tag[300];	       /* of a layout; "" for none */
	char archive[160];     /* what names this archive, see image_record.source; "" for none */
	char scratch[16];      /* where it was taken apart */
	int scratch_fd;
	struct platform platform;
};

/* TEXT is `DIR`, `DIR:TAG`, `FILE`, `FILE:TAG` or a digest. Ended by source_close, also after an
 * error. */
int source_open(const struct store *store, const char *text, const char *platform,
		struct source *source);
void source_close(struct source *source);

/* A blob, open for reading; its size is as the descriptor says, its digest is still to be checked.
 * ENOENT names the blob. */
int source_blob(const struct source *source, const struct descriptor *blob);
/* A small blob in memory, verified, to be freed. */
char *source_text(const struct source *source, const struct descriptor *blob, size_t *length);

#endif

/*
 * layers: unpacked layers, each once, named by its chain id, which names all below it too.
 *
 * Follows the OCI image specification (config.md, "Layer ChainID"), flock(2).
 * Explained in book/05-overlay.md.
 */
#ifndef BOXSTEP_LAYERS_H
#define BOXSTEP_LAYERS_H

#include <stdbool.h>
#include <stdint.h>
#include "step05-overlay/image.h"

struct store;

bool store_has_layer(const struct store *store, const char *chain);
/* The files of a layer: a directory descriptor, locked shared, in use until it is closed.
 * ENOENT is recorded. */
int store_layer_open(const struct store *store, const char *chain);
/* Bytes of its files, from layer.json; 0 when it is not here. */
int64_t store_layer_bytes(const struct store *store, const char *chain);

struct store_layer { /* a layer on its way in */
	char chain[DIGEST_TEXT];
	int dir;  /* its directory in aside/, locked exclusively */
	int diff; /* diff/ in it, empty */
};
/* 1: the layer is to be made, in LAYER->diff; 0: it is here, because somebody else just made it
 * (waited for); −1. A layer begun ends with store_layer_commit or store_layer_drop. */
int store_layer_begin(const struct store *store, const char *chain, struct store_layer *layer);
/* Gives the layer its name. With SYNC, which writes the file system out before: a name may not
 * outlive a power cut that the files did not. */
int store_layer_commit(const struct store *store, struct store_layer *layer, const char *diff_id,
		       int64_t bytes, int64_t entries, bool sync);
void store_layer_drop(const struct store *store, struct store_layer *layer);

#endif

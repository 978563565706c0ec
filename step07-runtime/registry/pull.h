/*
 * pull: from a name to an image in the store. The order of events of `boxstep pull`.
 *
 * Name → registry → index → this platform's manifest → config and layers, several at once, every
 * byte hashed as it comes → unpacked → the name registered, last. Follows the OCI image and
 * distribution specifications. Explained in book/08-registry.md.
 */
#ifndef BOXSTEP_PULL_H
#define BOXSTEP_PULL_H

#include <stdbool.h>
#include <stdint.h>
#include "step01-unshare/idmap.h"
#include "step01-unshare/options.h"
#include "step05-overlay/image.h"
#include "step05-overlay/store.h"
#include "step07-runtime/registry/remote.h"

struct pull_options {
	const char *platform; /* --platform OS/ARCH[/VARIANT]; NULL: this machine's */
	int64_t parallel;     /* --parallel; 0: 4 */
	bool quiet;	      /* --quiet: print the name only */
};
extern const struct option_row pull_options[];

struct pull { /* one image on its way in */
	const struct pull_options *options;
	const struct store *store;
	struct reference reference;
	struct remote remote;
	struct descriptor target; /* what the name means: an index, or the manifest itself */
	struct descriptor what;	  /* the manifest */
	struct image_manifest manifest;
};

/* What the name means, from the registry: an index is followed to PLATFORM's manifest. Index and
 * manifest are put into the store. */
int pull_manifest(struct pull *pull);
/* Brings in the config and the layers that the store has not, several at once. */
int pull_blobs(struct pull *pull);
/* Unpacks the layers and gives the image its name. The maps are for a user namespace, if any. */
int pull_register(struct pull *pull, const struct idmap_options *idmap, bool user_namespace);
/* Whether the store has all of it, unpacked. */
bool pull_is_here(const struct pull *pull);
/* Digest, status and name, as `docker pull` ends. */
void pull_tell(const struct pull *pull, bool was_here);
void pull_close(struct pull *pull);

#endif

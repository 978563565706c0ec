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
#include "step07-runtime/registry/remote.h"

struct pull_options {
	const char *platform; /* --platform OS/ARCH[/VARIANT]; NULL: this machine's */
	int64_t parallel;     /* --parallel; 0: 4 */
	bool quiet;	      /* --quiet: print the name only */
	bool no_unpack;	      /* --no-unpack: layers stay as they came */
};
extern const struct option_row pull_options[];

struct store;

/* Pulls TEXT into STORE. 0, or −1 with the error recorded; the store is right in either case, and
 * what has come is not got again. */
int pull(struct store *store, const char *text, const struct pull_options *options,
	 const struct remote_options *remote);

#endif

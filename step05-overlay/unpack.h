/*
 * unpack: an image brought into the store. Every blob verified, every layer unpacked once.
 *
 * Part of the program boxstep-unpack. Explained in book/05-overlay.md.
 */
#ifndef BOXSTEP_UNPACK_H
#define BOXSTEP_UNPACK_H

#include <stdbool.h>
#include <stdint.h>
#include "step05-overlay/store.h"

struct unpack_options {
	const char *platform; /* --platform OS/ARCH[/VARIANT] */
	const char *name;     /* --name NAME: what the image is called from now on */
	bool unsynced;	      /* --no-sync: a layer counts before it is on the disk */
	bool report;	      /* --report: the result goes to stdout as a struct call_error */
	int64_t bytes;	      /* --limit-bytes, --limit-entries; 0: the usual ones */
	int64_t entries;
	bool user, flat; /* no options: inside, single of rights.h */
};
extern const struct option_row unpack_options[];

/*
 * SOURCE is a layout `DIR[:TAG]`, an archive `FILE[:TAG]`, or the digest of a manifest or index in
 * the store. On success MANIFEST names the image, which has a record. EBADMSG: a digest that does
 * not fit. Whatever happens, the store is right: layers that were finished stay.
 */
int unpack_image(struct store *store, const struct unpack_options *options, const char *source,
		 char manifest[DIGEST_TEXT]);

#endif

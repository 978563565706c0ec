/*
 * place: the word that names an image, taken apart: a path, and a tag behind it.
 *
 * Explained in book/05-overlay.md.
 */
#ifndef BOXSTEP_PLACE_H
#define BOXSTEP_PLACE_H

#include <limits.h>

enum place_kind { PLACE_NONE, PLACE_LAYOUT, PLACE_ARCHIVE };

struct place {
	enum place_kind kind;
	char path[PATH_MAX];
	char tag[300];	   /* "" for none */
	char archive[160]; /* of an archive: device, inode, size, times, tag: changes when it does
			    */
};

/* Looks whether WORD is a directory or a file, as it is or without what follows its last colon. */
void place_find(const char *word, struct place *place);

#endif

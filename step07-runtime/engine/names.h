/*
 * names: what a container is called when nobody named it, as docker made it a custom.
 * Explained in book/07-runtime.md.
 */
#ifndef BOXSTEP_NAMES_H
#define BOXSTEP_NAMES_H

#include <stddef.h>

/* "calm_pivot": an adjective and a noun of this field, by chance. */
void name_make_up(char *name, size_t size);

#endif

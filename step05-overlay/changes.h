/*
 * changes: what a container changed, read from its upper directory.
 *
 * A file there that the layers below do not have was added, one that they have was changed (copied
 * up), a character device 0:0 deleted. Follows overlayfs.rst; prints as `docker diff` does.
 * Explained in book/05-overlay.md.
 */
#ifndef BOXSTEP_CHANGES_H
#define BOXSTEP_CHANGES_H

#include <stdio.h>

struct overlay;

/* "A /path", "C /path", "D /path", one a line, in order of names, which are written as by
 * call_line. 0 or −1. */
int overlay_diff(const struct overlay *overlay, FILE *out);

#endif

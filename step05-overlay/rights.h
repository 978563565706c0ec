/*
 * rights: whether this process is in a user namespace, and how much of one.
 *
 * Follows user_namespaces(7) (/proc/PID/uid_map). Explained in book/05-overlay.md.
 */
#ifndef BOXSTEP_RIGHTS_H
#define BOXSTEP_RIGHTS_H

#include <stdbool.h>

/* INSIDE: not all ids are there, so owners may be refused, and devices are. SINGLE: one id only, no
 * owner can be kept. */
void rights_look(bool *inside, bool *single);

#endif

/*
 * ids: whose ids a container has: the host's, or those of a user namespace.
 *
 * Follows user_namespaces(7), subuid(5). Explained in book/07-runtime.md.
 */
#ifndef BOXSTEP_IDS_H
#define BOXSTEP_IDS_H

#include "step01-unshare/idmap.h"

/*
 * MODE of --userns: host, auto, NULL (host for root, auto for everybody else, who has no choice).
 * Gives CLONE_NEWUSER with the maps in MAPS (a range where there is one, else the caller alone), or
 * 0; −1 with EINVAL.
 */
int ids_choose(const char *mode, struct idmap_options *maps);

#endif

/*
 * enforce: which limits this host can enforce, and what is said of the others.
 * Follows cgroups(7). Explained in book/07-runtime.md.
 */
#ifndef BOXSTEP_ENFORCE_H
#define BOXSTEP_ENFORCE_H

#include "step04-cgroups/limits.h"

/* Takes out of LIMITS what has no controller on this host, and says so, one line each: an engine
 * goes on without a limit, as docker does, where a step would refuse. */
void enforce_what_can_be(struct limits *limits);

#endif

/*
 * supervise: the monitor of one container, from its network to its last word.
 *
 * One small process a container and no daemon: it starts the container through the OCI room,
 * carries its output, waits, writes down how it ended, and takes away what was made for it.
 * Explained in book/07-runtime.md.
 */
#ifndef BOXSTEP_SUPERVISE_H
#define BOXSTEP_SUPERVISE_H

#include "step07-runtime/engine/bundle.h"

struct supervise {
	struct store *store;
	struct container *container; /* its lock is held */
	const struct run_options *options;
	const struct image *image;
	int report; /* monitor.h: how the start went, and how it ended */
};

/*
 * In the monitor (monitor_fork): does all of it and leaves. On REPORT first the error of the start
 * or none; in the end, for a client that stays, the exit status.
 */
void supervise(struct supervise *supervise) __attribute__((noreturn));

#endif

/*
 * limit_flags: the limits as people write them on a command line, taken strictly.
 *
 * A number is a number: `64q`, `-3` and `0` are refused before anything is made, because a limit
 * that was misread is a limit that is not there. The flags are docker-run(1)'s where it has them.
 * Explained in book/04-cgroups.md.
 */
#ifndef BOXSTEP_LIMIT_FLAGS_H
#define BOXSTEP_LIMIT_FLAGS_H

#include "step01-unshare/options.h"
#include "step04-cgroups/limits.h"

/* --memory … --cgroup-conf, into a struct limits. */
extern const struct option_row limits_options[];

/* "0.5" CPUs as µs in a period of 100 ms: 50000. −1 with EINVAL or ERANGE (below 0.01, above
 * 65535), nothing recorded. */
int64_t limit_cpus(const char *text);

/* "DEVICE:rbps=1m,wiops=100"; DEVICE is MAJOR:MINOR or the path of a block device, rates are bytes
 * or counts a second, or max. −1 with the error recorded. */
int limit_io(const char *text, struct io_limit *limit);

#endif

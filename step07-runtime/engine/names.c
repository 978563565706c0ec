/*
 * names.c: forty adjectives and forty nouns, two of them by chance. Follows getrandom(2).
 * Explained in book/07-runtime.md.
 */
#include <stdint.h>
#include <stdio.h>
#include <sys/random.h>

#include "step07-runtime/engine/names.h"

static const char *const adjectives[] = {
	"able",	  "amber", "brave",  "brisk",  "calm",	 "clear", "cosy",    "crisp",
	"deft",	  "eager", "early",  "fair",   "fleet",	 "fresh", "frank",   "gentle",
	"glad",	  "grand", "happy",  "honest", "jolly",	 "keen",  "kind",    "light",
	"lucid",  "lucky", "mellow", "merry",  "modest", "neat",  "patient", "plain",
	"prompt", "proud", "quick",  "quiet",  "ready",	 "sharp", "steady",  "swift",
};

static const char *const nouns[] = {
	"anchor", "basin", "beacon",  "bridge", "bundle", "cabin",  "canal",  "cargo",
	"chest",  "crate", "deck",    "dock",	"ferry",  "gate",   "harbor", "hatch",
	"hull",	  "jetty", "kernel",  "ladder", "layer",  "locker", "mast",   "mount",
	"orphan", "pipe",  "pivot",   "quay",	"rafter", "rudder", "shelf",  "signal",
	"socket", "step",  "tarball", "tiller", "vault",  "vessel", "wharf",  "window",
};

void
name_make_up(char *name, size_t size)
{
	uint32_t chance[2] = { 0, 0 };

	if (getrandom(chance, sizeof chance, 0) < 0)
		chance[0] = 0; /* the caller finds the name taken and asks again */
	snprintf(name, size, "%s_%s",
		 adjectives[chance[0] % (sizeof adjectives / sizeof adjectives[0])],
		 nouns[chance[1] % (sizeof nouns / sizeof nouns[0])]);
}

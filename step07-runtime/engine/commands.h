/*
 * commands: the verbs of boxstep, as people know them from docker. The table is in boxstep.c.
 * Follows docker's command line: flags, columns, exit statuses. Explained in book/07-runtime.md.
 */
#ifndef BOXSTEP_COMMANDS_H
#define BOXSTEP_COMMANDS_H

#include "step05-overlay/store.h"
#include "step07-runtime/engine/container.h"
#include "step07-runtime/oci/state.h"

/* Each gets the words from the verb on and the open store. Gives an exit status, or −1 with the
 * error recorded. */
int engine_pull(struct store *store, int argc, char **argv);
int engine_run(struct store *store, int argc, char **argv);
int engine_ps(struct store *store, int argc, char **argv);
int engine_logs(struct store *store, int argc, char **argv);
int engine_exec(struct store *store, int argc, char **argv);
int engine_stop(struct store *store, int argc, char **argv);
int engine_kill(struct store *store, int argc, char **argv);
int engine_rm(struct store *store, int argc, char **argv);
int engine_inspect(struct store *store, int argc, char **argv);
int engine_images(struct store *store, int argc, char **argv);
int engine_rmi(struct store *store, int argc, char **argv);

/*
 * The beginning of each: parses into the struct of ROWS, and counts the operands: MIN at least, MAX
 * at most (−1: any number). SYNOPSIS is what follows the verb; EXAMPLES as in struct program. Gives
 * the index of the first operand, 0 after --help, −1.
 */
struct verb_help {
	const char *synopsis, *about;
	const struct option_table *tables;
	const char *examples[4];
};
int engine_operands(const struct verb_help *help, int argc, char **argv, int min, int max);

/* For each of WORDS: finds the container and calls ACT; prints the word when it gives 0. An error
 * with one does not keep the others from their turn. Gives 0, or 1 when there was an error
 * (reported). */
int engine_for_each(struct store *store, char **words,
		    int (*act)(const struct store *, struct container *, void *with), void *with);

/* The runtime's state of a container that runs; ESRCH: "container NAME is not running". */
int engine_state(const struct container *container, struct oci_state *state);

/* Runs the program boxstep-pull for REF. 0, or −1 with its error reported by itself. */
int engine_fetch(const struct store *store, const char *reference, const char *platform);

#endif

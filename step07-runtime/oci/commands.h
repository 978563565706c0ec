/*
 * commands: the verbs of boxstep-oci, each a function that the table of boxstep_oci.c lists.
 * Follows runtime.md, "Operations", of the OCI runtime specification, and the flags that conmon and
 * containerd's shim send. Explained in book/07-runtime.md.
 */
#ifndef BOXSTEP_OCI_COMMANDS_H
#define BOXSTEP_OCI_COMMANDS_H

#include <stdbool.h>

#include "step01-unshare/options.h"

#define OCI_PROGRAM_VERSION "0.1.0"
#define OCI_VERSION	    "1.3.0" /* of the specification */

enum { PRESERVE_MOST = 1024 }; /* descriptors of --preserve-fds */

struct globals {
	const char *root; /* --root; never NULL once parsed */
	const char *log_format;
	const char *cgroup_manager;
	bool systemd_cgroup, debug, version;
	const char *rootless;
};

/* Each gets the words after the verb, itself as argv[0]. Gives an exit status, or −1 with the error
 * recorded. */
int command_create(const struct globals *globals, int argc, char **argv);
int command_run(const struct globals *globals, int argc, char **argv);
int command_start(const struct globals *globals, int argc, char **argv);
int command_state(const struct globals *globals, int argc, char **argv);
int command_kill(const struct globals *globals, int argc, char **argv);
int command_delete(const struct globals *globals, int argc, char **argv);
int command_exec(const struct globals *globals, int argc, char **argv);
int command_list(const struct globals *globals, int argc, char **argv);
int command_ps(const struct globals *globals, int argc, char **argv);
int command_freeze(const struct globals *globals, int argc, char **argv);

int command_update(const struct globals *globals, int argc, char **argv);
int command_events(const struct globals *globals, int argc, char **argv);
int command_features(const struct globals *globals, int argc, char **argv);
int command_spec(const struct globals *globals, int argc, char **argv);

/* The beginning of each: parses its options, those of ROWS (NULL: it has none) into INTO, and
 * counts the operands, as its row of the table says. Options may stand behind the operands too,
 * unless those are an ID and the words of somebody else's command. Gives the index of the first
 * operand, 0 after --help, −1. */
int command_operands(int argc, char **argv, const struct option_row *rows, void *into);

struct json_object;
/* Prints JSON on lines of their own, and puts it. */
void print_json(struct json_object *json);

struct oci_state;
struct cgroup;
/* A container that has not ended, and its cgroup: both to be closed. −1 "container not running". */
int open_running(const struct globals *globals, const char *id, struct oci_state *state,
		 struct cgroup *cgroup);

#endif

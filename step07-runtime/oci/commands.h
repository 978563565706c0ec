/*
 * commands: the verbs of boxstep-oci, each a function that the table of boxstep_oci.c lists.
 * Follows runtime.md, "Operations", of the OCI runtime specification, and the flags that conmon and
 * containerd's shim send. Explained in book/07-runtime.md.
 */
#ifndef BOXSTEP_OCI_COMMANDS_H
#define BOXSTEP_OCI_COMMANDS_H

#include <stdbool.h>

#include "step01-unshare/options.h"

struct globals {
	const char *root; /* --root; never NULL once parsed */
	const char *log, *log_format;
	const char *cgroup_manager;
	bool systemd_cgroup, debug;
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
int command_pause(const struct globals *globals, int argc, char **argv);
int command_resume(const struct globals *globals, int argc, char **argv);

/* For their parsers: like options_parse, but the operands MIN…MAX are counted too. Gives the index
 * of the first, 0 after --help, −1. */
int command_operands(const struct program *program, int argc, char **argv, int min, int max);

/* Connects to a unix socket; a close-on-exec descriptor, or −1. */
int console_connect(const char *path);

/* Writes PID as text into FD, which was opened for --pid-file, and closes it. FD −1: nothing. */
int pid_file_open(const char *path);
int pid_file_write(int fd, int pid);

#endif

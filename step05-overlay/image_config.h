/*
 * image_config: what the image's author wants to be run, and how: environment, words, user, signal.
 *
 * Follows the OCI image specification's config.md and conversion.md.
 * Explained in book/05-overlay.md.
 */
#ifndef BOXSTEP_IMAGE_CONFIG_H
#define BOXSTEP_IMAGE_CONFIG_H

#include <stddef.h>

struct json_object;

/* Entries that Env, Entrypoint, Cmd, Volumes and ExposedPorts may have each. Real images have some
 * dozens; of a volume each costs a directory and a mount, and of the environment each word is
 * compared with those before it. */
enum { IMAGE_WORDS_MAX = 2048 };

struct image_config {
	struct json_object *json; /* the whole of it; all strings below belong to it */
	const char *created;	  /* RFC 3339, or NULL */
	const char *os, *architecture, *variant, *author;
	char **env; /* vectors end with NULL and are never NULL themselves */
	char **entrypoint, **command, **volumes, **ports; /* ports: "80/tcp" */
	const char *working_dir, *user, *stop_signal;	  /* NULL when not given */
	char **diff_id; /* of the uncompressed layers, bottom first; valid digests */
	size_t layers;
};
/* Reads the config. −1 with the error recorded: EINVAL for what is of the wrong kind, E2BIG for a
 * list of more than IMAGE_WORDS_MAX. */
int image_config_parse(const char *text, size_t length, struct image_config *config);
void image_config_free(struct image_config *config);

/*
 * The argument vector: ENTRYPOINT (NULL: the image's; "" : none) followed by COMMAND (of COUNT
 * words; 0: the image's own, unless an entrypoint was given). The vector is to be freed, its
 * strings are not. NULL with EINVAL recorded when nothing is left to run.
 */
char **image_argv(const struct image_config *config, const char *entrypoint, char *const command[],
		  size_t count);

/* The environment: the image's, EXTRA (a vector, or NULL) over it, and a PATH if neither has one.
 * A word of EXTRA without `=` takes the value of the caller's own environment. To be freed; there
 * is room for one more at the end. */
char **image_environ(const struct image_config *config, char *const extra[]);

/* The image's StopSignal as a number ("SIGQUIT", "QUIT", "3", "SIGRTMIN+3"); 15 without one, −1
 * with EINVAL recorded. */
int image_stop_signal(const struct image_config *config);
int signal_parse(const char *text); /* the same for any text */

#endif

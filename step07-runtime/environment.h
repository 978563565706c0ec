/*
 * environment: a vector of NAME=VALUE in which every name is there once.
 *
 * getenv(3) finds the first of a name, other programs the last: with two they would not agree.
 * Follows environ(7). Explained in book/07-runtime.md.
 */
#ifndef BOXSTEP_ENVIRONMENT_H
#define BOXSTEP_ENVIRONMENT_H

/* Of a name that is there twice the later value is kept, in the place of the first. 0, or −1 with
 * ENOMEM. */
int environment_tidy(char **env);

/* VARIABLE (which stays the caller's) in the place of what *ENV has of that name, or at its end;
 * the vector, of malloc(3), may move. 0, or −1 with ENOMEM. */
int environment_set(char ***env, char *variable);

#endif

/*
 * keyring: the session keyring is no namespace's: it goes from parent to child, into a container
 * too, with the keys of whoever called the engine. So a container gets one of its own.
 *
 * Follows keyrings(7), session-keyring(7), keyctl(2). Explained in book/07a-security.md.
 */
#ifndef BOXSTEP_KEYRING_H
#define BOXSTEP_KEYRING_H

/* Joins the session keyring of container ID, made new unless a process of it is there; as root in
 * the container, so that a later exec may join too. A kernel without keys: nothing. 0 or −1. */
int keyring_join(const char *id);

#endif

/*
 * keyring.c: a session keyring by name. Follows keyctl(2): KEYCTL_JOIN_SESSION_KEYRING,
 * KEYCTL_SETPERM. Explained in book/07a-security.md.
 */
#include <errno.h>
#include <linux/keyctl.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "step01-unshare/call.h"
#include "step07-runtime/keyring.h"

/* Whoever holds it may do everything; its owner may look, read, and find it by name. keyctl.h has
 * no names for these bits. */
#define PERMISSIONS 0x3f0b0000

int
keyring_join(const char *id)
{
	char name[300];
	long ring;

	snprintf(name, sizeof name, "boxstep.%s", id);
	ring = call_try(syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, name),
			"keyctl(KEYCTL_JOIN_SESSION_KEYRING, \"%s\")", name);
	if (ring < 0 && errno == ENOSYS)
		return 0;
	if (ring < 0) {
		fail(errno, "keyctl(KEYCTL_JOIN_SESSION_KEYRING, \"%s\")", name);
		return call_hint("--no-new-keyring keeps the caller's");
	}
	return call((int)syscall(SYS_keyctl, KEYCTL_SETPERM, ring, PERMISSIONS),
		    "keyctl(KEYCTL_SETPERM, %ld, %#x)", ring, PERMISSIONS);
}

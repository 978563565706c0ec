/*
 * courier.c: two threads and two numbers in the memory that they share.
 * Follows clone(2) (CLONE_THREAD), seccomp_unotify(2). Explained in book/07a-security.md.
 */
#include <sched.h>
#include <stdatomic.h>
#include <time.h>

#include "step01-unshare/call.h"
#include "step02-pidns/unixsock.h"
#include "step07-runtime/security/courier.h"

enum { WAITING = -2, NONE = -1 };

static struct {
	int socket;
	const char *state;
	atomic_int listener; /* WAITING, NONE, or the descriptor */
	atomic_int sent;     /* WAITING, then what unix_send gave */
} courier;

static int
carry(void *unused)
{
	const struct timespec moment = { .tv_nsec = 100 * 1000 };
	int listener;

	(void)unused;
	while ((listener = atomic_load(&courier.listener)) == WAITING)
		nanosleep(&moment, NULL);
	if (listener >= 0)
		atomic_store(&courier.sent, unix_send(courier.socket, courier.state, listener));
	return 0;
}

int
courier_start(int socket, const char *state)
{
	static _Alignas(16) char stack[64 << 10];
	int flags =
		CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM;

	courier.socket = socket;
	courier.state = state;
	atomic_store(&courier.listener, WAITING);
	atomic_store(&courier.sent, WAITING);
	return call(clone(carry, stack + sizeof stack, flags, NULL),
		    "clone(CLONE_VM|CLONE_FS|CLONE_FILES|CLONE_SIGHAND|CLONE_THREAD|CLONE_"
		    "SYSVSEM)") < 0
		       ? -1
		       : 0;
}

/* ANCHOR: hand */
int
courier_hand_over(int listener)
{
	int sent;

	atomic_store(&courier.listener, listener);
	if (listener < 0)
		return 0;
	while ((sent = atomic_load(&courier.sent)) == WAITING)
		; /* no call here: it could be one that waits for the supervisor */
	return sent;
}
/* ANCHOR_END: hand */

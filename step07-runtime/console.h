/*
 * console: where the master of a container's pty goes: to whoever asked for it over a unix socket,
 * or, in the foreground, onto the caller's own terminal.
 *
 * The pty itself is made inside, of the container's devpts (child.h). Follows unix(7) (SCM_RIGHTS),
 * pty(7). Explained in book/07-runtime.md.
 */
#ifndef BOXSTEP_CONSOLE_H
#define BOXSTEP_CONSOLE_H

#include <stdbool.h>

#include "step02-pidns/spawn.h"
#include "step07-runtime/monitor.h"
#include "step07-runtime/terminal.h"

struct console {
	int socket;  /* for the child, to send the master over; −1: none */
	int receive; /* where it arrives, in the foreground; −1: it is somebody else's */
	struct monitor monitor;
};

/*
 * Before the clone: connects to the socket at PATH; without one, if the terminal is SHOWN here,
 * makes a pair, and a SIZE of no rows becomes that of the caller's terminal. 0 or −1.
 */
int console_open(const char *path, bool shown, struct winsize *size, struct console *console);

/* After it: takes the master. With KEYS the caller's terminal turns raw, and what is typed there
 * goes to the container's. Nothing without a pair. */
int console_show(struct console *console, bool keys);

/* When the child has ended before it was waited for: what it has said until then, such as why. */
void console_drain(const struct console *console);

/* Waits for the child like spawn_wait, and carries keys and letters meanwhile. */
int console_wait(struct console *console, const struct spawn *child, siginfo_t *info);

#endif

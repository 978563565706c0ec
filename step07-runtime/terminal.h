/*
 * terminal: the caller's terminal while it shows a container's, and the container's own.
 *
 * In raw mode every key goes through as a byte; what Ctrl-C means is decided inside, by the
 * container's own pty. Follows termios(3), tty_ioctl(4). Explained in book/07-runtime.md.
 */
#ifndef BOXSTEP_TERMINAL_H
#define BOXSTEP_TERMINAL_H

#include <stdbool.h>
#include <sys/ioctl.h>
#include <sys/types.h>

/* Puts the terminal of FD into raw mode, until terminal_restore (called at exit too). Nothing for
 * what is no terminal. 0 or −1. */
int terminal_raw(int fd);
void terminal_restore(void);

/* Its size; 24 × 80 when it cannot be told. */
struct winsize terminal_size(int fd);

/* A socketpair as OCI's console socket: ENDS[0] for terminal_receive, ENDS[1] for the runtime. */
int terminal_sockets(int ends[2]);
/* The pty's master that arrives on SOCKET, close-on-exec; −1. */
int terminal_receive(int socket);

/* In the container's process, which leads a session: TERMINAL, a pty of SIZE (0 rows: as it is),
 * becomes 0, 1 and 2 and that of the session, so that Ctrl-C finds it. BARE: it does not make \r\n
 * of \n, because what it shows goes into no terminal. 0 or −1. */
int terminal_take(int terminal, const struct winsize *size, bool bare);

/* There too: the TERMINAL that was taken, or else whichever of 0, 1 and 2 is a pipe, becomes that
 * of the user OWNER (a pipe of GROUP too). Its maker is root and its mode 0600: without this the
 * user could write to it, and not open it as /dev/stdout. 0 or −1. */
int terminal_give(bool terminal, uid_t owner, gid_t group);

#endif

/*
 * console.c: connected to, or made and shown. Follows unix(7), pty(7). Explained in
 * book/07-runtime.md.
 */
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "step01-unshare/call.h"
#include "step02-pidns/unixsock.h"
#include "step07-runtime/console.h"
#include "step07-runtime/terminal.h"

int
console_open(const char *path, bool shown, struct winsize *size, struct console *console)
{
	int ends[2];

	*console = (struct console){ .socket = -1, .receive = -1 };
	monitor_init(&console->monitor);
	if (path)
		return (console->socket = unix_connect(path, SOCK_STREAM, "--console-socket")) < 0
			       ? -1
			       : 0;
	if (!shown)
		return 0;
	if (terminal_sockets(ends) < 0)
		return -1;
	console->receive = ends[0];
	console->socket = ends[1];
	monitor_show(&console->monitor, 0, STDOUT_FILENO);
	if (!size->ws_row)
		*size = terminal_size(STDIN_FILENO);
	return 0;
}

int
console_show(struct console *console, bool keys)
{
	struct monitor *monitor = &console->monitor;

	if (console->receive < 0)
		return 0;
	close(console->socket);
	monitor->from[0] = terminal_receive(console->receive);
	close(console->receive);
	if (monitor->from[0] < 0)
		return -1;
	monitor->window = STDIN_FILENO;
	if (!keys)
		return 0;
	monitor->input = STDIN_FILENO;
	monitor->input_to = monitor->from[0];
	return terminal_raw(STDIN_FILENO);
}

void
console_drain(const struct console *console)
{
	int master = console->monitor.from[0];
	char text[4096];
	ssize_t n = 0;

	/* what it has started may still be there, and have the other end */
	if (console->receive < 0 || master < 0 || fcntl(master, F_SETFL, O_NONBLOCK) < 0)
		return;
	while (n >= 0 && (n = read(master, text, sizeof text)) > 0)
		n = write(STDOUT_FILENO, text, (size_t)n);
}

int
console_wait(struct console *console, const struct spawn *child, siginfo_t *info)
{
	int done = console->receive < 0 ? spawn_wait(child, info)
					: monitor_wait(&console->monitor, child, info);

	terminal_restore();
	return done;
}

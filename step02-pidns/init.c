/*
 * init.c: PID 1 as a program of forty lines: fork the command, reap everybody, pass signals on.
 * Follows pid_namespaces(7), sigwaitinfo(2), waitpid(2). Explained in book/02-pidns.md.
 */
#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "step01-unshare/call.h"
#include "step01-unshare/exec.h"
#include "step02-pidns/handshake.h"
#include "step02-pidns/init.h"
#include "step02-pidns/spawn.h"

/* Reaps all that have ended, orphans of others included. Leaves with the command's status when the
 * command is among them: _exit, because PID 1 cannot kill itself by a signal. */
static void
reap(pid_t command)
{
	pid_t ended;
	int status;

	while ((ended = waitpid(-1, &status, WNOHANG)) > 0)
		if (ended == command)
			_exit(WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status));
}

/* ANCHOR: init */
int
init_run(char *const argv[], char *const envp[], unsigned keep, struct handshake *shake)
{
	sigset_t all;
	siginfo_t info;
	pid_t command, init = getpid();

	/* PID 1 gets no signal that it does not handle, but a blocked one is kept: it could still
	 * be handled later. So all are blocked before the fork, and taken one by one. */
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
	command = fork();
	if (command < 0)
		return fail(errno, "fork for the command below the init");
	if (command == 0) {
		/* only with a PID 1 everybody ends; in a namespace that is shared the command asks
		 * for it, and looks whether it was too late */
		if ((init == 1 || (spawn_die_with_parent() == 0 && getppid() == init)) &&
		    handshake_ask_who(shake) == 0)
			exec_command(argv, envp, keep);
		handshake_fail(shake);
	}
	close_range(0, ~0U,
		    0); /* the handshake too: its end of file shall mean the command's exec */
	for (;;) {
		int number = sigwaitinfo(&all, &info);
		if (number == SIGCHLD)
			reap(command);
		else if (number > 0 &&
			 info.si_code != SI_KERNEL) /* a terminal's reached it already */
			kill(command, number);
	}
}
/* ANCHOR_END: init */

void
init_or_exec(bool no_init, char *const argv[], char *const envp[], unsigned keep,
	     struct handshake *shake)
{
	exec_default_signals();
	if (no_init)
		exec_command(argv, envp, keep);
	else
		init_run(argv, envp, keep, shake);
	handshake_fail(shake);
}

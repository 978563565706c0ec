/*
 * call: every kernel call of boxstep, made in one place and told in one text.
 *
 * The text beside a call serves three readers: the person who asked for --explain, the error
 * message when the call fails, and the machine that draws sequence diagrams from --explain=json.
 * Follows errno(3). Explained in book/01-unshare.md.
 */
#ifndef BOXSTEP_CALL_H
#define BOXSTEP_CALL_H

#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "step01-unshare/options.h"

enum { EXIT_OURS = 125 }; /* the status of every program for an error of its own, as docker's */

/* What --explain asks for. */
enum call_mode { CALL_SILENT, CALL_BRIEF, CALL_FULL, CALL_JSON, CALL_PAUSE };
extern enum call_mode call_mode;

/*
 * call(EXPR, FORMAT, …): evaluates the kernel call EXPR once and gives its value. The text,
 * printf-like, begins with the call's name and has its arguments as strace(1) prints them. It is
 * formatted only when the call failed or somebody listens, so it costs nothing otherwise. A
 * negative value is a failure: call() records errno and the text as the error to report, unless one
 * is recorded already (the first error of an operation is the cause, what fails in its cleanup is
 * not). errno is as the kernel left it.
 */
#define call(made, ...) CALL_AND_TELL(made, true, __VA_ARGS__)

/* The same for a call whose failure is an answer, not an error ("does this kernel have it?"). */
#define call_try(made, ...) CALL_AND_TELL(made, false, __VA_ARGS__)

/* ANCHOR: call */
#define CALL_AND_TELL(made, matters, ...)                                                       \
	({                                                                                      \
		__typeof__(made) call_value_ = (made);                                          \
		if (call_value_ < 0 || call_mode != CALL_SILENT)                                \
			call_told(__FILE__, __LINE__, (long)call_value_, matters, __VA_ARGS__); \
		call_value_;                                                                    \
	})
/* ANCHOR_END: call */

/*
 * tell_exec(FORMAT, …): tells an execve before it is made, with "result":null, because success does
 * not return. A failure is told by call() as any other.
 */
#define tell_exec(...)                                                                     \
	do {                                                                               \
		if (call_mode != CALL_SILENT)                                              \
			call_told(__FILE__, __LINE__, CALL_NO_RESULT, false, __VA_ARGS__); \
	} while (0)
#define CALL_NO_RESULT 0x7fffffffL /* no call that is told gives this value */

/* The half of call() that is not a macro; never used by name. */
void call_told(const char *file, int line, long value, bool matters, const char *format, ...)
	__attribute__((format(printf, 5, 6)));

/*
 * stage(NAME, WHY, CHECK, …): what the calls that follow are for, in a sentence, and a shell
 * command (printf-like) with which the reader can see the result. Silent without --explain; under
 * --explain=pause it waits for Enter, so that there is time to look.
 */
#define stage(name, why, ...)                               \
	do {                                                \
		if (call_mode != CALL_SILENT)               \
			call_stage(name, why, __VA_ARGS__); \
	} while (0)
void call_stage(const char *name, const char *why, const char *check, ...)
	__attribute__((format(printf, 3, 4)));

/*
 * Writes VALUE to a control file (a file whose write is a kernel call in disguise: uid_map,
 * memory.max, ip_forward) with a single write(2), told as write("PATH", "VALUE").
 * call_write opens PATH itself; call_writeat opens NAME below DIRFD and tells it as SHOWN.
 * Gives 0, or −1 with errno.
 */
#define call_write(path, value) call_written(__FILE__, __LINE__, AT_FDCWD, path, path, value)
#define call_writeat(dirfd, name, shown, value) \
	call_written(__FILE__, __LINE__, dirfd, name, shown, value)
int call_written(const char *file, int line, int dirfd, const char *name, const char *shown,
		 const char *value);

/* FROM for a line of a terminal, cut to SIZE bytes: words come from images, containers and callers,
 * and what would end the line, steer the terminal, or is no UTF-8 is written as \n, \t or \33. */
void call_line(char *to, size_t size, const char *from);

/* For the end of a function: closes FD, unless it is −1, and keeps errno. */
void close_fd(int fd);

/* Milliseconds of the monotonic clock, for deadlines. */
int64_t now_ms(void);

/* ---- errors ---- */

/* The recorded error: what failed, why, and what to do. It travels from child to parent whole. */
struct call_error {
	int number;    /* errno; 0 when nothing is recorded */
	bool sentence; /* WHAT says it all, as fail(EINVAL, …) does: no meaning of errno is added */
	int status; /* exit status to use: EXIT_OURS, or 126/127 when the command cannot be run */
	char what[768]; /* the call with its object, or a sentence */
	char hint[512]; /* the next action; may be empty */
};

/*
 * fail(NUMBER, FORMAT, …): records an error that no kernel call gave ("--memory 64q: not a size").
 * Sets errno to NUMBER and gives −1, so that a function can `return fail(…)`.
 */
int fail(int number, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Adds to the recorded error the next action to take, unless it has one. Keeps errno. Gives −1. */
int call_hint(const char *format, ...) __attribute__((format(printf, 1, 2)));

struct call_error *call_error(void);	    /* the recorded error; never NULL */
void call_adopt(const struct call_error *); /* takes over an error that another process recorded */
void call_forget(void); /* the error is dealt with: nothing is recorded any more */

/* Prints `PROGRAM: WHAT: ERRNO: meaning; hint` to stderr (a sentence of fail(EINVAL, …) as it is);
 * gives the exit status to leave with. */
int call_report(const char *program);

/* ---- telling ---- */

/*
 * Where the telling goes from now on: the file PATH, made new and opened for appending and
 * close-on-exec, in place of stderr. It is JSON unless a mode has been chosen, or is chosen later.
 * Gives 0, or −1 with errno.
 */
int call_tell_to(const char *path);

/* The pid under which this process is told: the host's number, which a child in a PID namespace
 * cannot find out itself (its parent says it with GO). */
void call_who(pid_t pid);

/* That number, or getpid(2): for the commands of stage(), which a reader types outside. */
pid_t call_pid(void);

/* The text of a NULL-terminated argument vector, as strace prints it: ["sh", "-c", "ls"]. The
 * string lives in a static buffer until the next use. */
const char *call_argv(char *const argv[]);

/* The option table of this module (--explain, --explain-to); see options.h. */
extern const struct option_row call_options[];

#endif

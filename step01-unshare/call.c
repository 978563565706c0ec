/*
 * call.c: tells each kernel call once, and keeps the first error whole until somebody reports it.
 * Follows errno(3), write(2). Explained in book/01-unshare.md.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "step01-unshare/call.h"

enum call_mode call_mode = CALL_SILENT;

static struct call_error error;
static int tell_fd = STDERR_FILENO;
static pid_t who; /* 0: ask the kernel at each call */
static struct {
	const char *name, *why;
	char check[256];
} now = { "start", "", "" };

pid_t
call_pid(void)
{
	return who ? who : getpid();
}

/* ---- text ---- */

/* How many bytes the character at C has, in UTF-8 as RFC 3629 allows it; 0: it is none. */
static size_t
character(const unsigned char *c)
{
	size_t length = *c < 0x80 ? 1 : *c < 0xc2 ? 0 : *c < 0xe0 ? 2 : *c < 0xf0 ? 3 : 4;

	if (*c > 0xf4 || (*c == 0xe0 && c[1] < 0xa0) || (*c == 0xed && c[1] > 0x9f) ||
	    (*c == 0xf0 && c[1] < 0x90) || (*c == 0xf4 && c[1] > 0x8f))
		return 0;
	for (size_t i = 1; i < length; i++)
		if ((c[i] & 0xc0) != 0x80)
			return 0;
	return length;
}

/* What would end the line, or steer the terminal that shows it, and what is no UTF-8, becomes \\n
 * or \\33, as strace prints it. */
void
call_line(char *to, size_t size, const char *from)
{
	const unsigned char *c = (const unsigned char *)from;
	size_t used = 0;

	while (*c && used + 5 < size) {
		size_t length = character(c);
		bool control = *c < 0x20 || *c == 0x7f || (*c == 0xc2 && c[1] < 0xa0);
		if (*c == '\n' || *c == '\t') {
			to[used++] = '\\';
			to[used++] = *c == '\n' ? 'n' : 't';
		} else if (!length || control)
			used += (size_t)snprintf(to + used, size - used, "\\%0*o",
						 c[1] >= '0' && c[1] <= '9' ? 3 : 1, *c);
		else
			used = (size_t)((char *)mempcpy(to + used, c, length) - to);
		c += length && !control ? length : 1;
	}
	to[used] = '\0';
}

/* Text of one line as a JSON string. */
static void
put_json(FILE *out, const char *text)
{
	fputc('"', out);
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			fputc('\\', out);
		fputc(*text, out);
	}
	fputc('"', out);
}

/* One write(2) for one record, so that the lines of two processes do not mix. */
static void
put_record(char *text, size_t length)
{
	for (size_t done = 0; done < length;) {
		ssize_t n = write(tell_fd, text + done, length - done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			break; /* nobody reads: the narration is lost, the work goes on */
		done += (size_t)n;
	}
	free(text);
}

static void
tell_json(FILE *out, const char *file, int line, long value, int number, const char *text)
{
	fprintf(out, "{\"who\":%d,\"stage\":", call_pid());
	put_json(out, now.name);
	fputs(",\"call\":", out);
	put_json(out, text);
	if (value == CALL_NO_RESULT)
		fputs(",\"result\":null", out);
	else
		fprintf(out, ",\"result\":%ld", value);
	if (value < 0)
		fprintf(out, ",\"errno\":\"%s\"", strerrorname_np(number));
	fputs(",\"why\":", out);
	put_json(out, now.why);
	fputs(",\"check\":", out);
	put_json(out, now.check);
	fprintf(out, ",\"where\":\"%s:%d\"}\n", file, line);
}

static void
tell(const char *file, int line, long value, int number, const char *text)
{
	char *record = NULL;
	size_t length = 0;
	FILE *out = open_memstream(&record, &length);

	if (!out)
		return;
	if (call_mode == CALL_JSON)
		tell_json(out, file, line, value, number, text);
	else {
		fprintf(out, "%7d  %s", call_pid(), text);
		if (value != CALL_NO_RESULT)
			fprintf(out, " = %ld", value);
		if (value < 0)
			fprintf(out, " %s", strerrorname_np(number));
		if (call_mode != CALL_BRIEF)
			fprintf(out, "   [%s:%d]", file, line);
		fputc('\n', out);
	}
	if (fclose(out) == 0)
		put_record(record, length);
}

/* ANCHOR: told */
void
call_told(const char *file, int line, long value, bool matters, const char *format, ...)
{
	int number = errno;
	char raw[4096], text[4096]; /* capset(2) names every capability twice */
	va_list args;

	va_start(args, format);
	vsnprintf(raw, sizeof raw, format, args);
	va_end(args);
	call_line(text, sizeof text, raw);
	if (value < 0 && matters && !error.number) {
		error.number = number;
		error.status = EXIT_OURS;
		snprintf(error.what, sizeof error.what, "%.*s", (int)sizeof error.what - 1, text);
	}
	if (call_mode != CALL_SILENT)
		tell(file, line, value, number, text);
	errno = number;
}
/* ANCHOR_END: told */

/*
 * Standard input belongs to the command, so Enter is read from the terminal itself. Signals are
 * held back until there is a command to have them. That of Ctrl-C ends the pauses, and is sent
 * again as one that is to be passed on: what a terminal sends, the command would have had itself.
 */
static bool
wait_for_enter(int terminal)
{
	static const char ask[] = "         Enter goes on: ";
	struct pollfd events[2] = { { terminal, POLLIN, 0 }, { -1, POLLIN, 0 } };
	struct signalfd_siginfo info;
	char enter[8];
	sigset_t ends;
	bool pressed;

	sigemptyset(&ends);
	sigaddset(&ends, SIGINT);
	sigaddset(&ends, SIGQUIT);
	sigaddset(&ends, SIGTERM);
	sigaddset(&ends, SIGHUP);
	events[1].fd = signalfd(-1, &ends, SFD_CLOEXEC);
	pressed = write(terminal, ask, sizeof ask - 1) > 0 && poll(events, 2, -1) > 0 &&
		  !events[1].revents && read(terminal, enter, sizeof enter) > 0;
	if (events[1].revents && read(events[1].fd, &info, sizeof info) == (ssize_t)sizeof info)
		kill(getpid(), (int)info.ssi_signo);
	if (events[1].fd >= 0)
		close(events[1].fd);
	return pressed;
}

void
call_stage(const char *name, const char *why, const char *check, ...)
{
	char text[1024], raw[256];
	int number = errno, terminal;
	va_list args;

	now.name = name;
	now.why = why;
	va_start(args, check);
	vsnprintf(raw, sizeof raw, check, args);
	va_end(args);
	call_line(now.check, sizeof now.check, raw);
	if (call_mode == CALL_FULL || call_mode == CALL_PAUSE) {
		snprintf(text, sizeof text, "\n%s: %s\n         look: %s\n", name, why, now.check);
		put_record(strdup(text), strlen(text));
	}
	if (call_mode == CALL_PAUSE && (terminal = open("/dev/tty", O_RDWR | O_CLOEXEC)) >= 0) {
		if (!wait_for_enter(terminal))
			call_mode = CALL_FULL;
		close(terminal);
	}
	errno = number;
}

/* ---- control files ---- */

/* What stands between quotes, as strace prints it; call_line() sees to the rest. */
static void
quote(char *to, size_t size, const char *value)
{
	size_t used = 0;

	for (; *value && used + 3 < size; value++) {
		if (*value == '"' || *value == '\\')
			to[used++] = '\\';
		to[used++] = *value;
	}
	to[used] = '\0';
}

int
call_written(const char *file, int line, int dirfd, const char *name, const char *shown,
	     const char *value)
{
	int fd = openat(dirfd, name, O_WRONLY | O_CLOEXEC | O_NOCTTY);
	ssize_t n = -1;
	char text[512];
	int number;

	if (fd >= 0)
		n = write(fd, value, strlen(value));
	number = errno;
	if (n >= 0 && (size_t)n != strlen(value)) {
		n = -1; /* a control file takes a value whole or not at all */
		number = EIO;
	}
	if (fd >= 0)
		close(fd);
	if (n < 0 || call_mode != CALL_SILENT) {
		quote(text, sizeof text, value);
		errno = number;
		call_told(file, line, n, true, "write(\"%s\", \"%s\")", shown, text);
	}
	errno = number;
	return n < 0 ? -1 : 0;
}

/* ---- errors ---- */

int64_t
now_ms(void)
{
	struct timespec moment;

	clock_gettime(CLOCK_MONOTONIC, &moment);
	return (int64_t)moment.tv_sec * 1000 + moment.tv_nsec / 1000000;
}

void
close_fd(int fd)
{
	int number = errno;

	if (fd >= 0)
		close(fd);
	errno = number;
}

int
fail(int number, const char *format, ...)
{
	char text[sizeof error.what];
	va_list args;

	if (!error.number) {
		error.number = number;
		error.sentence = number == EINVAL;
		error.status = EXIT_OURS;
		va_start(args, format);
		vsnprintf(text, sizeof text, format, args);
		va_end(args);
		call_line(error.what, sizeof error.what, text);
	}
	errno = number;
	return -1;
}

int
call_hint(const char *format, ...)
{
	char text[sizeof error.hint];
	int number = errno;
	va_list args;

	if (error.number && !error.hint[0]) {
		va_start(args, format);
		vsnprintf(text, sizeof text, format, args);
		va_end(args);
		call_line(error.hint, sizeof error.hint, text);
	}
	errno = number;
	return -1;
}

struct call_error *
call_error(void)
{
	return &error;
}

void
call_adopt(const struct call_error *other)
{
	error = *other;
	error.what[sizeof error.what - 1] = '\0';
	error.hint[sizeof error.hint - 1] = '\0';
	errno = error.number;
}

void
call_forget(void)
{
	memset(&error, 0, sizeof error);
}

int
call_report(const char *program)
{
	const char *name;

	if (!error.number)
		fail(errno, "an error that no call recorded");
	name = strerrorname_np(error.number);
	fprintf(stderr, "%s: %s", program, error.what);
	if (!error.sentence)
		fprintf(stderr, ": %s: %s", name ? name : "?", strerror(error.number));
	fprintf(stderr, "%s%s\n", error.hint[0] ? "; " : "", error.hint);
	return error.status;
}

/* ---- who, where, what ---- */

void
call_who(pid_t pid)
{
	who = pid;
}

int
call_tell_to(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0644);

	if (fd < 0)
		return fail(errno, "open(\"%s\") for --explain-to", path);
	tell_fd = fd;
	if (call_mode == CALL_SILENT)
		call_mode = CALL_JSON;
	return 0;
}

const char *
call_argv(char *const argv[])
{
	static char text[512];
	size_t used = (size_t)snprintf(text, sizeof text, "[");
	char word[81];

	for (int i = 0; argv[i] && used < sizeof text - 16; i++) {
		size_t room = sizeof text - used - 8;
		used += (size_t)snprintf(text + used, 8, "%s\"", i ? ", " : "");
		quote(word, room < sizeof word ? room : sizeof word, argv[i]);
		used += (size_t)snprintf(text + used, sizeof text - used, "%s\"", word);
	}
	snprintf(text + used, sizeof text - used, "]");
	return text;
}

static int
set_mode(const struct option_row *row, const char *value, void *into)
{
	static const char *const names[] = { NULL, "brief", "full", "json", "pause" };

	(void)row;
	(void)into;
	if (!value)
		value = "full";
	for (int mode = CALL_BRIEF; mode <= CALL_PAUSE; mode++)
		if (strcmp(value, names[mode]) == 0) {
			call_mode = (enum call_mode)mode;
			return 0;
		}
	return fail(EINVAL, "--explain=%s: not one of brief, full, json, pause", value);
}

static int
set_file(const struct option_row *row, const char *value, void *into)
{
	(void)row;
	(void)into;
	return call_tell_to(value);
}

const struct option_row call_options[] = {
	{ "explain", 0, "[=MODE]", "-",
	  "tell every kernel call: brief, full (default), json, pause", set_mode, 0, 0 },
	{ "explain-to", 0, "FILE", "-",
	  "tell it to FILE instead of stderr (json unless a mode is given)", set_file, 0, 0 },
	{ 0 },
};

/*
 * log.c: lines into JSON and back, in the format of docker's json-file log driver.
 * Follows open(2) (O_APPEND), lseek(2). Explained in book/07-runtime.md.
 */
#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "step01-unshare/call.h"
#include "step07-runtime/log.h"

int
log_open(struct log *log, int dirfd, const char *name)
{
	log->part[0].used = log->part[1].used = 0;
	log->fd = openat(dirfd, name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
	if (log->fd >= 0)
		return 0;
	fail(errno, "open(\"%s\") for the log", name);
	return call_hint("its directory has to be there, and writable for uid %u", geteuid());
}

/* ANCHOR: append */
/* One write for one line: no half of one stays when this process is killed, or when the disk is
 * full: what fitted is taken back. */
static int
append(int fd, const char *line, size_t length)
{
	off_t before = lseek(fd, 0, SEEK_END);
	ssize_t n = write(fd, line, length);
	int error = n < 0 ? errno : ENOSPC;

	if (n == (ssize_t)length)
		return 0;
	if (n > 0 && before >= 0 && ftruncate(fd, before) < 0)
		error = errno;
	return fail(error, "write to the log");
}
/* ANCHOR_END: append */

static int
write_line(struct log *log, enum log_stream stream)
{
	struct json_object *text =
		json_object_new_string_len(log->part[stream].text, (int)log->part[stream].used);
	struct timespec now;
	struct tm parts;
	char when[32], *line;
	int length, done;

	log->part[stream].used = 0;
	if (!text)
		return fail(ENOMEM, "memory for a line of the log");
	clock_gettime(CLOCK_REALTIME, &now);
	strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%S", gmtime_r(&now.tv_sec, &parts));
	length = asprintf(&line, "{\"log\":%s,\"stream\":\"%s\",\"time\":\"%s.%09ldZ\"}\n",
			  json_object_to_json_string_ext(text, JSON_C_TO_STRING_NOSLASHESCAPE),
			  stream == LOG_STDOUT ? "stdout" : "stderr", when, now.tv_nsec);
	json_object_put(text);
	if (length < 0)
		return fail(ENOMEM, "memory for a line of the log");
	done = append(log->fd, line, (size_t)length);
	free(line);
	return done;
}

int
log_write(struct log *log, enum log_stream stream, const char *bytes, size_t count)
{
	int done = 0;

	for (size_t i = 0; i < count && log->fd >= 0; i++) {
		log->part[stream].text[log->part[stream].used++] = bytes[i];
		/* a line that finds no room is lost alone: the next may be shorter */
		if ((bytes[i] == '\n' || log->part[stream].used == LOG_LINE) &&
		    write_line(log, stream) < 0)
			done = -1;
	}
	return done;
}

void
log_close(struct log *log)
{
	for (enum log_stream stream = LOG_STDOUT; stream <= LOG_STDERR && log->fd >= 0; stream++)
		if (log->part[stream].used)
			write_line(log, stream);
	if (log->fd >= 0)
		close(log->fd);
	log->fd = -1;
}

/* ---- reading ---- */

/* Moves FD to the beginning of its Nth last line. */
static int
seek_tail(int fd, int64_t lines)
{
	off_t at = lseek(fd, 0, SEEK_END);
	char block[4096];
	int64_t seen = -1; /* the end of the last line is not the end of one before it */

	while (at > 0) {
		size_t size = at < (off_t)sizeof block ? (size_t)at : sizeof block;
		at -= (off_t)size;
		if (pread(fd, block, size, at) != (ssize_t)size)
			return fail(errno, "read of the log");
		for (size_t i = size; i > 0; i--)
			if (block[i - 1] == '\n' && ++seen == lines)
				return lseek(fd, at + (off_t)i, SEEK_SET) < 0 ? -1 : 0;
	}
	return lseek(fd, 0, SEEK_SET) < 0 ? -1 : 0;
}

static void
print_line(const char *line, const struct log_print *how)
{
	struct json_object *json = json_tokener_parse(line), *text, *stream, *when;
	FILE *out = stdout;

	if (json && json_object_object_get_ex(json, "log", &text)) {
		if (json_object_object_get_ex(json, "stream", &stream) &&
		    strcmp(json_object_get_string(stream), "stderr") == 0) {
			fflush(stdout); /* both may be one file: in the order of the log */
			out = stderr;
		}
		if (how->times && json_object_object_get_ex(json, "time", &when))
			fprintf(out, "%s ", json_object_get_string(when));
		fwrite(json_object_get_string(text), 1, (size_t)json_object_get_string_len(text),
		       out);
	}
	json_object_put(json);
}

int
log_print(int fd, const struct log_print *how)
{
	char *line = NULL;
	size_t size = 0;
	ssize_t length;
	off_t from;
	FILE *file;
	int copy;

	if (how->tail >= 0 && seek_tail(fd, how->tail) < 0)
		return -1;
	copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (copy < 0 || (from = lseek(fd, 0, SEEK_CUR)) < 0 || !(file = fdopen(copy, "r"))) {
		fail(errno, "read of the log");
		if (copy >= 0)
			close(copy);
		return -1;
	}
	while ((length = getline(&line, &size, file)) > 0 && line[length - 1] == '\n') {
		print_line(line, how);
		from += length;
	}
	free(line);
	fclose(file);
	lseek(fd, from, SEEK_SET); /* shared with the duplicate, which has read ahead */
	return fflush(stdout) == 0 ? 0 : fail(errno, "write of the log's lines");
}

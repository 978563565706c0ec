/*
 * progress: a line for each layer while it comes.
 * Follows console_codes(4), tty_ioctl(4). Explained in book/08-registry.md.
 */
#include "step07-runtime/registry/progress.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include "step01-unshare/call.h"

enum { BAR = 30 }; /* columns of a bar */

int
progress_open(struct progress *progress, size_t count, bool quiet)
{
	const char *plain = getenv("NO_COLOR"), *terminal = getenv("TERM");

	memset(progress, 0, sizeof *progress);
	progress->quiet = quiet;
	progress->bars = !quiet && isatty(STDOUT_FILENO) && !(plain && *plain) &&
			 !(terminal && !strcmp(terminal, "dumb"));
	progress->count = count;
	progress->line = calloc(count ? count : 1, sizeof *progress->line);
	return progress->line ? 0 : fail(ENOMEM, "%zu lines of progress", count);
}

const char *
progress_size(int64_t bytes)
{
	static char text[16];
	static const char *const units[] = { "B", "kB", "MB", "GB", "TB", "PB", "EB" };
	double size = (double)bytes;
	size_t unit = 0;

	for (; size >= 999.5 && unit < 6; unit++)
		size /= 1000;
	snprintf(text, sizeof text, "%.*f%s", unit == 0 || size >= 99.95 ? 0 : 1, size,
		 units[unit]);
	return text;
}

static void
draw_bar(const struct progress_line *line)
{
	char bar[BAR + 1];
	int full = line->total > 0 ? (int)(line->now * BAR / line->total) : 0;

	memset(bar, ' ', BAR);
	memset(bar, '=', (size_t)full);
	if (full < BAR)
		bar[full] = '>';
	bar[BAR] = '\0';
	printf("%s: %-12s [\033[32m%s\033[0m] %6s", line->name, line->state, bar,
	       progress_size(line->now));
	printf("/%s", progress_size(line->total));
}

/* Lines that fit above the cursor: more could not be drawn over again. */
static size_t
height(void)
{
	struct winsize size;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0 || size.ws_row < 3)
		return 22;
	return (size_t)size.ws_row - 2;
}

void
progress_draw(struct progress *progress, bool now)
{
	size_t lines = progress->count;

	if (!progress->bars || (!now && now_ms() - progress->drawn_at < 100))
		return;
	if (progress->drawn)
		printf("\033[%zuA", progress->drawn);
	if (lines > height())
		lines = height();
	for (size_t i = 0; i < lines; i++) {
		const struct progress_line *line = &progress->line[i];

		if (line->done || line->now == 0)
			printf("%s: %s", line->name, line->state);
		else
			draw_bar(line);
		fputs("\033[K\n", stdout); /* clear what stood there before */
	}
	fflush(stdout);
	progress->drawn = lines;
	progress->drawn_at = now_ms();
}

void
progress_done(struct progress *progress, size_t line, const char *state)
{
	if (progress->line[line].done)
		return;
	progress->line[line].done = true;
	progress->line[line].state = state;
	if (progress->quiet || progress->bars)
		return;
	printf("%s: %s, %s\n", progress->line[line].name, state,
	       progress_size(progress->line[line].total));
	fflush(stdout);
}

void
progress_close(struct progress *progress)
{
	progress_draw(progress, true);
	free(progress->line);
	progress->line = NULL;
	progress->count = 0;
}

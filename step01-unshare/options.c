/*
 * options.c: walks the tables that the modules export, for parsing and for --help.
 * Follows getopt_long(3) in what it accepts. Explained in book/01-unshare.md.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include "step01-unshare/call.h"
#include "step01-unshare/options.h"

/* ---- parsing ---- */

/* The first table that has the option wins, so that a step can give a name a wider meaning. */
static const struct option_row *
find(const struct program *program, const char *name, size_t length, char letter, void **into)
{
	for (const struct option_table *t = program->tables; t->title; t++)
		for (const struct option_row *row = t->rows; row->name; row++)
			if (letter ? row->letter == letter
				   : strlen(row->name) == length &&
					     strncmp(row->name, name, length) == 0) {
				*into = t->into;
				return row;
			}
	return NULL;
}

static bool
value_optional(const struct option_row *row)
{
	return row->unit && row->unit[0] == '[';
}

/* --name, --name=value, --name value. Gives how many words it took, or −1. */
static int
parse_long(const struct program *program, char **words)
{
	const char *name = words[0] + 2, *equals = strchr(name, '='), *value;
	size_t length = equals ? (size_t)(equals - name) : strlen(name);
	void *into = NULL;
	const struct option_row *row = find(program, name, length, 0, &into);

	if (!row)
		return fail(EINVAL, "--%.*s: no such option", (int)length, name);
	if (equals && !row->unit)
		return fail(EINVAL, "--%s: takes no value", row->name);
	value = equals ? equals + 1 : NULL;
	if (!row->unit || value_optional(row) || value)
		return row->set(row, value, into) < 0 ? -1 : 1;
	if (!words[1])
		return fail(EINVAL, "--%s: wants a value (%s)", row->name, row->unit);
	return row->set(row, words[1], into) < 0 ? -1 : 2;
}

/* -t, -it, -p value, -pvalue. Gives how many words it took, or −1. */
static int
parse_letters(const struct program *program, char **words)
{
	for (const char *letter = words[0] + 1; *letter; letter++) {
		void *into = NULL;
		const struct option_row *row = find(program, NULL, 0, *letter, &into);

		if (!row)
			return fail(EINVAL, "-%c: no such option", *letter);
		if (row->unit && !value_optional(row)) {
			const char *value = letter[1] ? letter + 1 : words[1];
			if (!value)
				return fail(EINVAL, "-%c: wants a value (%s)", *letter, row->unit);
			return row->set(row, value, into) < 0 ? -1 : letter[1] ? 1 : 2;
		}
		if (row->set(row, NULL, into) < 0)
			return -1;
	}
	return 1;
}

/* --help; -h too where no option has that letter. */
static bool
asks_for_help(const struct program *program, const char *word)
{
	void *into;

	return strcmp(word, "--help") == 0 ||
	       (strcmp(word, "-h") == 0 && !find(program, NULL, 0, 'h', &into));
}

/* ANCHOR: parse */
int
options_parse(const struct program *program, int argc, char **argv)
{
	int i = 1;

	while (i < argc && argv[i][0] == '-' && argv[i][1]) {
		int took;

		if (strcmp(argv[i], "--") == 0)
			return i + 1;
		if (asks_for_help(program, argv[i])) {
			options_help(program);
			return 0;
		}
		took = argv[i][1] == '-' ? parse_long(program, argv + i)
					 : parse_letters(program, argv + i);
		if (took < 0)
			return call_hint("%s --help lists what there is", program->name);
		i += took;
	}
	return i;
}
/* ANCHOR_END: parse */

void
program_begin(void)
{
	int null;

	/* ignored, children leave no status behind, and waiting for them fails */
	signal(SIGCHLD, SIG_DFL);
	/* a free 0, 1 or 2 would become the next file that is opened, and messages go there */
	for (int fd = 0; fd < 3; fd++) {
		if (fcntl(fd, F_GETFD) >= 0)
			continue;
		null = open("/dev/null", O_RDWR | O_CLOEXEC);
		if (null == fd)
			fcntl(fd, F_SETFD, 0); /* the command gets it too */
		else if (null >= 0)
			close(null);
	}
}

int
program_end(const char *name, int status)
{
	/* stdio keeps what is printed until now: a full disk, or a reader that is gone */
	if (fflush(stdout) == 0 && !ferror(stdout))
		return status;
	fail(errno ? errno : EIO, "write to the standard output");
	return call_report(name);
}

int
program_main(const struct program *program, int argc, char **argv, int (*run)(char **words))
{
	int first, status = -1;

	program_begin();
	first = options_parse(program, argc, argv);
	if (first == 0)
		return program_end(program->name, 0);
	if (first > 0 && !argv[first] && program->operand) {
		first = fail(EINVAL, "no %s", program->operand);
		call_hint("usage: %s %s", program->name, program->synopsis);
	}
	if (first > 0)
		status = run(argv + first);
	return status < 0 ? call_report(program->name) : program_end(program->name, status);
}

/* ---- help ---- */

static void
print_row(const struct program *program, const struct option_row *row)
{
	char flag[64];
	void *into;

	if (find(program, row->name, strlen(row->name), 0, &into) != row)
		return; /* a table further up has given the name a wider meaning */
	snprintf(flag, sizeof flag, "%s%c%s--%s%s%s", row->letter ? "-" : " ",
		 row->letter ? row->letter : ' ', row->letter ? ", " : "  ", row->name,
		 row->unit && !value_optional(row) ? " " : "", row->unit ? row->unit : "");
	printf("  %-32s %s", flag, row->help);
	if (row->object && row->object[0] != '-')
		printf("  [%s]", row->object);
	putchar('\n');
}

void
options_help(const struct program *program)
{
	printf("usage: %s %s\n\n%s\n", program->name, program->synopsis, program->about);
	if (program->more)
		program->more();
	for (const struct option_table *t = program->tables; t->title; t++) {
		printf("\n%s:\n", t->title);
		for (const struct option_row *row = t->rows; row->name; row++)
			print_row(program, row);
	}
	printf("\nIn brackets: the kernel object that the option sets.\n\nexamples:\n");
	for (const char *const *e = program->examples; *e; e++)
		printf("  %s\n", *e);
}

/* ---- setters ---- */

#define FIELD(type) ((type *)((char *)into + row->offset))

int
option_flag(const struct option_row *row, const char *value, void *into)
{
	(void)value;
	*FIELD(bool) = true;
	return 0;
}

int
option_bits(const struct option_row *row, const char *value, void *into)
{
	(void)value;
	*FIELD(int) |= (int)row->bits;
	return 0;
}

int
option_text(const struct option_row *row, const char *value, void *into)
{
	*FIELD(const char *) = value;
	return 0;
}

int
option_list(const struct option_row *row, const char *value, void *into)
{
	return text_list_add(FIELD(struct text_list), value);
}

static int
set_number(const struct option_row *row, const char *value, int64_t min, int64_t max,
	   int64_t *number)
{
	if (number_parse(value, min, max, number) == 0)
		return 0;
	return fail(errno, "--%s %s: not a whole number from %" PRId64 " to %" PRId64, row->name,
		    value, min, max);
}

int
option_pid(const struct option_row *row, const char *value, void *into)
{
	int64_t number;

	/* 2^22 is the kernel's PID_MAX_LIMIT, proc(5) */
	if (set_number(row, value, 1, 1 << 22, &number) < 0)
		return -1;
	*FIELD(pid_t) = (pid_t)number;
	return 0;
}

int
option_seconds(const struct option_row *row, const char *value, void *into)
{
	return set_number(row, value, -INT32_MAX, INT32_MAX, FIELD(int64_t));
}

int
option_count(const struct option_row *row, const char *value, void *into)
{
	return set_number(row, value, 1, INT32_MAX, FIELD(int64_t));
}

int
option_up_to(const struct option_row *row, const char *value, void *into)
{
	return set_number(row, value, 0, row->bits, FIELD(int64_t));
}

int
option_choice(const struct option_row *row, const char *value, void *into)
{
	const char *word = row->unit, *end = strchrnul(word, '|');

	while ((size_t)(end - word) != strlen(value) ||
	       strncmp(word, value, (size_t)(end - word)) != 0) {
		if (!*end) /* another word must not mean what was not asked for */
			return fail(EINVAL, "--%s %s: not one of %s", row->name, value, row->unit);
		word = end + 1;
		end = strchrnul(word, '|');
	}
	*FIELD(const char *) = value;
	return 0;
}

int
option_bytes(const struct option_row *row, const char *value, void *into)
{
	if (bytes_parse(value, FIELD(int64_t)) == 0)
		return 0;
	return fail(errno, "--%s %s: not a size in bytes such as 67108864, 64m or 1g", row->name,
		    value);
}

int
option_duration(const struct option_row *row, const char *value, void *into)
{
	if (duration_parse(value, FIELD(int64_t)) == 0)
		return 0;
	return fail(EINVAL, "--%s %s: not a duration such as 5s or 500ms", row->name, value);
}

/* ---- numbers ---- */

int
number_parse(const char *text, int64_t min, int64_t max, int64_t *number)
{
	char *end;
	long long value;

	/* strtoll takes leading blanks and a plus; a number here is a number, and -0 is none */
	if (!(text[0] >= '0' && text[0] <= '9') &&
	    !(text[0] == '-' && text[1] >= '1' && text[1] <= '9')) {
		errno = EINVAL;
		return -1;
	}
	errno = 0;
	value = strtoll(text, &end, 10);
	if (errno || *end || value < min || value > max) {
		errno = *end ? EINVAL : ERANGE;
		return -1;
	}
	*number = value;
	return 0;
}

int
bytes_parse(const char *text, int64_t *bytes)
{
	static const char suffixes[] = "bkmgt";
	char digits[24];
	size_t length = strspn(text, "0123456789");
	int shift = 0;
	int64_t number;

	errno = EINVAL;
	if (length == 0 || length >= sizeof digits)
		return -1;
	if (text[length]) {
		const char *suffix = strchr(suffixes, text[length] | 0x20); /* to lower case */
		if (!suffix || !*suffix || text[length + 1])
			return -1;
		shift = 10 * (int)(suffix - suffixes);
	}
	memcpy(digits, text, length);
	digits[length] = '\0';
	if (number_parse(digits, 0, INT64_MAX >> shift, &number) < 0)
		return -1;
	*bytes = number << shift;
	return 0;
}

int
duration_parse(const char *text, int64_t *ms)
{
	/* "ms" before "m" */
	static const struct {
		const char *unit;
		double ms;
	} units[] = {
		{ "ms", 1 }, { "us", 0.001 }, { "h", 3600000 }, { "m", 60000 }, { "s", 1000 }
	};
	double sum = 0;

	while (*text) {
		char *end;
		double number = strtod(text, &end);
		size_t i = 0;

		/* strtod takes " 5", "-5", "0x5", "5e3" and "inf" as well */
		if (end == text || end != text + strspn(text, "0123456789."))
			break;
		while (i < 5 && strncmp(end, units[i].unit, strlen(units[i].unit)))
			i++;
		if (i == 5)
			break;
		sum += number * units[i].ms;
		text = end + strlen(units[i].unit);
	}
	if (*text || !(sum >= 1 && sum < 1e9)) {
		errno = EINVAL;
		return -1;
	}
	*ms = (int64_t)sum;
	return 0;
}

int
text_list_add(struct text_list *list, const char *text)
{
	const char **item = reallocarray(list->item, list->count + 1, sizeof *item);

	if (!item)
		return fail(ENOMEM, "memory for a list of %zu words", list->count + 1);
	list->item = item;
	list->item[list->count++] = text;
	return 0;
}

/*
 * options: the command line of every program, read from tables.
 *
 * Each module exports the table of its own options; a program lists tables. An option therefore
 * stands in one place, with its unit and the kernel object that it sets, and --help cannot drift.
 * Follows getopt_long(3) in what it accepts: --flag value, --flag=value, -f value, bundled -it, and
 * `--` before the command; parsing stops at the first word that is no option.
 * Explained in book/01-unshare.md.
 */
#ifndef BOXSTEP_OPTIONS_H
#define BOXSTEP_OPTIONS_H

#include <stddef.h>
#include <stdint.h>

struct option_row {
	const char *name; /* without dashes; NULL ends the table */
	char letter;	  /* the one-letter form, or 0 */
	const char
		*unit; /* "BYTES", "NAME"; NULL: a flag; "[=MODE]": only as --name or --name=MODE */
	const char *object; /* the kernel object it sets: "memory.max", "CLONE_NEWPID" */
	const char *help;   /* one line */
	/* Takes VALUE (NULL for a flag) into the module's struct; −1 with errno and fail() else. */
	int (*set)(const struct option_row *row, const char *value, void *into);
	size_t offset; /* of the field in that struct, for the setters below */
	long bits;     /* what option_bits ORs in; the most that option_up_to takes */
};

struct option_table {
	const char *title; /* the heading in --help; NULL ends the list */
	const struct option_row *rows;
	void *into; /* the struct that the rows set */
};

struct program {
	const char *name;     /* "step01" */
	const char *synopsis; /* "[OPTIONS] -- COMMAND [ARG…]" */
	const char *about;    /* one or two sentences for --help */
	void (*more)(void);   /* prints what follows them; NULL: nothing does */
	const struct option_table *tables;
	const char *operand;	 /* what the first word is, "COMMAND"; NULL: none has to be there */
	const char *examples[4]; /* at least three, run by a test; the last is NULL */
};

/*
 * Parses argv[1…]. Gives the index of the first word that is no option (argc if there is none);
 * 0 when --help was asked for and has been printed; −1 when the command line is wrong (reported by
 * call_report, EINVAL).
 */
int options_parse(const struct program *program, int argc, char **argv);

/* First of all in every main(): what a caller can leave behind, and nobody expects: closed standard
 * descriptors, and an ignored SIGCHLD. */
void program_begin(void);

/* Last of all in a main() that prints: STATUS, or that of a reported error when what was printed
 * could not be written (ENOSPC, EPIPE, …). */
int program_end(const char *name, int status);

/*
 * The whole of a main(): parses, calls RUN with the words after the options, and gives the status
 * to leave with: RUN's own, 0 after --help, that of the reported error (125) when something failed.
 */
int program_main(const struct program *program, int argc, char **argv, int (*run)(char **words));

/* Prints what --help prints, to stdout. */
void options_help(const struct program *program);

/* ---- setters: each follows the shape of option_row.set ---- */
struct text_list { /* values of an option that may be repeated; grows by realloc, never shrinks */
	const char **item;
	size_t count;
};

int option_flag(const struct option_row *, const char *, void *); /* bool field := true */
int option_bits(const struct option_row *, const char *, void *); /* int field |= row->bits */
int option_text(const struct option_row *, const char *, void *); /* const char * field */
int option_list(const struct option_row *, const char *, void *); /* struct text_list field */
int option_pid(const struct option_row *, const char *, void *);  /* pid_t field, 1…2^22 */
int option_seconds(const struct option_row *, const char *,
		   void *); /* int64_t field, may be negative */
int option_count(const struct option_row *, const char *, void *); /* int64_t field, ≥ 1 */
int option_up_to(const struct option_row *, const char *, void *); /* int64_t field, 0…row->bits */
/* const char * field; one of the words of row->unit: "text|json" */
int option_choice(const struct option_row *, const char *, void *);
int option_duration(const struct option_row *, const char *, void *); /* int64_t field, in ms */
int option_bytes(const struct option_row *, const char *,
		 void *); /* int64_t field; 512, 64k, 64m, 1g, 1t */

/* ---- strict numbers, for the parsers of other modules too ---- */

/* A decimal number and nothing else, MIN…MAX. Gives 0, or −1 with EINVAL or ERANGE (no fail()). */
int number_parse(const char *text, int64_t min, int64_t max, int64_t *number);

/* A size in bytes: a number with an optional suffix b, k, m, g or t (either case, powers of 1024).
 * Gives 0, or −1 with EINVAL or ERANGE (no fail()). */
int bytes_parse(const char *text, int64_t *bytes);

/* A time in milliseconds, at least 1 and below 10^9: numbers with the units h, m, s, ms or us,
 * "1m30s". Gives 0, or −1 with EINVAL (no fail()). */
int duration_parse(const char *text, int64_t *ms);

/* Appends TEXT (not copied) to LIST; 0, or −1 with ENOMEM. */
int text_list_add(struct text_list *list, const char *text);

#endif

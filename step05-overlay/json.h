/*
 * json: JSON from a stranger, read with limits and strictly.
 *
 * Follows RFC 8259; json-c does the reading. Explained in book/05-overlay.md.
 */
#ifndef BOXSTEP_JSON_H
#define BOXSTEP_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <json-c/json.h>

enum {
	JSON_BYTES = 4 << 20,
	JSON_DEPTH = 32
}; /* what the OCI wants to be taken as a manifest; ours */

/*
 * Reads one JSON object and nothing after it (white space excepted). WHAT names it in errors.
 * The caller ends its life with json_object_put. NULL with EINVAL, EFBIG above JSON_BYTES, recorded
 * by fail().
 */
struct json_object *json_read(const char *text, size_t length, const char *what);

/* The text of the file PATH below DIRFD, or AT_FDCWD, and its LENGTH, with a NUL after it; to be
 * freed. The file must be a regular one of at most JSON_BYTES, and a FIFO of that name holds nobody
 * up. NULL with the error recorded. */
char *json_load(int dirfd, const char *path, const char *what, size_t *length);

/* A piece of a text that is read later, or not at all; TEXT NULL: there is none. */
struct json_part {
	const char *text;
	size_t length;
};
/* json_read, but the object at PATH, such as "linux.seccomp", is left out of it and becomes PART.
 * If there is none at PATH, or two, all is read, and nothing becomes PART. To find it brackets are
 * counted, and no more. */
struct json_object *json_read_but(const char *text, size_t length, const char *what,
				  const char *path, struct json_part *part);

/* json_read from an open file, read from its beginning. */
struct json_object *json_read_fd(int fd, const char *what);
/* The same from a file as json_load takes it. */
struct json_object *json_read_at(int dirfd, const char *path, const char *what);
/* The same from what somebody has named on a command line: a file, a pipe, or "-", the standard
 * input; read to its end. */
struct json_object *json_read_given(const char *path, const char *what);

/* Members of an object: NULL (0, false) when absent or null. A member of another type is an error,
 * recorded, and *BAD becomes true, so that a parser asks for all it wants and looks once. */
const char *json_text(struct json_object *object, const char *key, bool *bad);
int64_t json_number(struct json_object *object, const char *key, bool *bad);
struct json_object *json_array(struct json_object *object, const char *key, bool *bad);
struct json_object *json_member(struct json_object *object, const char *key, bool *bad);

/* An array of strings as a NULL-terminated vector (free() it; the strings belong to the object).
 * An empty vector when the member is absent. Strings with a NUL inside are refused. NULL: ENOMEM,
 * or wrong type. */
char **json_vector(struct json_object *object, const char *key, bool *bad);

/* ---- a whole object by a table ---- */

enum json_kind {
	JSON_TEXT,   /* const char *, which stays the object's */
	JSON_LETTER, /* char: a text of one letter; "" leaves it as it is */
	JSON_FLAG,   /* bool */
	JSON_THERE,  /* bool: whether there is such a member, of whatever kind */
	JSON_NUMBER, /* an integer of any width, from LEAST to MOST; both 0: an int64_t */
	JSON_WIDE,   /* uint64_t, all of its bits */
	JSON_VECTOR, /* char **, as json_vector gives it, to be freed; without one an empty one */
	JSON_OBJECT, /* struct json_object *, which stays the object's */
	JSON_TEXTS,  /* the same, of names with texts */
	JSON_WORD, /* a text for SET, which takes it as option_row.set does; −1: not understood */
	JSON_WORDS,   /* a list of them */
	JSON_NUMBERS, /* a list of integers: an array, to be freed; its COUNT */
	JSON_ITEMS,   /* a list of objects: the same; each filled by ROWS */
};

/* A member that is read of an object, and the field of a struct that it goes to. What is absent, or
 * null, leaves the field as it is. The macros below give what follows the kind. */
struct json_row {
	const char *path; /* through objects, "user.uid"; NULL ends the table */
	enum json_kind kind;
	size_t offset, size; /* of the field; of an element of the array */
	int64_t least, most;
	int64_t absent, zero; /* the number without one; in place of 0; both unless 0 */
	int (*set)(const struct json_row *row, const char *word, void *into);
	const struct json_row *rows;
	size_t count; /* offset of the size_t */
};
#define JSON_WHERE(type, field)		  offsetof(type, field), sizeof(((type *)NULL)->field)
#define JSON_AT(type, field)		  JSON_IN(type, field, 0, 0)
#define JSON_IN(type, field, least, most) JSON_OR(type, field, least, most, 0, 0)
#define JSON_OR(type, field, least, most, absent, zero) \
	JSON_WHERE(type, field), least, most, absent, zero, NULL, NULL, 0
#define JSON_BY(type, field, set) JSON_WHERE(type, field), 0, 0, 0, 0, set, NULL, 0
#define JSON_OF(type, field, count, rows) \
	JSON_EACH(type, field), 0, 0, 0, 0, NULL, rows, offsetof(type, count)
#define JSON_MANY(type, field, count, least, most) \
	JSON_EACH(type, field), least, most, 0, 0, NULL, NULL, offsetof(type, count)
#define JSON_EACH(type, field) offsetof(type, field), sizeof(*((type *)NULL)->field)

/*
 * Reads OBJECT, which WHAT names, into the struct at INTO. 0, or −1 with EINVAL and the first
 * fault, named by its place: "process.user.uid is no whole number". Arrays and vectors that were
 * made by then are in their fields.
 */
int json_fill(struct json_object *object, const char *what, const struct json_row *rows,
	      void *into);

/* The member at a path such as "memory.limit"; NULL when absent or null, or not to be reached. */
struct json_object *json_at(struct json_object *object, const char *path);

/* Adds a member; nothing for a TEXT of NULL. What is there already under KEY goes. */
void json_put_text(struct json_object *object, const char *key, const char *text);
void json_put_number(struct json_object *object, const char *key, int64_t number);
void json_put_flag(struct json_object *object, const char *key, bool flag);
/* The time as RFC 3339 has it, in UTC: "2026-01-31T12:00:00.123456789Z". */
void json_put_now(struct json_object *object, const char *key);
/* A new object, or a new list, as the member KEY, which owns it. */
struct json_object *json_put_object(struct json_object *object, const char *key);
struct json_object *json_put_list(struct json_object *object, const char *key);

/* Writes OBJECT to the file NAME below DIRFD: aside, synced when it is DURABLE (it has to outlive a
 * power cut), renamed. 0 or −1. */
int json_write(int dirfd, const char *name, struct json_object *object, bool durable);

#endif

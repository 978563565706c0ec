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

enum { JSON_BYTES = 4 << 20, JSON_DEPTH = 32 }; /* the OCI's limit for a manifest; ours */

/*
 * Reads one JSON object and nothing after it (white space excepted). WHAT names it in errors.
 * The caller ends its life with json_object_put. NULL with EINVAL, EFBIG above JSON_BYTES, recorded
 * by fail().
 */
struct json_object *json_read(const char *text, size_t length, const char *what);

/* The same from an open file, read from its beginning. */
struct json_object *json_read_fd(int fd, const char *what);

/* Members of an object: NULL (0, false) when absent or null. A member of another type is an error,
 * recorded, and *BAD becomes true, so that a parser asks for all it wants and looks once. */
const char *json_text(struct json_object *object, const char *key, bool *bad);
int64_t json_number(struct json_object *object, const char *key, bool *bad);
/* A number from LEAST to MOST: what is narrowed to fewer bits afterwards keeps its value. */
int64_t json_number_in(struct json_object *object, const char *key, int64_t least, int64_t most,
		       bool *bad);
struct json_object *json_array(struct json_object *object, const char *key, bool *bad);
struct json_object *json_member(struct json_object *object, const char *key, bool *bad);

/* An array of strings as a NULL-terminated vector (free() it; the strings belong to the object).
 * An empty vector when the member is absent. Strings with a NUL inside are refused. NULL: ENOMEM,
 * or wrong type. */
char **json_vector(struct json_object *object, const char *key, bool *bad);

/* Writes OBJECT to the file NAME below DIRFD: aside, synced when it is DURABLE (it has to outlive a
 * power cut), renamed. 0 or −1. */
int json_write(int dirfd, const char *name, struct json_object *object, bool durable);

#endif

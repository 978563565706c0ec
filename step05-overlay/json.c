/*
 * json: JSON from a stranger, read with limits and strictly.
 *
 * Follows RFC 8259; json-c does the reading. Explained in book/05-overlay.md.
 */
#include "step05-overlay/json.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "step01-unshare/call.h"
#include "step05-overlay/tree.h"

/* White space after the object is allowed by the RFC, a second object is not. */
static bool
only_space(const char *text, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if (!strchr(" \t\r\n", text[i]) || text[i] == '\0')
			return false;
	return true;
}

struct json_object *
json_read(const char *text, size_t length, const char *what)
{
	struct json_object *object = NULL;
	struct json_tokener *tokener;
	enum json_tokener_error error;
	size_t end;

	if (length > JSON_BYTES) {
		fail(EFBIG, "%s: larger than 4 MiB", what);
		return NULL;
	}
	tokener = json_tokener_new_ex(JSON_DEPTH);
	if (!tokener) {
		fail(ENOMEM, "%s", what);
		return NULL;
	}
	json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_ALLOW_TRAILING_CHARS |
						JSON_TOKENER_VALIDATE_UTF8);
	object = json_tokener_parse_ex(tokener, text, (int)length);
	error = json_tokener_get_error(tokener);
	end = json_tokener_get_parse_end(tokener);
	if (!object || !json_object_is_type(object, json_type_object) ||
	    !only_space(text + end, length - end)) {
		fail(EINVAL, "%s: no valid JSON object (%s, near byte %zu)", what,
		     error == json_tokener_continue  ? "it ends too early"
		     : error == json_tokener_success ? "not one object alone"
						     : json_tokener_error_desc(error),
		     end);
		json_object_put(object);
		object = NULL;
	}
	json_tokener_free(tokener);
	return object;
}

static char *
load(int fd, const char *what, size_t *length)
{
	struct stat st;
	char *text = NULL;
	ssize_t got;

	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		fail(EINVAL, "%s: not a regular file", what);
		return NULL;
	}
	if (st.st_size > JSON_BYTES) {
		fail(EFBIG, "%s: larger than 4 MiB", what);
		return NULL;
	}
	text = malloc((size_t)st.st_size + 1);
	got = text ? pread(fd, text, (size_t)st.st_size, 0) : -1;
	if (got < 0) {
		fail(errno, "%s: cannot be read", what);
		free(text);
		return NULL;
	}
	text[got] = '\0';
	*length = (size_t)got;
	return text;
}

char *
json_load(int dirfd, const char *path, const char *what, size_t *length)
{
	int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	char *text = NULL;

	if (fd < 0)
		fail(errno, "open(\"%s\")", path);
	else
		text = load(fd, what, length);
	close_fd(fd);
	return text;
}

struct json_object *
json_read_fd(int fd, const char *what)
{
	size_t length;
	char *text = load(fd, what, &length);
	struct json_object *object = text ? json_read(text, length, what) : NULL;

	free(text);
	return object;
}

struct json_object *
json_read_at(int dirfd, const char *path, const char *what)
{
	size_t length;
	char *text = json_load(dirfd, path, what, &length);
	struct json_object *object = text ? json_read(text, length, what) : NULL;

	free(text);
	return object;
}

struct json_object *
json_read_given(const char *path, const char *what)
{
	FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
	char *text = file ? malloc(JSON_BYTES + 1) : NULL;
	struct json_object *object = NULL;

	if (!file)
		fail(errno, "open(\"%s\") for %s", path, what);
	else if (!text)
		fail(ENOMEM, "%s", what);
	else
		object = json_read(text, fread(text, 1, JSON_BYTES + 1, file), what);
	free(text);
	if (file && file != stdin)
		fclose(file);
	return object;
}

/* ---- a part of a text ---- */

static const char *
past_space(const char *at)
{
	return at + strspn(at, " \t\r\n");
}

/* Names are short: to ask a table letter by letter is quicker than to call strcspn(3) for each. */
static const bool ends_text[256] = { ['\0'] = true, ['"'] = true, ['\\'] = true };
static const bool is_sign[256] = { ['\0'] = true, ['"'] = true, [','] = true, ['{'] = true,
				   ['}'] = true,  ['['] = true, [']'] = true };

static const char *
next(const char *at, const bool wanted[256])
{
	while (!wanted[(unsigned char)*at])
		at++;
	return at;
}

/* AT is at the quote that opens it. */
static const char *
past_string(const char *at)
{
	for (at = next(at + 1, ends_text); *at == '\\' && at[1];)
		at = next(at + 2, ends_text);
	return *at ? at + 1 : at;
}

/* To the comma or the bracket that ends it. */
static const char *
past_value(const char *at)
{
	int depth = 0;

	while (*(at = next(at, is_sign))) {
		if (*at == '"') {
			at = past_string(at);
			continue;
		}
		if (depth == 0 && (*at == ',' || *at == '}' || *at == ']'))
			break;
		depth += *at == '{' || *at == '[';
		depth -= *at == '}' || *at == ']';
		at++;
	}
	return at;
}

/* Past the object at AT. The member of it that PATH leads to becomes PART; FOUND is how many there
 * are, as they stand there. A name twice on the way is two as well. */
static const char *
past_object(const char *at, const char *path, struct json_part *part, size_t *found)
{
	size_t length = strcspn(path, "."), same = 0;
	const char *value;

	do {
		const char *key = past_space(at + 1);
		if (*key != '"')
			return key + (*key == '}'); /* of an empty object, or of what is none */
		at = past_string(key);
		bool is_it = (size_t)(at - key) == length + 2 && !memcmp(key + 1, path, length);
		at = past_space(at);
		if (*at != ':')
			return at;
		value = past_space(at + 1);
		if (is_it && path[length] && *value == '{')
			at = past_space(past_object(value, path + length + 1, part, found));
		else
			at = past_value(value);
		if (is_it && !path[length]) {
			*part = (struct json_part){ value, (size_t)(at - value) };
			++*found;
		}
		same += is_it;
	} while (*at == ',');
	if (same > 1)
		*found += same;
	return at + (*at == '}');
}

/* What is behind its last dot. */
static const char *
last_word(const char *path)
{
	const char *dot = strrchr(path, '.');

	return dot ? dot + 1 : path;
}

static bool
find(const char *text, const char *path, struct json_part *part)
{
	size_t found = 0;

	text = past_space(text);
	if (*text != '{' || !strstr(text, last_word(path)))
		return false;
	past_object(text, path, part, &found);
	return found == 1 && *part->text == '{';
}

struct json_object *
json_read_but(const char *text, size_t length, const char *what, const char *path,
	      struct json_part *part)
{
	struct json_object *object = NULL;
	size_t before, after;
	char *rest;

	if (find(text, path, part)) {
		before = (size_t)(part->text - text);
		after = length - before - part->length;
		if (!(rest = malloc(before + strlen("null") + after))) {
			fail(ENOMEM, "%s", what);
			return NULL;
		}
		mempcpy(mempcpy(mempcpy(rest, text, before), "null", strlen("null")),
			part->text + part->length, after);
		object = json_read(rest, before + strlen("null") + after, what);
		free(rest);
		if (object)
			return object;
		call_forget(); /* the place of the fault is to be that of the whole text */
	}
	*part = (struct json_part){ NULL, 0 };
	return json_read(text, length, what);
}

/* NULL: no text, or one with a NUL inside. */
static const char *
text_of(struct json_object *member)
{
	const char *text = json_object_is_type(member, json_type_string)
				   ? json_object_get_string(member)
				   : NULL;

	return text && strlen(text) == (size_t)json_object_get_string_len(member) ? text : NULL;
}

struct json_object *
json_member(struct json_object *object, const char *key, bool *bad)
{
	struct json_object *member;

	if (!json_object_object_get_ex(object, key, &member) || !member)
		return NULL;
	if (json_object_is_type(member, json_type_object))
		return member;
	fail(EINVAL, "\"%s\" is not an object", key);
	*bad = true;
	return NULL;
}

const char *
json_text(struct json_object *object, const char *key, bool *bad)
{
	struct json_object *member;

	if (!json_object_object_get_ex(object, key, &member) || !member)
		return NULL;
	if (text_of(member))
		return text_of(member);
	fail(EINVAL, "\"%s\" is not a text", key);
	*bad = true;
	return NULL;
}

int64_t
json_number(struct json_object *object, const char *key, bool *bad)
{
	struct json_object *member;

	if (!json_object_object_get_ex(object, key, &member) || !member)
		return 0;
	/* json-c gives the largest number for what does not fit */
	if (json_object_is_type(member, json_type_int) &&
	    json_object_get_uint64(member) <= INT64_MAX)
		return json_object_get_int64(member);
	fail(EINVAL, "\"%s\" is not a whole number of 64 bits", key);
	*bad = true;
	return 0;
}

struct json_object *
json_array(struct json_object *object, const char *key, bool *bad)
{
	struct json_object *member;

	if (!json_object_object_get_ex(object, key, &member) || !member)
		return NULL;
	if (json_object_is_type(member, json_type_array))
		return member;
	fail(EINVAL, "\"%s\" is not a list", key);
	*bad = true;
	return NULL;
}

/* The list ARRAY (NULL: an empty one) as a vector; NULL when one of it is no text, or ENOMEM. */
static char **
vector_of(struct json_object *array)
{
	size_t count = array ? json_object_array_length(array) : 0;
	char **vector = calloc(count + 1, sizeof(*vector));

	for (size_t i = 0; vector && i < count; i++) {
		vector[i] = (char *)(uintptr_t)text_of(json_object_array_get_idx(array, i));
		if (!vector[i]) {
			free(vector);
			errno = EINVAL;
			return NULL;
		}
	}
	return vector;
}

char **
json_vector(struct json_object *object, const char *key, bool *bad)
{
	struct json_object *array = json_array(object, key, bad);
	char **vector = vector_of(array);

	if (vector)
		return vector;
	fail(errno, errno == ENOMEM ? "\"%s\"" : "\"%s\" is not a list of texts", key);
	*bad = true;
	return NULL;
}

/* ---- a whole object by a table ---- */

/* 1: *PARENT is the object that the last word of PATH is a member of; 0: there is none; −1: what
 * leads to it is no object, and the first *LENGTH bytes of PATH name that. */
static int
find_parent(struct json_object *object, const char *path, struct json_object **parent,
	    size_t *length)
{
	char key[64] = "";

	*parent = object;
	*length = 0;
	for (const char *part = path, *dot;; part = dot + 1) {
		if (!json_object_is_type(*parent, json_type_object))
			return -1;
		dot = strchr(part, '.');
		if (!dot)
			return 1;
		*length = (size_t)(dot - path);
		/* this is done for each row of a table, where snprintf(3) would count */
		size_t n = (size_t)(dot - part);
		*stpncpy(key, part, n < sizeof key ? n : sizeof key - 1) = '\0';
		if (!json_object_object_get_ex(*parent, key, parent) || !*parent)
			return 0;
	}
}

struct json_object *
json_at(struct json_object *object, const char *path)
{
	struct json_object *parent, *member;
	size_t length;

	if (find_parent(object, path, &parent, &length) < 1 ||
	    !json_object_object_get_ex(parent, last_word(path), &member))
		return NULL;
	return member;
}

/* A sentence that goes on after WHAT, as "file x: ", needs no dot there. */
static const char *
dot_after(const char *what)
{
	return *what && what[strlen(what) - 1] != ' ' ? "." : "";
}

static int
is_not(const char *kind, const char *what, const char *path, size_t length)
{
	return fail(EINVAL, "%s%s%.*s is %s", what, length ? dot_after(what) : "", (int)length,
		    path, kind);
}

/* Our machines are little-endian: the first bytes are the lower ones. */
static void
put_number(const struct json_row *row, int64_t number, void *field)
{
	memcpy(field, &number, row->size);
}

static int
take_number(struct json_object *member, const char *what, const struct json_row *row, void *field)
{
	bool any = row->least == 0 && row->most == 0;
	int64_t least = any ? INT64_MIN : row->least, most = any ? INT64_MAX : row->most;
	int64_t number = json_object_get_int64(member);

	/* json-c gives the largest number for what does not fit, and 0 for what is below one */
	if (row->kind == JSON_WIDE && number >= 0) {
		*(uint64_t *)field = json_object_get_uint64(member);
		return 0;
	}
	if (row->kind == JSON_WIDE)
		return is_not("below 0", what, row->path, strlen(row->path));
	if (json_object_get_uint64(member) > INT64_MAX || number < least || number > most)
		return fail(EINVAL, "%s%s%s: %s is not from %lld to %lld", what, dot_after(what),
			    row->path, json_object_get_string(member), (long long)least,
			    (long long)most);
	put_number(row, number ? number : row->zero, field);
	return 0;
}

static int
take_word(struct json_object *member, const char *what, const struct json_row *row, void *into)
{
	const char *word = text_of(member);

	if (!word)
		return is_not(row->kind == JSON_WORD ? "no text" : "no list of texts", what,
			      row->path, strlen(row->path));
	if (row->set(row, word, into) == 0)
		return 0;
	return call_error()->number ? -1
				    : fail(EINVAL, "%s%s%s: %s: not understood", what,
					   dot_after(what), row->path, word);
}

static int
take_words(struct json_object *list, const char *what, const struct json_row *row, void *into)
{
	for (size_t i = 0; i < json_object_array_length(list); i++)
		if (take_word(json_object_array_get_idx(list, i), what, row, into) < 0)
			return -1;
	return 0;
}

static int
take_items(struct json_object *list, const char *what, const struct json_row *row, void *into)
{
	size_t length = json_object_array_length(list),
	       *count = (void *)((char *)into + row->count);
	char *item = length ? calloc(length, row->size) : NULL, place[512];
	size_t before =
		(size_t)snprintf(place, sizeof place, "%s%s%s", what, dot_after(what), row->path);

	before = before < sizeof place ? before : sizeof place - 1;
	memcpy((char *)into + row->offset, &item, sizeof item);
	if (length && !item)
		return fail(ENOMEM, "memory for %s%s%s", what, dot_after(what), row->path);
	for (size_t i = 0; i < length; i++, item += row->size) {
		struct json_object *element = json_object_array_get_idx(list, i);

		*count = i + 1; /* what one of them has before its fault is to be freed as well */
		snprintf(place + before, sizeof place - before, "[%zu]", i);
		if (row->kind == JSON_ITEMS ? json_fill(element, place, row->rows, item) < 0
					    : !json_object_is_type(element, json_type_int) ||
						      take_number(element, what, row, item) < 0)
			return call_error()->number ? -1 : is_not("no whole number", place, "", 0);
	}
	return 0;
}

static int
take_texts(struct json_object *object, const char *what, const struct json_row *row, void *field)
{
	json_object_object_foreach(object, key, value)
	{
		if (!key[0] || !text_of(value))
			return fail(EINVAL, "%s%s%s: \"%s\" is no name with a text", what,
				    dot_after(what), row->path, key);
	}
	memcpy(field, &object, sizeof object);
	return 0;
}

static int
take_text(struct json_object *member, const char *what, const struct json_row *row, void *field)
{
	const char *text = text_of(member);

	if (!text)
		return is_not("no text", what, row->path, strlen(row->path));
	if (row->kind == JSON_TEXT)
		memcpy(field, &text, sizeof text);
	else if (!text[0] || !text[1])
		memcpy(field, text, strlen(text));
	else
		return is_not("no single letter", what, row->path, strlen(row->path));
	return 0;
}

static int
take_vector(struct json_object *list, const char *what, const struct json_row *row, void *field)
{
	char **vector = vector_of(list);

	memcpy(field, &vector, sizeof vector);
	if (vector)
		return 0;
	return errno == ENOMEM ? fail(ENOMEM, "memory for %s%s%s", what, dot_after(what), row->path)
			       : is_not("no list of texts", what, row->path, strlen(row->path));
}

static int
take(struct json_object *member, const char *what, const struct json_row *row, void *into)
{
	static const struct {
		enum json_type type;
		const char *name;
	} kinds[] = {
		[JSON_TEXT] = { json_type_string, "no text" },
		[JSON_LETTER] = { json_type_string, "no single letter" },
		[JSON_FLAG] = { json_type_boolean, "neither true nor false" },
		[JSON_NUMBER] = { json_type_int, "no whole number" },
		[JSON_WIDE] = { json_type_int, "no whole number" },
		[JSON_VECTOR] = { json_type_array, "no list of texts" },
		[JSON_OBJECT] = { json_type_object, "no object" },
		[JSON_TEXTS] = { json_type_object, "no object" },
		[JSON_WORD] = { json_type_string, "no text" },
		[JSON_WORDS] = { json_type_array, "no list of texts" },
		[JSON_NUMBERS] = { json_type_array, "no list of numbers" },
		[JSON_ITEMS] = { json_type_array, "no list of objects" },
	};
	void *field = (char *)into + row->offset;

	if (row->kind != JSON_THERE && !json_object_is_type(member, kinds[row->kind].type))
		return is_not(kinds[row->kind].name, what, row->path, strlen(row->path));
	switch (row->kind) {
	case JSON_TEXT:
	case JSON_LETTER:
		return take_text(member, what, row, field);
	case JSON_FLAG:
		*(bool *)field = json_object_get_boolean(member);
		return 0;
	case JSON_THERE:
		*(bool *)field = true;
		return 0;
	case JSON_VECTOR:
		return take_vector(member, what, row, field);
	case JSON_OBJECT:
		memcpy(field, &member, sizeof member);
		return 0;
	case JSON_TEXTS:
		return take_texts(member, what, row, field);
	case JSON_WORD:
		return take_word(member, what, row, into);
	case JSON_WORDS:
		return take_words(member, what, row, into);
	case JSON_NUMBERS:
	case JSON_ITEMS:
		return take_items(member, what, row, into);
	default:
		return take_number(member, what, row, field);
	}
}

/* A member that is not there. */
static int
take_absent(const char *what, const struct json_row *row, void *into)
{
	void *field = (char *)into + row->offset;

	if (row->absent)
		put_number(row, row->absent, field);
	return row->kind == JSON_VECTOR ? take_vector(NULL, what, row, field) : 0;
}

int
json_fill(struct json_object *object, const char *what, const struct json_row *rows, void *into)
{
	struct json_object *parent = NULL, *member;
	const char *before = NULL; /* rows with the same parent follow each other */
	size_t length = 0;
	int found = 0;

	if (!json_object_is_type(object, json_type_object))
		return is_not("no object", what, "", 0);
	for (const struct json_row *row = rows; row->path; before = row++->path) {
		const char *key = last_word(row->path);

		if (!before || last_word(before) - before != key - row->path ||
		    memcmp(before, row->path, (size_t)(key - row->path)) != 0)
			found = find_parent(object, row->path, &parent, &length);
		if (found < 0)
			return is_not("no object", what, row->path, length);
		if (found == 0 || !json_object_object_get_ex(parent, key, &member) || !member) {
			if (take_absent(what, row, into) < 0)
				return -1;
		} else if (take(member, what, row, into) < 0) {
			return -1;
		}
	}
	return 0;
}

void
json_put_text(struct json_object *object, const char *key, const char *text)
{
	if (text)
		json_object_object_add(object, key, json_object_new_string(text));
}

void
json_put_number(struct json_object *object, const char *key, int64_t number)
{
	json_object_object_add(object, key, json_object_new_int64(number));
}

void
json_put_flag(struct json_object *object, const char *key, bool flag)
{
	json_object_object_add(object, key, json_object_new_boolean(flag));
}

void
json_put_now(struct json_object *object, const char *key)
{
	struct timespec now;
	struct tm parts;
	char text[40];
	size_t used;

	clock_gettime(CLOCK_REALTIME, &now);
	used = strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", gmtime_r(&now.tv_sec, &parts));
	snprintf(text + used, sizeof text - used, ".%09ldZ", now.tv_nsec);
	json_put_text(object, key, text);
}

struct json_object *
json_put_object(struct json_object *object, const char *key)
{
	struct json_object *made = json_object_new_object();

	json_object_object_add(object, key, made);
	return made;
}

struct json_object *
json_put_list(struct json_object *object, const char *key)
{
	struct json_object *made = json_object_new_array();

	json_object_object_add(object, key, made);
	return made;
}

int
json_write(int dirfd, const char *name, struct json_object *object, bool durable)
{
	return tree_write(
		dirfd, name, durable, "%s\n",
		json_object_to_json_string_ext(object, JSON_C_TO_STRING_PRETTY |
							       JSON_C_TO_STRING_NOSLASHESCAPE));
}

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
#include <unistd.h>

#include "step01-unshare/call.h"

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

struct json_object *
json_read_fd(int fd, const char *what)
{
	struct json_object *object = NULL;
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
	if (got < 0)
		fail(errno, "%s: cannot be read", what);
	else
		object = json_read(text, (size_t)got, what);
	free(text);
	return object;
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
	if (json_object_is_type(member, json_type_string) &&
	    strlen(json_object_get_string(member)) == (size_t)json_object_get_string_len(member))
		return json_object_get_string(member);
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

int64_t
json_number_in(struct json_object *object, const char *key, int64_t least, int64_t most, bool *bad)
{
	int64_t number = json_number(object, key, bad);
	struct json_object *member;

	if ((number >= least && number <= most) ||
	    !json_object_object_get_ex(object, key, &member) || !member)
		return number;
	fail(EINVAL, "\"%s\" is not from %lld to %lld", key, (long long)least, (long long)most);
	*bad = true;
	return least;
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

char **
json_vector(struct json_object *object, const char *key, bool *bad)
{
	struct json_object *array = json_array(object, key, bad);
	size_t count = array ? json_object_array_length(array) : 0;
	char **vector = calloc(count + 1, sizeof(*vector));

	if (!vector) {
		fail(ENOMEM, "\"%s\"", key);
		*bad = true;
		return NULL;
	}
	for (size_t i = 0; i < count; i++) {
		struct json_object *item = json_object_array_get_idx(array, i);

		vector[i] = (char *)(uintptr_t)json_object_get_string(item);
		if (!json_object_is_type(item, json_type_string) ||
		    strlen(vector[i]) != (size_t)json_object_get_string_len(item)) {
			fail(EINVAL, "\"%s\" is not a list of texts", key);
			*bad = true;
			vector[i] = NULL;
			break;
		}
	}
	return vector;
}

int
json_write(int dirfd, const char *name, struct json_object *object, bool durable)
{
	const char *text = json_object_to_json_string_ext(
		object, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE);
	char aside[300];
	int fd, error;

	snprintf(aside, sizeof(aside), ".%s.%d", name, getpid());
	fd = openat(dirfd, aside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd < 0 || dprintf(fd, "%s\n", text) < 0 || (durable && fsync(fd) < 0) ||
	    renameat(dirfd, aside, dirfd, name) < 0) {
		error = errno;
		unlinkat(dirfd, aside, 0);
		if (fd >= 0)
			close(fd);
		return fail(error, "%s cannot be written", name);
	}
	close(fd);
	return 0;
}

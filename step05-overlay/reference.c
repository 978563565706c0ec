/*
 * reference: the name of an image, as people type it and as it is written down.
 *
 * The grammar is that of the distribution project's "reference" package; docker's own rule adds
 * that a name without a host is on docker.io. Explained in book/05-overlay.md.
 */
#include "step05-overlay/reference.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "step01-unshare/call.h"
#include "step01-unshare/options.h"

#define LOWER  "abcdefghijklmnopqrstuvwxyz"
#define DIGITS "0123456789"

/* [a-z0-9]+ joined by one of `.`, `_`, `__` or any number of `-`. */
static bool
component_valid(const char *text, size_t length)
{
	for (size_t at = 0;;) {
		size_t word = strspn(text + at, LOWER DIGITS), gap = 0;

		at += word;
		if (word == 0 || at > length)
			return false;
		if (at == length)
			return true;
		if (text[at] == '.')
			gap = 1;
		else if (text[at] == '_')
			gap = text[at + 1] == '_' ? 2 : 1;
		else
			gap = strspn(text + at, "-");
		if (gap == 0)
			return false;
		at += gap;
	}
}

static bool
path_valid(const char *path)
{
	for (;;) {
		size_t length = strcspn(path, "/");

		if (!component_valid(path, length))
			return false;
		if (path[length] == '\0')
			return true;
		path += length + 1;
	}
}

/* Labels with dots between, none empty, none with a hyphen at an end (RFC 1123). */
static bool
labels_valid(const char *domain, size_t length)
{
	for (size_t i = 0; i <= length; i++) {
		bool begins = i == 0 || domain[i - 1] == '.',
		     ends = i == length || domain[i] == '.';

		if ((begins && ends) || (begins && domain[i] == '-') ||
		    (ends && domain[i - 1] == '-'))
			return false;
	}
	return true;
}

/* host, host:port, [::1]:port */
static bool
domain_valid(const char *domain)
{
	size_t length;
	int64_t port;

	if (domain[0] == '[') {
		length = strspn(domain + 1, DIGITS "abcdefABCDEF:.") + 1;
		if (length == 1 || domain[length] != ']')
			return false;
		length++;
	} else {
		length = strspn(domain, LOWER "ABCDEFGHIJKLMNOPQRSTUVWXYZ" DIGITS ".-");
		if (!labels_valid(domain, length))
			return false;
	}
	if (domain[length] == '\0')
		return true;
	return domain[length] == ':' &&
	       number_parse(domain + length + 1, 1, UINT16_MAX, &port) == 0;
}

static bool
tag_valid(const char *tag)
{
	size_t length = strlen(tag);

	return length > 0 && length <= 128 && tag[0] != '.' && tag[0] != '-' &&
	       strspn(tag, LOWER "ABCDEFGHIJKLMNOPQRSTUVWXYZ" DIGITS "_.-") == length;
}

/* The first component is a host if it looks like one: a dot, a port, or "localhost". */
static bool
names_a_host(const char *text, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if (strchr(".:[", text[i]) || isupper((unsigned char)text[i]))
			return true;
	return length == 9 && strncmp(text, "localhost", 9) == 0;
}

/* Cuts "@DIGEST" and ":TAG" off the end of TEXT. */
static int
take_suffixes(char *text, struct reference *reference)
{
	char *at = strchr(text, '@'), *slash, *colon;

	if (at) {
		*at++ = '\0';
		if (!digest_valid(at))
			return -1;
		strcpy(reference->digest, at);
	}
	slash = strrchr(text, '/');
	colon = strchr(slash ? slash : text, ':');
	if (colon) {
		*colon++ = '\0';
		if (!tag_valid(colon))
			return -1;
		strcpy(reference->tag, colon);
	}
	if (!colon && !at)
		strcpy(reference->tag, "latest");
	return 0;
}

int
reference_parse(const char *text, struct reference *reference)
{
	char name[REFERENCE_TEXT];
	const char *path = name, *slash, *library;

	*reference = (struct reference){ 0 };
	if (strlen(text) >= sizeof(name) - 8)
		return fail(EINVAL, "\"%.60s…\": too long for the name of an image", text);
	strcpy(name, text);
	if (take_suffixes(name, reference) < 0)
		goto bad;
	slash = strchr(name, '/');
	if (slash && names_a_host(name, (size_t)(slash - name))) {
		if (slash - name > 255)
			goto bad;
		memcpy(reference->domain, name, (size_t)(slash - name));
		path = slash + 1;
	} else {
		strcpy(reference->domain, "docker.io");
	}
	if (strcmp(reference->domain, "index.docker.io") == 0)
		strcpy(reference->domain, "docker.io");
	library =
		strcmp(reference->domain, "docker.io") == 0 && !strchr(path, '/') ? "library/" : "";
	/* the name in full, or what is written down could not be read again */
	if (strlen(reference->domain) + 1 + strlen(library) + strlen(path) > 255 ||
	    !path_valid(path) || !domain_valid(reference->domain))
		goto bad;
	strcpy(reference->path, library);
	strcat(reference->path, path);
	return 0;
bad:
	return fail(EINVAL, "\"%.100s\": not the name of an image", text);
}

void
reference_format(const struct reference *reference, char text[REFERENCE_TEXT])
{
	bool digest = reference->digest[0];

	snprintf(text, REFERENCE_TEXT, "%s/%s%s%s", reference->domain, reference->path,
		 digest ? "@" : ":", digest ? reference->digest : reference->tag);
}

void
reference_familiar(const struct reference *reference, char text[REFERENCE_TEXT])
{
	if (strcmp(reference->domain, "docker.io") != 0)
		snprintf(text, REFERENCE_TEXT, "%s/%s", reference->domain, reference->path);
	else if (strncmp(reference->path, "library/", 8) == 0)
		snprintf(text, REFERENCE_TEXT, "%s", reference->path + 8);
	else
		snprintf(text, REFERENCE_TEXT, "%s", reference->path);
}

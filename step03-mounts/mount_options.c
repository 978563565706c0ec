/*
 * mount_options.c: the words of mount(8) as the newer mount calls want them.
 * Follows mount(8), mount_setattr(2), the runtime-spec's config.md. Explained in book/03-mounts.md.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>

#include "step01-unshare/call.h"
#include "step03-mounts/mount_options.h"

enum kind {
	ATTRIBUTE, /* of the mount: the bits to set and to clear; with an r before it, of the tree
		    */
	SPREAD,	   /* propagation */
	WHOLE,	   /* of the file system as a whole: fsconfig(2) takes the word as it is */
	CLASSIC,   /* only mount(2) can say it: the bit */
	SPECIAL,   /* for take_special */
	NOTHING,   /* for mount(8) or fstab(5) alone */
};

static const struct word {
	const char *name;
	enum kind kind;
	uint64_t set, clear;
} words[] = {
	{ "ro", ATTRIBUTE, MOUNT_ATTR_RDONLY, 0 },
	{ "rw", ATTRIBUTE, 0, MOUNT_ATTR_RDONLY },
	{ "nosuid", ATTRIBUTE, MOUNT_ATTR_NOSUID, 0 },
	{ "suid", ATTRIBUTE, 0, MOUNT_ATTR_NOSUID },
	{ "nodev", ATTRIBUTE, MOUNT_ATTR_NODEV, 0 },
	{ "dev", ATTRIBUTE, 0, MOUNT_ATTR_NODEV },
	{ "noexec", ATTRIBUTE, MOUNT_ATTR_NOEXEC, 0 },
	{ "exec", ATTRIBUTE, 0, MOUNT_ATTR_NOEXEC },
	{ "nosymfollow", ATTRIBUTE, MOUNT_ATTR_NOSYMFOLLOW, 0 },
	{ "symfollow", ATTRIBUTE, 0, MOUNT_ATTR_NOSYMFOLLOW },
	{ "nodiratime", ATTRIBUTE, MOUNT_ATTR_NODIRATIME, 0 },
	{ "diratime", ATTRIBUTE, 0, MOUNT_ATTR_NODIRATIME },
	/* One value of three, whose default (relatime) is 0: to set one, clear the field. */
	{ "noatime", ATTRIBUTE, MOUNT_ATTR_NOATIME, MOUNT_ATTR__ATIME },
	{ "atime", ATTRIBUTE, 0, MOUNT_ATTR_NOATIME },
	{ "relatime", ATTRIBUTE, MOUNT_ATTR_RELATIME, MOUNT_ATTR__ATIME },
	{ "norelatime", ATTRIBUTE, 0, 0 }, /* not said is relatime too */
	{ "strictatime", ATTRIBUTE, MOUNT_ATTR_STRICTATIME, MOUNT_ATTR__ATIME },
	{ "nostrictatime", ATTRIBUTE, 0, MOUNT_ATTR_STRICTATIME },
	{ "private", SPREAD, MS_PRIVATE, 0 },
	{ "rprivate", SPREAD, MS_PRIVATE | MS_REC, 0 },
	{ "shared", SPREAD, MS_SHARED, 0 },
	{ "rshared", SPREAD, MS_SHARED | MS_REC, 0 },
	{ "slave", SPREAD, MS_SLAVE, 0 },
	{ "rslave", SPREAD, MS_SLAVE | MS_REC, 0 },
	{ "unbindable", SPREAD, MS_UNBINDABLE, 0 },
	{ "runbindable", SPREAD, MS_UNBINDABLE | MS_REC, 0 },
	{ "sync", WHOLE, 0, 0 },
	{ "async", WHOLE, 0, 0 },
	{ "dirsync", WHOLE, 0, 0 },
	{ "lazytime", WHOLE, 0, 0 },
	{ "nolazytime", WHOLE, 0, 0 },
	{ "mand", WHOLE, 0, 0 },
	{ "nomand", WHOLE, 0, 0 },
	{ "iversion", CLASSIC, MS_I_VERSION, 0 },
	{ "noiversion", CLASSIC, 0, MS_I_VERSION },
	{ "silent", NOTHING, 0, 0 },
	{ "loud", NOTHING, 0, 0 },
	{ "bind", SPECIAL, 0, 0 },
	{ "rbind", SPECIAL, 0, 0 },
	{ "remount", SPECIAL, 0, 0 },
	{ "idmap", SPECIAL, 0, 0 },
	{ "ridmap", SPECIAL, 0, 0 },
	{ "tmpcopyup", SPECIAL, 0, 0 },
	{ "defaults", NOTHING, 0, 0 },
	{ "auto", NOTHING, 0, 0 },
	{ "noauto", NOTHING, 0, 0 },
	{ "nofail", NOTHING, 0, 0 },
	{ "_netdev", NOTHING, 0, 0 },
};
enum { WORDS = sizeof words / sizeof words[0] };

/* ---- taking a word ---- */

static const struct word *
find(const char *name)
{
	for (size_t i = 0; i < WORDS; i++)
		if (strcmp(words[i].name, name) == 0)
			return &words[i];
	return NULL;
}

static void
take_special(struct mount_flags *flags, const char *name)
{
	if (strcmp(name, "bind") == 0 || strcmp(name, "rbind") == 0) {
		flags->bind = true;
		flags->recursive |= name[0] == 'r'; /* MS_REC, which "bind" has no word against */
	} else if (strcmp(name, "remount") == 0)
		flags->remount = true;
	else if (strcmp(name, "tmpcopyup") == 0)
		flags->copy_up = true;
	else {
		flags->idmap = true;
		flags->idmap_all = name[0] == 'r';
	}
}

/* A later word undoes an earlier one on the same bits: "ro,rw" is rw. But of strictatime, noatime
 * and relatime mount(2) takes the first of these, wherever it stands. */
static void
take_bits(struct mount_bits *bits, const struct word *word)
{
	uint64_t touched = word->set | word->clear;

	if (word->clear == MOUNT_ATTR__ATIME && (bits->set & MOUNT_ATTR__ATIME) > word->set)
		return;
	bits->set = (bits->set & ~touched) | word->set;
	bits->clear = (bits->clear & ~touched) | word->clear;
	if (touched & MOUNT_ATTR__ATIME) /* mount_setattr(2) wants it whole */
		bits->clear |= MOUNT_ATTR__ATIME;
}

static int
take_data(struct mount_flags *flags, const char *text, size_t length)
{
	char **data = reallocarray(flags->data, flags->data_count + 1, sizeof *data);
	char *word = strndup(text, length);

	if (data)
		flags->data = data;
	if (!data || !word) {
		free(word);
		return fail(ENOMEM, "memory for a mount option");
	}
	data[flags->data_count++] = word;
	return 0;
}

/* "idmap=MAPS" or "ridmap=MAPS" */
static int
take_maps(struct mount_flags *flags, const char *text, size_t length)
{
	size_t word = strcspn(text, "=") + 1;

	take_special(flags, text);
	free(flags->maps);
	flags->maps = strndup(text + word, length - word);
	return flags->maps ? 0 : fail(ENOMEM, "memory for a mount option");
}

static int
take_word(struct mount_flags *flags, const struct word *word)
{
	switch (word->kind) {
	case ATTRIBUTE:
		take_bits(&flags->one, word);
		return 0;
	case SPREAD:
		if (flags->spread_count == sizeof flags->spread / sizeof flags->spread[0])
			return fail(EINVAL, "mount option %s: one propagation too many",
				    word->name);
		flags->spread[flags->spread_count++] = word->set;
		return 0;
	case WHOLE:
		return take_data(flags, word->name, strlen(word->name));
	case CLASSIC:
		flags->classic = (flags->classic & ~word->clear) | word->set;
		return 0;
	case SPECIAL:
		take_special(flags, word->name);
		return 0;
	case NOTHING:
		return 0;
	}
	return 0;
}

/* One word that has no comma outside of quotes. */
static int
take(struct mount_flags *flags, const char *text, size_t length)
{
	char name[32];
	const struct word *word;

	if (length == 0 || strncasecmp(text, "x-", 2) == 0 || strncmp(text, "comment=", 8) == 0)
		return 0; /* fstab(5) keeps notes in such words */
	if (strncmp(text, "idmap=", 6) == 0 || strncmp(text, "ridmap=", 7) == 0)
		return take_maps(flags, text, length);
	if (length >= sizeof name)
		return take_data(flags, text, length);
	memcpy(name, text, length);
	name[length] = '\0';
	if ((word = find(name)))
		return take_word(flags, word);
	if (name[0] == 'r' && (word = find(name + 1)) && word->kind == ATTRIBUTE) {
		take_bits(&flags->all, word);
		return 0;
	}
	return take_data(flags, text, length);
}

int
mount_flags_add(struct mount_flags *flags, const char *option)
{
	const char *start = option;
	int quoted = 0;

	/* context="system_u:object_r:x_t:s0:c1,c2": a comma in quotes is the value's own */
	for (const char *c = option;; c++) {
		if (*c == '"')
			quoted = !quoted;
		if (*c && (*c != ',' || quoted))
			continue;
		if (take(flags, start, (size_t)(c - start)) < 0)
			return -1;
		if (!*c)
			return quoted ? fail(EINVAL, "mount option %s: a quote without its end",
					     option)
				      : 0;
		start = c + 1;
	}
}

void
mount_flags_free(struct mount_flags *flags)
{
	for (size_t i = 0; i < flags->data_count; i++)
		free(flags->data[i]);
	free(flags->data);
	free(flags->maps);
	*flags = (struct mount_flags){ 0 };
}

/* ---- names ---- */

const char *
mount_option_name(size_t n)
{
	static char name[32];

	if (n < WORDS)
		return words[n].name;
	n -= WORDS;
	for (size_t i = 0; i < WORDS; i++)
		if (words[i].kind == ATTRIBUTE && n-- == 0) {
			snprintf(name, sizeof name, "r%s", words[i].name);
			return name;
		}
	return NULL;
}

const char *
mount_attr_names(uint64_t attributes)
{
	static const struct {
		uint64_t bit;
		const char *name;
	} names[] = { { MOUNT_ATTR_RDONLY, "MOUNT_ATTR_RDONLY" },
		      { MOUNT_ATTR_NOSUID, "MOUNT_ATTR_NOSUID" },
		      { MOUNT_ATTR_NODEV, "MOUNT_ATTR_NODEV" },
		      { MOUNT_ATTR_NOEXEC, "MOUNT_ATTR_NOEXEC" },
		      { MOUNT_ATTR__ATIME, "MOUNT_ATTR__ATIME" },
		      { MOUNT_ATTR_NOATIME, "MOUNT_ATTR_NOATIME" },
		      { MOUNT_ATTR_STRICTATIME, "MOUNT_ATTR_STRICTATIME" },
		      { MOUNT_ATTR_NODIRATIME, "MOUNT_ATTR_NODIRATIME" },
		      { MOUNT_ATTR_IDMAP, "MOUNT_ATTR_IDMAP" },
		      { MOUNT_ATTR_NOSYMFOLLOW, "MOUNT_ATTR_NOSYMFOLLOW" } };
	static char texts[2][256];
	static int turn;
	char *text = texts[turn ^= 1];
	size_t used = 0;

	snprintf(text, sizeof texts[0], "0");
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if ((attributes & names[i].bit) == names[i].bit) {
			used += (size_t)snprintf(text + used, sizeof texts[0] - used, "%s%s",
						 used ? "|" : "", names[i].name);
			attributes &= ~names[i].bit;
		}
	return text;
}

unsigned long
mount_propagation(const char *name)
{
	const struct word *word = find(name);

	return word && word->kind == SPREAD ? (unsigned long)word->set : 0;
}

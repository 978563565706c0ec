/*
 * place: the word that names an image, taken apart: a path, and a tag behind it.
 *
 * Follows stat(2). Explained in book/05-overlay.md.
 */
#include "step05-overlay/place.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* What a file is known by without reading it, as make(1) and rsync(1) do. */
static void
describe(struct place *place, const struct stat *st)
{
	snprintf(place->archive, sizeof(place->archive), "%llx:%llx:%llx:%llx.%lx:%llx.%lx:%.60s",
		 (unsigned long long)st->st_dev, (unsigned long long)st->st_ino,
		 (unsigned long long)st->st_size, (unsigned long long)st->st_mtim.tv_sec,
		 st->st_mtim.tv_nsec, (unsigned long long)st->st_ctim.tv_sec, st->st_ctim.tv_nsec,
		 place->tag);
}

void
place_find(const char *word, struct place *place)
{
	const char *colon = strrchr(word, ':');
	struct stat st;

	*place = (struct place){ .kind = PLACE_NONE };
	if (strlen(word) >= sizeof(place->path))
		return;
	strcpy(place->path, word);
	if (stat(place->path, &st) < 0) {
		if (!colon || strlen(colon) > sizeof(place->tag))
			return;
		place->path[colon - word] = '\0';
		strcpy(place->tag, colon + 1);
		if (stat(place->path, &st) < 0)
			return;
	}
	if (S_ISDIR(st.st_mode)) {
		place->kind = PLACE_LAYOUT;
	} else if (S_ISREG(st.st_mode)) {
		place->kind = PLACE_ARCHIVE;
		describe(place, &st);
	}
}

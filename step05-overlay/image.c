/*
 * image: what an image is. An index names manifests, a manifest names a config and layers, and
 * everything is named by the digest of its bytes.
 *
 * Follows the OCI image specification (descriptor.md, image-index.md, manifest.md) and docker's
 * schema 2. Explained in book/05-overlay.md.
 */
#include "step05-overlay/image.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "step01-unshare/call.h"
#include "step05-overlay/json.h"

#define REF_NAME "org.opencontainers.image.ref.name"

bool
digest_valid(const char *text)
{
	return text && strncmp(text, "sha256:", 7) == 0 &&
	       strspn(text + 7, "0123456789abcdef") == 64 && text[7 + 64] == '\0';
}

const char *
digest_hex(const char *digest)
{
	return digest + 7;
}

enum image_kind
image_kind(const char *media_type)
{
	static const struct {
		const char *media_type;
		enum image_kind kind;
	} known[] = {
		{ "application/vnd.oci.image.index.v1+json", IMAGE_INDEX },
		{ "application/vnd.docker.distribution.manifest.list.v2+json", IMAGE_INDEX },
		{ "application/vnd.oci.image.manifest.v1+json", IMAGE_MANIFEST },
		{ "application/vnd.docker.distribution.manifest.v2+json", IMAGE_MANIFEST },
	};
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (media_type && strcmp(known[i].media_type, media_type) == 0)
			return known[i].kind;
	return IMAGE_UNKNOWN;
}

/* ---- platform ---- */

static void
platform_here(struct platform *platform)
{
	static const char *const names[][3] = {
		/* uname(2), then Go's names, which OCI took over */
		{ "x86_64", "amd64", "" },    { "aarch64", "arm64", "v8" },
		{ "armv7l", "arm", "v7" },    { "armv6l", "arm", "v6" },
		{ "i686", "386", "" },	      { "riscv64", "riscv64", "" },
		{ "ppc64le", "ppc64le", "" }, { "s390x", "s390x", "" },
	};
	struct utsname host;

	*platform = (struct platform){ .os = "linux" };
	uname(&host);
	snprintf(platform->architecture, sizeof(platform->architecture), "%.31s", host.machine);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(host.machine, names[i][0]) == 0) {
			strcpy(platform->architecture, names[i][1]);
			strcpy(platform->variant, names[i][2]);
		}
}

int
platform_parse(const char *text, struct platform *platform)
{
	int end = 0, rest = 0;

	platform_here(platform);
	if (!text)
		return 0;
	*platform = (struct platform){ 0 };
	if (sscanf(text, "%31[a-z0-9]/%31[a-z0-9_]%n", platform->os, platform->architecture,
		   &end) == 2 &&
	    (text[end] == '\0' ||
	     (sscanf(text + end, "/%31[a-z0-9]%n", platform->variant, &rest) == 1 &&
	      text[end + rest] == '\0')))
		return 0;
	return fail(EINVAL, "platform \"%s\": not OS/ARCHITECTURE[/VARIANT], as linux/arm64/v8",
		    text);
}

/* How well an entry fits: 0 not at all, 1 it does not say, 2 but for the variant, 3 exactly. */
static int
platform_fit(struct json_object *entry, const struct platform *wanted, bool *bad)
{
	struct json_object *platform = json_member(entry, "platform", bad);
	const char *os, *architecture, *variant;

	if (!platform)
		return 1;
	os = json_text(platform, "os", bad);
	architecture = json_text(platform, "architecture", bad);
	variant = json_text(platform, "variant", bad);
	if (!os || !architecture || strcmp(os, wanted->os) != 0 ||
	    strcmp(architecture, wanted->architecture) != 0)
		return 0;
	return strcmp(variant ? variant : "", wanted->variant) == 0 ? 3 : 2;
}

/* ---- descriptors ---- */

static int
descriptor_parse(struct json_object *object, const char *what, struct descriptor *descriptor)
{
	bool bad = false;
	const char *digest, *media_type;

	if (!json_object_is_type(object, json_type_object))
		return fail(EINVAL, "%s: no descriptor", what);
	digest = json_text(object, "digest", &bad);
	media_type = json_text(object, "mediaType", &bad);
	descriptor->size = json_number(object, "size", &bad);
	if (bad)
		return -1;
	if (!digest_valid(digest))
		return fail(EINVAL, "%s: \"%.80s\" is no digest (sha256: and 64 hex digits)", what,
			    digest ? digest : "");
	if (descriptor->size < 0)
		return fail(EINVAL, "%s: a negative size", what);
	strcpy(descriptor->digest, digest);
	if (media_type && strlen(media_type) >= sizeof(descriptor->media_type))
		return fail(EINVAL, "%s: mediaType is too long", what);
	strcpy(descriptor->media_type, media_type ? media_type : "");
	return 0;
}

/* A text must not be an index to one reader and a manifest to another (CVE-2021-41190): what it
 * says of itself must be what was said of it, and it must not have the members of both. */
static int
check_kind(struct json_object *object, const char *media_type, enum image_kind wanted)
{
	bool bad = false;
	const char *own = json_text(object, "mediaType", &bad);
	bool index = json_object_object_get_ex(object, "manifests", NULL);
	bool manifest = json_object_object_get_ex(object, "layers", NULL) ||
			json_object_object_get_ex(object, "config", NULL);

	if (bad)
		return -1;
	if (json_number(object, "schemaVersion", &bad) != 2)
		return fail(EINVAL,
			    "image manifest of schema version 1: too old, and not verifiable; "
			    "ask for a newer image");
	if (index && manifest)
		return fail(EINVAL, "a manifest that is also an index: refused");
	if (own && media_type && strcmp(own, media_type) != 0)
		return fail(EINVAL, "mediaType is \"%.100s\", announced as \"%.100s\": refused",
			    own, media_type);
	if ((own && image_kind(own) != wanted) || (wanted == IMAGE_INDEX ? !index : !manifest))
		return fail(EINVAL, "not an image %s",
			    wanted == IMAGE_INDEX ? "index" : "manifest");
	return 0;
}

/* ---- index ---- */

static bool
tag_fits(struct json_object *entry, const char *tag, bool *bad)
{
	struct json_object *notes = json_member(entry, "annotations", bad);
	const char *name = notes ? json_text(notes, REF_NAME, bad) : NULL;
	size_t name_length = name ? strlen(name) : 0, length = strlen(tag);

	if (name_length < length || strcmp(name + name_length - length, tag) != 0)
		return false;
	return name_length == length || name[name_length - length - 1] == ':';
}

/* "latest, app": what there is to choose from. */
static void
list_entries(struct json_object *entries, char *text, size_t size)
{
	bool bad = false;

	text[0] = '\0';
	for (size_t i = 0; i < json_object_array_length(entries); i++) {
		struct json_object *entry = json_object_array_get_idx(entries, i);
		struct json_object *notes = json_member(entry, "annotations", &bad);
		struct json_object *platform = json_member(entry, "platform", &bad);
		const char *tag = notes ? json_text(notes, REF_NAME, &bad) : NULL;
		const char *os = platform ? json_text(platform, "os", &bad) : NULL;
		const char *machine = platform ? json_text(platform, "architecture", &bad) : NULL;
		size_t used = strlen(text);

		snprintf(text + used, size - used, "%s%.60s%s%.20s/%.20s", used ? ", " : "",
			 tag ? tag : "", tag ? " " : "", os ? os : "?", machine ? machine : "?");
	}
}

/* The best entry for TAG and PLATFORM; the first of equals, as the specification says. */
static struct json_object *
best_entry(struct json_object *entries, const char *tag, const struct platform *platform, bool *bad)
{
	struct json_object *best = NULL;
	int best_fit = 0;

	for (size_t i = 0; i < json_object_array_length(entries) && !*bad; i++) {
		struct json_object *entry = json_object_array_get_idx(entries, i);
		int fit;

		if (!json_object_is_type(entry, json_type_object) ||
		    (tag && !tag_fits(entry, tag, bad)))
			continue;
		fit = platform_fit(entry, platform, bad);
		if (fit > best_fit) {
			best_fit = fit;
			best = entry;
		}
	}
	return best;
}

/* Whether the entries carry different tags, so that one has to be named. */
static bool
tags_differ(struct json_object *entries, bool *bad)
{
	const char *first = NULL;

	for (size_t i = 0; i < json_object_array_length(entries); i++) {
		struct json_object *entry = json_object_array_get_idx(entries, i);
		struct json_object *notes = json_member(entry, "annotations", bad);
		const char *tag = notes ? json_text(notes, REF_NAME, bad) : NULL;

		if (tag && first && strcmp(tag, first) != 0)
			return true;
		if (tag)
			first = tag;
	}
	return false;
}

int
image_index_choose(const char *text, size_t length, const char *media_type, const char *tag,
		   const struct platform *platform, struct descriptor *chosen)
{
	struct json_object *index = json_read(text, length, "image index"), *entries, *entry = NULL;
	char available[400];
	bool bad = false;
	int result = -1;

	if (!index || check_kind(index, media_type, IMAGE_INDEX) < 0)
		goto out;
	entries = json_array(index, "manifests", &bad);
	if (bad || !entries)
		goto out;
	if (!tag && tags_differ(entries, &bad))
		tag = "latest";
	entry = bad ? NULL : best_entry(entries, tag, platform, &bad);
	if (bad)
		goto out;
	if (entry) {
		result = descriptor_parse(entry, "image index", chosen);
		goto out;
	}
	list_entries(entries, available, sizeof(available));
	fail(ENOENT, "no image %s%s%s/%s in the index", tag ? tag : "", tag ? " for " : "for ",
	     platform->os, platform->architecture);
	call_hint("there is: %s", available[0] ? available : "none");
out:
	json_object_put(index);
	return result;
}

/* ---- manifest ---- */

int
image_manifest_parse(const char *text, size_t length, const char *media_type,
		     struct image_manifest *manifest)
{
	struct json_object *object = json_read(text, length, "image manifest"), *layers;
	bool bad = false;
	size_t count;

	*manifest = (struct image_manifest){ 0 };
	if (!object || check_kind(object, media_type, IMAGE_MANIFEST) < 0)
		goto bad;
	layers = json_array(object, "layers", &bad);
	count = layers ? json_object_array_length(layers) : 0;
	if (bad || descriptor_parse(json_member(object, "config", &bad), "image config",
				    &manifest->config) < 0)
		goto bad;
	if (count > IMAGE_LAYERS_MAX) {
		fail(E2BIG, "image manifest: %zu layers; overlayfs stacks %d", count,
		     IMAGE_LAYERS_MAX);
		goto bad;
	}
	manifest->layer = calloc(count + 1, sizeof(*manifest->layer));
	if (!manifest->layer) {
		fail(ENOMEM, "image manifest");
		goto bad;
	}
	for (size_t i = 0; i < count; i++, manifest->layers++)
		if (descriptor_parse(json_object_array_get_idx(layers, i), "layer",
				     &manifest->layer[i]) < 0)
			goto bad;
	json_object_put(object);
	return 0;
bad:
	json_object_put(object);
	image_manifest_free(manifest);
	return -1;
}

void
image_manifest_free(struct image_manifest *manifest)
{
	free(manifest->layer);
	*manifest = (struct image_manifest){ 0 };
}

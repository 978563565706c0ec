/*
 * boxstep_unpack: the program that brings an image into the store. It alone needs libraries for
 * archives and digests; the run path is static and starts it only when something is missing.
 *
 * Explained in book/05-overlay.md.
 */
#include <errno.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "step01-unshare/call.h"
#include "step01-unshare/options.h"
#include "step05-overlay/rights.h"
#include "step05-overlay/store.h"
#include "step05-overlay/unpack.h"

static struct store_options place;
static struct unpack_options unpack;

static const struct option_table tables[] = {
	{ "store", store_options, &place },
	{ "image", unpack_options, &unpack },
	{ 0 },
};

static const struct program program = {
	.name = "boxstep-unpack",
	.synopsis = "[OPTIONS] DIR[:TAG] | ARCHIVE[:TAG] | DIGEST",
	.about = "Unpacks an OCI image (a layout directory, an archive, or a manifest of the "
		 "store).",
	.tables = tables,
	.examples = { "boxstep-unpack build/images/demo:latest",
		      "boxstep-unpack --name demo build/images/demo:app",
		      "boxstep-unpack --root /tmp/store --no-sync build/images/demo:latest" },
};

static int
run(const char *source, char manifest[DIGEST_TEXT])
{
	struct store store;
	int result;

	rights_look(&unpack.user, &unpack.flat);
	place.flat = unpack.flat;
	if (store_open(&place, &store) < 0)
		return -1;
	result = unpack_image(&store, &unpack, source, manifest);
	store_close(&store);
	return result;
}

/* For the program that started this one: the error whole, or the manifest's digest. */
static int
report(int result, const char *manifest)
{
	struct call_error answer = *call_error();

	if (result == 0) {
		memset(&answer, 0, sizeof(answer));
		snprintf(answer.what, sizeof(answer.what), "%s", manifest);
	}
	return write(STDOUT_FILENO, &answer, sizeof(answer)) == sizeof(answer) ? 0 : EXIT_OURS;
}

int
main(int argc, char **argv)
{
	char manifest[DIGEST_TEXT] = "";
	int first, result;

	program_begin();
	first = options_parse(&program, argc, argv);
	if (first == 0)
		return program_end(program.name, 0);
	if (first > 0 && argc - first != 1)
		first = fail(EINVAL, "one image, please: DIR[:TAG], ARCHIVE[:TAG] or DIGEST");
	if (first < 0)
		return call_report(program.name);
	setlocale(LC_ALL, "C.UTF-8"); /* names in a tarball are UTF-8, or bytes as they come */
	umask(0);
	result = run(argv[first], manifest);
	if (unpack.report)
		return report(result, manifest);
	if (result < 0)
		return call_report(program.name);
	puts(manifest);
	return program_end(program.name, 0);
}

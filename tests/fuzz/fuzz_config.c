/*
 * fuzz_config: config.json of a bundle, as `create` reads it, and what is checked of it afterwards.
 * Tests step07-runtime/oci/config.c and the parsers that it hands parts to; openat(2) below a
 * directory, so the input is a memfd_create(2) behind a link.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "step07-runtime/oci/config.h"
#include "step07-runtime/security/profile.h"
#include "tests/fuzz/fuzz.h"

static char directory[] = "bundle-XXXXXX"; /* where the fuzzer was started: below build/fuzz */
static int bundle = -1, file = -1;

static void
leave(void)
{
	unlinkat(bundle, "config.json", 0);
	rmdir(directory);
}

static void
make_bundle(void)
{
	char link[64];

	if (!mkdtemp(directory) ||
	    (bundle = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0 ||
	    (file = memfd_create("config.json", MFD_CLOEXEC)) < 0)
		abort();
	snprintf(link, sizeof link, "/proc/self/fd/%d", file);
	if (symlinkat(link, bundle, "config.json") < 0)
		abort();
	atexit(leave);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct json_object *late = NULL;
	struct oci_config config;
	struct profile profile;

	if (file < 0)
		make_bundle();
	if (ftruncate(file, 0) < 0 || pwrite(file, data, size, 0) != (ssize_t)size)
		abort();
	if (oci_config_read(bundle, "config.json", "/bundle", &config) == 0) {
		sysctl_check(&config.sysctl, config.ns.kinds);
		if (config.seccomp.text)
			late = json_read(config.seccomp.text, config.seccomp.length, "late");
		if (late && profile_from_json(late, "linux.seccomp", 0, &profile) == 0)
			profile_free(&profile);
		json_object_put(late);
		oci_config_free(&config);
	}
	fuzz_forget();
	return 0;
}

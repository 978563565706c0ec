/*
 * fuzz_seccomp: a seccomp profile, read and compiled.
 * Tests step07-runtime/security/profile_json.c and filter.c.
 */
#include <stdlib.h>

#include "step07-runtime/security/profile.h"
#include "tests/profile_json.h"
#include "tests/fuzz/fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_text(data, size);
	struct profile profile;

	if (profile_parse(text, size, "profile", 0, &profile) == 0)
		profile_free(&profile);
	free(text);
	fuzz_forget();
	return 0;
}

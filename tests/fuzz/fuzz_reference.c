/*
 * fuzz_reference: the name of an image, and whether its long form reads back as the same.
 * Tests step05-overlay/reference.c.
 */
#include <stdlib.h>
#include <string.h>

#include "step05-overlay/reference.h"
#include "tests/fuzz/fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_text(data, size), whole[REFERENCE_TEXT], again[REFERENCE_TEXT];
	struct reference reference;

	if (reference_parse(text, &reference) == 0) {
		reference_familiar(&reference, again);
		reference_format(&reference, whole);
		if (reference_parse(whole, &reference) < 0)
			abort();
		reference_format(&reference, again);
		if (strcmp(whole, again) != 0)
			abort();
	}
	free(text);
	fuzz_forget();
	return 0;
}

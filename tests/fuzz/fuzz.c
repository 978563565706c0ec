/*
 * fuzz.c: what the targets of libFuzzer share. Follows the libFuzzer page of LLVM's documentation.
 * Linked with each of them.
 */
#include <stdlib.h>
#include <string.h>

#include "step01-unshare/call.h"
#include "tests/fuzz/fuzz.h"

char *
fuzz_text(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);

	if (!text)
		abort();
	memcpy(text, data, size);
	text[size] = 0;
	return text;
}

void
fuzz_forget(void)
{
	call_forget();
}

/*
 * fuzz_auth: what a registry answers to a stranger: its challenge, and its token.
 * Tests step07-runtime/registry/auth.c.
 */
#include <stdlib.h>

#include "step07-runtime/registry/auth.h"
#include "tests/fuzz/fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_text(data, size);
	struct auth_challenge challenge;

	if (auth_challenge_parse(text, &challenge) == 0 && challenge.scheme == AUTH_BEARER)
		free(auth_token_url(&challenge, "repository:a:pull"));
	free(auth_bearer(text, size));
	free(text);
	fuzz_forget();
	return 0;
}

/*
 * fuzz_process: a process object by itself, as `exec --process FILE` reads it.
 * Tests step07-runtime/oci/config_process.c and step05-overlay/json.c.
 */
#include <stdlib.h>

#include "step05-overlay/json.h"
#include "step07-runtime/oci/config.h"
#include "tests/fuzz/fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct oci_process process = { 0 };
	char *text = fuzz_text(data, size);
	struct json_object *json = json_read(text, size, "process");

	if (json) {
		oci_process_read(json, &process);
		oci_process_free(&process);
	}
	free(text);
	fuzz_forget();
	return 0;
}

/*
 * fuzz_ports: a port to publish, as it stands on a command line or in an image.
 * Tests step06-net/ports.c.
 */
#include <stdlib.h>

#include "step06-net/ports.h"
#include "tests/fuzz/fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_text(data, size);
	struct port_list list = { 0 };

	if (ports_parse(text, &list) == 0)
		for (size_t i = 0; i < list.count; i++)
			port_text(list.item + i);
	ports_free(&list);
	free(text);
	fuzz_forget();
	return 0;
}

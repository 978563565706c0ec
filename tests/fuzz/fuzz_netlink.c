/*
 * fuzz_netlink: attributes of a netlink message, nested in each other, as the kernel answers.
 * Tests the reading half of step06-net/netlink.c.
 */
#include <stdlib.h>
#include <string.h>

#include "step06-net/netlink.h"
#include "tests/fuzz/fuzz.h"

static void
walk(struct nl_view view, int depth)
{
	struct nl_view value;
	char word[16];

	while (depth < 16 && nl_next(&view, &value) >= 0) {
		nl_number(value, 0);
		nl_text(value, word, sizeof word);
		walk(value, depth + 1);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(size ? size : 1);
	struct nl_view view = { copy, size }, value;

	if (!copy)
		abort();
	memcpy(copy, data, size);
	walk(view, 0);
	nl_find(view, 1, &value);
	free(copy);
	return 0;
}

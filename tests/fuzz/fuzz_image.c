/*
 * fuzz_image: an index, a manifest or a config of an image, from a registry or an archive.
 * Tests step05-overlay/image.c and step05-overlay/image_config.c.
 */
#include <stdlib.h>

#include "step05-overlay/image.h"
#include "step05-overlay/image_config.h"
#include "tests/fuzz/fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_text(data, size), **argv;
	struct image_manifest manifest;
	struct descriptor chosen;
	struct image_config config;
	struct platform here;

	platform_parse(NULL, &here);
	image_index_choose(text, size, NULL, "latest", &here, &chosen);
	if (image_manifest_parse(text, size, NULL, &manifest) == 0)
		image_manifest_free(&manifest);
	if (image_config_parse(text, size, &config) == 0) {
		image_stop_signal(&config);
		argv = image_argv(&config, NULL, NULL, 0);
		free(argv);
		image_config_free(&config);
	}
	free(text);
	fuzz_forget();
	return 0;
}

/*
 * fuzz_resolv: what a container reads when it looks for a name, made from options and the host's
 * files. The first line is an option, "dns 192.0.2.1"; then the host's resolv.conf up to a line
 * "--", then its hosts. Whatever they say: each line written for the container is one that its
 * reader knows, and no line asks a server of the host's own lo.
 * Tests step06-net/resolv.c and address.c.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "step06-net/resolv.h"
#include "tests/fuzz/fuzz.h"

static int etc, out;

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	etc = fuzz_own("/etc");
	if (mkdirat(etc, "out", 0755) < 0 ||
	    (out = openat(etc, "out", O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
		abort();
	return 0;
}

/* "NAME VALUE" as the command line would give it. */
static void
take(char *line, struct resolv_options *options)
{
	char *name = strsep(&line, " ");

	for (const struct option_row *row = resolv_options; line && row->name; row++)
		if (strcmp(row->name, name) == 0)
			row->set(row, line, options);
}

static void
check(bool own_lo)
{
	static const char *const known[] = { "nameserver", "search", "domain", "options", "#" };
	char text[300000], *rest = text, *line;
	int fd = openat(out, "resolv.conf", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
	bool fine;

	if (n < 0)
		abort();
	close(fd);
	text[n] = 0;
	while ((line = strsep(&rest, "\n"))) {
		fine = !*line;
		for (size_t i = 0; i < sizeof known / sizeof *known; i++)
			fine |= strncmp(line, known[i], strlen(known[i])) == 0;
		if (!fine || (own_lo && (strncmp(line, "nameserver 127.", 15) == 0 ||
					 strcmp(line, "nameserver ::1") == 0)))
			abort();
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_text(data, size), *host = text, *line = strsep(&host, "\n"), *hosts;
	struct resolv_options options = { 0 };
	struct resolv_facts facts = { .hostname = "box" };

	hosts = host ? strstr(host, "--\n") : NULL;
	if (hosts)
		*hosts = 0;
	fuzz_put(etc, "resolv.conf", host ? host : "");
	fuzz_put(etc, "hosts", hosts ? hosts + 3 : "");
	take(line, &options);
	for (int own_lo = 0; own_lo < 2; own_lo++) {
		facts.own_lo = own_lo;
		if (resolv_write(out, &options, &facts) < 0)
			abort();
		check(own_lo && options.dns.count == 0);
	}
	free(options.dns.item);
	free(options.search.item);
	free(options.option.item);
	free(options.host.item);
	free(text);
	fuzz_forget();
	return 0;
}

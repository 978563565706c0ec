/*
 * boxstep-pull: the program that speaks to registries, apart from all others, because HTTP and TLS
 * are a great deal of code that a container's start has no use for.
 * Follows the OCI distribution specification. Explained in book/08-registry.md.
 */
#include <curl/curl.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>
#include "step01-unshare/call.h"
#include "step01-unshare/idmap.h"
#include "step01-unshare/options.h"
#include "step05-overlay/store.h"
#include "step07-runtime/registry/pull.h"

static struct pull_options pull_how;
static struct remote_options remote_how;
static struct store_options store_how;
static struct idmap_options idmap_how;

static const struct program program = {
	.name = "boxstep-pull",
	.synopsis = "[OPTIONS] [HOST[:PORT]/]REPOSITORY[:TAG][@DIGEST]",
	.about = "Brings an image from a registry into the store. Ctrl-C is safe at any time: what "
		 "has come is kept, and the next pull goes on from there.",
	.tables = (const struct option_table[]){
		{ "Pull", pull_options, &pull_how },
		{ "Registry", remote_options, &remote_how },
		{ "Store", store_options, &store_how },
		{ "User namespace of the layers' owners", idmap_options, &idmap_how },
		{ "Narration", call_options, NULL },
		{ 0 },
	},
	.operand = "IMAGE",
	.examples = {
		"boxstep-pull nginx",
		"boxstep-pull --platform linux/arm64 --parallel 8 ghcr.io/owner/app:1.2",
		"boxstep-pull --authfile auth.json --quiet localhost:5000/demo",
	},
};

/* Without root, layers belong to whom a user namespace says. */
static bool
choose_owners(void)
{
	if (geteuid() == 0)
		return idmap_how.root || idmap_how.automatic;
	if (!idmap_how.automatic)
		idmap_how.root = true;
	store_how.flat = idmap_how.root;
	return true;
}

/* ANCHOR: order */
static int
pull_image(struct pull *pull, struct store *store, const char *text)
{
	bool user_namespace = choose_owners(), was_here;

	/* the name first: a slip of the keys should cost nothing */
	if (reference_parse(text, &pull->reference) < 0)
		return -1;
	/* nothing of the store is removed while this goes on */
	if (store_open(&store_how, store) < 0 || store_hold(store) < 0)
		return -1;
	/* is a registry there, and does it speak TLS? */
	if (remote_open(&pull->remote, &remote_how, &pull->reference) < 0)
		return -1;
	/* from the tag to a digest, from an index to this platform: all that follows is fixed */
	if (pull_manifest(pull) < 0)
		return -1;
	was_here = pull_is_here(pull);
	/* the bytes, each checked as it comes */
	if (!was_here && pull_blobs(pull) < 0)
		return -1;
	/* the layers as directories, and only then a name for the whole */
	if (pull_register(pull, &idmap_how, user_namespace) < 0)
		return -1;
	pull_tell(pull, was_here);
	return 0;
}
/* ANCHOR_END: order */

static int
run(char **words)
{
	struct store store = { .fd = -1, .held = -1 };
	struct pull pull = { .options = &pull_how, .store = &store };
	int result;

	if (words[1])
		return fail(EINVAL, "\"%s\": one image's name is wanted, not more", words[1]);
	signal(SIGPIPE, SIG_IGN); /* a server that hangs up is an error, not an end */
	srandom((unsigned)time(NULL) ^ (unsigned)getpid()); /* spreads the retries, nothing else */
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return fail(ENOMEM, "curl_global_init()");
	result = pull_image(&pull, &store, words[0]);
	pull_close(&pull);
	store_close(&store);
	curl_global_cleanup();
	return result;
}

int
main(int argc, char **argv)
{
	return program_main(&program, argc, argv, run);
}

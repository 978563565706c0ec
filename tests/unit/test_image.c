/*
 * Indexes, manifests and configs of strangers, a bomb, and a store whose images come and go.
 * Tests step05-overlay/, explained in book/05-overlay.md.
 */
#include "step01-unshare/call.h"
#include "step05-overlay/digest.h"
#include "step05-overlay/image.h"
#include "step05-overlay/image_config.h"
#include "step05-overlay/inflate.h"
#include "step05-overlay/store.h"
#include "step05-overlay/tree.h"

#include <archive.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#define D1  "sha256:1111111111111111111111111111111111111111111111111111111111111111"
#define D2  "sha256:2222222222222222222222222222222222222222222222222222222222222222"
#define OCI "application/vnd.oci.image."

/* ---- documents ---- */

static int
choose(const char *text, const char *tag, const char *platform, struct descriptor *chosen)
{
	struct platform wanted;

	call_forget();
	assert_int_equal(platform_parse(platform, &wanted), 0);
	return image_index_choose(text, strlen(text), NULL, tag, &wanted, chosen);
}

static void
the_entry_that_fits_best_is_chosen(void **state)
{
	const char *index = "{\"schemaVersion\":2,\"manifests\":["
			    "{\"digest\":\"" D1 "\",\"size\":1,\"platform\":{\"os\":\"linux\","
			    "\"architecture\":\"arm64\"}},"
			    "{\"digest\":\"" D2 "\",\"size\":2,\"platform\":{\"os\":\"linux\","
			    "\"architecture\":\"arm64\",\"variant\":\"v8\"}}]}";
	struct descriptor chosen;

	(void)state;
	assert_int_equal(choose(index, NULL, "linux/arm64/v8", &chosen), 0);
	assert_string_equal(chosen.digest, D2);
	assert_int_equal(choose(index, NULL, "linux/arm64", &chosen), 0);
	assert_string_equal(chosen.digest, D1);
	assert_int_equal(choose(index, NULL, "linux/s390x", &chosen), -1);
	assert_int_equal(errno, ENOENT);
	assert_int_equal(choose(index, "nosuch", "linux/arm64", &chosen), -1);
}

static void
platforms_are_strict(void **state)
{
	static const char *const wrong[] = { "",
					     "linux",
					     "linux/",
					     "/amd64",
					     "linux/amd64/",
					     "linux/arm/v7/x",
					     "linux/arm/v7 ",
					     "Linux/amd64",
					     "linux//v8" };
	struct platform platform;

	(void)state;
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		call_forget();
		if (platform_parse(wrong[i], &platform) == 0)
			fail_msg("accepted: \"%s\"", wrong[i]);
	}
	assert_int_equal(platform_parse("linux/arm/v7", &platform), 0);
	assert_string_equal(platform.variant, "v7");
}

static void
a_manifest_that_is_wrong_is_refused(void **state)
{
	static const char *const wrong[] = {
		"{}",
		"{\"schemaVersion\":2}",
		"{\"schemaVersion\":1,\"fsLayers\":[]}",
		"{\"schemaVersion\":2,\"layers\":[],\"manifests\":[]}",
		"{\"schemaVersion\":2,\"config\":{\"digest\":\"sha256:12\",\"size\":1},\"layers\":["
		"]}",
		"{\"schemaVersion\":2,\"config\":{\"digest\":\"" D1
		"\",\"size\":-1},\"layers\":[]}",
		"{\"schemaVersion\":2,\"config\":{\"digest\":\"" D1
		"\",\"size\":\"1\"},\"layers\":[]}",
		"{\"schemaVersion\":2,\"config\":{\"digest\":\"" D1 "\"},\"layers\":{}}",
		"{\"schemaVersion\":2,\"config\":{\"digest\":\"" D1 "\"},\"layers\":[null]}",
		"{\"schemaVersion\":2,\"mediaType\":\"" OCI
		"index.v1+json\",\"config\":{\"digest\":\"" D1 "\"},\"layers\":[]}",
	};
	struct image_manifest manifest;

	(void)state;
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		call_forget();
		if (image_manifest_parse(wrong[i], strlen(wrong[i]), NULL, &manifest) == 0)
			fail_msg("accepted: %s", wrong[i]);
		assert_int_not_equal(call_error()->number, 0);
	}
}

static void
command_and_environment_are_put_together(void **state)
{
	const char *text = "{\"config\":{\"Env\":[\"A=1\",\"B=2\"],\"Entrypoint\":[\"e\"],\"Cmd\":"
			   "[\"c\"],\"StopSignal\":\"SIGRTMIN+3\",\"Volumes\":{\"/v\":{}}},"
			   "\"rootfs\":{\"diff_ids\":[\"" D1 "\"]}}";
	char one[] = "x", changed[] = "B=3", *words[] = { one }, *extra[] = { changed, NULL };
	struct image_config config;
	char **argv, **env;

	(void)state;
	call_forget();
	assert_int_equal(image_config_parse(text, strlen(text), &config), 0);
	argv = image_argv(&config, NULL, NULL, 0);
	assert_string_equal(argv[0], "e");
	assert_string_equal(argv[1], "c");
	free(argv);
	argv = image_argv(&config, NULL, words, 1);
	assert_string_equal(argv[1], "x");
	free(argv);
	argv = image_argv(&config, "", words, 1);
	assert_string_equal(argv[0], "x");
	free(argv);
	assert_null(image_argv(&config, "", NULL, 0));
	env = image_environ(&config, extra);
	assert_int_equal(strncmp(env[0], "PATH=", 5), 0);
	assert_string_equal(env[2], "B=3");
	free(env);
	assert_int_equal(image_stop_signal(&config), SIGRTMIN + 3);
	assert_string_equal(config.volumes[0], "/v");
	image_config_free(&config);
	call_forget();
	assert_int_equal(signal_parse("quit"), SIGQUIT);
	assert_int_equal(signal_parse("SIGTERM"), SIGTERM);
	assert_int_equal(signal_parse("0"), -1);
	assert_int_equal(signal_parse("SIGNOSUCH"), -1);
}

/* ---- digests, bombs ---- */

static void
digests_and_chain_ids_are_the_known_ones(void **state)
{
	char text[DIGEST_TEXT], chain[DIGEST_TEXT];

	(void)state;
	digest_of("abc", 3, text);
	assert_string_equal(text,
			    "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f2"
			    "0015ad");
	digest_chain(NULL, D1, chain);
	assert_string_equal(chain, D1);
	digest_chain(D1, D2, chain);
	digest_of(D1 " " D2, strlen(D1 " " D2), text);
	assert_string_equal(chain, text);
	assert_false(digest_valid(NULL));
	assert_false(digest_valid(D1 "1"));
	assert_true(digest_valid(D1));
}

static void
what_grows_without_end_is_a_bomb(void **state)
{
	static const struct inflate_limits tight = { .bytes = 1 << 30,
						     .free = 1 << 20,
						     .ratio = 200 };
	char name[] = "/tmp/boxstep-unit.XXXXXX", line[128], diff_id[DIGEST_TEXT];
	const struct inflate_limits *limits[] = { &tight, &inflate_limits };
	struct descriptor blob;
	int fd = mkostemp(name, O_CLOEXEC);

	(void)state;
	close(fd);
	snprintf(line, sizeof line, "head -c 8M /dev/zero | gzip -9 > %s", name);
	assert_int_equal(system(line), 0);
	for (int i = 0; i < 2; i++) {
		call_forget();
		fd = open(name, O_RDONLY | O_CLOEXEC);
		struct inflate *inflate = inflate_start(fd, limits[i]);
		assert_non_null(inflate);
		assert_int_equal(inflate_finish(inflate, &blob, diff_id), i - 1);
		assert_int_equal(call_error()->number, i ? 0 : EFBIG);
		close(fd);
	}
	unlink(name);
}

/* ---- the store ---- */

static char root[64];
static struct store store;

static int
open_store(void **state)
{
	struct store_options options = { .root = root };

	(void)state;
	strcpy(root, "/var/tmp/boxstep-unit.XXXXXX");
	call_forget();
	return mkdtemp(root) ? store_open(&options, &store) : -1;
}

static int
close_store(void **state)
{
	int parent = open("/var/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC), result;

	(void)state;
	store_close(&store);
	call_forget();
	result = tree_remove(parent, strrchr(root, '/') + 1);
	close(parent);
	return result;
}

/* A layer with one file, under CHAIN. */
static void
put_layer(const char *chain)
{
	struct store_layer layer;

	assert_int_equal(store_layer_begin(&store, chain, &layer), 1);
	close(openat(layer.diff, "file", O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
	assert_int_equal(store_layer_commit(&store, &layer, chain, 10, 1, false), 0);
	assert_int_equal(store_layer_begin(&store, chain, &layer), 0);
}

static void
put_image(const char *manifest, char *chain, const char *name)
{
	char *chains[] = { chain, NULL };
	struct image_record record = { .chain = chains, .size = 10 };

	strcpy(record.manifest, manifest);
	strcpy(record.target, manifest);
	strcpy(record.config, manifest);
	assert_int_equal(store_image_add(&store, &record, name), 0);
}

static void
a_name_belongs_to_one_image(void **state)
{
	struct image_record found;
	char one[] = D1, two[] = D2;

	(void)state;
	put_image(D1, one, "demo");
	put_image(D2, two, "demo:latest");
	assert_int_equal(store_image_find(&store, "docker.io/library/demo", &found), 0);
	assert_string_equal(found.manifest, D2);
	image_record_free(&found);
	assert_int_equal(store_image_find(&store, "1111", &found), 0);
	assert_null(found.names[0]);
	image_record_free(&found);
	assert_int_equal(store_image_find(&store, "nosuch", &found), -1);
	assert_int_equal(errno, ENOENT);
	call_forget();
	assert_int_equal(store_tag(&store, "other:2", D1), 0);
	assert_int_equal(store_image_find(&store, "other:2", &found), 0);
	assert_string_equal(found.manifest, D1);
	image_record_free(&found);
}

static void
what_is_in_use_is_not_removed(void **state)
{
	char one[] = D1;
	int lock;

	(void)state;
	put_layer(D1);
	put_layer(D2); /* nobody's */
	put_image(D1, one, "demo");
	lock = store_layer_open(&store, D1);
	assert_true(lock >= 0);
	assert_int_equal(store_image_remove(&store, "demo", false, NULL, NULL), -1);
	assert_int_equal(call_error()->number, EBUSY);
	close(lock);
	call_forget();
	assert_int_equal(store_pin(&store, "container", D1), 0);
	assert_int_equal(store_image_remove(&store, "demo", false, NULL, NULL), -1);
	call_forget();
	assert_int_equal(store_image_remove(&store, "demo", true, NULL, NULL), 0);
	assert_true(store_has_layer(&store, D1)); /* the pin holds it */
	assert_false(store_has_layer(&store, D2));
	assert_int_equal(store_unpin(&store, "container"), 0);
	assert_int_equal(store_collect(&store, NULL, NULL), 10);
	assert_false(store_has_layer(&store, D1));
}

static void
nothing_is_collected_past_a_pin_that_cannot_be_read(void **state)
{
	char one[] = D1;
	int pin;

	(void)state;
	put_layer(D1);
	put_image(D1, one, "demo");
	assert_int_equal(store_pin(&store, "container", D1), 0);
	pin = openat(store.fd, "pins/container", O_WRONLY | O_TRUNC | O_CLOEXEC);
	assert_true(pin >= 0);
	close(pin);
	assert_int_equal(store_image_remove(&store, "demo", true, NULL, NULL), -1);
	assert_int_equal(call_error()->number, EINVAL);
	assert_true(store_has_layer(&store, D1)); /* whatever the pin says, it is not lost */
	call_forget();
	assert_int_equal(store_unpin(&store, "container"), 0);
	assert_int_equal(store_collect(&store, NULL, NULL), 10);
}

static void
nothing_is_collected_while_something_is_brought_in(void **state)
{
	struct store_options options = { .root = root };
	struct store other;

	(void)state;
	put_layer(D1);
	assert_int_equal(store_open(&options, &other), 0);
	assert_int_equal(store_hold(&other), 0);
	assert_int_equal(store_collect(&store, NULL, NULL), 0);
	assert_true(store_has_layer(&store, D1));
	store_close(&other);
	assert_int_equal(store_collect(&store, NULL, NULL), 10);
}

static void
a_partial_blob_waits_for_the_next_try(void **state)
{
	char digest[DIGEST_TEXT];
	struct stat st;
	int fd;

	(void)state;
	digest_of("abc", 3, digest);
	fd = store_ingest_open(&store, digest);
	assert_int_equal(write(fd, "a", 1), 1);
	assert_int_equal(store_ingest_open(&store, digest), -1);
	assert_int_equal(errno, EWOULDBLOCK);
	close(fd);
	fd = store_ingest_open(&store, digest);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_size, 1);
	store_ingest_drop(&store, fd, digest);
	assert_int_equal(store_blob_put(&store, digest, "abc", 3), 0);
	assert_true(store_has_blob(&store, digest, 3));
	assert_false(store_has_blob(&store, digest, 4));
	assert_int_equal(store_ingest_open(&store, "sha256:.."), -1);
}

static void
a_tree_is_removed_however_deep(void **state)
{
	int fd = fcntl(store.fd, F_DUPFD_CLOEXEC, 0), next;
	struct stat st;

	(void)state;
	for (int i = 0; i < 3000; i++) {
		assert_int_equal(mkdirat(fd, "d", i % 7 ? 0700 : 0), 0);
		assert_int_equal(symlinkat("/", fd, "link"), 0);
		next = openat(fd, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		close(fd);
		fd = next;
	}
	close(fd);
	assert_int_equal(tree_remove(store.fd, "d"), 0);
	assert_int_equal(fstatat(store.fd, "d", &st, AT_SYMLINK_NOFOLLOW), -1);
	assert_int_equal(tree_remove(store.fd, "link"), 0);
	assert_int_equal(access("/etc", F_OK), 0);
}

static void
a_lock_waits_for_no_folder(void **state)
{
	(void)state;
	alarm(10); /* it was asked for again and again */
	assert_int_equal(store_lock_own(store.fd, "nosuch/name", false, LOCK_EX), -1);
	assert_int_equal(errno, ENOENT);
	assert_int_equal(store_lock_own(store.fd, "nosuch/name", true, LOCK_EX), -1);
	assert_int_equal(errno, ENOENT);
	alarm(0);
}

static void
a_lock_is_on_what_the_name_means(void **state)
{
	int lock = store_lock_own(store.fd, "x", true, LOCK_EX), status;
	pid_t child;

	(void)state;
	assert_true(lock >= 0);
	assert_int_equal(tree_lock(store.fd, "x", O_RDONLY, LOCK_EX | LOCK_NB), -1);
	assert_int_equal(errno, EWOULDBLOCK);
	if ((child = fork()) == 0) {
		close(lock);
		lock = tree_lock(store.fd, "x", O_RDONLY, LOCK_EX);
		_exit(lock >= 0 ? 0 : errno);
	}
	usleep(200000); /* it has opened the directory and waits */
	assert_int_equal(renameat(store.fd, "x", store.fd, "y"), 0);
	close(lock);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(WEXITSTATUS(status), EIDRM);
}

#define IN_STORE(test) cmocka_unit_test_setup_teardown(test, open_store, close_store)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_entry_that_fits_best_is_chosen),
		cmocka_unit_test(platforms_are_strict),
		cmocka_unit_test(a_manifest_that_is_wrong_is_refused),
		cmocka_unit_test(command_and_environment_are_put_together),
		cmocka_unit_test(digests_and_chain_ids_are_the_known_ones),
		cmocka_unit_test(what_grows_without_end_is_a_bomb),
		IN_STORE(a_name_belongs_to_one_image),
		IN_STORE(what_is_in_use_is_not_removed),
		IN_STORE(nothing_is_collected_past_a_pin_that_cannot_be_read),
		IN_STORE(nothing_is_collected_while_something_is_brought_in),
		IN_STORE(a_partial_blob_waits_for_the_next_try),
		IN_STORE(a_tree_is_removed_however_deep),
		IN_STORE(a_lock_waits_for_no_folder),
		IN_STORE(a_lock_is_on_what_the_name_means),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

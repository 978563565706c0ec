/*
 * Words of mount(8): what each means to the kernel, and lists of mounts that make no sense.
 * Tests step03-mounts/mount_options.c and mount_list.c, explained in book/03-mounts.md.
 */
#include "step01-unshare/call.h"
#include "step03-mounts/mount_list.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <cmocka.h>

static struct mount_flags
taken(const char *words)
{
	struct mount_flags flags = { 0 };

	assert_int_equal(mount_flags_add(&flags, words), 0);
	return flags;
}

/* The table "Linux mount options" of the runtime-spec's config.md. */
static const char *const spec_words[] = {
	"async",	  "atime",	"bind",		"defaults",    "dev",
	"diratime",	  "dirsync",	"exec",		"iversion",    "lazytime",
	"loud",		  "mand",	"noatime",	"nodev",       "nodiratime",
	"noexec",	  "noiversion", "nolazytime",	"nomand",      "norelatime",
	"nostrictatime",  "nosuid",	"nosymfollow",	"private",     "ratime",
	"rbind",	  "rdev",	"rdiratime",	"relatime",    "remount",
	"rexec",	  "rnoatime",	"rnodiratime",	"rnoexec",     "rnorelatime",
	"rnostrictatime", "rnosuid",	"rnosymfollow", "ro",	       "rprivate",
	"rrelatime",	  "rro",	"rrw",		"rshared",     "rslave",
	"rstrictatime",	  "rsuid",	"rsymfollow",	"runbindable", "rw",
	"shared",	  "silent",	"slave",	"strictatime", "suid",
	"symfollow",	  "sync",	"tmpcopyup",	"unbindable",  "idmap",
	"ridmap",	  "rnodev",
};

static void
every_word_of_the_runtime_spec_is_known(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof spec_words / sizeof spec_words[0]; i++) {
		struct mount_flags flags = taken(spec_words[i]);
		size_t n = 0;

		/* data are only the words that fsconfig(2) takes as they are */
		if (flags.data_count)
			assert_non_null(
				strstr(" sync async dirsync lazytime nolazytime mand nomand ",
				       spec_words[i]));
		while (mount_option_name(n) && strcmp(mount_option_name(n), spec_words[i]) != 0)
			n++;
		assert_non_null(mount_option_name(n)); /* and told to those who ask for features */
		mount_flags_free(&flags);
	}
}

static void
attributes_are_set_and_cleared_for_one_mount_or_the_tree(void **state)
{
	struct mount_flags flags = taken("ro,nosuid,exec,rnodev,rnoatime");

	(void)state;
	assert_int_equal(flags.one.set, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID);
	assert_int_equal(flags.one.clear, MOUNT_ATTR_NOEXEC);
	assert_int_equal(flags.all.set, MOUNT_ATTR_NODEV | MOUNT_ATTR_NOATIME);
	assert_int_equal(flags.all.clear, MOUNT_ATTR__ATIME);
	mount_flags_free(&flags);
}

static void
a_later_word_undoes_an_earlier_one(void **state)
{
	struct mount_flags flags = taken("ro,rw,noatime,strictatime,bind,rbind,idmap,ridmap");

	(void)state;
	assert_int_equal(flags.one.set, MOUNT_ATTR_STRICTATIME);
	assert_int_equal(flags.one.clear, MOUNT_ATTR_RDONLY | MOUNT_ATTR__ATIME);
	assert_true(flags.bind && flags.recursive && flags.idmap && flags.idmap_all);
	mount_flags_free(&flags);
}

static void
of_the_atime_words_the_kernels_order_decides(void **state)
{
	static const struct {
		const char *words;
		uint64_t set;
	} cases[] = {
		{ "noatime,norelatime", MOUNT_ATTR_NOATIME },
		{ "noatime,relatime", MOUNT_ATTR_NOATIME },
		{ "noatime,nostrictatime", MOUNT_ATTR_NOATIME },
		{ "strictatime,noatime,relatime", MOUNT_ATTR_STRICTATIME },
		{ "strictatime,atime", MOUNT_ATTR_STRICTATIME },
		{ "strictatime,nostrictatime", MOUNT_ATTR_RELATIME },
		{ "noatime,atime", MOUNT_ATTR_RELATIME },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct mount_flags flags = taken(cases[i].words);
		if (flags.one.set != cases[i].set || flags.one.clear != MOUNT_ATTR__ATIME)
			fail_msg("%s: %#llx, and not %#llx", cases[i].words,
				 (unsigned long long)flags.one.set,
				 (unsigned long long)flags.one.clear);
		mount_flags_free(&flags);
	}
}

static void
maps_of_ids_are_kept_as_they_are_written(void **state)
{
	struct mount_flags flags = taken("idmap=uids=1-2-3;gids=4-5-6,ro");

	(void)state;
	assert_true(flags.idmap && !flags.idmap_all && flags.one.set == MOUNT_ATTR_RDONLY);
	assert_string_equal(flags.maps, "uids=1-2-3;gids=4-5-6");
	assert_int_equal(mount_flags_add(&flags, "ridmap=x"), 0);
	assert_true(flags.idmap && flags.idmap_all);
	assert_string_equal(flags.maps, "x");
	assert_int_equal(flags.data_count, 0);
	mount_flags_free(&flags);
}

static void
propagation_is_kept_in_order(void **state)
{
	struct mount_flags flags = taken("rslave,shared");

	(void)state;
	assert_int_equal(flags.spread_count, 2);
	assert_int_equal(flags.spread[0], MS_SLAVE | MS_REC);
	assert_int_equal(flags.spread[1], MS_SHARED);
	assert_int_equal(mount_flags_add(&flags, "private,private,private"), -1);
	assert_int_equal(errno, EINVAL);
	call_forget();
	mount_flags_free(&flags);
	assert_int_equal(mount_propagation("runbindable"), MS_UNBINDABLE | MS_REC);
	assert_int_equal(mount_propagation("ro"), 0);
	assert_int_equal(mount_propagation("nonsense"), 0);
}

static void
what_is_not_the_kernels_is_data_cut_at_commas_outside_of_quotes(void **state)
{
	struct mount_flags flags =
		taken("size=64m,,x-systemd.automount,comment=no,context=\"a:b:c1,c2\",huge,nofail");

	(void)state;
	assert_int_equal(flags.data_count, 3);
	assert_string_equal(flags.data[0], "size=64m");
	assert_string_equal(flags.data[1], "context=\"a:b:c1,c2\"");
	assert_string_equal(flags.data[2], "huge");
	assert_int_equal(mount_flags_add(&flags, "context=\"a,b"), -1);
	assert_int_equal(errno, EINVAL);
	call_forget();
	mount_flags_free(&flags);
}

static void
a_word_too_long_to_be_known_is_data(void **state)
{
	char word[400] = "lowerdir=";
	struct mount_flags flags;

	(void)state;
	memset(word + 9, 'x', 300);
	flags = taken(word);
	assert_int_equal(flags.data_count, 1);
	assert_string_equal(flags.data[0], word);
	mount_flags_free(&flags);
}

static void
names_of_attributes_are_straces(void **state)
{
	(void)state;
	assert_string_equal(mount_attr_names(0), "0");
	assert_string_equal(mount_attr_names(MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOEXEC),
			    "MOUNT_ATTR_RDONLY|MOUNT_ATTR_NOEXEC");
	assert_string_equal(mount_attr_names(MOUNT_ATTR__ATIME), "MOUNT_ATTR__ATIME");
	assert_string_equal(mount_attr_names(MOUNT_ATTR_STRICTATIME), "MOUNT_ATTR_STRICTATIME");
}

/* ---- lists ---- */

#define MAPS "uids=0-1-1;gids=0-1-1"
#define BAD_MAPS(maps)                                                        \
	{                                                                     \
		.target = "/x", .source = "/y", .options = "bind,idmap=" maps \
	}

static void
a_mount_that_makes_no_sense_is_refused_before_anything_is_made(void **state)
{
	static const struct id_range range = { 0, 100000, 10 };
	static const struct mount_spec bad[] = {
		{ .type = "tmpfs" },
		{ .target = "", .type = "tmpfs" },
		{ .target = "/x", .options = "bind" },
		{ .target = "/x", .source = "", .options = "rbind" },
		{ .target = "/x", .source = "/y", .options = "rbind,size=3", .strict = true },
		{ .target = "/x", .type = "tmpfs", .options = "idmap" },
		{ .target = "/x",
		  .source = "/y",
		  .options = "bind",
		  .uid = &range,
		  .uid_count = 1 },
		{ .target = "/x", .options = "bind,idmap", .tree = 77 },
		{ .target = "/x", .options = "bind,idmap=" MAPS, .tree = 77 },
		{ .target = "/x", .type = "tmpfs", .options = "idmap=" MAPS },
		BAD_MAPS(""),
		BAD_MAPS("uids=0-1-1"),
		BAD_MAPS("uids=0-1-1;uids=0-1-1"),
		BAD_MAPS("uids=0-1-1;gids="),
		BAD_MAPS("uids=0-1-1;gids=0-1"),
		BAD_MAPS("uids=0-1-1;gids=0-1-"),
		BAD_MAPS("gids=0-1-1;uids=0-1-"),
		BAD_MAPS("uids=0-1-1;gids=0-1-1;"),
		BAD_MAPS("uids=0-1-1;gids=0-1-1#"),
		BAD_MAPS("uids=0-1-1;gids=0-1-1 "),
		BAD_MAPS("uids=0-1-1;gids=0- 1-1"),
		BAD_MAPS("uids=0-1-1;gids=0--1-1"),
		BAD_MAPS("uids=0-1-1;gids=@@0-1-1"),
		BAD_MAPS("uids=0-1-1;gids=0-1-0"),
		BAD_MAPS("uids=0-1-1;gids=0-4294967295-2"),
		BAD_MAPS("uids=0-1-1;gids=4294967295-0-2"),
		BAD_MAPS("uids=0-1-1;gids=0-4294967296-1"),
		BAD_MAPS("uids=0-1-1;gids=0-18446744073709551617-1"),
		{ .target = "/x", .type = "proc", .options = "tmpcopyup" },
		{ .target = "/x", .type = "tmpfs", .options = "context=\"a" },
	};
	struct mount_list list = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		assert_int_equal(mounts_add(&list, &bad[i]), -1);
		assert_int_equal(errno, EINVAL);
		assert_int_equal(call_error()->number, EINVAL);
		call_forget();
	}
	assert_int_equal(list.count, 0);
	mounts_free(&list);
}

static void
a_map_has_as_many_lines_as_the_kernel_takes(void **state)
{
	struct id_range map[IDMAP_LINES + 1];

	(void)state;
	for (unsigned i = 0; i <= IDMAP_LINES; i++)
		map[i] = (struct id_range){ i, i, 1 };
	assert_int_equal(idmap_check(map, IDMAP_LINES, "uids"), 0);
	assert_int_equal(idmap_check(map, IDMAP_LINES + 1, "uids"), -1);
	assert_int_equal(errno, EINVAL);
	call_forget();
}

static void
what_a_mount_is_depends_on_its_words(void **state)
{
	/* a bind has no use for "mode=755", nor "bind" a word against "rbind" */
	static const char *const words[] = { "rbind", "bind", "mode=755" };
	static const struct {
		struct mount_spec spec;
		bool bind, change;
	} kinds[] = {
		{ { .target = "/x", .type = "tmpfs" }, false, false },
		{ { .target = "/x", .source = "/y", .option = words, .option_count = 3 },
		  true,
		  false },
		{ { .target = "/x", .source = "/y", .type = "bind" }, true, false },
		{ { .target = "/x", .tree = 1000000, .options = "bind" }, true, false },
		{ { .target = "/x", .type = "tmpfs", .options = "remount,ro" }, false, true },
		{ { .target = "/x", .options = "bind,remount,ro" }, false, true },
		{ { .target = "/x", .type = "none", .options = "rshared" }, false, true },
		{ { .target = "/", .options = "rslave" }, false, true },
	};
	struct mount_list list = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
		assert_int_equal(mounts_add(&list, &kinds[i].spec), 0);
		assert_int_equal(mount_is_bind(&list.entry[i]), kinds[i].bind);
		assert_int_equal(mount_is_change(&list.entry[i]), kinds[i].change);
	}
	assert_true(mount_is_type(&list.entry[0], "tmpfs"));
	assert_true(list.entry[1].flags.recursive);
	mounts_free(&list);
}

static void
the_defaults_come_first_and_the_users_wishes_in_their_order(void **state)
{
	struct mounts_options options = { .shm_size = 4096, .writable_sys = true };
	struct mount_list list = { 0 };
	const struct option_row *bind = &mounts_options[0], *tmpfs = &mounts_options[1];

	(void)state;
	assert_int_equal(tmpfs->set(tmpfs, "/b:size=1m,exec", &options), 0);
	assert_int_equal(bind->set(bind, "/src:/a:ro", &options), 0);
	assert_int_equal(mounts_add_defaults(&list, &options), 0);
	assert_int_equal(mounts_add_wanted(&list, &options), 0);
	assert_int_equal(list.count, 8);
	assert_string_equal(list.entry[0].spec.target, "/proc");
	assert_string_equal(list.entry[3].spec.target, "/dev/shm");
	assert_string_equal(list.entry[3].flags.data[1], "size=4096");
	assert_false(list.entry[5].flags.one.set & MOUNT_ATTR_RDONLY);
	assert_string_equal(list.entry[6].spec.target, "/b");
	assert_false(list.entry[6].flags.one.set & MOUNT_ATTR_NOEXEC);
	assert_string_equal(list.entry[7].spec.source, "/src");
	assert_true(list.entry[7].flags.one.set & MOUNT_ATTR_RDONLY);
	mounts_free(&list);
}

static void
a_place_that_is_not_absolute_is_refused(void **state)
{
	static const char *const bad[] = {
		"", "/src", "/src:", "/src:dst", ":/dst", "::", "a:b:c"
	};
	struct mounts_options options = { 0 };
	const struct option_row *bind = &mounts_options[0], *tmpfs = &mounts_options[1];

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		assert_int_equal(bind->set(bind, bad[i], &options), -1);
		call_forget();
	}
	assert_int_equal(tmpfs->set(tmpfs, "tmp", &options), -1);
	call_forget();
	assert_int_equal(options.wanted.count, 0);
	mounts_free(&options.wanted);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_word_of_the_runtime_spec_is_known),
		cmocka_unit_test(attributes_are_set_and_cleared_for_one_mount_or_the_tree),
		cmocka_unit_test(a_later_word_undoes_an_earlier_one),
		cmocka_unit_test(of_the_atime_words_the_kernels_order_decides),
		cmocka_unit_test(maps_of_ids_are_kept_as_they_are_written),
		cmocka_unit_test(propagation_is_kept_in_order),
		cmocka_unit_test(what_is_not_the_kernels_is_data_cut_at_commas_outside_of_quotes),
		cmocka_unit_test(a_word_too_long_to_be_known_is_data),
		cmocka_unit_test(names_of_attributes_are_straces),
		cmocka_unit_test(a_mount_that_makes_no_sense_is_refused_before_anything_is_made),
		cmocka_unit_test(a_map_has_as_many_lines_as_the_kernel_takes),
		cmocka_unit_test(what_a_mount_is_depends_on_its_words),
		cmocka_unit_test(the_defaults_come_first_and_the_users_wishes_in_their_order),
		cmocka_unit_test(a_place_that_is_not_absolute_is_refused),
	};

	return cmocka_run_group_tests_name("mount options", tests, NULL, NULL);
}

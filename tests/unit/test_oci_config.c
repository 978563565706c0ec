/*
 * config.json and process objects of strangers: what is read of good ones, and that bad ones are
 * refused with the member named. Tests step07-runtime/oci/config.c, config_process.c, resources.c
 * and the limits of step05-overlay/json.c, explained in book/07-runtime.md.
 */
#include "step01-unshare/call.h"
#include "step05-overlay/json.h"
#include "step07-runtime/oci/config.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#define PROCESS                                                                      \
	"\"ociVersion\":\"1.2.0\",\"process\":{\"args\":[\"/bin/true\"],\"cwd\":\"/" \
	"\",\"user\":{\"uid\":0,\"gid\":0}}"
#define ROOT "\"root\":{\"path\":\"rootfs\"}"
#define MNT  "\"namespaces\":[{\"type\":\"mount\"}]"
/* a whole configuration but for one more member of `process`, of `linux`, of the whole */
#define WITH_PROCESS(more)                                                                    \
	"{\"ociVersion\":\"1.2.0\",\"process\":{\"args\":[\"/bin/true\"],\"cwd\":\"/\"," more \
	"}," ROOT ",\"linux\":{" MNT "}}"
#define WITH_LINUX(more) "{" PROCESS "," ROOT ",\"linux\":{" MNT "," more "}}"
#define WITH(more)	 "{" PROCESS "," ROOT ",\"linux\":{" MNT "}," more "}"

static int bundle;

/* Reads TEXT of LENGTH bytes as the config.json of a bundle. */
static int
read_bytes(const char *text, size_t length, struct oci_config *config)
{
	int fd = openat(bundle, "config.json", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, length), length);
	close(fd);
	call_forget();
	return oci_config_read(bundle, "config.json", "/bundle", config);
}

static void
refused(const char *text, size_t length, int number, const char *names)
{
	struct oci_config config;

	if (read_bytes(text, length, &config) == 0)
		fail_msg("taken: %.200s", text);
	if (number && call_error()->number != number)
		fail_msg("%.200s: errno %d, not %d: %s", text, call_error()->number, number,
			 call_error()->what);
	if (!strstr(call_error()->what, names))
		fail_msg("%.200s: \"%s\" does not name %s", text, call_error()->what, names);
}

/* ---- bad ones ---- */

static const struct {
	const char *text, *names;
} bad[] = {
	/* no object, or not one alone */
	{ "", "config.json" },
	{ "null", "config.json" },
	{ "[]", "config.json" },
	{ "{", "too early" },
	{ "{} {}", "config.json" },
	{ "{}x", "config.json" },
	{ "{'a':1}", "config.json" },
	{ "{\"a\":1,}", "config.json" },
	{ "{\"a\":NaN}", "config.json" },
	{ "{\"a\":\"\xff\xfe\"}", "config.json" },
	{ "{\"a\":\"\xc0\x80\"}", "config.json" },
	{ "{/* a comment */}", "config.json" },
	/* parts that are missing, or of another kind */
	{ "{}", "ociVersion" },
	{ "{\"ociVersion\":\"1.2.0\",\"process\":[]}", "process" },
	{ "{\"ociVersion\":\"1.2.0\",\"process\":{}}", "cwd" },
	{ "{" PROCESS "}", "root.path" },
	{ "{" PROCESS ",\"root\":{\"path\":\"\"},\"linux\":{" MNT "}}", "root.path" },
	{ "{" PROCESS ",\"root\":{\"path\":7},\"linux\":{" MNT "}}", "path" },
	{ "{" PROCESS ",\"root\":{\"path\":\"r\",\"readonly\":\"no\"},\"linux\":{" MNT "}}",
	  "readonly" },
	{ "{" PROCESS "," ROOT ",\"linux\":7}", "linux" },
	{ "{" PROCESS "," ROOT ",\"linux\":{\"namespaces\":[{\"type\":\"user\"}]}}",
	  "mount namespace" },
	{ "{" PROCESS "," ROOT
	  ",\"linux\":{\"namespaces\":[{\"type\":\"mount\",\"path\":\"ns\"}]}}",
	  "absolute" },
	{ WITH("\"mounts\":{}"), "mounts" },
	{ WITH("\"mounts\":[7]"), "mounts" },
	{ WITH("\"mounts\":[{}]"), "destination" },
	{ WITH("\"mounts\":[{\"destination\":[]}]"), "destination" },
	{ WITH("\"mounts\":[{\"destination\":\"/x\",\"options\":[1]}]"), "options" },
	{ WITH("\"mounts\":[{\"destination\":\"/x\",\"options\":\"ro\"}]"), "options" },
	{ WITH("\"mounts\":[{\"destination\":\"/x\",\"type\":\"bind\"}]"), "/x" },
	{ WITH("\"mounts\":[{\"destination\":\"/x\",\"source\":\"/y\"}]"), "without a type" },
	{ WITH("\"mounts\":[{\"destination\":\"/x\",\"type\":\"none\",\"options\":[\"ro\"]}]"),
	  "without a type" },
	{ WITH("\"mounts\":[{\"destination\":\"/x\\u0000y\",\"type\":\"tmpfs\"}]"), "destination" },
	{ WITH("\"hostname\":{}"), "hostname" },
	{ WITH("\"annotations\":[]"), "annotations" },
	{ WITH("\"annotations\":{\"boxstep.user\":7}"), "boxstep.user" },
	/* process */
	{ "{\"ociVersion\":\"1.2.0\",\"process\":{\"args\":[],\"cwd\":\"/\"}," ROOT
	  ",\"linux\":{" MNT "}}",
	  "args" },
	{ "{\"ociVersion\":\"1.2.0\",\"process\":{\"args\":[\"a\"],\"cwd\":\"x\"}," ROOT
	  ",\"linux\":{" MNT "}}",
	  "cwd" },
	{ WITH_PROCESS("\"args\":[\"a\\u0000b\"]"), "args" },
	{ WITH_PROCESS("\"args\":[null]"), "args" },
	{ WITH_PROCESS("\"env\":[{}]"), "env" },
	{ WITH_PROCESS("\"env\":[\"A=\\u0000\"]"), "env" },
	{ WITH_PROCESS("\"terminal\":1"), "terminal" },
	{ WITH_PROCESS("\"noNewPrivileges\":\"true\""), "noNewPrivileges" },
	{ WITH_PROCESS("\"user\":\"root\""), "user" },
	{ WITH_PROCESS("\"user\":{\"uid\":-1}"), "process.user" },
	{ WITH_PROCESS("\"user\":{\"uid\":2147483648}"), "process.user" },
	{ WITH_PROCESS("\"user\":{\"uid\":4294967295}"), "process.user" },
	{ WITH_PROCESS("\"user\":{\"uid\":4294967296}"), "process.user" },
	{ WITH_PROCESS("\"user\":{\"gid\":4294967296}"), "process.user" },
	{ WITH_PROCESS("\"user\":{\"uid\":18446744073709551616}"), "uid" },
	{ WITH_PROCESS("\"user\":{\"uid\":18446744073709551615}"), "uid" },
	{ WITH_PROCESS("\"user\":{\"uid\":\"0\"}"), "uid" },
	{ WITH_PROCESS("\"user\":{\"uid\":0.5}"), "uid" },
	{ WITH_PROCESS("\"user\":{\"uid\":1e3}"), "uid" },
	{ WITH_PROCESS("\"user\":{\"uid\":true}"), "uid" },
	{ WITH_PROCESS("\"user\":{\"uid\":01}"), "config.json" },
	{ WITH_PROCESS("\"user\":{\"umask\":512}"), "umask" },
	{ WITH_PROCESS("\"user\":{\"umask\":-1}"), "umask" },
	{ WITH_PROCESS("\"user\":{\"additionalGids\":[\"0\"]}"), "additionalGids" },
	{ WITH_PROCESS("\"user\":{\"additionalGids\":[4294967296]}"), "additionalGids" },
	{ WITH_PROCESS("\"user\":{\"additionalGids\":{}}"), "additionalGids" },
	{ WITH_PROCESS("\"capabilities\":{\"bounding\":[\"CAP_NOSUCH\\u0000\"]}"), "bounding" },
	{ WITH_PROCESS("\"capabilities\":[]"), "capabilities" },
	{ WITH_PROCESS("\"consoleSize\":{\"height\":65536}"), "height" },
	{ WITH_PROCESS("\"consoleSize\":{\"width\":-1}"), "width" },
	{ WITH_PROCESS("\"rlimits\":[{}]"), "rlimits" },
	{ WITH_PROCESS("\"rlimits\":[{\"type\":\"RLIMIT_NOFILE\",\"soft\":-1,\"hard\":1}]"),
	  "process.rlimits[0].soft" },
	{ WITH_PROCESS("\"rlimits\":[{\"type\":\"RLIMIT_NOFILE\",\"soft\":2,\"hard\":1}]"),
	  "RLIMIT_NOFILE" },
	{ WITH_PROCESS("\"rlimits\":[{\"type\":\"RLIMIT_NONE\",\"soft\":1,\"hard\":1}]"),
	  "RLIMIT_NONE" },
	{ WITH_PROCESS("\"oomScoreAdj\":4294967296"), "oomScoreAdj" },
	{ WITH_PROCESS("\"oomScoreAdj\":1001"), "oom_score_adj" },
	{ WITH_PROCESS("\"ioPriority\":{\"class\":\"IOPRIO_CLASS_BE\",\"priority\":8}"),
	  "level 8" },
	{ WITH_PROCESS("\"ioPriority\":{\"class\":\"IOPRIO_CLASS_BE\",\"priority\":4294967296}"),
	  "priority" },
	{ WITH_PROCESS("\"scheduler\":{\"policy\":\"SCHED_NONE\"}"), "SCHED_NONE" },
	{ WITH_PROCESS("\"scheduler\":{\"nice\":5}"), "there is no policy" },
	{ WITH_PROCESS("\"scheduler\":{\"flags\":[\"SCHED_FLAG_RECLAIM\"]}"),
	  "there is no policy" },
	{ WITH_PROCESS("\"ioPriority\":{\"priority\":7}"), "no class" },
	{ WITH_PROCESS("\"scheduler\":{\"policy\":\"SCHED_OTHER\",\"runtime\":-1}"), "runtime" },
	/* linux */
	{ WITH_LINUX("\"rootfsPropagation\":\"secret\""), "rootfsPropagation" },
	{ WITH_LINUX("\"memoryPolicy\":{}"), "linux.memoryPolicy" },
	{ WITH_LINUX("\"uidMappings\":[{\"containerID\":0,\"hostID\":0,\"size\":1}]"),
	  "user namespace" },
	{ WITH_LINUX("\"uidMappings\":{}"), "uidMappings" },
	{ WITH_LINUX("\"devices\":[{\"path\":\"/dev/x\",\"type\":\"d\"}]"), "linux.devices" },
	{ WITH_LINUX("\"devices\":[{\"path\":\"/dev/x\",\"type\":\"\"}]"), "linux.devices" },
	{ WITH_LINUX("\"devices\":[{\"type\":\"c\"}]"), "linux.devices" },
	{ WITH_LINUX("\"devices\":[{\"path\":\"/d\",\"type\":\"c\",\"major\":4294967297}]"),
	  "major" },
	{ WITH_LINUX("\"devices\":[{\"path\":\"/d\",\"type\":\"c\",\"major\":4096}]"), "major" },
	{ WITH_LINUX("\"devices\":[{\"path\":\"/d\",\"type\":\"c\",\"minor\":-1}]"), "minor" },
	{ WITH_LINUX("\"devices\":[{\"path\":\"/d\",\"type\":\"c\",\"uid\":4294967296}]"), "uid" },
	{ WITH_LINUX("\"maskedPaths\":[7]"), "maskedPaths" },
	{ WITH_LINUX("\"readonlyPaths\":\"/proc\""), "readonlyPaths" },
	{ WITH_LINUX("\"sysctl\":{\"a\":1}"), "linux.sysctl" },
	{ WITH_LINUX("\"sysctl\":{\"net.a=b\":\"1\"}"), "sysctl" },
	{ WITH_LINUX("\"sysctl\":[]"), "sysctl" },
	{ WITH_LINUX("\"seccomp\":\"unconfined\""), "seccomp" },
	{ WITH_LINUX("\"seccomp\":{},\"seccomp\":{}"), "seccomp" },
	{ WITH_LINUX("\"seccomp\":{},\"s\\u0065ccomp\":{}"), "seccomp" },
	{ WITH_LINUX("\"intelRdt\":{\"closID\":\"a\"}"), "intelRdt" },
	{ WITH_LINUX("\"intelRdt\":{}"), "intelRdt" },
	{ WITH_LINUX("\"resources\":7"), "resources" },
	{ WITH_LINUX("\"resources\":{\"memory\":{\"limit\":\"64m\"}}"), "limit" },
	{ WITH_LINUX("\"resources\":{\"memory\":{\"limit\":9223372036854775808}}"), "limit" },
	{ WITH_LINUX("\"resources\":{\"pids\":{\"limit\":1.5}}"), "limit" },
	{ WITH_LINUX("\"resources\":{\"unified\":{\"memory.max\":1}}"), "unified" },
	{ WITH_LINUX("\"resources\":{\"hugepageLimits\":[7]}"), "hugepageLimits" },
	{ WITH_LINUX("\"resources\":{\"devices\":[{\"type\":\"q\"}]}"), "devices" },
	{ WITH_LINUX("\"resources\":{\"devices\":[{\"access\":\"x\"}]}"), "devices" },
	{ WITH_LINUX("\"resources\":{\"devices\":[{\"major\":\"1\"}]}"), "major" },
	{ WITH_LINUX("\"resources\":{\"blockIO\":{\"throttleReadBpsDevice\":[{\"major\":-1}]}}"),
	  "major" },
};

static void
a_bad_configuration_is_refused_and_its_member_named(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		refused(bad[i].text, strlen(bad[i].text), 0, bad[i].names);
}

static void
a_namespace_is_known_and_there_once(void **state)
{
	(void)state;
	static const char *const lists[] = {
		"{\"type\":\"nosuch\"}",
		"{\"type\":7}",
		"7",
		"{\"type\":\"mount\"}",
		"{\"path\":\"/proc/1/ns/net\"}",
		"{\"type\":\"pid\"},{\"type\":\"pid\",\"path\":\"/x\"}"
	};
	char text[512];

	for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
		int n = snprintf(text, sizeof text,
				 "{" PROCESS "," ROOT ",\"linux\":{\"namespaces\":"
				 "[{\"type\":\"mount\"},%s]}}",
				 lists[i]);
		refused(text, (size_t)n, EINVAL, i == 1 ? "type" : "linux.namespaces");
	}
}

static void
an_id_map_that_overflows_is_refused(void **state)
{
	(void)state;
	static const char *const maps[] = {
		"\"containerID\":9223372036854775807,\"hostID\":0,\"size\":9223372036854775807",
		"\"containerID\":0,\"hostID\":9223372036854775807,\"size\":1",
		"\"containerID\":0,\"hostID\":4294967295,\"size\":1",
		"\"containerID\":0,\"hostID\":1,\"size\":4294967295",
		"\"containerID\":-1,\"hostID\":0,\"size\":1",
		"\"containerID\":0,\"hostID\":0,\"size\":0",
		"\"containerID\":0,\"hostID\":0,\"size\":-1",
		"\"containerID\":0,\"hostID\":4294967296,\"size\":1",
	};
	char text[1024];

	for (size_t i = 0; i < sizeof maps / sizeof maps[0]; i++) {
		int n = snprintf(text, sizeof text,
				 "{" PROCESS "," ROOT ",\"linux\":{\"namespaces\":[{\"type\":"
				 "\"mount\"},{\"type\":\"user\"}],\"uidMappings\":[{%s}],"
				 "\"gidMappings\":[{\"containerID\":0,\"hostID\":0,\"size\":1}]}}",
				 maps[i]);
		refused(text, (size_t)n, EINVAL, "linux.uidMappings[0]");
	}
}

/* ---- limits of the reader ---- */

/* A configuration whose annotations hold COUNT times PART, with CLOSE after them. */
static char *
grown(const char *part, size_t count, const char *close, size_t *length)
{
	char *text = NULL;
	FILE *out = open_memstream(&text, length);

	assert_non_null(out);
	fputs("{" PROCESS "," ROOT ",\"linux\":{" MNT "},", out);
	for (size_t i = 0; i < count; i++)
		fputs(part, out);
	fputs(close, out);
	for (size_t i = 0; i < count && part[0] == '['; i++)
		fputs("]", out);
	fputs("}", out);
	fclose(out);
	return text;
}

static void
depth_size_and_number_of_entries_have_a_limit(void **state)
{
	struct oci_config config;
	size_t length;
	char *text;

	(void)state;
	for (size_t depth = 30; depth < 100000; depth = depth < 34 ? depth + 1 : depth * 10) {
		char *nested = NULL;
		FILE *out = open_memstream(&nested, &length);
		fputs("{" PROCESS "," ROOT ",\"linux\":{" MNT "},\"x\":", out);
		for (size_t i = 0; i < depth; i++)
			fputc('[', out);
		for (size_t i = 0; i < depth; i++)
			fputc(']', out);
		fputc('}', out);
		fclose(out);
		if (depth < JSON_DEPTH - 1) {
			assert_int_equal(read_bytes(nested, length, &config), 0);
			oci_config_free(&config);
		} else if (depth > JSON_DEPTH) {
			refused(nested, length, EINVAL, "config.json");
		}
		free(nested);
	}

	text = calloc(1, 16 << 20);
	assert_non_null(text);
	memset(text, ' ', 16 << 20);
	text[0] = '{', text[(16 << 20) - 1] = '}';
	refused(text, 16 << 20, EFBIG, "4 MiB");
	free(text);

	/* a million mounts are larger than that */
	text = grown("\"a\":1,", 1000000, "\"mounts\":[]", &length);
	refused(text, length, EFBIG, "4 MiB");
	free(text);
}

static void
a_zero_byte_ends_nothing(void **state)
{
	static const char text[] = WITH("\"hostname\":\"a\"") "\0{\"hostname\":\"b\"}",
			  inside[] = "{\"a\":\"b\0c\"}";

	(void)state;
	refused(text, sizeof text - 1, EINVAL, "config.json");
	refused(inside, sizeof inside - 1, EINVAL, "config.json");
}

static void
what_is_no_regular_file_is_not_read(void **state)
{
	struct oci_config config;

	(void)state;
	unlinkat(bundle, "config.json", 0);
	call_forget();
	assert_int_equal(oci_config_read(bundle, "config.json", "/bundle", &config), -1);
	assert_int_equal(call_error()->number, ENOENT);
	assert_int_equal(mkfifoat(bundle, "config.json", 0600), 0);
	call_forget();
	assert_int_equal(oci_config_read(bundle, "config.json", "/bundle", &config), -1);
	assert_non_null(strstr(call_error()->what, "regular file"));
	unlinkat(bundle, "config.json", 0);
	assert_int_equal(symlinkat("/dev/zero", bundle, "config.json"), 0);
	call_forget();
	assert_int_equal(oci_config_read(bundle, "config.json", "/bundle", &config), -1);
	assert_non_null(strstr(call_error()->what, "regular file"));
	unlinkat(bundle, "config.json", 0);
}

/* ---- good ones ---- */

static void
of_two_members_with_one_name_the_last_is_read(void **state)
{
	static const char text[] = WITH("\"hostname\":\"a\",\"hostname\":\"b\"");
	struct oci_config config;

	(void)state;
	assert_int_equal(read_bytes(text, sizeof text - 1, &config), 0);
	assert_string_equal(config.ns.hostname, "b");
	oci_config_free(&config);
}

#define PROFILE "{\"defaultAction\":\"]}\\\"{\",\"syscalls\":[{\"names\":[\"seccomp\"]}]}"

static void
a_profile_is_left_as_text_and_the_rest_is_read(void **state)
{
	static const char text[] = "{\"x\":[{\"linux\":1}]," PROCESS "," ROOT ", \"linux\" : {" MNT
				   ",\"seccomp\" : " PROFILE " ,\"cgroupsPath\":\"/a\"}}";
	struct oci_config config;

	(void)state;
	if (read_bytes(text, sizeof text - 1, &config) < 0)
		fail_msg("%s", call_error()->what);
	assert_string_equal(config.text, text);
	assert_string_equal(config.cgroup.path, "/a");
	assert_int_equal(config.seccomp.length, strlen(PROFILE " "));
	assert_memory_equal(config.seccomp.text, PROFILE, strlen(PROFILE));
	oci_config_free(&config);
}

static void
no_profile_is_left_where_there_is_none_or_null(void **state)
{
	static const char *const texts[] = {
		WITH_LINUX("\"seccomp\":null"),
		WITH_LINUX("\"x\":{\"seccomp\":{}}"),
		WITH("\"seccomp\":{}"),
		WITH("\"x\":{\"linux\":{\"seccomp\":{}}}"),
		/* of an object that is there twice the later one is meant */
		"{\"linux\":{\"seccomp\":{}}," PROCESS "," ROOT ",\"linux\":{" MNT "}}",
		"{\"linux\":{\"seccomp\":0}," PROCESS "," ROOT ",\"linux\":{" MNT "}}",
		"{\"linux\":\"seccomp\"," PROCESS "," ROOT ",\"linux\":{" MNT "}}",
	};
	struct oci_config config;

	(void)state;
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		assert_int_equal(read_bytes(texts[i], strlen(texts[i]), &config), 0);
		assert_null(config.seccomp.text);
		oci_config_free(&config);
	}
}

static void
a_process_and_a_mount_namespace_may_be_missing(void **state)
{
	static const char text[] = "{\"ociVersion\":\"1.2.0\"," ROOT
				   ",\"linux\":{\"namespaces\":[{\"type\":\"pid\"}]}}";
	struct oci_config config;

	(void)state;
	assert_int_equal(read_bytes(text, strlen(text), &config), 0);
	assert_true(config.no_process && config.root.nowhere);
	oci_config_free(&config);
	assert_int_equal(read_bytes(WITH_LINUX("\"x\":0"), strlen(WITH_LINUX("\"x\":0")), &config),
			 0);
	assert_false(config.no_process || config.root.nowhere);
	oci_config_free(&config);
}

/* In less than quadratic time: the alarm ends a test that would take minutes. */
static void
of_many_variables_with_one_name_the_last_is_read(void **state)
{
	enum { MANY = 200000 };
	struct oci_config config;
	char *text = NULL;
	size_t length, count = 0;
	FILE *out = open_memstream(&text, &length);

	(void)state;
	assert_non_null(out);
	fputs("{\"ociVersion\":\"1.2.0\"," ROOT ",\"linux\":{" MNT "},\"process\":{\"cwd\":\"/\","
	      "\"args\":[\"/bin/true\"],\"env\":[\"A=1\",\"AB=2\"",
	      out);
	for (int i = 0; i < MANY; i++)
		fprintf(out, ",\"V%d=%d\"", i % (MANY / 2), i);
	fputs(",\"A=3\"]}}", out);
	fclose(out);
	alarm(60);
	if (read_bytes(text, length, &config) < 0)
		fail_msg("%s", call_error()->what);
	alarm(0);
	while (config.process.env[count])
		count++;
	assert_int_equal(count, 2 + MANY / 2);
	assert_string_equal(config.process.env[0], "A=3");
	assert_string_equal(config.process.env[1], "AB=2");
	assert_string_equal(config.process.env[2], "V0=100000");
	assert_string_equal(config.process.env[count - 1], "V99999=199999");
	oci_config_free(&config);
	free(text);
}

/* The place of a fault is that in the file, although a part of it was left out. */
static void
a_fault_behind_a_profile_is_told_by_its_place(void **state)
{
	static const char text[] = WITH_LINUX("\"seccomp\":" PROFILE ",\"y\":nil");
	struct oci_config config;
	size_t place;

	(void)state;
	assert_int_equal(read_bytes(text, sizeof text - 1, &config), -1);
	assert_int_equal(sscanf(strstr(call_error()->what, "near byte"), "near byte %zu", &place),
			 1);
	assert_in_range(place, strstr(text, "nil") - text, sizeof text);
}

static void
every_part_of_a_whole_configuration_is_read(void **state)
{
	static const char text[] =
		"{\"ociVersion\":\"1.2.0\",\"process\":{\"terminal\":true,"
		"\"consoleSize\":{\"height\":24,\"width\":65535},"
		"\"user\":{\"uid\":1000,\"gid\":2147483647,\"umask\":63,"
		"\"additionalGids\":[0,5]},\"args\":[\"sh\",\"-c\",\"\xc3\xa9\"],"
		"\"env\":[\"A=1\"],\"cwd\":\"/w\",\"noNewPrivileges\":true,"
		"\"capabilities\":{\"bounding\":[\"CAP_KILL\",\"CAP_NOT_YET\",\"CAP_BPF\"]},"
		"\"rlimits\":[{\"type\":\"RLIMIT_CORE\",\"soft\":0,"
		"\"hard\":18446744073709551615}],\"oomScoreAdj\":-5},"
		"\"root\":{\"path\":\"/r\",\"readonly\":true},\"hostname\":\"h\","
		"\"mounts\":[{\"destination\":\"/proc\",\"type\":\"proc\",\"source\":\"proc\"},"
		"{\"destination\":\"/c\",\"type\":\"cgroup\",\"source\":\"cgroup\"}],"
		"\"linux\":{\"namespaces\":[{\"type\":\"mount\"},{\"type\":\"uts\"},"
		"{\"type\":\"network\",\"path\":\"/proc/1/ns/net\"}],"
		"\"devices\":[{\"path\":\"/dev/f\",\"type\":\"c\",\"major\":10,\"minor\":229,"
		"\"fileMode\":384,\"uid\":1,\"gid\":2}],\"maskedPaths\":[\"/proc/kcore\"],"
		"\"readonlyPaths\":[\"/proc/bus\",\"/proc/fs\"],"
		"\"resources\":{\"memory\":{\"limit\":9223372036854775807},"
		"\"pids\":{\"limit\":-1},\"devices\":[{\"allow\":true}]}},"
		"\"annotations\":{\"boxstep.init\":\"true\"}}\n";
	struct oci_config config;

	(void)state;
	if (read_bytes(text, sizeof text - 1, &config) < 0)
		fail_msg("%s", call_error()->what);
	assert_true(config.process.terminal && config.process.no_new_privs && config.init);
	assert_int_equal(config.process.size.ws_row, 24);
	assert_int_equal(config.process.size.ws_col, 65535);
	assert_int_equal(config.process.user.uid, 1000);
	assert_int_equal(config.process.user.gid, INT32_MAX);
	assert_int_equal(config.process.user.count, 2);
	assert_int_equal(config.process.user.groups[1], 5);
	assert_int_equal(config.process.attrs.umask, 077);
	assert_int_equal(config.process.attrs.oom_score_adj, -5);
	assert_int_equal(config.process.attrs.limit_count, 1);
	assert_true(config.process.attrs.limits[0].hard == UINT64_MAX);
	assert_string_equal(config.process.args[2], "\xc3\xa9");
	assert_null(config.process.args[3]);
	assert_true(config.process.caps.bounding == (1u << 5 | UINT64_C(1) << 39));
	assert_string_equal(config.process.unknown_cap, "CAP_NOT_YET");
	assert_true(config.process.caps.inheritable == 0);
	assert_string_equal(config.root.path, "/r");
	assert_true(config.root.read_only);
	assert_int_equal(config.ns.kinds, CLONE_NEWNS | CLONE_NEWUTS);
	assert_int_equal(config.joins, 1);
	assert_int_equal(config.join[0].flag, CLONE_NEWNET);
	assert_int_equal(config.mounts.count, 2);
	assert_string_equal(config.mounts.entry[1].spec.type, "cgroup2");
	assert_int_equal(config.devices.node_count, 1);
	assert_int_equal(config.devices.node[0].mode, 0600);
	assert_int_equal(config.devices.read_only.count, 2);
	assert_true(config.limits.memory == INT64_MAX);
	assert_true(config.device_rule_count > 1 && config.device_rules[0].major == -1);
	oci_config_free(&config);
}

static void
a_relative_root_is_taken_from_the_bundle(void **state)
{
	static const char text[] = WITH("\"hostname\":null");
	struct oci_config config;

	(void)state;
	assert_int_equal(read_bytes(text, sizeof text - 1, &config), 0);
	assert_string_equal(config.root.path, "/bundle/rootfs");
	assert_null(config.ns.hostname);
	oci_config_free(&config);
}

/* ---- a process by itself ---- */

static void
a_process_object_has_the_same_limits(void **state)
{
	static const char good[] = "{\"args\":[\"a\"],\"cwd\":\"/\"}",
			  uid[] = "{\"args\":[\"a\"],\"cwd\":\"/\",\"user\":{\"uid\":4294967296}}";
	struct oci_process process;

	(void)state;
	assert_int_equal(oci_process_read(json_read(good, sizeof good - 1, "p"), &process), 0);
	assert_string_equal(process.args[0], "a");
	oci_process_free(&process);
	call_forget();
	assert_int_equal(oci_process_read(json_read(uid, sizeof uid - 1, "p"), &process), -1);
	assert_non_null(strstr(call_error()->what, "process.user"));
	oci_process_free(&process);
}

int
main(void)
{
	char dir[] = "/tmp/boxstep-unit-XXXXXX";
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_bad_configuration_is_refused_and_its_member_named),
		cmocka_unit_test(a_namespace_is_known_and_there_once),
		cmocka_unit_test(an_id_map_that_overflows_is_refused),
		cmocka_unit_test(depth_size_and_number_of_entries_have_a_limit),
		cmocka_unit_test(a_zero_byte_ends_nothing),
		cmocka_unit_test(what_is_no_regular_file_is_not_read),
		cmocka_unit_test(of_two_members_with_one_name_the_last_is_read),
		cmocka_unit_test(a_profile_is_left_as_text_and_the_rest_is_read),
		cmocka_unit_test(no_profile_is_left_where_there_is_none_or_null),
		cmocka_unit_test(a_process_and_a_mount_namespace_may_be_missing),
		cmocka_unit_test(of_many_variables_with_one_name_the_last_is_read),
		cmocka_unit_test(a_fault_behind_a_profile_is_told_by_its_place),
		cmocka_unit_test(every_part_of_a_whole_configuration_is_read),
		cmocka_unit_test(a_relative_root_is_taken_from_the_bundle),
		cmocka_unit_test(a_process_object_has_the_same_limits),
	};
	int failed;

	if (!mkdtemp(dir) || (bundle = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
		return 1;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	unlinkat(bundle, "config.json", 0);
	close(bundle);
	rmdir(dir);
	return failed;
}

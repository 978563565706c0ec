/*
 * features.c: the verb features: what this runtime can do, for engines that ask before they do.
 * The words come from the tables that also parse them, so that they stay true. Follows features.md
 * and features-linux.md of the OCI runtime specification. Explained in book/07-runtime.md.
 */
#include <errno.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "step01-unshare/namespaces.h"
#include "step03-mounts/mount_options.h"
#include "step04-cgroups/attrs.h"
#include "step05-overlay/json.h"
#include "step07-runtime/oci/commands.h"
#include "step07-runtime/security/caps.h"
#include "step07-runtime/security/profile.h"
#include "step07-runtime/security/sys_table.h"

/* What no table of a module says. */
static const char fixed[] =
	"{\"ociVersionMin\":\"1.0.0\",\"ociVersionMax\":\"" OCI_VERSION "\","
	"\"hooks\":[\"prestart\",\"createRuntime\",\"createContainer\",\"startContainer\","
	"\"poststart\",\"poststop\"],\"linux\":{"
	"\"cgroup\":{\"v1\":false,\"v2\":true,\"systemd\":true,\"systemdUser\":true,"
	"\"rdma\":true},"
	"\"apparmor\":{\"enabled\":true},\"selinux\":{\"enabled\":true},"
	"\"intelRdt\":{\"enabled\":false,\"schemata\":false,\"monitoring\":false},"
	"\"mountExtensions\":{\"idmap\":{\"enabled\":true}},"
	"\"netDevices\":{\"enabled\":true}},"
	"\"annotations\":{\"org.boxstep.version\":\"" OCI_PROGRAM_VERSION "\","
	"\"org.opencontainers.runc.checkpoint.enabled\":\"false\"},"
	"\"potentiallyUnsafeConfigAnnotations\":["
	"\"boxstep.\",\"run.oci.keep_original_groups\"]}";

/* The Nth of a table, or NULL. */
static const char *
architecture(size_t n)
{
	return n < SYS_ARCHES ? sys_arches[n].name : NULL;
}

static void
add_list(struct json_object *json, const char *key, const char *(*name)(size_t n))
{
	struct json_object *list = json_put_list(json, key);

	for (size_t n = 0; name(n); n++)
		json_object_array_add(list, json_object_new_string(name(n)));
}

/* A filter that is nowhere: EFAULT says that the kernel has looked for it, so it knows the flag. */
static bool
kernel_knows(unsigned flag)
{
	if (flag & SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV) /* is nothing without a listener */
		flag |= SECCOMP_FILTER_FLAG_NEW_LISTENER;
	return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flag, NULL) < 0 && errno == EFAULT;
}

static void
add_words(struct json_object *json, const char *key, const struct profile_word *words,
	  bool (*keep)(unsigned value))
{
	struct json_object *list = json_put_list(json, key);

	for (; words->name; words++)
		if (!keep || keep(words->value))
			json_object_array_add(list, json_object_new_string(words->name));
}

int
command_features(const struct globals *globals, int argc, char **argv)
{
	int first = command_operands(argc, argv, NULL, NULL);
	struct json_object *json, *system, *seccomp, *policy;

	(void)globals;
	if (first <= 0)
		return first;
	json = json_tokener_parse(fixed);
	system = json_object_object_get(json, "linux");
	add_list(json, "mountOptions", mount_option_name);
	add_list(system, "namespaces", ns_word);
	add_list(system, "capabilities", cap_name);
	json_object_object_add(system, "memoryPolicy", policy = json_object_new_object());
	add_list(policy, "modes", attr_memory_mode_name);
	add_list(policy, "flags", attr_memory_flag_name);
	seccomp = json_put_object(system, "seccomp");
	json_put_flag(seccomp, "enabled", true);
	add_words(seccomp, "actions", profile_actions, NULL);
	add_words(seccomp, "operators", profile_operators, NULL);
	add_list(seccomp, "archs", architecture);
	add_words(seccomp, "knownFlags", profile_flags, NULL);
	add_words(seccomp, "supportedFlags", profile_flags, kernel_knows);
	print_json(json);
	return 0;
}

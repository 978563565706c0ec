/*
 * spec.c: the verb spec: a config.json to begin with, which runs as it is in a root with a shell.
 * Follows config.md and config-linux.md of the OCI runtime specification. Explained in
 * book/07-runtime.md.
 */
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "step01-unshare/call.h"
#include "step03-mounts/devices.h"
#include "step05-overlay/json.h"
#include "step07-runtime/oci/commands.h"

struct spec_options {
	const char *bundle, *file;
	bool rootless;
};

#define AT(field) offsetof(struct spec_options, field)
static const struct option_row spec_rows[] = {
	{ "bundle", 'b', "DIR", "-", "where it is written; default: here", option_text, AT(bundle),
	  0 },
	{ "file", 'f', "FILE", "-", "instead of config.json", option_text, AT(file), 0 },
	{ "rootless", 0, NULL, "user_namespaces(7)", "for who is not root: mapped to root inside",
	  option_flag, AT(rootless), 0 },
	{ 0 },
};

#define CAPS "[\"CAP_AUDIT_WRITE\",\"CAP_KILL\",\"CAP_NET_BIND_SERVICE\"]"
static const char text[] =
	"{\"ociVersion\":\"" OCI_VERSION "\",\"process\":{\"terminal\":true,"
	"\"user\":{\"uid\":0,\"gid\":0},\"args\":[\"sh\"],"
	"\"env\":[\"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\","
	"\"TERM=xterm\"],\"cwd\":\"/\",\"capabilities\":{\"bounding\":" CAPS ",\"effective\":" CAPS
	",\"permitted\":" CAPS "},"
	"\"rlimits\":[{\"type\":\"RLIMIT_NOFILE\",\"hard\":1024,\"soft\":1024}],"
	"\"noNewPrivileges\":true},"
	"\"root\":{\"path\":\"rootfs\",\"readonly\":true},\"hostname\":\"boxstep\",\"mounts\":["
	"{\"destination\":\"/proc\",\"type\":\"proc\",\"source\":\"proc\"},"
	"{\"destination\":\"/dev\",\"type\":\"tmpfs\",\"source\":\"tmpfs\","
	"\"options\":[\"nosuid\",\"strictatime\",\"mode=755\",\"size=65536k\"]},"
	"{\"destination\":\"/dev/pts\",\"type\":\"devpts\",\"source\":\"devpts\",\"options\":"
	"[\"nosuid\",\"noexec\",\"newinstance\",\"ptmxmode=0666\",\"mode=0620\",\"gid=5\"]},"
	"{\"destination\":\"/dev/shm\",\"type\":\"tmpfs\",\"source\":\"shm\",\"options\":"
	"[\"nosuid\",\"noexec\",\"nodev\",\"mode=1777\",\"size=65536k\"]},"
	"{\"destination\":\"/dev/mqueue\",\"type\":\"mqueue\",\"source\":\"mqueue\","
	"\"options\":[\"nosuid\",\"noexec\",\"nodev\"]},"
	"{\"destination\":\"/sys\",\"type\":\"sysfs\",\"source\":\"sysfs\","
	"\"options\":[\"nosuid\",\"noexec\",\"nodev\",\"ro\"]},"
	"{\"destination\":\"/sys/fs/cgroup\",\"type\":\"cgroup\",\"source\":\"cgroup\","
	"\"options\":[\"nosuid\",\"noexec\",\"nodev\",\"relatime\",\"ro\"]}],"
	"\"linux\":{\"resources\":{\"devices\":[{\"allow\":false,\"access\":\"rwm\"}]},"
	"\"namespaces\":[{\"type\":\"pid\"},{\"type\":\"network\"},{\"type\":\"ipc\"},"
	"{\"type\":\"uts\"},{\"type\":\"mount\"},{\"type\":\"cgroup\"}]}}";

static struct json_object *
array_of(const char *const *words)
{
	struct json_object *list = json_object_new_array();

	for (; *words; words++)
		json_object_array_add(list, json_object_new_string(*words));
	return list;
}

static struct json_object *
map_of(unsigned outside)
{
	char map[80];

	snprintf(map, sizeof map, "[{\"containerID\":0,\"hostID\":%u,\"size\":1}]", outside);
	return json_tokener_parse(map);
}

/* One id is mapped: there is no group 5 for terminals then. Nor is there a right to limits, unless
 * somebody delegated a cgroup. */
static void
make_rootless(struct json_object *config, struct json_object *system)
{
	struct json_object *mounts = json_object_object_get(config, "mounts"), *pts,
			   *user = json_tokener_parse("{\"type\":\"user\"}");

	json_object_array_add(json_object_object_get(system, "namespaces"), user);
	json_object_object_add(system, "uidMappings", map_of(geteuid()));
	json_object_object_add(system, "gidMappings", map_of(getegid()));
	json_object_object_del(system, "resources");
	pts = json_object_object_get(json_object_array_get_idx(mounts, 2), "options");
	json_object_array_del_idx(pts, json_object_array_length(pts) - 1, 1);
}

int
command_spec(const struct globals *globals, int argc, char **argv)
{
	struct spec_options options = { .bundle = ".", .file = "config.json" };
	int first = command_operands(argc, argv, spec_rows, &options), dir, done = -1;
	struct json_object *config, *system;
	struct stat there;

	(void)globals;
	if (first <= 0)
		return first;
	dir = open(options.bundle, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return fail(errno, "open(\"%s\") for --bundle", options.bundle);
	config = json_tokener_parse(text);
	system = json_object_object_get(config, "linux");
	json_object_object_add(system, "maskedPaths", array_of(devices_usual_masks));
	json_object_object_add(system, "readonlyPaths", array_of(devices_usual_read_only));
	if (options.rootless)
		make_rootless(config, system);
	if (fstatat(dir, options.file, &there, AT_SYMLINK_NOFOLLOW) == 0)
		fail(EEXIST, "%s/%s: remove it first", options.bundle, options.file);
	else
		done = json_write(dir, options.file, config, false);
	json_object_put(config);
	close(dir);
	return done;
}

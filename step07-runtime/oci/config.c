/*
 * config.c: config.json taken apart. Follows the OCI runtime specification 1.2, config.md and
 * config-linux.md. Explained in book/07-runtime.md.
 *
 *	field                                          module that takes it
 *	process: user args env cwd terminal            user (5), exec (1), devices (3: the pty)
 *	process: capabilities, noNewPrivileges         caps, seccomp
 *	process: rlimits, oomScoreAdj, scheduler,
 *	    ioPriority, affinity, umask, labels        attrs
 *	root: path, readonly; linux.rootfsPropagation  rootfs (3)
 *	hostname, domainname                           namespaces (1)
 *	mounts; linux.mountLabel                       mounts (3)
 *	linux: namespaces, timeOffsets                 namespaces (1), spawn (2)
 *	linux: uidMappings, gidMappings                idmap (1)
 *	linux: devices, maskedPaths, readonlyPaths     devices (3)
 *	linux: cgroupsPath, resources                  cgroup, limits (4), by resources.c
 *	linux: seccomp                                 profile, filter, seccomp
 *	linux: sysctl                                  sysctl
 *	linux: personality, memoryPolicy               attrs
 *	hooks                                          hooks
 *	linux: netDevices                              netdev, over link (6)
 *	linux.intelRdt                                 refused by name
 *	annotations                                    state
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "step01-unshare/call.h"
#include "step05-overlay/json.h"
#include "step07-runtime/oci/config.h"
#include "step07-runtime/oci/hooks.h"
#include "step07-runtime/oci/resources.h"

void (*oci_warn)(void);

/* ---- namespaces and ids ---- */

static int
read_namespaces(struct json_object *list, struct oci_config *config, bool *bad)
{
	/* the specification has its own words for two of the kernel's */
	static const struct {
		const char *type;
		int flag;
	} types[] = { { "pid", CLONE_NEWPID },	     { "network", CLONE_NEWNET },
		      { "mount", CLONE_NEWNS },	     { "ipc", CLONE_NEWIPC },
		      { "uts", CLONE_NEWUTS },	     { "user", CLONE_NEWUSER },
		      { "cgroup", CLONE_NEWCGROUP }, { "time", CLONE_NEWTIME } };
	int seen = 0;

	for (size_t i = 0; list && i < json_object_array_length(list); i++) {
		struct json_object *item = json_object_array_get_idx(list, i);
		const char *type = json_object_is_type(item, json_type_object)
					   ? json_text(item, "type", bad)
					   : NULL,
			   *path = type ? json_text(item, "path", bad) : NULL;
		int flag = 0;

		for (size_t t = 0; type && t < sizeof types / sizeof types[0]; t++)
			if (strcmp(type, types[t].type) == 0)
				flag = types[t].flag;
		if (!flag || (seen & flag))
			return fail(EINVAL, "linux.namespaces: %s is unknown or there twice",
				    type ? type : "an entry without type");
		seen |= flag;
		if (path && path[0])
			config->join[config->joins++] = (struct oci_join){ flag, path };
		else
			config->ns.kinds |= flag;
	}
	if (!(seen & CLONE_NEWNS))
		return fail(EINVAL,
			    "linux.namespaces: without `mount` the root of the host would change");
	return 0;
}

static struct id_range *
read_map(struct json_object *list, size_t *count, bool *bad)
{
	size_t length = list ? json_object_array_length(list) : 0;
	struct id_range *map = length && length <= IDMAP_LINES ? calloc(length, sizeof *map) : NULL;

	for (size_t i = 0; map && i < length; i++) {
		struct json_object *item = json_object_array_get_idx(list, i);
		int64_t in, out, size;
		if (!json_object_is_type(item, json_type_object)) {
			*bad = true;
			break;
		}
		in = json_number(item, "containerID", bad);
		out = json_number(item, "hostID", bad);
		size = json_number(item, "size", bad);
		if (in < 0 || out < 0 || size < 1 || size > UINT32_MAX || in > UINT32_MAX - size ||
		    out > UINT32_MAX - size)
			*bad = fail(EINVAL, "an id mapping of %lld ids is out of range",
				    (long long)size) < 0;
		map[i] = (struct id_range){ (uint32_t)in, (uint32_t)out, (uint32_t)size };
	}
	if (length && !map)
		*bad = fail(EINVAL, "%zu id mappings are more than the kernel takes", length) < 0;
	*count = map ? length : 0;
	return map;
}

static int
read_time_offsets(struct json_object *json, struct ns_options *ns, bool *bad)
{
	struct json_object *clock;
	int64_t monotonic = 0, boottime = 0;

	if (!json)
		return 0;
	if ((clock = json_member(json, "monotonic", bad))) {
		ns->monotonic = json_number(clock, "secs", bad);
		monotonic = json_number(clock, "nanosecs", bad);
	}
	if ((clock = json_member(json, "boottime", bad))) {
		ns->boottime = json_number(clock, "secs", bad);
		boottime = json_number(clock, "nanosecs", bad);
	}
	if (monotonic < 0 || monotonic > 999999999 || boottime < 0 || boottime > 999999999)
		return fail(EINVAL, "linux.timeOffsets: nanosecs are from 0 to 999999999");
	ns->monotonic_ns = (uint32_t)monotonic;
	ns->boottime_ns = (uint32_t)boottime;
	return 0;
}

/* ---- mounts, devices, paths ---- */

/* The source of a bind is relative to the bundle: *PATH, the caller's to free. NULL: as it is. */
static int
source_in_bundle(const struct mount_spec *spec, const char *bundle, char **path)
{
	bool bind = spec->type && strcmp(spec->type, "bind") == 0;

	*path = NULL;

	for (size_t i = 0; i < spec->option_count; i++)
		bind |= !strcmp(spec->option[i], "bind") || !strcmp(spec->option[i], "rbind");
	if (!bind || !spec->source || !spec->source[0] || spec->source[0] == '/')
		return 0;
	if (asprintf(path, "%s/%s", bundle, spec->source) >= 0)
		return 0;
	*path = NULL;
	return fail(ENOMEM, "memory for the source of a mount");
}

/* What is mounted anew is labelled by an option; a bind keeps the labels of its files, and the
 * kernel labels its own. */
static int
label_option(const struct mount_spec *spec, const char *label, char **option)
{
	*option = NULL;
	if (!label || !spec->type ||
	    (strcmp(spec->type, "tmpfs") != 0 && strcmp(spec->type, "devpts") != 0 &&
	     strcmp(spec->type, "mqueue") != 0))
		return 0;
	if (asprintf(option, "context=\"%s\"", label) >= 0)
		return 0;
	*option = NULL;
	return fail(ENOMEM, "memory for the label of a mount");
}

static int
read_mounts(struct json_object *list, const char *bundle, struct oci_config *config, bool *bad)
{
	for (size_t i = 0; list && i < json_object_array_length(list); i++) {
		struct json_object *item = json_object_array_get_idx(list, i);
		struct mount_spec spec = { 0 };
		char **options, *source, *label;
		int done;

		if (!json_object_is_type(item, json_type_object))
			return fail(EINVAL, "mounts: entry %zu is no object", i);
		spec.target = json_text(item, "destination", bad);
		if (!spec.target)
			return fail(EINVAL, "mounts: entry %zu has no destination", i);
		spec.type = json_text(item, "type", bad);
		spec.source = json_text(item, "source", bad);
		options = json_vector(item, "options", bad);
		if (!options)
			return -1;
		/* the specification's word is that of v1; on this host, as its callers expect, it
		 * is v2 */
		if (spec.type && strcmp(spec.type, "cgroup") == 0)
			spec.type = spec.source = "cgroup2";
		while (options[spec.option_count])
			spec.option_count++;
		spec.option = (const char *const *)options;
		label = NULL;
		*bad |= source_in_bundle(&spec, bundle, &source) < 0 ||
			label_option(&spec, config->mount_label, &label) < 0;
		if (source)
			spec.source = source;
		spec.options = label;
		spec.uid = read_map(json_array(item, "uidMappings", bad), &spec.uid_count, bad);
		spec.gid = read_map(json_array(item, "gidMappings", bad), &spec.gid_count, bad);
		done = *bad ? -1 : mounts_add(&config->mounts, &spec);
		free(options);
		free(source);
		free(label);
		if (done < 0) { /* else they are the list's */
			free((struct id_range *)spec.uid);
			free((struct id_range *)spec.gid);
			return -1;
		}
	}
	return 0;
}

static int
read_devices(struct json_object *list, struct devices_options *devices, bool *bad)
{
	size_t count = list ? json_object_array_length(list) : 0;
	struct device_node *node = calloc(count + 1, sizeof *node);

	devices->node = node;
	if (!node)
		return fail(ENOMEM, "memory for linux.devices");
	for (size_t i = 0; i < count; i++) {
		struct json_object *item = json_object_array_get_idx(list, i), *member;
		const char *type;
		if (!json_object_is_type(item, json_type_object))
			return fail(EINVAL, "linux.devices: entry %zu is no object", i);
		type = json_text(item, "type", bad);
		node[i].path = json_text(item, "path", bad);
		if (!type || !node[i].path || strlen(type) != 1 || !strchr("cubp", type[0]))
			return fail(
				EINVAL,
				"linux.devices: entry %zu needs a path and a type of c, u, b, p",
				i);
		node[i].type = type[0];
		/* the kernel's own widths: makedev(3) would take other bits for something else */
		node[i].major = (unsigned)json_number_in(item, "major", 0, 0xfff, bad);
		node[i].minor = (unsigned)json_number_in(item, "minor", 0, 0xfffff, bad);
		node[i].mode = json_object_object_get_ex(item, "fileMode", &member)
				       ? (mode_t)json_number(item, "fileMode", bad) & 0777
				       : 0666;
		node[i].uid = (uid_t)json_number_in(item, "uid", 0, INT32_MAX, bad);
		node[i].gid = (gid_t)json_number_in(item, "gid", 0, INT32_MAX, bad);
	}
	devices->node_count = count;
	return 0;
}

static int
read_paths(struct json_object *list, struct text_list *paths)
{
	for (size_t i = 0; list && i < json_object_array_length(list); i++) {
		struct json_object *item = json_object_array_get_idx(list, i);
		if (!json_object_is_type(item, json_type_string))
			return fail(EINVAL, "maskedPaths, readonlyPaths: entry %zu is no string",
				    i);
		if (text_list_add(paths, json_object_get_string(item)) < 0)
			return -1;
	}
	return 0;
}

/* ---- the rest of linux ---- */

static int
read_sysctl(struct json_object *json, struct sysctl_options *sysctl)
{
	if (!json)
		return 0;
	json_object_object_foreach(json, key, value)
	{
		if (!json_object_is_type(value, json_type_string))
			return fail(EINVAL, "linux.sysctl: %s is no string", key);
		if (sysctl_add(sysctl, key, json_object_get_string(value)) < 0)
			return -1;
	}
	return 0;
}

static int
read_attrs_of_linux(struct json_object *json, struct attr_options *attrs, bool *bad)
{
	struct json_object *personality = json_member(json, "personality", bad),
			   *policy = json_member(json, "memoryPolicy", bad);
	char **flags;

	if (personality)
		attrs->personality = json_text(personality, "domain", bad);
	if (!policy)
		return 0;
	attrs->memory_policy.mode = json_text(policy, "mode", bad);
	attrs->memory_policy.nodes = json_text(policy, "nodes", bad);
	flags = json_vector(policy, "flags", bad);
	for (size_t i = 0; flags && flags[i]; i++)
		if (attr_memory_flag(flags[i], &attrs->memory_policy.flags) < 0)
			*bad = fail(EINVAL, "linux.memoryPolicy.flags: %s is none", flags[i]) < 0;
	free(flags);
	return 0;
}

static int
read_linux(struct json_object *json, struct oci_config *config, bool *bad)
{
	const char *propagation;

	if (!json)
		return fail(EINVAL, "config.json: the object `linux` is missing");
	propagation = json_text(json, "rootfsPropagation", bad);
	if (propagation && propagation[0] &&
	    !(config->root.propagation = mount_propagation(propagation)))
		return fail(EINVAL, "linux.rootfsPropagation: %s is none", propagation);
	config->cgroup.path = json_text(json, "cgroupsPath", bad);
	config->seccomp = json_member(json, "seccomp", bad);
	config->mount_label = json_text(json, "mountLabel", bad);
	if (config->mount_label && config->mount_label[0] && !attr_selinux_enabled())
		return fail(ENOTSUP, "linux.mountLabel %s: SELinux is not on in this kernel",
			    config->mount_label);
	config->devices.only_these = true;
	config->idmap.uid =
		read_map(json_array(json, "uidMappings", bad), &config->idmap.uid_count, bad);
	config->idmap.gid =
		read_map(json_array(json, "gidMappings", bad), &config->idmap.gid_count, bad);
	if (read_namespaces(json_array(json, "namespaces", bad), config, bad) < 0 ||
	    read_time_offsets(json_member(json, "timeOffsets", bad), &config->ns, bad) < 0 ||
	    read_devices(json_array(json, "devices", bad), &config->devices, bad) < 0 ||
	    read_paths(json_array(json, "maskedPaths", bad), &config->devices.mask) < 0 ||
	    read_paths(json_array(json, "readonlyPaths", bad), &config->devices.read_only) < 0 ||
	    oci_resources_read(json_member(json, "resources", bad), &config->limits) < 0 ||
	    oci_device_rules_read(json_member(json, "resources", bad), &config->device_rules,
				  &config->device_rule_count) < 0 ||
	    read_sysctl(json_member(json, "sysctl", bad), &config->sysctl) < 0 ||
	    netdev_read(json_member(json, "netDevices", bad), &config->netdevs) < 0 ||
	    read_attrs_of_linux(json, &config->process.attrs, bad) < 0)
		return -1;
	return 0;
}

/* ---- the whole ---- */

/* A field that asks for something must not be dropped in silence: somebody relies on it. */
static int
refuse(struct json_object *json, const char *key, const char *name)
{
	struct json_object *member;

	if (!json || !json_object_object_get_ex(json, key, &member) || !member)
		return 0;
	if (json_object_is_type(member, json_type_object) && json_object_object_length(member) == 0)
		return 0;
	if (json_object_is_type(member, json_type_string) &&
	    json_object_get_string_len(member) == 0)
		return 0;
	return fail(ENOTSUP, "config.json asks for %s, which this runtime does not do", name);
}

static int
read_root(struct json_object *json, const char *bundle_path, struct oci_config *config, bool *bad)
{
	struct json_object *read_only = NULL;
	const char *path = json ? json_text(json, "path", bad) : NULL;
	char *absolute = NULL;

	if (!path || !path[0])
		return fail(EINVAL, "config.json: root.path is missing");
	if (asprintf(&absolute, "%s%s%s", path[0] == '/' ? "" : bundle_path,
		     path[0] == '/' ? "" : "/", path) < 0)
		return fail(ENOMEM, "memory for root.path");
	config->root.path = absolute;
	if (json_object_object_get_ex(json, "readonly", &read_only) &&
	    !json_object_is_type(read_only, json_type_boolean))
		return fail(EINVAL, "root.readonly: not true or false");
	config->root.read_only = json_object_get_boolean(read_only);
	return 0;
}

static bool
annotated(struct json_object *annotations, const char *key, const char *value)
{
	struct json_object *member;

	return annotations && json_object_object_get_ex(annotations, key, &member) &&
	       json_object_is_type(member, json_type_string) &&
	       strcmp(json_object_get_string(member), value) == 0;
}

/* New or joined. */
static bool
has_namespace(const struct oci_config *config, int flag)
{
	for (size_t i = 0; i < config->joins; i++)
		if (config->join[i].flag == flag)
			return true;
	return config->ns.kinds & flag;
}

/* What is written for 1.1 works with 1.1 and later of the same first number; one that is newer than
 * this runtime may ask for what it does not see. */
static int
check_version(const char *text)
{
	unsigned major, minor, patch;
	int end = 0;

	if (!text || sscanf(text, "%u.%u.%u%n", &major, &minor, &patch, &end) != 3 ||
	    (text[end] && text[end] != '-' && text[end] != '+'))
		return fail(EINVAL, "config.json: ociVersion \"%s\" is no version",
			    text ? text : "");
	if (major != 1 || minor > 3)
		return fail(ENOTSUP,
			    "config.json: ociVersion %s, and this runtime knows 1.0 to 1.3", text);
	return 0;
}

static int
check_annotations(struct json_object *json)
{
	if (!json)
		return 0;
	json_object_object_foreach(
		json, key,
		value) if (!key[0] ||
			   !json_object_is_type(
				   value, json_type_string)) return fail(EINVAL,
									 "annotations: \"%s\" is "
									 "no name with a string",
									 key);
	return 0;
}

static int
read_all(struct json_object *json, const char *bundle_path, struct oci_config *config)
{
	struct json_object *process, *system;
	bool bad = false;

	process = json_member(json, "process", &bad);
	if (!process)
		return fail(EINVAL, "config.json: the object `process` is missing");
	system = json_member(json, "linux", &bad);
	config->hooks = json_member(json, "hooks", &bad);
	if (bad || hooks_check(config->hooks) < 0 ||
	    refuse(system, "intelRdt", "linux.intelRdt") < 0 ||
	    check_version(json_text(json, "ociVersion", &bad)) < 0)
		return -1;
	if (oci_process_read(json_object_get(process), &config->process) < 0 ||
	    read_root(json_member(json, "root", &bad), bundle_path, config, &bad) < 0 ||
	    read_linux(system, config, &bad) < 0 ||
	    read_mounts(json_array(json, "mounts", &bad), bundle_path, config, &bad) < 0 ||
	    check_annotations(json_member(json, "annotations", &bad)) < 0)
		return -1;
	config->ns.hostname = json_text(json, "hostname", &bad);
	config->domainname = json_text(json, "domainname", &bad);
	if (!(config->ns.kinds & CLONE_NEWUSER) &&
	    (config->idmap.uid_count || config->idmap.gid_count))
		return fail(EINVAL,
			    "linux.uidMappings, gidMappings: without a new user namespace there "
			    "is nothing to map");
	if ((config->ns.kinds & CLONE_NEWUSER) &&
	    (!config->idmap.uid_count || !config->idmap.gid_count))
		return fail(EINVAL, "linux.uidMappings, gidMappings: a user namespace needs both");
	if (config->domainname && !has_namespace(config, CLONE_NEWUTS))
		return fail(EINVAL, "domainname %s without a UTS namespace would be the host's",
			    config->domainname);
	config->annotations = json_member(json, "annotations", &bad);
	config->init = annotated(config->annotations, "boxstep.init", "true");
	config->seccomp_default = annotated(config->annotations, "boxstep.seccomp", "default");
	if (config->annotations)
		config->user_name = json_text(config->annotations, "boxstep.user", &bad);
	if (bad && !call_error()->number)
		fail(EINVAL, "config.json: a member is of the wrong type");
	return bad ? -1 : 0;
}

int
oci_config_read(int bundle, const char *bundle_path, struct oci_config *config)
{
	int fd = openat(bundle, "config.json", O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	*config = (struct oci_config){ 0 };
	if (fd < 0)
		return fail(errno, "open(\"%s/config.json\")", bundle_path);
	config->json = json_read_fd(fd, "config.json");
	close(fd);
	if (config->json && read_all(config->json, bundle_path, config) == 0)
		return 0;
	oci_config_free(config);
	return -1;
}

void
oci_config_free(struct oci_config *config)
{
	oci_process_free(&config->process);
	oci_resources_free(&config->limits);
	for (size_t i = 0; i < config->mounts.count; i++) {
		free((struct id_range *)config->mounts.entry[i].spec.uid);
		free((struct id_range *)config->mounts.entry[i].spec.gid);
	}
	mounts_free(&config->mounts);
	free((char *)config->root.path);
	free(config->idmap.uid);
	free(config->idmap.gid);
	free((struct device_node *)config->devices.node);
	free(config->device_rules);
	netdev_free(&config->netdevs);
	for (size_t i = 0; i < config->sysctl.set.count; i++)
		free((char *)config->sysctl.set.item[i]);
	free(config->sysctl.set.item);
	free(config->devices.mask.item);
	free(config->devices.read_only.item);
	json_object_put(config->json);
	*config = (struct oci_config){ 0 };
}

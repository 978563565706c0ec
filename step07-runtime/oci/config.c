/*
 * config.c: config.json taken apart. Follows the OCI runtime specification 1.3, config.md and
 * config-linux.md. Explained in book/07-runtime.md.
 */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "step01-unshare/call.h"
#include "step05-overlay/json.h"
#include "step07-runtime/oci/config.h"
#include "step07-runtime/oci/hooks.h"
#include "step07-runtime/oci/resources.h"

void (*oci_warning)(void);

void
oci_warn(void)
{
	if (oci_warning)
		oci_warning();
	call_forget();
}

int
oci_warn_of(int done)
{
	if (done == 1)
		oci_warn();
	return done == 1 ? 0 : done;
}

#define AT(field)	       JSON_AT(struct oci_config, field)
#define IN(field, least, most) JSON_IN(struct oci_config, field, least, most)
#define BY(field, set)	       JSON_BY(struct oci_config, field, set)
#define RAW(field)	       JSON_AT(struct raw, field)

/* What is not yet what a module wants. */
struct raw {
	const char *version, *root, *propagation;
	struct json_object *process, *resources, *sysctl, *net_devices;
	struct raw_namespace {
		const char *type, *path;
	} * namespace;
	struct mount_spec *mount;
	size_t namespaces, mounts;
	bool memory_policy;
};

static const struct json_row namespace_rows[] = {
	{ "type", JSON_TEXT, JSON_AT(struct raw_namespace, type) },
	{ "path", JSON_TEXT, JSON_AT(struct raw_namespace, path) },
	{ 0 },
};
static const struct json_row map_rows[] = {
	{ "containerID", JSON_NUMBER, JSON_IN(struct id_range, inside, 0, UINT32_MAX) },
	{ "hostID", JSON_NUMBER, JSON_IN(struct id_range, outside, 0, UINT32_MAX) },
	{ "size", JSON_NUMBER, JSON_IN(struct id_range, count, 1, UINT32_MAX) },
	{ 0 },
};
static const struct json_row mount_rows[] = {
	{ "destination", JSON_TEXT, JSON_AT(struct mount_spec, target) },
	{ "type", JSON_TEXT, JSON_AT(struct mount_spec, type) },
	{ "source", JSON_TEXT, JSON_AT(struct mount_spec, source) },
	{ "options", JSON_VECTOR, JSON_AT(struct mount_spec, option) },
	{ "uidMappings", JSON_ITEMS, JSON_OF(struct mount_spec, uid, uid_count, map_rows) },
	{ "gidMappings", JSON_ITEMS, JSON_OF(struct mount_spec, gid, gid_count, map_rows) },
	{ 0 },
};
static const struct json_row device_rows[] = {
	{ "path", JSON_TEXT, JSON_AT(struct device_node, path) },
	{ "type", JSON_LETTER, JSON_AT(struct device_node, type) },
	/* the kernel's own widths: makedev(3) would take other bits for something else */
	{ "major", JSON_NUMBER, JSON_IN(struct device_node, major, 0, 0xfff) },
	{ "minor", JSON_NUMBER, JSON_IN(struct device_node, minor, 0, 0xfffff) },
	{ "fileMode", JSON_NUMBER, JSON_OR(struct device_node, mode, 0, UINT32_MAX, 0666, 0) },
	{ "uid", JSON_NUMBER, JSON_IN(struct device_node, uid, 0, INT32_MAX) },
	{ "gid", JSON_NUMBER, JSON_IN(struct device_node, gid, 0, INT32_MAX) },
	{ 0 },
};

static int
add_path(const struct json_row *row, const char *path, void *into)
{
	return text_list_add((struct text_list *)((char *)into + row->offset), path);
}

/* ANCHOR: fields */
/* Which field goes to which module: each is named after the struct that it is in. */
static const struct json_row config_rows[] = {
	{ "root.readonly", JSON_FLAG, AT(root.read_only) },
	{ "hostname", JSON_TEXT, AT(ns.hostname) },
	{ "domainname", JSON_TEXT, AT(domainname) },
	{ "annotations", JSON_TEXTS, AT(annotations) },
	{ "hooks", JSON_OBJECT, AT(hooks) },
	{ "linux.timeOffsets.monotonic.secs", JSON_NUMBER, AT(ns.monotonic) },
	{ "linux.timeOffsets.monotonic.nanosecs", JSON_NUMBER, IN(ns.monotonic_ns, 0, 999999999) },
	{ "linux.timeOffsets.boottime.secs", JSON_NUMBER, AT(ns.boottime) },
	{ "linux.timeOffsets.boottime.nanosecs", JSON_NUMBER, IN(ns.boottime_ns, 0, 999999999) },
	{ "linux.uidMappings", JSON_ITEMS,
	  JSON_OF(struct oci_config, idmap.uid, idmap.uid_count, map_rows) },
	{ "linux.gidMappings", JSON_ITEMS,
	  JSON_OF(struct oci_config, idmap.gid, idmap.gid_count, map_rows) },
	{ "linux.mountLabel", JSON_TEXT, AT(mount_label) },
	{ "linux.devices", JSON_ITEMS,
	  JSON_OF(struct oci_config, devices.node, devices.node_count, device_rows) },
	{ "linux.maskedPaths", JSON_WORDS, BY(devices.mask, add_path) },
	{ "linux.readonlyPaths", JSON_WORDS, BY(devices.read_only, add_path) },
	{ "linux.cgroupsPath", JSON_TEXT, AT(cgroup.path) },
	{ 0 },
};
/* ANCHOR_END: fields */
/* those of these go to the process, or are taken apart below and in the modules' own files */
static const struct json_row raw_rows[] = {
	{ "ociVersion", JSON_TEXT, RAW(version) },
	{ "process", JSON_OBJECT, RAW(process) },
	{ "root.path", JSON_TEXT, RAW(root) },
	{ "mounts", JSON_ITEMS, JSON_OF(struct raw, mount, mounts, mount_rows) },
	{ "linux.namespaces", JSON_ITEMS,
	  JSON_OF(struct raw, namespace, namespaces, namespace_rows) },
	{ "linux.rootfsPropagation", JSON_TEXT, RAW(propagation) },
	{ "linux.resources", JSON_OBJECT, RAW(resources) },
	{ "linux.sysctl", JSON_TEXTS, RAW(sysctl) },
	{ "linux.netDevices", JSON_OBJECT, RAW(net_devices) },
	{ "linux.memoryPolicy", JSON_THERE, RAW(memory_policy) },
	{ 0 },
};
static const struct json_row attr_rows[] = {
	{ "linux.personality.domain", JSON_TEXT, JSON_AT(struct attr_options, personality) },
	{ "linux.memoryPolicy.mode", JSON_TEXT, JSON_AT(struct attr_options, memory_policy.mode) },
	{ "linux.memoryPolicy.nodes", JSON_TEXT,
	  JSON_AT(struct attr_options, memory_policy.nodes) },
	{ "linux.memoryPolicy.flags", JSON_VECTOR,
	  JSON_AT(struct attr_options, memory_policy.flags) },
	{ 0 },
};

/* ---- namespaces and ids ---- */

static int
take_namespaces(const struct raw *raw, struct oci_config *config)
{
	int seen = 0;

	for (size_t i = 0; i < raw->namespaces; i++) {
		const char *type = raw->namespace[i].type, *path = raw->namespace[i].path;
		int flag = type ? ns_flag(type) : 0;

		if (!flag || (seen & flag))
			return fail(EINVAL, "linux.namespaces: %s is unknown or there twice",
				    type ? type : "an entry without type");
		seen |= flag;
		if (!path || !path[0]) {
			config->ns.kinds |= flag;
			continue;
		}
		if (path[0] != '/')
			return fail(EINVAL, "linux.namespaces: the path %s of %s is not absolute",
				    path, type);
		if (flag == CLONE_NEWNS)
			config->mount_path = path;
		else if (flag == CLONE_NEWTIME)
			config->time_path = path;
		else
			config->join[config->joins++] = (struct ns_at){ flag, path };
		if (flag == CLONE_NEWUSER)
			config->idmap.joined = path;
	}
	if (config->ns.hostname && !config->ns.hostname[0]) /* as good as none */
		config->ns.hostname = NULL;
	if (config->domainname && !config->domainname[0])
		config->domainname = NULL;
	config->root.nowhere = !(seen & CLONE_NEWNS);
	if ((config->root.nowhere && (seen & CLONE_NEWUSER)) ||
	    (config->mount_path && (config->ns.kinds & CLONE_NEWUSER)))
		return fail(EINVAL, "linux.namespaces: root of a user namespace may mount nothing "
				    "in a mount namespace that was there before it: that has to be "
				    "a new one too");
	return 0;
}

static int
check_maps(const struct oci_config *config)
{
	const struct idmap_options *idmap = &config->idmap;
	bool own = config->ns.kinds & CLONE_NEWUSER;
	/* of one that is joined podman repeats the maps: they say who is root there, and they are
	 * those of a mount with idmap */
	bool any = own || (ns_other_kinds(config->join, config->joins) & CLONE_NEWUSER);

	if (idmap_check(idmap->uid, idmap->uid_count, "linux.uidMappings") < 0 ||
	    idmap_check(idmap->gid, idmap->gid_count, "linux.gidMappings") < 0)
		return -1;
	if (!any && (idmap->uid_count || idmap->gid_count))
		return fail(EINVAL,
			    "linux.uidMappings, gidMappings: without a user namespace there is "
			    "nothing to map");
	if (own && (!idmap->uid_count || !idmap->gid_count))
		return fail(EINVAL, "linux.uidMappings, gidMappings: a user namespace needs both");
	return 0;
}

/* ---- mounts and devices ---- */

/* PATH, if it is relative from the bundle on; the caller's to free. NULL: ENOMEM, recorded. */
static char *
in_bundle(const char *path, const char *bundle)
{
	bool absolute = path[0] == '/';
	char *whole;

	if (asprintf(&whole, "%s%s%s", absolute ? "" : bundle, absolute ? "" : "/", path) >= 0)
		return whole;
	fail(ENOMEM, "memory for a path of the bundle");
	return NULL;
}

static bool
is_bind(const struct mount_spec *spec)
{
	bool bind = spec->type && strcmp(spec->type, "bind") == 0;

	for (size_t i = 0; i < spec->option_count; i++)
		bind |= !strcmp(spec->option[i], "bind") || !strcmp(spec->option[i], "rbind");
	return bind && spec->source && spec->source[0];
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

/* A source in the directory of the root is what is there at its turn: another mount, perhaps. */
static size_t
inside_root(const char *source, const char *root)
{
	size_t length = strlen(root);

	while (length && root[length - 1] == '/')
		length--;
	/* what goes up again may lead out, as a path of the host does */
	return length && !strncmp(source, root, length) && source[length] == '/' &&
			       !strstr(source + length, "/..")
		       ? length
		       : 0;
}

/* Adds one; its maps are the list's then. */
static int
take_mount(struct mount_spec *spec, const char *bundle, struct oci_config *config)
{
	char *source = NULL, *label = NULL;
	int done;

	while (spec->option[spec->option_count])
		spec->option_count++;
	/* the specification's word is that of v1; on this host, as its callers expect, it is v2 */
	if (spec->type && strcmp(spec->type, "cgroup") == 0)
		spec->type = spec->source = "cgroup2";
	if (is_bind(spec) && !(spec->source = source = in_bundle(spec->source, bundle)))
		return -1;
	if (source)
		spec->inside = inside_root(source, config->root.path);
	done = label_option(spec, config->mount_label, &label);
	spec->options = label;
	if (done == 0 && (done = mounts_add(&config->mounts, spec)) == 0)
		spec->uid = spec->gid = NULL;
	free(source);
	free(label);
	return done;
}

static int
take_mounts(const struct raw *raw, const char *bundle, struct oci_config *config)
{
	for (size_t i = 0; i < raw->mounts; i++) {
		struct mount_spec *spec = &raw->mount[i];

		if (!spec->target)
			return fail(EINVAL, "mounts[%zu] has no destination", i);
		if (idmap_check(spec->uid, spec->uid_count, "mounts: uidMappings") < 0 ||
		    idmap_check(spec->gid, spec->gid_count, "mounts: gidMappings") < 0 ||
		    take_mount(spec, bundle, config) < 0)
			return -1;
	}
	return 0;
}

static int
check_devices(struct oci_config *config)
{
	struct device_node *node = (struct device_node *)config->devices.node;

	config->devices.only_these = true;
	for (size_t i = 0; i < config->devices.node_count; i++) {
		if (!node[i].path || !node[i].type || !strchr("cubp", node[i].type))
			return fail(EINVAL,
				    "linux.devices[%zu] needs a path and a type of c, u, b, p", i);
		node[i].mode &= 0777; /* some callers give the type's bits as well */
	}
	return 0;
}

/* ---- the rest ---- */

static int
take_root(const char *path, const char *bundle, struct oci_config *config)
{
	if (!path || !path[0])
		return fail(EINVAL, "config.json: root.path is missing");
	config->root.path = in_bundle(path, bundle);
	return config->root.path ? 0 : -1;
}

static int
take_sysctl(struct json_object *json, struct sysctl_options *sysctl)
{
	if (!json)
		return 0;
	json_object_object_foreach(json, key, value)
	{
		if (sysctl_add(sysctl, key, json_object_get_string(value)) < 0)
			return -1;
	}
	return 0;
}

static int
take_net_devices(struct json_object *json, struct netdev_list *list)
{
	bool bad = false;

	if (!json)
		return 0;
	json_object_object_foreach(json, name, value)
	{
		if (!json_object_is_type(value, json_type_object))
			return fail(EINVAL, "linux.netDevices.%s is no object", name);
		if (netdev_add(list, name, json_text(value, "name", &bad)) < 0 || bad)
			return -1;
	}
	return 0;
}

/* A field that asks for something must not be dropped in silence: somebody relies on it. */
static int
refuse_rdt(struct json_object *json)
{
	if (!json_at(json, "linux.intelRdt"))
		return 0;
	return fail(ENOTSUP, "config.json asks for linux.intelRdt, which this runtime does not do");
}

/* Annotations of ours, and crun's of podman's --group-add keep-groups. */
static void
take_annotations(struct oci_config *config)
{
	const char *init, *seccomp, *keep;
	bool bad;

	init = json_text(config->annotations, "boxstep.init", &bad);
	seccomp = json_text(config->annotations, "boxstep.seccomp", &bad);
	keep = json_text(config->annotations, "run.oci.keep_original_groups", &bad);
	config->user_name = json_text(config->annotations, "boxstep.user", &bad);
	config->keep_groups = keep && strcmp(keep, "1") == 0;
	config->init = init && strcmp(init, "true") == 0;
	config->seccomp_default = seccomp && strcmp(seccomp, "default") == 0;
}

/* What is written for 1.1 works with 1.1 and later of the same first number; one that is newer than
 * this runtime may ask for what it does not see. */
static int
check_version(const char *text, unsigned *minor)
{
	unsigned major, patch;
	int end = 0;

	if (!text || sscanf(text, "%u.%u.%u%n", &major, minor, &patch, &end) != 3 ||
	    (text[end] && text[end] != '-' && text[end] != '+'))
		return fail(EINVAL, "config.json: ociVersion \"%s\" is no version",
			    text ? text : "");
	if (major != 1 || *minor > OCI_MINOR)
		return fail(ENOTSUP,
			    "config.json: ociVersion %s, and this runtime knows 1.0 to 1.%d", text,
			    OCI_MINOR);
	return 0;
}

/* What only the whole can say. */
static int
check(const struct raw *raw, struct oci_config *config)
{
	if (raw->propagation && raw->propagation[0] &&
	    !(config->root.propagation = mount_propagation(raw->propagation)))
		return fail(EINVAL, "linux.rootfsPropagation: %s is none", raw->propagation);
	if (config->mount_label && config->mount_label[0] && !labels_selinux_enabled())
		return fail(ENOTSUP, "linux.mountLabel %s: SELinux is not on in this kernel",
			    config->mount_label);
	if (raw->memory_policy && !config->process.attrs.memory_policy.mode)
		return fail(EINVAL, "linux.memoryPolicy has no mode");
	return check_maps(config);
}

/* Without one a container can be created; what stands in its place is never run. */
static int
read_process(struct json_object *json, struct oci_config *config)
{
	static const char none[] = "{\"cwd\":\"/\",\"args\":[\"-\"]}";

	config->no_process = !json;
	json = json ? json_object_get(json) : json_read(none, strlen(none), "process");
	return json ? oci_process_read(json, &config->process) : -1;
}

static int
read_all(struct json_object *json, const char *bundle, struct raw *raw, struct oci_config *config)
{
	if (json_fill(json, "", config_rows, config) < 0 || json_fill(json, "", raw_rows, raw) < 0)
		return -1;
	if (check_version(raw->version, &config->minor) < 0 || hooks_check(config->hooks) < 0 ||
	    refuse_rdt(json) < 0 || read_process(raw->process, config) < 0 ||
	    take_root(raw->root, bundle, config) < 0)
		return -1;
	if (json_at(json, "linux.seccomp")) /* an object has been left out */
		return fail(EINVAL, "linux.seccomp is not an object, or is there twice");
	take_annotations(config);
	if (json_fill(json, "", attr_rows, &config->process.attrs) < 0 ||
	    take_namespaces(raw, config) < 0 || check(raw, config) < 0 ||
	    check_devices(config) < 0 || take_mounts(raw, bundle, config) < 0 ||
	    oci_resources_read(raw->resources, config->minor, &config->limits,
			       &config->device_rules, &config->device_rule_count) < 0)
		return -1;
	return take_sysctl(raw->sysctl, &config->sysctl) < 0
		       ? -1
		       : take_net_devices(raw->net_devices, &config->netdevs);
}

static void
raw_free(struct raw *raw)
{
	for (size_t i = 0; i < raw->mounts; i++) {
		free((void *)raw->mount[i].option);
		free((void *)raw->mount[i].uid);
		free((void *)raw->mount[i].gid);
	}
	free(raw->mount);
	free(raw->namespace);
}

int
oci_config_read(int dirfd, const char *path, const char *bundle, struct oci_config *config)
{
	struct raw raw = { 0 };
	int done = -1;

	*config = (struct oci_config){ 0 };
	/* three quarters of a usual one are its seccomp profile, which is needed last */
	if ((config->text = json_load(dirfd, path, "config.json", &config->length)) &&
	    (config->json = json_read_but(config->text, config->length, "config.json",
					  "linux.seccomp", &config->seccomp)))
		done = read_all(config->json, bundle, &raw, config);
	raw_free(&raw);
	if (done < 0)
		oci_config_free(config);
	return done;
}

void
oci_config_free(struct oci_config *config)
{
	oci_process_free(&config->process);
	limits_free(&config->limits);
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
	free(config->text);
	*config = (struct oci_config){ 0 };
}

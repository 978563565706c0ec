/*
 * bundle.c: config.json, member by member. Follows the OCI image specification ("conversion") and
 * the OCI runtime specification, config.md. Explained in book/07-runtime.md.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "step01-unshare/call.h"
#include "step03-mounts/devices.h"
#include "step05-overlay/json.h"
#include "step07-runtime/engine/bundle.h"
#include "step07-runtime/engine/volume.h"

/* ---- small JSON ---- */

static void
put(struct json_object *to, const char *key, struct json_object *value)
{
	json_object_object_add(to, key, value);
}

static void
put_number(struct json_object *to, const char *key, int64_t value)
{
	if (value)
		put(to, key, json_object_new_int64(value));
}

static struct json_object *
text_array(const char *const *words)
{
	struct json_object *list = json_object_new_array();

	for (; words && *words; words++)
		json_object_array_add(list, json_object_new_string(*words));
	return list;
}

/* ---- process ---- */

/* One line of --env-file. It is no line of a shell: a name with a blank in it, as in `export X=1`,
 * would be a variable that nothing asks for. */
static int
add_env_line(const char *line, const char *path, size_t number, struct text_list *extra)
{
	static const char blanks[] = " \t\r\v\f";
	const char *from = line + strspn(line, blanks);
	size_t name = strcspn(from, "=");
	char *word;

	if (!*from || *from == '#')
		return 0;
	if (name == 0 || strcspn(from, blanks) < name)
		return fail(EINVAL, "--env-file %s, line %zu: \"%.*s\" is no name of a variable",
			    path, number, name < 40 ? (int)name : 40, from);
	word = strdup(from);
	return word ? text_list_add(extra, word) : fail(ENOMEM, "memory for --env-file");
}

/* A directory can be opened, but not read. */
static int
read_env_file(const char *path, struct text_list *extra)
{
	FILE *file = fopen(path, "re");
	char *line = NULL;
	size_t size = 0, number = 0;
	int done = 0;

	if (!file)
		return fail(errno, "open(\"%s\") for --env-file", path);
	while (done == 0 && getline(&line, &size, file) > 0) {
		line[strcspn(line, "\n")] = '\0';
		done = add_env_line(line, path, ++number, extra);
	}
	if (done == 0 && ferror(file))
		done = fail(errno, "read of \"%s\" for --env-file", path);
	free(line);
	fclose(file);
	return done;
}

/* The words of --env-file and of --env, after those of the image. */
static int
extra_environment(const struct run_options *options, struct text_list *extra)
{
	for (size_t i = 0; i < options->env_file.count; i++)
		if (read_env_file(options->env_file.item[i], extra) < 0)
			return -1;
	for (size_t i = 0; i < options->env.count; i++)
		if (text_list_add(extra, options->env.item[i]) < 0)
			return -1;
	return text_list_add(extra, NULL);
}

/* What the engine gives where neither the image nor the user has another value. */
static void
add_usual(struct json_object *list, char *const env[], const char *word)
{
	size_t name = strcspn(word, "=") + 1;

	while (*env && strncmp(*env, word, name) != 0)
		env++;
	if (!*env)
		json_object_array_add(list, json_object_new_string(word));
}

static int
put_environment(struct json_object *process, const struct run_options *options,
		const struct container *container, const struct image *image)
{
	struct text_list extra = { 0 };
	struct json_object *list;
	char **env, hostname[80];

	if (extra_environment(options, &extra) < 0 ||
	    !(env = image_environ(&image->config, (char **)extra.item)))
		return -1;
	list = text_array((const char *const *)env);
	snprintf(hostname, sizeof hostname, "HOSTNAME=%.*s", options->hostname ? 64 : 12,
		 options->hostname ? options->hostname : container->id);
	add_usual(list, env, hostname);
	if (options->tty)
		add_usual(list, env, "TERM=xterm");
	put(process, "env", list);
	free(env);
	free(extra.item);
	return 0;
}

static struct json_object *
cap_names(uint64_t set)
{
	struct json_object *list = json_object_new_array();

	for (unsigned n = 0; n < CAPS_NAMED; n++)
		if (set & (UINT64_C(1) << n))
			json_object_array_add(list, json_object_new_string(cap_name(n)));
	return list;
}

static int
put_rights(struct json_object *process, const struct run_options *options)
{
	struct json_object *caps = json_object_new_object();
	struct cap_sets sets;

	if (caps_from_options(&options->caps, caps_available(CAPS_ALL, options->user_kinds != 0),
			      &sets) < 0)
		return -1;
	put(caps, "bounding", cap_names(sets.bounding));
	put(caps, "permitted", cap_names(sets.permitted));
	put(caps, "effective", cap_names(sets.effective));
	put(process, "capabilities", caps);
	put(process, "noNewPrivileges",
	    json_object_new_boolean(!options->seccomp.new_privileges && !options->caps.privileged));
	if (options->attrs.has_oom_score_adj)
		put(process, "oomScoreAdj", json_object_new_int(options->attrs.oom_score_adj));
	return 0;
}

static void
put_limits_of_process(struct json_object *process, const struct attr_options *attrs)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < attrs->limit_count; i++) {
		struct json_object *item = json_object_new_object();
		json_put_text(item, "type", attr_resource_name(attrs->limits[i].resource));
		put(item, "soft", json_object_new_uint64(attrs->limits[i].soft));
		put(item, "hard", json_object_new_uint64(attrs->limits[i].hard));
		json_object_array_add(list, item);
	}
	put(process, "rlimits", list);
}

/* The user is resolved here as far as numbers go; names wait for the root, see supervise.c. */
static struct json_object *
process_object(const struct run_options *options, const struct container *container,
	       const struct image *image, char *const command[], size_t count)
{
	struct json_object *process = json_object_new_object(), *user;
	const char *cwd = options->workdir ? options->workdir : image->config.working_dir;
	char **argv = image_argv(&image->config, options->entrypoint, command, count);

	if (!argv)
		return NULL;
	put(process, "terminal", json_object_new_boolean(options->tty));
	put(process, "args", text_array((const char *const *)argv));
	free(argv);
	json_put_text(process, "cwd", cwd && cwd[0] ? cwd : "/");
	user = json_tokener_parse("{\"uid\":0,\"gid\":0}");
	if (options->attrs.has_umask)
		put(user, "umask", json_object_new_int64(options->attrs.umask));
	put(process, "user", user);
	json_put_text(process, "apparmorProfile", options->labels.apparmor);
	json_put_text(process, "selinuxLabel", options->labels.selinux);
	put_limits_of_process(process, &options->attrs);
	if (put_environment(process, options, container, image) < 0 ||
	    put_rights(process, options) < 0) {
		json_object_put(process);
		return NULL;
	}
	return process;
}

/* ---- mounts ---- */

static void
add_mount(struct json_object *list, const struct mount_spec *spec)
{
	struct json_object *item = json_object_new_object(), *options = json_object_new_array();
	char *words = spec->options ? strdup(spec->options) : NULL, *rest = words, *word;

	json_put_text(item, "destination", spec->target);
	json_put_text(item, "type", spec->type);
	json_put_text(item, "source", spec->source);
	while ((word = strsep(&rest, ",")) && words)
		json_object_array_add(options, json_object_new_string(word));
	for (size_t i = 0; i < spec->option_count; i++)
		json_object_array_add(options, json_object_new_string(spec->option[i]));
	put(item, "options", options);
	json_object_array_add(list, item);
	free(words);
}

/* ANCHOR: mounts */
static struct json_object *
mounts_array(const struct run_options *options, struct container *container,
	     const struct image *image)
{
	struct mounts_options usual = { .shm_size = options->shm_size,
					.writable_sys = options->caps.privileged };
	struct mount_spec cgroup = { .target = "/sys/fs/cgroup",
				     .type = "cgroup",
				     .source = "cgroup",
				     .options = options->caps.privileged
							? "nosuid,noexec,nodev"
							: "nosuid,noexec,nodev,ro" };
	struct json_object *array = json_object_new_array();
	struct mount_list list = { 0 };

	if (mounts_add_defaults(&list, &usual) < 0 || mounts_add(&list, &cgroup) < 0 ||
	    volumes_add(&list, &options->volume, &options->tmpfs, options->user_kinds, container,
			image) < 0) {
		json_object_put(array);
		array = NULL;
	}
	for (size_t i = 0; array && i < list.count; i++)
		add_mount(array, &list.entry[i].spec);
	mounts_free(&list);
	return array;
}
/* ANCHOR_END: mounts */

/* ---- linux ---- */

static struct json_object *
namespaces_array(const struct run_options *options)
{
	struct json_object *list = json_object_new_array();
	const struct {
		const char *type, *mode;
	} kinds[] = { { "mount", NULL },
		      { "pid", options->pid },
		      { "ipc", options->ipc },
		      { "uts", options->uts },
		      { "cgroup", NULL } };

	for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
		struct json_object *item;
		if (kinds[i].mode && strcmp(kinds[i].mode, "host") == 0)
			continue;
		item = json_object_new_object();
		json_put_text(item, "type", kinds[i].type);
		json_object_array_add(list, item);
	}
	return list;
}

/* What the specification knows in cgroup v1's units only goes by the name of its file. */
static struct json_object *
unified_object(const struct limits *limits)
{
	struct json_object *object = json_object_new_object();
	char text[32];

	if (limits->cpu_weight) {
		snprintf(text, sizeof text, "%" PRId64, limits->cpu_weight);
		json_put_text(object, "cpu.weight", text);
	}
	if (limits->io_weight) {
		snprintf(text, sizeof text, "default %" PRId64, limits->io_weight);
		json_put_text(object, "io.weight", text);
	}
	if (limits->oom_group)
		json_put_text(object, "memory.oom.group", "1");
	for (size_t i = 0; i < limits->unified_count; i++)
		json_put_text(object, limits->unified[i].file, limits->unified[i].value);
	return object;
}

static void
put_io(struct json_object *resources, const struct limits *limits)
{
	static const char *const names[] = { "throttleReadBpsDevice", "throttleWriteBpsDevice",
					     "throttleReadIOPSDevice", "throttleWriteIOPSDevice" };
	struct json_object *io = json_object_new_object();

	for (size_t n = 0; n < 4; n++) {
		struct json_object *list = json_object_new_array();
		for (size_t i = 0; i < limits->io_count; i++) {
			const struct io_limit *line = limits->io + i;
			const int64_t rates[] = { line->rbps, line->wbps, line->riops,
						  line->wiops };
			struct json_object *item;
			if (!rates[n])
				continue;
			item = json_object_new_object();
			put(item, "major", json_object_new_int64(line->major));
			put(item, "minor", json_object_new_int64(line->minor));
			put_number(item, "rate", rates[n]);
			json_object_array_add(list, item);
		}
		put(io, names[n], list);
	}
	put(resources, "blockIO", io);
}

static struct json_object *
resources_object(const struct limits *limits)
{
	struct json_object *all = json_object_new_object(), *memory = json_object_new_object(),
			   *cpu = json_object_new_object(), *pids = json_object_new_object();

	put_number(memory, "limit", limits->memory);
	put_number(memory, "swap", limits->memory_swap);
	put_number(memory, "reservation", limits->memory_reservation);
	put_number(cpu, "quota", limits->cpu_quota);
	put_number(cpu, "period", limits->cpu_period);
	put_number(cpu, "shares", limits->cpu_shares);
	json_put_text(cpu, "cpus", limits->cpuset_cpus);
	json_put_text(cpu, "mems", limits->cpuset_mems);
	put_number(pids, "limit", limits->pids);
	put(all, "memory", memory);
	put(all, "cpu", cpu);
	put(all, "pids", pids);
	put(all, "unified", unified_object(limits));
	put_io(all, limits);
	return all;
}

static struct json_object *
linux_object(const struct run_options *options)
{
	struct json_object *object = json_object_new_object(), *sysctl = json_object_new_object(),
			   *resources;

	put(object, "namespaces", namespaces_array(options));
	resources = resources_object(&options->limits);
	if (!options->caps.privileged)
		put(resources, "devices",
		    json_tokener_parse("[{\"allow\":false,\"access\":\"rwm\"}]"));
	put(object, "resources", resources);
	if (!options->caps.privileged) {
		put(object, "maskedPaths", text_array(devices_usual_masks));
		put(object, "readonlyPaths", text_array(devices_usual_read_only));
	}
	for (size_t i = 0; i < options->sysctl.set.count; i++) {
		const char *word = options->sysctl.set.item[i], *equals = strchr(word, '=');
		char *key = equals ? strndup(word, (size_t)(equals - word)) : NULL;
		if (key)
			json_put_text(sysctl, key, equals + 1);
		free(key);
	}
	put(object, "sysctl", sysctl);
	return object;
}

/* linux.seccomp: a profile that the user names is put in; the default one is compiled by the
 * runtime itself, from an annotation, because reading it as JSON would take longer than all else.
 */
static int
put_seccomp(struct json_object *config, struct json_object *annotations,
	    const struct run_options *options)
{
	const char *profile = options->seccomp.profile;
	struct json_object *json;

	if (!profile || strcmp(profile, "unconfined") == 0) {
		if (!profile && !options->caps.privileged)
			json_put_text(annotations, "boxstep.seccomp", "default");
		return 0;
	}
	if (!(json = json_read_at(AT_FDCWD, profile, profile)))
		return -1;
	put(json_object_object_get(config, "linux"), "seccomp", json);
	return 0;
}

/* ---- the whole ---- */

int
bundle_write(struct container *container, const struct run_options *options,
	     const struct image *image, char *const command[], size_t count)
{
	struct json_object *config = json_object_new_object(), *root = json_object_new_object(),
			   *annotations = json_object_new_object();
	struct json_object *process = process_object(options, container, image, command, count),
			   *mounts = process ? mounts_array(options, container, image) : NULL;
	char short_id[13];
	int done = -1;

	json_put_text(config, "ociVersion", "1.2.0");
	put(config, "process", process);
	json_put_text(root, "path", "rootfs");
	put(root, "readonly", json_object_new_boolean(options->read_only));
	put(config, "root", root);
	snprintf(short_id, sizeof short_id, "%.12s", container->id);
	if (!options->uts || strcmp(options->uts, "host") != 0)
		json_put_text(config, "hostname", options->hostname ? options->hostname : short_id);
	put(config, "mounts", mounts);
	put(config, "linux", linux_object(options));
	if (options->init)
		json_put_text(annotations, "boxstep.init", "true");
	json_put_text(annotations, "boxstep.user",
		      options->user	   ? options->user
		      : image->config.user ? image->config.user
					   : "");
	put(config, "annotations", annotations);
	if (process && mounts && put_seccomp(config, annotations, options) == 0)
		done = json_write(container->dir, "config.json", config, false);
	json_object_put(config);
	return done;
}

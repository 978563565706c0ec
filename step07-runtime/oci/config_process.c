/*
 * config_process.c: the object `process` of config.json: who runs what, with which rights.
 * Follows config.md, "Process", of the OCI runtime specification. Explained in book/07-runtime.md.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "step01-unshare/call.h"
#include "step05-overlay/json.h"
#include "step07-runtime/oci/config.h"

/* ---- user ---- */

static int
read_user(struct json_object *json, struct oci_process *process, bool *bad)
{
	struct json_object *groups = json_array(json, "additionalGids", bad);
	int64_t uid = json_number(json, "uid", bad), gid = json_number(json, "gid", bad);
	size_t count = groups ? json_object_array_length(groups) : 0;
	struct json_object *umask;

	/* above INT32_MAX an id turns negative in older interfaces, and -1 means "leave it"
	 * (CVE-2024-40635) */
	if (uid < 0 || uid > INT32_MAX || gid < 0 || gid > INT32_MAX)
		return fail(EINVAL, "process.user: uid and gid have to be from 0 to 2147483647");
	process->user.uid = (uid_t)uid;
	process->user.gid = (gid_t)gid;
	process->user.groups = calloc(count + 1, sizeof(gid_t));
	if (!process->user.groups)
		return fail(ENOMEM, "memory for process.user.additionalGids");
	for (size_t i = 0; i < count; i++) {
		struct json_object *item = json_object_array_get_idx(groups, i);
		int64_t id =
			json_object_is_type(item, json_type_int) ? json_object_get_int64(item) : -1;
		if (id < 0 || id > INT32_MAX)
			return fail(EINVAL, "process.user.additionalGids: entry %zu is no group id",
				    i);
		process->user.groups[process->user.count++] = (gid_t)id;
	}
	if (json_object_object_get_ex(json, "umask", &umask)) {
		process->attrs.has_umask = true;
		process->attrs.umask = (mode_t)json_number_in(json, "umask", 0, 0777, bad);
	}
	return 0;
}

/* ---- rights ---- */

static int
read_cap_set(struct json_object *json, const char *name, uint64_t *set, struct oci_process *process,
	     bool *bad)
{
	char **names = json_vector(json, name, bad);
	size_t count = 0, unknown = 0;
	int done;

	if (!names)
		return -1;
	while (names[count])
		count++;
	done = caps_of_names((const char *const *)names, count, set, &unknown);
	for (size_t i = 0; unknown && i < count; i++)
		if (cap_number(names[i]) < 0)
			process->unknown_cap = names[i];
	free(names);
	return done;
}

static int
read_caps(struct json_object *json, struct oci_process *process, bool *bad)
{
	struct cap_sets *caps = &process->caps;

	if (!json)
		return 0;
	if (read_cap_set(json, "bounding", &caps->bounding, process, bad) < 0 ||
	    read_cap_set(json, "permitted", &caps->permitted, process, bad) < 0 ||
	    read_cap_set(json, "effective", &caps->effective, process, bad) < 0 ||
	    read_cap_set(json, "inheritable", &caps->inheritable, process, bad) < 0 ||
	    read_cap_set(json, "ambient", &caps->ambient, process, bad) < 0)
		return -1;
	return 0;
}

static int
read_rlimits(struct json_object *list, struct attr_options *attrs, bool *bad)
{
	for (size_t i = 0; list && i < json_object_array_length(list); i++) {
		struct json_object *item = json_object_array_get_idx(list, i), *soft, *hard;
		const char *type = json_object_is_type(item, json_type_object)
					   ? json_text(item, "type", bad)
					   : NULL;
		if (!type || !json_object_object_get_ex(item, "soft", &soft) ||
		    !json_object_object_get_ex(item, "hard", &hard))
			return fail(EINVAL, "process.rlimits: entry %zu needs type, soft and hard",
				    i);
		/* json-c makes 0 of what is below it */
		if (!json_object_is_type(soft, json_type_int) || json_object_get_int64(soft) < 0 ||
		    !json_object_is_type(hard, json_type_int) || json_object_get_int64(hard) < 0)
			return fail(EINVAL, "process.rlimits: %s is no number", type);
		if (attr_limit_add(attrs, type, json_object_get_uint64(soft),
				   json_object_get_uint64(hard)) < 0)
			return -1;
	}
	return 0;
}

static int
read_scheduler(struct json_object *json, struct attr_scheduler *to, bool *bad)
{
	char **flags;

	if (!json)
		return 0;
	to->policy = json_text(json, "policy", bad);
	to->nice = (int)json_number_in(json, "nice", INT32_MIN, INT32_MAX, bad);
	to->priority = (int)json_number_in(json, "priority", 0, INT32_MAX, bad);
	to->runtime = (uint64_t)json_number_in(json, "runtime", 0, INT64_MAX, bad);
	to->deadline = (uint64_t)json_number_in(json, "deadline", 0, INT64_MAX, bad);
	to->period = (uint64_t)json_number_in(json, "period", 0, INT64_MAX, bad);
	flags = json_vector(json, "flags", bad);
	for (size_t i = 0; flags && flags[i]; i++)
		if (attr_scheduler_flag(flags[i], &to->flags) < 0)
			*bad = fail(EINVAL, "process.scheduler.flags: %s is none", flags[i]) < 0;
	free(flags);
	return *bad ? -1 : 0;
}

static int
read_attrs(struct json_object *json, struct oci_process *process, bool *bad)
{
	struct attr_options *attrs = &process->attrs;
	struct json_object *io = json_member(json, "ioPriority", bad),
			   *affinity = json_member(json, "execCPUAffinity", bad), *member;

	if (json_object_object_get_ex(json, "oomScoreAdj", &member)) {
		attrs->has_oom_score_adj = true;
		attrs->oom_score_adj =
			(int)json_number_in(json, "oomScoreAdj", INT32_MIN, INT32_MAX, bad);
	}
	attrs->apparmor = json_text(json, "apparmorProfile", bad);
	attrs->selinux = json_text(json, "selinuxLabel", bad);
	if (io) {
		attrs->io_priority.class = json_text(io, "class", bad);
		attrs->io_priority.level =
			(int)json_number_in(io, "priority", INT32_MIN, INT32_MAX, bad);
	}
	if (affinity) {
		process->first_cpus = json_text(affinity, "initial", bad);
		process->last_cpus = json_text(affinity, "final", bad);
		if (process->first_cpus && !process->first_cpus[0])
			process->first_cpus = NULL;
		if (process->last_cpus && !process->last_cpus[0])
			process->last_cpus = NULL;
		if (attr_affinity_check(process->first_cpus) < 0 ||
		    attr_affinity_check(process->last_cpus) < 0)
			return -1;
	}
	if (read_scheduler(json_member(json, "scheduler", bad), &attrs->scheduler, bad) < 0)
		return -1;
	if (read_rlimits(json_array(json, "rlimits", bad), attrs, bad) < 0)
		return -1;
	return attrs_check(attrs);
}

/* ---- the object ---- */

static bool
read_bool(struct json_object *json, const char *key, bool *bad)
{
	struct json_object *member;

	if (!json_object_object_get_ex(json, key, &member))
		return false;
	if (!json_object_is_type(member, json_type_boolean))
		*bad = fail(EINVAL, "%s: not true or false", key) < 0;
	return json_object_get_boolean(member);
}

static int
check_process(const struct oci_process *process)
{
	if (!process->cwd || process->cwd[0] != '/')
		return fail(EINVAL, "process.cwd: an absolute path is needed");
	if (!process->args || !process->args[0])
		return fail(EINVAL, "process.args: there is no command");
	return 0;
}

int
oci_process_read(struct json_object *json, struct oci_process *process)
{
	struct json_object *size, *user;
	bool bad = false;

	*process = (struct oci_process){ .json = json };
	user = json_member(json, "user", &bad);
	size = json_member(json, "consoleSize", &bad);
	process->args = json_vector(json, "args", &bad);
	process->env = json_vector(json, "env", &bad);
	process->cwd = json_text(json, "cwd", &bad);
	process->terminal = read_bool(json, "terminal", &bad);
	process->no_new_privs = read_bool(json, "noNewPrivileges", &bad);
	if (size) {
		process->rows = (unsigned short)json_number_in(size, "height", 0, UINT16_MAX, &bad);
		process->columns =
			(unsigned short)json_number_in(size, "width", 0, UINT16_MAX, &bad);
	}
	if (bad || !process->args || !process->env || check_process(process) < 0 ||
	    (user && read_user(user, process, &bad) < 0) ||
	    read_caps(json_member(json, "capabilities", &bad), process, &bad) < 0 ||
	    read_attrs(json, process, &bad) < 0 || bad) {
		if (!call_error()->number)
			fail(EINVAL, "process: a member is of the wrong type");
		return -1;
	}
	return 0;
}

int
oci_process_set(struct oci_process *process, char *variable)
{
	size_t name = strcspn(variable, "=") + 1, count = 0;
	char **env;

	while (process->env[count] && strncmp(process->env[count], variable, name) != 0)
		count++;
	if (!process->env[count]) {
		env = reallocarray(process->env, count + 2, sizeof *env);
		if (!env)
			return fail(ENOMEM, "memory for the environment");
		env[count + 1] = NULL;
		process->env = env;
	}
	process->env[count] = variable;
	return 0;
}

void
oci_process_free(struct oci_process *process)
{
	free(process->args);
	free(process->env);
	user_free(&process->user);
	json_object_put(process->json);
	*process = (struct oci_process){ 0 };
}

/*
 * config_process.c: the object `process` of config.json: who runs what, with which rights.
 * Follows config.md, "Process", of the OCI runtime specification. Explained in book/07-runtime.md.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "step01-unshare/call.h"
#include "step05-overlay/json.h"
#include "step07-runtime/environment.h"
#include "step07-runtime/oci/config.h"

#define AT(field)	       JSON_AT(struct oci_process, field)
#define IN(field, least, most) JSON_IN(struct oci_process, field, least, most)
#define BY(field, set)	       JSON_BY(struct oci_process, field, set)

/* A name that is not known here is left out, with a warning, as the specification demands. */
static int
add_cap(const struct json_row *row, const char *name, void *into)
{
	struct oci_process *process = into;

	if (cap_add(name, (uint64_t *)((char *)into + row->offset)) < 0)
		process->unknown_cap = name;
	return 0;
}

static const struct json_row rlimit_rows[] = {
	{ "type", JSON_TEXT, JSON_AT(struct oci_rlimit, type) },
	{ "soft", JSON_THERE, JSON_AT(struct oci_rlimit, has_soft) },
	{ "soft", JSON_WIDE, JSON_AT(struct oci_rlimit, soft) },
	{ "hard", JSON_THERE, JSON_AT(struct oci_rlimit, has_hard) },
	{ "hard", JSON_WIDE, JSON_AT(struct oci_rlimit, hard) },
	{ 0 },
};

static const struct json_row process_rows[] = {
	{ "args", JSON_VECTOR, AT(args) },
	{ "env", JSON_VECTOR, AT(env) },
	{ "cwd", JSON_TEXT, AT(cwd) },
	{ "terminal", JSON_FLAG, AT(terminal) },
	{ "consoleSize.height", JSON_NUMBER, IN(size.ws_row, 0, UINT16_MAX) },
	{ "consoleSize.width", JSON_NUMBER, IN(size.ws_col, 0, UINT16_MAX) },
	/* above INT32_MAX an id turns negative in older interfaces, and -1 means "leave it"
	 * (CVE-2024-40635) */
	{ "user.uid", JSON_NUMBER, IN(user.uid, 0, INT32_MAX) },
	{ "user.gid", JSON_NUMBER, IN(user.gid, 0, INT32_MAX) },
	{ "user.additionalGids", JSON_NUMBERS,
	  JSON_MANY(struct oci_process, user.groups, user.count, 0, INT32_MAX) },
	{ "user.umask", JSON_THERE, AT(attrs.has_umask) },
	{ "user.umask", JSON_NUMBER, IN(attrs.umask, 0, 0777) },
	{ "noNewPrivileges", JSON_FLAG, AT(no_new_privs) },
	{ "capabilities.bounding", JSON_WORDS, BY(caps.bounding, add_cap) },
	{ "capabilities.permitted", JSON_WORDS, BY(caps.permitted, add_cap) },
	{ "capabilities.effective", JSON_WORDS, BY(caps.effective, add_cap) },
	{ "capabilities.inheritable", JSON_WORDS, BY(caps.inheritable, add_cap) },
	{ "capabilities.ambient", JSON_WORDS, BY(caps.ambient, add_cap) },
	{ "apparmorProfile", JSON_TEXT, AT(labels.apparmor) },
	{ "selinuxLabel", JSON_TEXT, AT(labels.selinux) },
	{ "rlimits", JSON_ITEMS, JSON_OF(struct oci_process, rlimit, rlimit_count, rlimit_rows) },
	{ "oomScoreAdj", JSON_THERE, AT(attrs.has_oom_score_adj) },
	{ "oomScoreAdj", JSON_NUMBER, IN(attrs.oom_score_adj, INT32_MIN, INT32_MAX) },
	{ "ioPriority.class", JSON_TEXT, AT(attrs.io_priority.class) },
	{ "ioPriority.priority", JSON_NUMBER, IN(attrs.io_priority.level, INT32_MIN, INT32_MAX) },
	{ "execCPUAffinity.initial", JSON_TEXT, AT(first_cpus) },
	{ "execCPUAffinity.final", JSON_TEXT, AT(last_cpus) },
	{ "scheduler.policy", JSON_TEXT, AT(attrs.scheduler.policy) },
	{ "scheduler.nice", JSON_NUMBER, IN(attrs.scheduler.nice, INT32_MIN, INT32_MAX) },
	{ "scheduler.priority", JSON_NUMBER, IN(attrs.scheduler.priority, 0, INT32_MAX) },
	{ "scheduler.flags", JSON_VECTOR, AT(attrs.scheduler.flags) },
	{ "scheduler.runtime", JSON_NUMBER, IN(attrs.scheduler.runtime, 0, INT64_MAX) },
	{ "scheduler.deadline", JSON_NUMBER, IN(attrs.scheduler.deadline, 0, INT64_MAX) },
	{ "scheduler.period", JSON_NUMBER, IN(attrs.scheduler.period, 0, INT64_MAX) },
	{ 0 },
};

static int
add_rlimits(struct oci_process *process)
{
	for (size_t i = 0; i < process->rlimit_count; i++) {
		const struct oci_rlimit *item = &process->rlimit[i];

		if (!item->type || !item->has_soft || !item->has_hard)
			return fail(EINVAL, "process.rlimits[%zu] needs type, soft and hard", i);
		if (attr_limit_add(&process->attrs, item->type, item->soft, item->hard) < 0)
			return -1;
	}
	return 0;
}

int
oci_process_check(struct oci_process *process)
{
	if (!process->cwd || process->cwd[0] != '/')
		return fail(EINVAL, "process.cwd: an absolute path is needed");
	if (!process->args[0])
		return fail(EINVAL, "process.args: there is no command");
	if (process->first_cpus && !process->first_cpus[0])
		process->first_cpus = NULL;
	if (process->last_cpus && !process->last_cpus[0])
		process->last_cpus = NULL;
	if (attr_affinity_check(process->first_cpus) < 0 ||
	    attr_affinity_check(process->last_cpus) < 0)
		return -1;
	return labels_check(&process->labels) < 0 ? -1 : attrs_check(&process->attrs);
}

int
oci_process_read(struct json_object *json, struct oci_process *process)
{
	*process = (struct oci_process){ .json = json };
	if (json_fill(json, "process", process_rows, process) < 0 || add_rlimits(process) < 0 ||
	    environment_tidy(process->env) < 0)
		return -1;
	return oci_process_check(process);
}

void
oci_process_free(struct oci_process *process)
{
	free(process->args);
	free(process->env);
	free(process->attrs.scheduler.flags);
	free(process->attrs.memory_policy.flags);
	free(process->rlimit);
	user_free(&process->user);
	json_object_put(process->json);
	*process = (struct oci_process){ 0 };
}

/*
 * profile_json.c: reads a profile as JSON, strictly: what is not understood is refused, because a
 * rule that is skipped is a hole. (Unknown calls are skipped: a profile names those of all
 * kernels.) Follows `linux.seccomp` of the OCI runtime specification; `archMap`, `includes` and
 * `excludes` are the engines' additions. Explained in book/07a-security.md.
 */
#include <errno.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "step01-unshare/call.h"
#include "step05-overlay/json.h"
#include "step07-runtime/security/caps.h"
#include "step07-runtime/security/profile.h"
#include "step07-runtime/security/sys_table.h"

#define RULE_LIMIT 8192

const struct profile_word profile_actions[] = {
	{ "SCMP_ACT_KILL", SECCOMP_RET_KILL_THREAD },
	{ "SCMP_ACT_KILL_THREAD", SECCOMP_RET_KILL_THREAD },
	{ "SCMP_ACT_KILL_PROCESS", SECCOMP_RET_KILL_PROCESS },
	{ "SCMP_ACT_TRAP", SECCOMP_RET_TRAP },
	{ "SCMP_ACT_ERRNO", SECCOMP_RET_ERRNO },
	{ "SCMP_ACT_TRACE", SECCOMP_RET_TRACE },
	{ "SCMP_ACT_NOTIFY", SECCOMP_RET_USER_NOTIF },
	{ "SCMP_ACT_LOG", SECCOMP_RET_LOG },
	{ "SCMP_ACT_ALLOW", SECCOMP_RET_ALLOW },
	{ NULL, 0 },
};
const struct profile_word profile_operators[] = { { "SCMP_CMP_NE", OP_NE },
						  { "SCMP_CMP_LT", OP_LT },
						  { "SCMP_CMP_LE", OP_LE },
						  { "SCMP_CMP_EQ", OP_EQ },
						  { "SCMP_CMP_GE", OP_GE },
						  { "SCMP_CMP_GT", OP_GT },
						  { "SCMP_CMP_MASKED_EQ", OP_MASKED_EQ },
						  { NULL, 0 } };
const struct profile_word profile_flags[] = {
	{ "SECCOMP_FILTER_FLAG_TSYNC", SECCOMP_FILTER_FLAG_TSYNC },
	{ "SECCOMP_FILTER_FLAG_LOG", SECCOMP_FILTER_FLAG_LOG },
	{ "SECCOMP_FILTER_FLAG_SPEC_ALLOW", SECCOMP_FILTER_FLAG_SPEC_ALLOW },
	{ "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV", SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV },
	{ NULL, 0 },
};

/* ---- words ---- */

#define FIELD(type) ((type *)((char *)into + row->offset))

static int
find(const struct profile_word *words, const char *name, uint32_t *value)
{
	while (words->name && strcmp(words->name, name) != 0)
		words++;
	*value = words->value;
	return words->name ? 0 : -1;
}

/* An action and what may come with it. */
struct answer {
	uint32_t action;
	bool given, has_number;
	uint32_t number;
};

static int
set_action(const struct json_row *row, const char *name, void *into)
{
	FIELD(struct answer)->given = true;
	return find(profile_actions, name, &FIELD(struct answer)->action);
}

/* In podman's files the errno is also there by name. */
static int
set_errno(const struct json_row *row, const char *name, void *into)
{
	struct answer *answer = FIELD(struct answer);

	if (!*name)
		return 0;
	answer->has_number = true;
	for (answer->number = 1; answer->number < 256; answer->number++) {
		const char *known = strerrorname_np((int)answer->number);
		if (known && strcmp(known, name) == 0)
			return 0;
	}
	return -1;
}

static int
add_flag(const struct json_row *row, const char *name, void *into)
{
	uint32_t flag;

	if (find(profile_flags, name, &flag) < 0)
		return -1;
	*FIELD(unsigned) |= flag;
	return 0;
}

/* What has no table here cannot run on this machine. */
static int
add_arch(const struct json_row *row, const char *name, void *into)
{
	int arch = sys_arch_number(name);

	if (arch >= 0)
		*FIELD(unsigned) |= SYS_ARCH_BIT(arch);
	return arch == -1 ? -1 : 0;
}

/* The engines' conditions. */
struct condition {
	uint64_t caps;
	bool arches, this_arch;
	enum { UNSAID, OLDER, NEWER } kernel; /* this one, than what is named */
};

static int
add_cap(const struct json_row *row, const char *name, void *into)
{
	return cap_add(name, &FIELD(struct condition)->caps);
}

static int
see_arch(const struct json_row *row, const char *name, void *into)
{
	FIELD(struct condition)->arches = true;
	FIELD(struct condition)->this_arch |= !strcmp(name, sys_arches[sys_native].short_name);
	return 0;
}

static int
see_kernel(const struct json_row *row, const char *version, void *into)
{
	unsigned major, minor, own_major = 0, own_minor = 0;
	struct utsname name;
	char rest;

	if (!*version)
		return 0;
	if (sscanf(version, "%u.%u%c", &major, &minor, &rest) != 2)
		return -1;
	if (uname(&name) == 0)
		sscanf(name.release, "%u.%u", &own_major, &own_minor);
	FIELD(struct condition)->kernel =
		own_major > major || (own_major == major && own_minor >= minor) ? NEWER : OLDER;
	return 0;
}

static int
set_operator(const struct json_row *row, const char *name, void *into)
{
	uint32_t op;

	if (find(profile_operators, name, &op) < 0)
		return -1;
	*FIELD(enum profile_op) = (enum profile_op)op;
	return 0;
}

/* ---- what is in a profile ---- */

struct raw {
	struct answer otherwise;
	unsigned arches, flags;
	bool mapped;
	const char *listener_path, *listener_metadata;
	struct raw_map { /* for each native architecture those that its kernel also runs */
		bool given;
		unsigned native, also;
	} * map;
	struct raw_rule {
		char **names;
		const char *name; /* docker's first format */
		struct answer answer;
		struct condition includes, excludes;
		struct raw_arg {
			bool has_index, has_value, has_op;
			struct profile_arg arg;
		} * arg;
		size_t args;
	} * rule;
	size_t maps, rules;
};

static const struct json_row map_rows[] = {
	{ "architecture", JSON_THERE, JSON_AT(struct raw_map, given) },
	{ "architecture", JSON_WORD, JSON_BY(struct raw_map, native, add_arch) },
	{ "subArchitectures", JSON_WORDS, JSON_BY(struct raw_map, also, add_arch) },
	{ 0 },
};
static const struct json_row arg_rows[] = {
	{ "index", JSON_THERE, JSON_AT(struct raw_arg, has_index) },
	{ "index", JSON_NUMBER, JSON_IN(struct raw_arg, arg.index, 0, PROFILE_ARGS - 1) },
	{ "value", JSON_THERE, JSON_AT(struct raw_arg, has_value) },
	{ "value", JSON_WIDE, JSON_AT(struct raw_arg, arg.value) },
	{ "valueTwo", JSON_WIDE, JSON_AT(struct raw_arg, arg.second) },
	{ "op", JSON_THERE, JSON_AT(struct raw_arg, has_op) },
	{ "op", JSON_WORD, JSON_BY(struct raw_arg, arg.op, set_operator) },
	{ 0 },
};
#define RULE(field, set) JSON_BY(struct raw_rule, field, set)
static const struct json_row rule_rows[] = {
	{ "names", JSON_VECTOR, JSON_AT(struct raw_rule, names) },
	{ "name", JSON_TEXT, JSON_AT(struct raw_rule, name) },
	{ "action", JSON_WORD, RULE(answer, set_action) },
	{ "errnoRet", JSON_THERE, JSON_AT(struct raw_rule, answer.has_number) },
	{ "errnoRet", JSON_NUMBER, JSON_IN(struct raw_rule, answer.number, 0, UINT16_MAX) },
	{ "errno", JSON_WORD, RULE(answer, set_errno) },
	{ "includes.caps", JSON_WORDS, RULE(includes, add_cap) },
	{ "includes.arches", JSON_WORDS, RULE(includes, see_arch) },
	{ "includes.minKernel", JSON_WORD, RULE(includes, see_kernel) },
	{ "excludes.caps", JSON_WORDS, RULE(excludes, add_cap) },
	{ "excludes.arches", JSON_WORDS, RULE(excludes, see_arch) },
	{ "excludes.minKernel", JSON_WORD, RULE(excludes, see_kernel) },
	{ "args", JSON_ITEMS, JSON_OF(struct raw_rule, arg, args, arg_rows) },
	{ 0 },
};
static const struct json_row profile_rows[] = {
	{ "defaultAction", JSON_WORD, JSON_BY(struct raw, otherwise, set_action) },
	{ "defaultErrnoRet", JSON_THERE, JSON_AT(struct raw, otherwise.has_number) },
	{ "defaultErrnoRet", JSON_NUMBER, JSON_IN(struct raw, otherwise.number, 0, UINT16_MAX) },
	{ "defaultErrno", JSON_WORD, JSON_BY(struct raw, otherwise, set_errno) },
	{ "architectures", JSON_WORDS, JSON_BY(struct raw, arches, add_arch) },
	{ "archMap", JSON_THERE, JSON_AT(struct raw, mapped) },
	{ "archMap", JSON_ITEMS, JSON_OF(struct raw, map, maps, map_rows) },
	{ "flags", JSON_WORDS, JSON_BY(struct raw, flags, add_flag) },
	{ "listenerPath", JSON_TEXT, JSON_AT(struct raw, listener_path) },
	{ "listenerMetadata", JSON_TEXT, JSON_AT(struct raw, listener_metadata) },
	{ "syscalls", JSON_ITEMS, JSON_OF(struct raw, rule, rules, rule_rows) },
	{ 0 },
};

static void
raw_free(struct raw *raw)
{
	for (size_t i = 0; i < raw->rules; i++) {
		free(raw->rule[i].names);
		free(raw->rule[i].arg);
	}
	free(raw->rule);
	free(raw->map);
}

/* ---- and what follows from it ---- */

static int
decide(const struct answer *answer, const char *what, const char *key, uint32_t *action)
{
	uint32_t limit = answer->action == SECCOMP_RET_ERRNO   ? 4095
			 : answer->action == SECCOMP_RET_TRACE ? UINT16_MAX
							       : 0;

	if (!answer->given)
		return fail(EINVAL, "%s%s: missing", what, key);
	if (answer->has_number && !limit)
		return fail(EINVAL, "%s%s: it takes no errno", what, key);
	if (answer->number > limit)
		return fail(EINVAL, "%s%s: the errno %u is above %u", what, key, answer->number,
			    limit);
	*action = answer->action | (answer->has_number ? answer->number : limit ? EPERM : 0);
	return 0;
}

/* The native architecture is always in: a filter that kills every call is nobody's wish. */
static int
take_arches(const struct raw *raw, const char *what, struct profile *profile)
{
	profile->arches = SYS_ARCH_BIT(sys_native) | raw->arches;
	if (raw->mapped && raw->arches)
		return fail(EINVAL, "%sarchitectures and archMap: one or the other", what);
	for (size_t i = 0; i < raw->maps; i++) {
		if (!raw->map[i].given)
			return fail(EINVAL, "%sarchMap[%zu].architecture: missing", what, i);
		if (raw->map[i].native == SYS_ARCH_BIT(sys_native))
			profile->arches |= raw->map[i].also;
	}
	return 0;
}

static int
take_listener(const struct raw *raw, const char *what, struct profile *profile)
{
	const char *path = raw->listener_path, *metadata = raw->listener_metadata;

	if (metadata && *metadata && !(path && *path))
		return fail(EINVAL, "%slistenerMetadata without listenerPath", what);
	if ((path && *path && !(profile->listener_path = strdup(path))) ||
	    (metadata && *metadata && !(profile->listener_metadata = strdup(metadata))))
		return fail(ENOMEM, "memory for %slistenerPath", what);
	return 0;
}

/* Does the rule hold here? All included capabilities must be there, and one excluded one is enough
 * to leave the rule out. */
static bool
holds(const struct raw_rule *rule, uint64_t caps)
{
	const struct condition *in = &rule->includes, *out = &rule->excludes;

	return !(in->caps & ~caps) && (!in->arches || in->this_arch) && in->kernel != OLDER &&
	       !(out->caps & caps) && !out->this_arch && out->kernel != NEWER;
}

static void
add_call(const char *name, struct profile *profile, struct profile_rule *rule)
{
	int index = sys_call_index(name);

	if (index < 0)
		profile->unknown++;
	else {
		profile->calls[profile->call_count++] = (uint16_t)index;
		rule->call_count++;
	}
}

/* Two conditions on the same argument are alternatives: each becomes a rule of its own, as in every
 * engine since docker's first profile. */
static void
add_rules(const struct raw_rule *raw, struct profile_rule rule, struct profile *profile)
{
	unsigned seen = 0;
	bool twice = false;

	for (size_t a = 0; a < raw->args; a++) {
		unsigned bit = 1u << raw->arg[a].arg.index;
		twice |= (seen & bit) != 0;
		seen |= bit;
	}
	for (size_t a = 0; a < raw->args; a++) {
		rule.args[twice ? 0 : a] = raw->arg[a].arg;
		rule.arg_count = twice ? 1 : (unsigned)raw->args;
		if (twice)
			profile->rules[profile->count++] = rule;
	}
	if (!twice)
		profile->rules[profile->count++] = rule;
}

static int
take_rule(const struct raw_rule *raw, const char *what, uint64_t caps, struct profile *profile)
{
	struct profile_rule rule = { .calls = profile->calls + profile->call_count };
	bool name = raw->name && *raw->name;

	if (name == (raw->names[0] != NULL))
		return fail(EINVAL, "%s: names, or name: one and not the other", what);
	if (decide(&raw->answer, what, ".action", &rule.action) < 0)
		return -1;
	for (size_t a = 0; a < raw->args; a++)
		if (!raw->arg[a].has_index || !raw->arg[a].has_value || !raw->arg[a].has_op)
			return fail(EINVAL, "%s.args[%zu] needs index, value and op", what, a);
	if (name)
		add_call(raw->name, profile, &rule);
	for (char **each = raw->names; *each; each++)
		add_call(*each, profile, &rule);
	if (holds(raw, caps))
		add_rules(raw, rule, profile);
	return 0;
}

static int
take_rules(const struct raw *raw, const char *what, uint64_t caps, struct profile *profile)
{
	size_t rules = 0, calls = 0;
	char place[512];

	for (size_t i = 0; i < raw->rules; i++) {
		rules += raw->rule[i].args + 1;
		for (char **name = raw->rule[i].names; *name; name++)
			calls++;
	}
	if (rules > RULE_LIMIT)
		return fail(EINVAL, "%smore than %d rules", what, RULE_LIMIT);
	profile->rules = calloc(rules + 1, sizeof *profile->rules);
	profile->calls = calloc(calls + raw->rules + 1, sizeof *profile->calls);
	if (!profile->rules || !profile->calls)
		return fail(ENOMEM, "memory for %srules", what);
	for (size_t i = 0; i < raw->rules; i++) {
		snprintf(place, sizeof place, "%ssyscalls[%zu]", what, i);
		if (take_rule(&raw->rule[i], place, caps, profile) < 0)
			return -1;
	}
	return 0;
}

static int
take_all(const struct raw *raw, const char *what, uint64_t caps, struct profile *profile)
{
	if (decide(&raw->otherwise, what, "defaultAction", &profile->default_action) < 0 ||
	    take_arches(raw, what, profile) < 0 || take_listener(raw, what, profile) < 0 ||
	    take_rules(raw, what, caps, profile) < 0)
		return -1;
	profile->flags = raw->flags;
	switch (raw->otherwise.action) {
	case SECCOMP_RET_USER_NOTIF:
		return fail(EINVAL, "%sdefaultAction: SCMP_ACT_NOTIFY would stop the start itself",
			    what);
	case SECCOMP_RET_ALLOW:
	case SECCOMP_RET_LOG:
	case SECCOMP_RET_TRACE:
		return 0;
	default:
		profile->new_calls_enosys = true;
		return 0;
	}
}

int
profile_from_json(struct json_object *object, const char *name, uint64_t caps,
		  struct profile *profile)
{
	struct raw raw = { 0 };
	char what[300];
	int done;

	*profile = (struct profile){ .bad_arch_action = SECCOMP_RET_KILL_THREAD };
	snprintf(what, sizeof what, "seccomp profile %s: ", name);
	done = json_fill(object, what, profile_rows, &raw);
	if (done == 0)
		done = take_all(&raw, what, caps, profile);
	raw_free(&raw);
	if (done < 0) {
		profile_free(profile);
		errno = call_error()->number;
	}
	return done;
}

int
profile_read(const char *path, uint64_t caps, struct profile *profile)
{
	struct json_object *object;
	char what[300];
	int done;

	*profile = (struct profile){ 0 };
	snprintf(what, sizeof what, "seccomp profile %s", path);
	object = json_read_at(AT_FDCWD, path, what);
	done = object ? profile_from_json(object, path, caps, profile) : -1;
	json_object_put(object);
	return done;
}

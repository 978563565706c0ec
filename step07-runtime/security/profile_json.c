/*
 * profile_json.c: reads a profile as JSON, strictly: what is not understood is refused, because a
 * rule that is skipped is a hole. (Unknown calls are skipped: a profile names those of all
 * kernels.) Follows `linux.seccomp` of the OCI runtime specification; `archMap`, `includes` and
 * `excludes` are the engines' additions. Explained in book/07a-security.md.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <linux/seccomp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "step01-unshare/call.h"
#include "step07-runtime/security/caps.h"
#include "step07-runtime/security/profile.h"
#include "step07-runtime/security/sys_table.h"

#define FILE_LIMIT  (4 << 20)
#define DEPTH_LIMIT 16
#define RULE_LIMIT  8192

static const struct {
	const char *name;
	uint32_t action;
	unsigned limit; /* of errnoRet; 0: takes none */
} actions[] = {
	{ "SCMP_ACT_KILL", SECCOMP_RET_KILL_THREAD, 0 },
	{ "SCMP_ACT_KILL_THREAD", SECCOMP_RET_KILL_THREAD, 0 },
	{ "SCMP_ACT_KILL_PROCESS", SECCOMP_RET_KILL_PROCESS, 0 },
	{ "SCMP_ACT_TRAP", SECCOMP_RET_TRAP, 0 },
	{ "SCMP_ACT_ERRNO", SECCOMP_RET_ERRNO, 4095 },
	{ "SCMP_ACT_TRACE", SECCOMP_RET_TRACE, 65535 },
	{ "SCMP_ACT_NOTIFY", SECCOMP_RET_USER_NOTIF, 0 },
	{ "SCMP_ACT_LOG", SECCOMP_RET_LOG, 0 },
	{ "SCMP_ACT_ALLOW", SECCOMP_RET_ALLOW, 0 },
};

static const char *const operators[] = {
	[OP_NE] = "SCMP_CMP_NE",
	[OP_LT] = "SCMP_CMP_LT",
	[OP_LE] = "SCMP_CMP_LE",
	[OP_EQ] = "SCMP_CMP_EQ",
	[OP_GE] = "SCMP_CMP_GE",
	[OP_GT] = "SCMP_CMP_GT",
	[OP_MASKED_EQ] = "SCMP_CMP_MASKED_EQ",
};

static const struct {
	const char *name;
	unsigned flag;
} flags[] = {
	{ "SECCOMP_FILTER_FLAG_TSYNC", SECCOMP_FILTER_FLAG_TSYNC },
	{ "SECCOMP_FILTER_FLAG_LOG", SECCOMP_FILTER_FLAG_LOG },
	{ "SECCOMP_FILTER_FLAG_SPEC_ALLOW", SECCOMP_FILTER_FLAG_SPEC_ALLOW },
	{ "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV", SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV },
};

#define LENGTH(array) (sizeof(array) / sizeof(array)[0])

const char *
profile_action_name(size_t n)
{
	return n < LENGTH(actions) ? actions[n].name : NULL;
}

const char *
profile_operator_name(size_t n)
{
	return n < LENGTH(operators) ? operators[n] : NULL;
}

const char *
profile_flag_name(size_t n)
{
	return n < LENGTH(flags) ? flags[n].name : NULL;
}

unsigned
profile_flag(size_t n)
{
	return flags[n].flag;
}

struct reader {
	const char *name; /* of the file */
	uint64_t caps;
	struct profile *profile;
	int rule;    /* in `syscalls`, for messages; −1: outside */
	size_t room; /* for rules */
};

static int bad(const struct reader *r, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
static int
bad(const struct reader *r, const char *format, ...)
{
	char text[256], place[32] = "";
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	if (r->rule >= 0)
		snprintf(place, sizeof place, "syscalls[%d].", r->rule);
	return fail(EINVAL, "seccomp profile %s: %s%s", r->name, place, text);
}

/* ---- values: 1 found, 0 not there (or null), −1 of another type ---- */

static int
get(const struct reader *r, struct json_object *in, const char *key, enum json_type type,
    struct json_object **value)
{
	*value = NULL;
	if (!json_object_object_get_ex(in, key, value) || !*value)
		return 0;
	return json_object_is_type(*value, type)
		       ? 1
		       : bad(r, "%s: not %s", key, json_type_to_name(type));
}

static int
get_text(const struct reader *r, struct json_object *in, const char *key, const char **text)
{
	struct json_object *value;
	int found = get(r, in, key, json_type_string, &value);

	*text = found > 0 ? json_object_get_string(value) : NULL;
	return found;
}

static int
get_number(const struct reader *r, struct json_object *in, const char *key, uint64_t limit,
	   uint64_t *number)
{
	struct json_object *value;
	int found = get(r, in, key, json_type_int, &value);

	*number = 0;
	if (found <= 0)
		return found;
	*number = json_object_get_uint64(value);
	if (json_object_get_int64(value) < 0 || *number > limit)
		return bad(r, "%s: %s is not in 0…%" PRIu64, key, json_object_get_string(value),
			   limit);
	return 1;
}

/* Calls EACH with every string of the list KEY of IN; stops at −1. */
static int
each_text(struct reader *r, struct json_object *in, const char *key,
	  int (*each)(struct reader *r, const char *text, void *into), void *into)
{
	struct json_object *list;
	int found = get(r, in, key, json_type_array, &list);

	for (size_t i = 0; found > 0 && i < json_object_array_length(list); i++) {
		struct json_object *item = json_object_array_get_idx(list, i);
		if (!json_object_is_type(item, json_type_string))
			return bad(r, "%s[%zu]: not string", key, i);
		if (each(r, json_object_get_string(item), into) < 0)
			return -1;
	}
	return found;
}

static char *
copy(struct reader *r, const char *text)
{
	char *own = profile_alloc(r->profile, strlen(text) + 1);

	return own ? strcpy(own, text) : NULL;
}

/* ---- actions ---- */

/* The errno for an action: a number, or in podman's files also a name. */
static int
read_errno(struct reader *r, struct json_object *in, const char *number_key, const char *name_key,
	   unsigned limit, uint32_t *data)
{
	const char *name;
	uint64_t number;
	int found = get_number(r, in, number_key, limit, &number);

	if (found < 0 || get_text(r, in, name_key, &name) < 0)
		return -1;
	if (name && *name) {
		for (number = 1; number < 256; number++) {
			const char *known = strerrorname_np((int)number);
			if (known && strcmp(known, name) == 0)
				break;
		}
		if (number == 256)
			return bad(r, "%s: %s: no such errno", name_key, name);
		found = 1;
	}
	*data = (uint32_t)number;
	return found;
}

static int
read_action(struct reader *r, struct json_object *in, const char *action_key,
	    const char *number_key, const char *name_key, uint32_t *action)
{
	const char *name;
	uint32_t data = EPERM;
	int found = get_text(r, in, action_key, &name);

	if (found <= 0)
		return found < 0 ? -1 : bad(r, "%s: missing", action_key);
	for (size_t i = 0; i < LENGTH(actions); i++) {
		if (strcmp(actions[i].name, name) != 0)
			continue;
		found = read_errno(r, in, number_key, name_key, actions[i].limit ?: 65535, &data);
		if (found < 0)
			return -1;
		if (found && !actions[i].limit)
			return bad(r, "%s: %s takes no errno", number_key, name);
		*action = actions[i].action | (actions[i].limit ? found ? data : EPERM : 0);
		return 0;
	}
	return bad(r, "%s: %s: no such action", action_key, name);
}

/* ---- architectures ---- */

static int
add_arch(struct reader *r, const char *name, void *into)
{
	int arch = sys_arch_number(name);
	unsigned *arches = into;

	if (arch == -1)
		return bad(r, "%s: no such architecture", name);
	if (arch >= 0)
		*arches |= SYS_ARCH_BIT(arch);
	return 0;
}

/* `archMap`: for each native architecture those that its kernel also runs. */
static int
read_arch_map(struct reader *r, struct json_object *map)
{
	for (size_t i = 0; i < json_object_array_length(map); i++) {
		struct json_object *entry = json_object_array_get_idx(map, i);
		unsigned native = 0, also = 0;
		const char *name;
		if (!json_object_is_type(entry, json_type_object))
			return bad(r, "archMap[%zu]: not object", i);
		if (get_text(r, entry, "architecture", &name) <= 0)
			return bad(r, "archMap[%zu].architecture: missing", i);
		if (add_arch(r, name, &native) < 0 ||
		    each_text(r, entry, "subArchitectures", add_arch, &also) < 0)
			return -1;
		if (native == SYS_ARCH_BIT(sys_native))
			r->profile->arches |= also;
	}
	return 0;
}

/* The native architecture is always in: a filter that kills every call is nobody's wish. */
static int
read_arches(struct reader *r, struct json_object *object)
{
	struct json_object *map;
	unsigned arches = 0;
	int mapped = get(r, object, "archMap", json_type_array, &map);
	int listed = each_text(r, object, "architectures", add_arch, &arches);

	if (mapped < 0 || listed < 0)
		return -1;
	r->profile->arches = SYS_ARCH_BIT(sys_native) | arches;
	if (mapped == 0)
		return 0;
	if (arches)
		return bad(r, "architectures and archMap: one or the other");
	return read_arch_map(r, map);
}

/* ---- conditions of a rule ---- */

struct lists {
	bool cap_missing, cap_there, arch_there, arch_listed;
};

static int
see_cap(struct reader *r, const char *name, void *into)
{
	struct lists *lists = into;
	int number = cap_number(name);
	bool there = number >= 0 && (r->caps >> number & 1);

	if (number < 0)
		return bad(r, "caps: %s: no such capability", name);
	lists->cap_there |= there;
	lists->cap_missing |= !there;
	return 0;
}

static int
see_arch(struct reader *r, const char *name, void *into)
{
	struct lists *lists = into;

	(void)r;
	lists->arch_listed = true;
	lists->arch_there |= strcmp(name, sys_arches[sys_native].short_name) == 0;
	return 0;
}

/* Is this kernel at least "MAJOR.MINOR"? 1 yes, 0 no, −1 not a version. */
static int
kernel_at_least(struct reader *r, const char *version)
{
	struct utsname name;
	unsigned major, minor, own_major, own_minor;
	char rest;

	if (sscanf(version, "%u.%u%c", &major, &minor, &rest) != 2)
		return bad(r, "minKernel: %s: not MAJOR.MINOR", version);
	if (uname(&name) < 0 || sscanf(name.release, "%u.%u", &own_major, &own_minor) != 2)
		return 0;
	return own_major > major || (own_major == major && own_minor >= minor);
}

/* Does the rule hold here? 1 yes, 0 no. All included capabilities must be there, and one excluded
 * one is enough to leave the rule out. */
static int
condition_holds(struct reader *r, struct json_object *rule, const char *key, bool include)
{
	struct json_object *object;
	struct lists lists = { 0 };
	const char *version;
	int newer = -1, found = get(r, rule, key, json_type_object, &object);

	if (found <= 0)
		return found < 0 ? -1 : 1;
	if (each_text(r, object, "caps", see_cap, &lists) < 0 ||
	    each_text(r, object, "arches", see_arch, &lists) < 0 ||
	    get_text(r, object, "minKernel", &version) < 0)
		return -1;
	if (version && *version && (newer = kernel_at_least(r, version)) < 0)
		return -1;
	if (include)
		return !lists.cap_missing && (!lists.arch_listed || lists.arch_there) && newer != 0;
	return !lists.cap_there && !lists.arch_there && newer != 1;
}

/* ---- rules ---- */

static int
read_arg(struct reader *r, struct json_object *object, struct profile_arg *arg)
{
	const char *name;
	uint64_t index;
	size_t op = 0;

	if (!json_object_is_type(object, json_type_object))
		return bad(r, "args: not object");
	if (get_number(r, object, "index", PROFILE_ARGS - 1, &index) < 0 ||
	    get_number(r, object, "value", UINT64_MAX, &arg->value) < 0 ||
	    get_number(r, object, "valueTwo", UINT64_MAX, &arg->second) < 0 ||
	    get_text(r, object, "op", &name) < 0)
		return -1;
	if (!name)
		return bad(r, "args: op: missing");
	while (op < LENGTH(operators) && strcmp(operators[op], name) != 0)
		op++;
	if (op == LENGTH(operators))
		return bad(r, "args: op: %s: no such operator", name);
	arg->index = (unsigned)index;
	arg->op = (enum profile_op)op;
	return 0;
}

static struct profile_rule *
new_rule(struct reader *r)
{
	struct profile *profile = r->profile;

	if (profile->count == RULE_LIMIT) {
		bad(r, "more than %d rules", RULE_LIMIT);
		return NULL;
	}
	if (profile->count == r->room) {
		size_t room = r->room ? 2 * r->room : 64;
		struct profile_rule *rules = profile_alloc(profile, room * sizeof *rules);
		if (!rules)
			return NULL;
		if (r->room)
			memcpy(rules, profile->rules, r->room * sizeof *rules);
		profile->rules = rules;
		r->room = room;
	}
	return &profile->rules[profile->count++];
}

/* Adds RULE. Two conditions on the same argument are alternatives: each becomes a rule of its own,
 * as in every engine since docker's first profile. */
static int
add_rules(struct reader *r, const struct profile_rule *rule, const struct profile_arg *args,
	  size_t count)
{
	unsigned seen = 0;
	bool twice = false;
	size_t i = 0;

	for (size_t a = 0; a < count; a++) {
		twice |= (seen >> args[a].index & 1) != 0;
		seen |= 1u << args[a].index;
	}
	do {
		struct profile_rule *new = new_rule(r);
		if (!new)
			return -1;
		*new = *rule;
		new->arg_count = twice ? 1 : (unsigned)count;
		if (count)
			memcpy(new->args, args + i, new->arg_count * sizeof *args);
	} while (twice && ++i < count);
	return 0;
}

struct names {
	uint16_t *calls;
	size_t count;
};

static int
add_name(struct reader *r, const char *name, void *into)
{
	struct names *names = into;
	int index = sys_call_index(name);

	if (index < 0)
		r->profile->unknown++;
	else
		names->calls[names->count++] = (uint16_t)index;
	return 0;
}

/* `names`, or `name` in docker's first format. */
static int
read_names(struct reader *r, struct json_object *object, struct names *names)
{
	struct json_object *list;
	const char *name;
	int found = get(r, object, "names", json_type_array, &list);

	if (found < 0 || get_text(r, object, "name", &name) < 0)
		return -1;
	size_t count = found ? json_object_array_length(list) : 0;
	if (name && *name && count)
		return bad(r, "name and names: one or the other");
	names->calls = profile_alloc(r->profile, (count + 1) * sizeof *names->calls);
	if (!names->calls)
		return -1;
	if (name && *name)
		return add_name(r, name, names);
	if (!count)
		return bad(r, "names: missing");
	return each_text(r, object, "names", add_name, names);
}

static int
read_rule(struct reader *r, struct json_object *object)
{
	struct profile_rule rule = { 0 };
	struct profile_arg args[32] = { 0 };
	struct json_object *list;
	struct names names = { 0 };
	size_t count = 0;
	int included, excluded;

	if (!json_object_is_type(object, json_type_object))
		return bad(r, "not object");
	if (read_names(r, object, &names) < 0 ||
	    read_action(r, object, "action", "errnoRet", "errno", &rule.action) < 0 ||
	    (included = condition_holds(r, object, "includes", true)) < 0 ||
	    (excluded = condition_holds(r, object, "excludes", false)) < 0 ||
	    get(r, object, "args", json_type_array, &list) < 0)
		return -1;
	if (list && (count = json_object_array_length(list)) > LENGTH(args))
		return bad(r, "args: more than %zu", LENGTH(args));
	for (size_t i = 0; i < count; i++)
		if (read_arg(r, json_object_array_get_idx(list, i), &args[i]) < 0)
			return -1;
	if (!included || !excluded)
		return 0;
	rule.calls = names.calls;
	rule.call_count = names.count;
	return add_rules(r, &rule, args, count);
}

/* ---- the whole ---- */

static int
add_flag(struct reader *r, const char *name, void *into)
{
	unsigned *set = into;

	for (size_t i = 0; i < LENGTH(flags); i++)
		if (strcmp(flags[i].name, name) == 0) {
			*set |= flags[i].flag;
			return 0;
		}
	return bad(r, "flags: %s: no such flag", name);
}

static int
read_listener(struct reader *r, struct json_object *object)
{
	const char *path, *metadata;

	if (get_text(r, object, "listenerPath", &path) < 0 ||
	    get_text(r, object, "listenerMetadata", &metadata) < 0)
		return -1;
	if (metadata && *metadata && !(path && *path))
		return bad(r, "listenerMetadata without listenerPath");
	if (path && *path && !(r->profile->listener_path = copy(r, path)))
		return -1;
	if (metadata && *metadata && !(r->profile->listener_metadata = copy(r, metadata)))
		return -1;
	return 0;
}

static int
read_profile(struct reader *r, struct json_object *object)
{
	struct profile *profile = r->profile;
	struct json_object *list;

	if (!json_object_is_type(object, json_type_object))
		return bad(r, "not a JSON object");
	if (read_action(r, object, "defaultAction", "defaultErrnoRet", "defaultErrno",
			&profile->default_action) < 0 ||
	    read_arches(r, object) < 0 ||
	    each_text(r, object, "flags", add_flag, &profile->flags) < 0 ||
	    read_listener(r, object) < 0 || get(r, object, "syscalls", json_type_array, &list) < 0)
		return -1;
	if (profile->default_action == SECCOMP_RET_USER_NOTIF)
		return bad(r, "defaultAction: SCMP_ACT_NOTIFY would stop the start itself");
	for (size_t i = 0; list && i < json_object_array_length(list); i++) {
		r->rule = (int)i;
		if (read_rule(r, json_object_array_get_idx(list, i)) < 0)
			return -1;
	}
	return 0;
}

int
profile_from_json(struct json_object *object, const char *name, uint64_t caps,
		  struct profile *profile)
{
	struct reader r = { .name = name, .caps = caps, .profile = profile, .rule = -1 };

	*profile = (struct profile){ .bad_arch_action = SECCOMP_RET_KILL_THREAD };
	if (read_profile(&r, object) == 0) {
		uint32_t otherwise = profile->default_action & SECCOMP_RET_ACTION_FULL;
		profile->new_calls_enosys = otherwise != SECCOMP_RET_ALLOW &&
					    otherwise != SECCOMP_RET_LOG &&
					    otherwise != SECCOMP_RET_TRACE;
		return 0;
	}
	int number = errno;
	profile_free(profile);
	errno = number;
	return -1;
}

int
profile_parse(const char *text, size_t length, const char *name, uint64_t caps,
	      struct profile *profile)
{
	struct json_tokener *tokener = json_tokener_new_ex(DEPTH_LIMIT);
	struct json_object *object = NULL;
	int result = -1;

	*profile = (struct profile){ 0 };
	if (!tokener)
		return fail(ENOMEM, "seccomp profile %s", name);
	json_tokener_set_flags(tokener, JSON_TOKENER_STRICT);
	if (length > FILE_LIMIT) {
		fail(EFBIG, "seccomp profile %s", name);
		goto out;
	}
	object = json_tokener_parse_ex(tokener, text, (int)length);
	enum json_tokener_error error = json_tokener_get_error(tokener);
	if (error != json_tokener_success)
		fail(EINVAL, "seccomp profile %s: byte %zu: %s", name,
		     json_tokener_get_parse_end(tokener), json_tokener_error_desc(error));
	else
		result = profile_from_json(object, name, caps, profile);
out:;
	int number = errno;
	json_object_put(object);
	json_tokener_free(tokener);
	errno = number;
	return result;
}

int
profile_read(const char *path, uint64_t caps, struct profile *profile)
{
	struct stat status;
	char *text = NULL;
	size_t length = 0;
	ssize_t n = 1;
	int result = -1;
	/* O_NONBLOCK: a FIFO by this name must not hold us */
	int fd = call(open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK),
		      "openat(AT_FDCWD, \"%s\", O_RDONLY|O_NONBLOCK|O_CLOEXEC)", path);

	*profile = (struct profile){ 0 };
	if (fd < 0)
		return -1;
	if (fstat(fd, &status) < 0 || !S_ISREG(status.st_mode) || status.st_size > FILE_LIMIT) {
		fail(EINVAL, "seccomp profile %s: not a file of at most %d bytes", path,
		     FILE_LIMIT);
		goto out;
	}
	size_t room = (size_t)status.st_size + 1;
	if (!(text = malloc(room))) {
		fail(ENOMEM, "seccomp profile %s", path);
		goto out;
	}
	while (length < room && (n = read(fd, text + length, room - length)) > 0)
		length += (size_t)n;
	if (n < 0)
		fail(errno, "seccomp profile %s", path);
	else
		result = profile_parse(text, length, path, caps, profile);
out:;
	int number = errno;
	free(text);
	close(fd);
	errno = number;
	return result;
}

/* ---- printing ---- */

static void
print_action(FILE *out, const char *action_key, const char *number_key, uint32_t action)
{
	uint32_t kind = action & SECCOMP_RET_ACTION_FULL;
	size_t i = 0;

	while (i + 1 < LENGTH(actions) && actions[i].action != kind)
		i++;
	fprintf(out, "\"%s\": \"%s\"", action_key, actions[i].name);
	if (actions[i].limit)
		fprintf(out, ", \"%s\": %u", number_key, action & SECCOMP_RET_DATA);
}

static void
print_rule(FILE *out, const struct profile_rule *rule)
{
	fputs("\n\t\t{ \"names\": [", out);
	for (size_t i = 0; i < rule->call_count; i++)
		fprintf(out, "%s \"%s\"", i ? "," : "", sys_call_name(rule->calls[i]));
	fputs(" ], ", out);
	print_action(out, "action", "errnoRet", rule->action);
	fputs(rule->arg_count ? ", \"args\": [" : "", out);
	for (unsigned i = 0; i < rule->arg_count; i++)
		fprintf(out,
			"%s { \"index\": %u, \"op\": \"%s\", \"value\": %" PRIu64
			", \"valueTwo\": %" PRIu64 " }",
			i ? "," : "", rule->args[i].index, operators[rule->args[i].op],
			rule->args[i].value, rule->args[i].second);
	fputs(rule->arg_count ? " ] }" : " }", out);
}

int
profile_print(const struct profile *profile, FILE *out)
{
	const char *comma = "";

	fputs("{\n\t", out);
	print_action(out, "defaultAction", "defaultErrnoRet", profile->default_action);
	fputs(",\n\t\"architectures\": [", out);
	for (int i = 0; i < SYS_ARCHES; i++)
		if (profile->arches & SYS_ARCH_BIT(i)) {
			fprintf(out, "%s \"%s\"", comma, sys_arches[i].name);
			comma = ",";
		}
	fputs(" ],\n\t\"flags\": [", out);
	comma = "";
	for (size_t i = 0; i < LENGTH(flags); i++)
		if (profile->flags & flags[i].flag) {
			fprintf(out, "%s \"%s\"", comma, flags[i].name);
			comma = ",";
		}
	fputs(" ],\n\t\"syscalls\": [", out);
	comma = "";
	for (size_t i = 0; i < profile->count; i++)
		if (profile->rules[i].call_count) {
			fputs(comma, out);
			print_rule(out, &profile->rules[i]);
			comma = ",";
		}
	fputs("\n\t]\n}\n", out);
	return ferror(out) ? -1 : 0;
}

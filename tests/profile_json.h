/*
 * profile_json: profiles as text, for the tests: read from memory, and written as JSON that can be
 * read back. Tests step07-runtime/security/profile_json.c, explained in book/07a-security.md.
 */
#ifndef BOXSTEP_TESTS_PROFILE_JSON_H
#define BOXSTEP_TESTS_PROFILE_JSON_H

#include <errno.h>
#include <inttypes.h>
#include <linux/seccomp.h>
#include <stdio.h>

#include "step01-unshare/call.h"
#include "step05-overlay/json.h"
#include "step07-runtime/security/profile.h"
#include "step07-runtime/security/sys_table.h"

#define CALL_NAME(name, ...) #name,
/* By row of the table. */
static const char *const call_names[SYS_IDS] = { SYS_NUMBERS(CALL_NAME) };
#undef CALL_NAME

__attribute__((unused)) static int
profile_parse(const char *text, size_t length, const char *name, uint64_t caps,
	      struct profile *profile)
{
	struct json_object *object = json_read(text, length, name);
	int done = object ? profile_from_json(object, name, caps, profile) : -1;

	if (!object)
		*profile = (struct profile){ 0 };
	json_object_put(object);
	errno = done < 0 ? call_error()->number : errno;
	return done;
}

static void
print_action(FILE *out, const char *action_key, const char *number_key, uint32_t action)
{
	uint32_t kind = action & SECCOMP_RET_ACTION_FULL;
	size_t i = 0;

	while (profile_actions[i + 1].name && profile_actions[i].value != kind)
		i++;
	fprintf(out, "\"%s\": \"%s\"", action_key, profile_actions[i].name);
	if (kind == SECCOMP_RET_ERRNO || kind == SECCOMP_RET_TRACE)
		fprintf(out, ", \"%s\": %u", number_key, action & SECCOMP_RET_DATA);
}

static void
print_rule(FILE *out, const struct profile_rule *rule)
{
	fputs("\n\t\t{ \"names\": [", out);
	for (size_t i = 0; i < rule->call_count; i++)
		fprintf(out, "%s \"%s\"", i ? "," : "", call_names[rule->calls[i]]);
	fputs(" ], ", out);
	print_action(out, "action", "errnoRet", rule->action);
	fputs(rule->arg_count ? ", \"args\": [" : "", out);
	for (unsigned i = 0; i < rule->arg_count; i++)
		fprintf(out,
			"%s { \"index\": %u, \"op\": \"%s\", \"value\": %" PRIu64
			", \"valueTwo\": %" PRIu64 " }",
			i ? "," : "", rule->args[i].index, profile_operators[rule->args[i].op].name,
			rule->args[i].value, rule->args[i].second);
	fputs(rule->arg_count ? " ] }" : " }", out);
}

__attribute__((unused)) static int
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
	for (size_t i = 0; profile_flags[i].name; i++)
		if (profile->flags & profile_flags[i].value) {
			fprintf(out, "%s \"%s\"", comma, profile_flags[i].name);
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

#endif

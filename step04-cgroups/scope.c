/*
 * scope.c: limits as systemd's properties, and the program that sends them.
 * Follows systemd.resource-control(5), systemd.scope(5). Explained in book/04-cgroups.md.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "step01-unshare/call.h"
#include "step01-unshare/exec.h"
#include "step04-cgroups/scope.h"

int
scope_name(struct scope *scope, const char *cgroups_path, const char *id)
{
	const char *prefix, *name;

	scope->helper = 0;
	scope->hold = -1;
	snprintf(scope->slice, sizeof scope->slice, geteuid() ? "user.slice" : "system.slice");
	snprintf(scope->unit, sizeof scope->unit, "boxstep-%.255s.scope", id);
	if (!cgroups_path || !cgroups_path[0])
		return 0;
	prefix = strchr(cgroups_path, ':');
	name = prefix ? strchr(prefix + 1, ':') : NULL;
	if (!name || !name[1] || strchr(cgroups_path, '/') || strlen(cgroups_path) > 255)
		return fail(EINVAL,
			    "cgroupsPath \"%s\": for systemd it has the form slice:prefix:name",
			    cgroups_path);
	if (prefix != cgroups_path)
		snprintf(scope->slice, sizeof scope->slice, "%.*s", (int)(prefix - cgroups_path),
			 cgroups_path);
	prefix++;
	snprintf(scope->unit, sizeof scope->unit, "%.*s%s%s.scope", (int)(name - prefix), prefix,
		 name == prefix ? "" : "-", name + 1);
	return 0;
}

/* ---- limits as properties ---- */

static int
add(struct text_list *words, const char *name, const char *value)
{
	char *word;

	if (asprintf(&word, "%s=%s", name, value) < 0)
		return fail(ENOMEM, "memory for systemd's properties");
	return text_list_add(words, word);
}

static int
add_number(struct text_list *words, const char *name, int64_t value)
{
	char text[24] = "infinity";

	if (value == 0)
		return 0;
	if (value != LIMIT_MAX)
		snprintf(text, sizeof text, "%" PRId64, value);
	return add(words, name, text);
}

/* Swap alone, as in limits.c; 0 is none of it, and no missing limit. */
static int
add_swap(struct text_list *words, const struct limits *l)
{
	char text[24] = "infinity";

	if (!l->memory_swap)
		return 0;
	if (l->memory_swap != LIMIT_MAX)
		snprintf(text, sizeof text, "%" PRId64, l->memory_swap - l->memory);
	return add(words, "MemorySwapMax", text);
}

static int
add_limits(struct text_list *words, const struct limits *l)
{
	int64_t quota = l->cpu_quota, period = l->cpu_period ? l->cpu_period : 100000;
	int64_t weight = l->cpu_weight || !l->cpu_shares ? l->cpu_weight
							 : limits_shares_to_weight(l->cpu_shares);

	if (quota > INT64_MAX / 1000000) /* more CPUs than there are */
		quota = LIMIT_MAX;
	else if (quota > 0) /* of each second */
		quota = quota * 1000000 / period;
	if (add_number(words, "MemoryMax", l->memory) < 0 ||
	    add_number(words, "MemoryLow", l->memory_reservation) < 0 || add_swap(words, l) < 0 ||
	    add_number(words, "CPUWeight", weight) < 0 ||
	    add_number(words, "CPUQuotaPeriodUSec", l->cpu_period) < 0 ||
	    add_number(words, "CPUQuotaPerSecUSec", quota) < 0 ||
	    add_number(words, "TasksMax", l->pids) < 0)
		return -1;
	if (l->cpuset_cpus && add(words, "AllowedCPUs", l->cpuset_cpus) < 0)
		return -1;
	return l->cpuset_mems ? add(words, "AllowedMemoryNodes", l->cpuset_mems) : 0;
}

/* What systemd would put back when it is reloaded: as near as its words come to the rules. */
static int
add_devices(struct text_list *words, const struct device_rule *rules, size_t count)
{
	char text[64];
	int done = count ? add(words, "DevicePolicy", "strict") : 0;

	for (size_t i = 0; i < count && done == 0; i++) {
		const struct device_rule *r = &rules[i];
		const char *kind = r->type == 'b' ? "block" : "char";

		if (!r->allow || r->type == 'a' ||
		    (r->major >= 0 && r->minor < 0 && r->major != 136))
			continue;
		if (r->major < 0)
			snprintf(text, sizeof text, "%s-*", kind);
		else if (r->minor < 0)
			snprintf(text, sizeof text, "char-pts");
		else
			snprintf(text, sizeof text, "/dev/%s/%" PRId64 ":%" PRId64, kind, r->major,
				 r->minor);
		snprintf(text + strlen(text), 8, " %s%s%s", r->access & DEVICE_READ ? "r" : "",
			 r->access & DEVICE_WRITE ? "w" : "", r->access & DEVICE_MKNOD ? "m" : "");
		done = add(words, "DeviceAllow", text);
	}
	return done;
}

/* ---- the program ---- */

static void
child(const char *const *words, int in, int out)
{
	if (dup2(in, STDIN_FILENO) >= 0 && dup2(out, STDOUT_FILENO) >= 0)
		exec_now(words[0], (char *const *)words, environ);
	_exit(call_report("boxstep-scope"));
}

/* Runs boxstep-scope with WORDS; its answer, a line, into ANSWER, once it is there. */
static int
ask(const struct scope *scope, const char *const *words, pid_t *pid, int *hold,
    char answer[PATH_MAX])
{
	int in[2], out[2];
	size_t used = 0;
	ssize_t n;

	if (pipe2(in, O_CLOEXEC) < 0 || pipe2(out, O_CLOEXEC) < 0 || (*pid = fork()) < 0)
		return fail(errno, "fork for boxstep-scope");
	if (*pid == 0) {
		close(in[1]);
		child(words, in[0], out[1]);
	}
	close(in[0]);
	close(out[1]);
	*hold = in[1];
	while (used < PATH_MAX - 1 && !memchr(answer, '\n', used) &&
	       (n = read(out[0], answer + used, PATH_MAX - 1 - used)) != 0)
		if (n > 0)
			used += (size_t)n;
		else if (errno != EINTR)
			break;
	close(out[0]);
	answer[used] = '\0';
	answer[strcspn(answer, "\n")] = '\0';
	if (answer[0] == '/')
		return 0;
	return fail(EIO, "systemd, unit %s: %s", scope->unit, answer[0] ? answer : "no answer");
}

void
scope_release(struct scope *scope)
{
	if (scope->hold >= 0)
		close(scope->hold);
	if (scope->helper > 0)
		waitpid(scope->helper, NULL, 0);
	scope->hold = -1;
	scope->helper = 0;
}

static int
send(const char *verb, struct scope *scope, const struct limits *limits,
     const struct device_rule *rules, size_t count, char answer[PATH_MAX])
{
	struct text_list words = { 0 };
	char program[PATH_MAX];
	int done = -1;
	size_t fixed;

	if (program_beside("boxstep-scope", program) < 0)
		return -1;
	stage("scope", "systemd makes the cgroup, as a unit of its own, and is told the limits.",
	      "systemctl status %s", scope->unit);
	if (text_list_add(&words, program) < 0 || text_list_add(&words, verb) < 0 ||
	    text_list_add(&words, scope->unit) < 0 || text_list_add(&words, scope->slice) < 0)
		return -1;
	fixed = words.count;
	if ((!limits ||
	     (add_limits(&words, limits) == 0 && add_devices(&words, rules, count) == 0)) &&
	    text_list_add(&words, NULL) == 0)
		done = ask(scope, words.item, &scope->helper, &scope->hold, answer);
	for (size_t i = fixed; i < words.count; i++)
		free((char *)words.item[i]);
	free(words.item);
	return done;
}

int
scope_start(struct scope *scope, const struct limits *limits, const struct device_rule *rules,
	    size_t count, struct cgroup *cgroup)
{
	char path[PATH_MAX] = "";

	if (send("start", scope, limits, rules, count, path) == 0 && cgroup_open(path, cgroup) == 0)
		return 0;
	scope_release(scope);
	return -1;
}

static int
tell(const char *verb, const struct scope *scope, const struct limits *limits,
     const struct device_rule *rules, size_t count)
{
	struct scope copy = *scope;
	char answer[PATH_MAX] = "";
	int done;

	done = send(verb, &copy, limits, rules, count, answer);
	scope_release(&copy);
	return done;
}

int
scope_set(const struct scope *scope, const struct limits *limits, const struct device_rule *rules,
	  size_t count)
{
	return tell("set", scope, limits, rules, count);
}

int
scope_stop(const struct scope *scope)
{
	return tell("stop", scope, NULL, NULL, 0);
}

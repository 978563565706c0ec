/*
 * seccomp.c: prepares the filter while there is time, and puts it on when nothing else is left to
 * do. Follows seccomp(2), prctl(2), seccomp_unotify(2), unix(7). Explained in book/07a-security.md.
 */
#include <errno.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "step01-unshare/call.h"
#include "step02-pidns/handshake.h"
#include "step07-runtime/security/courier.h"
#include "step07-runtime/security/profile.h"
#include "step07-runtime/security/seccomp.h"

/* ---- in the parent ---- */

static bool
asks_supervisor(const struct profile *profile)
{
	for (size_t i = 0; i < profile->count; i++)
		if (profile->rules[i].action == SECCOMP_RET_USER_NOTIF &&
		    profile->rules[i].call_count)
			return true;
	return false;
}

int
seccomp_prepare_profile(struct profile *profile, bool no_new_privs, struct seccomp *seccomp)
{
	*seccomp = (struct seccomp){ .no_new_privs = no_new_privs, .supervisor = -1 };
	if (!profile)
		return 0;
	seccomp->notify = asks_supervisor(profile);
	if (seccomp->notify && !profile->listener_path)
		return fail(EINVAL, "seccomp profile: SCMP_ACT_NOTIFY without listenerPath");
	if (!(seccomp->filter = filter_compile(profile)))
		return -1;
	if (seccomp->notify) {
		seccomp->filter->flags |= SECCOMP_FILTER_FLAG_NEW_LISTENER;
		/* there is one thread yet, and the courier's must stay without */
		seccomp->filter->flags &= ~(unsigned)SECCOMP_FILTER_FLAG_TSYNC;
	}
	seccomp->listener_path = profile->listener_path;
	seccomp->listener_metadata = profile->listener_metadata;
	profile->listener_path = profile->listener_metadata = NULL;
	return 0;
}

int
seccomp_prepare(const struct seccomp_options *options, uint64_t caps, bool privileged,
		struct seccomp *seccomp)
{
	const char *wanted = options->profile ?: privileged ? "unconfined" : "default";
	bool no_new_privs = !options->new_privileges && !privileged;
	struct profile profile;

	if (strcmp(wanted, "unconfined") == 0)
		return seccomp_prepare_profile(NULL, no_new_privs, seccomp);
	*seccomp = (struct seccomp){ 0 };
	if ((strcmp(wanted, "default") == 0 ? profile_default(caps, &profile)
					    : profile_read(wanted, caps, &profile)) < 0)
		return -1;
	int result = seccomp_prepare_profile(&profile, no_new_privs, seccomp);
	int number = errno;
	profile_free(&profile);
	errno = number;
	return result;
}

void
seccomp_free(struct seccomp *seccomp)
{
	if (seccomp->notify)
		close_fd(seccomp->supervisor);
	free(seccomp->filter);
	free(seccomp->listener_path);
	free(seccomp->listener_metadata);
	free(seccomp->state);
	*seccomp = (struct seccomp){ 0 };
}

/* ---- from one to the other ---- */

int
seccomp_give(const struct seccomp *seccomp, struct handshake *shake)
{
	const struct filter none = { 0 }, *filter = seccomp->filter ? seccomp->filter : &none;

	return handshake_give(shake, filter, filter_size(filter->count));
}

int
seccomp_take(struct seccomp *seccomp, struct handshake *shake)
{
	struct filter *filter = malloc(filter_size(BPF_MAXINSNS));

	if (!filter)
		return fail(ENOMEM, "memory for a seccomp filter");
	if (handshake_take(shake, filter, filter_size(BPF_MAXINSNS)) < 0)
		return -1;
	seccomp->filter = filter->count ? filter : NULL; /* for this process, to its exec */
	return 0;
}

/* ---- in the child ---- */

static const char *
flag_names(unsigned flags)
{
	static char text[256];
	/* the one that no profile may name */
	size_t length = (size_t)snprintf(
		text, sizeof text, "%s",
		flags & SECCOMP_FILTER_FLAG_NEW_LISTENER ? "SECCOMP_FILTER_FLAG_NEW_LISTENER" : "");

	for (const struct profile_word *word = profile_flags; word->name; word++)
		if (flags & word->value)
			length += (size_t)snprintf(text + length, sizeof text - length, "%s%s",
						   length ? "|" : "", word->name);
	return length ? text : "0";
}

/* ANCHOR: install */
static int
install(const struct seccomp *seccomp)
{
	struct filter *filter = seccomp->filter;
	struct sock_fprog program = { filter->count, filter->insns };
	bool hand_over = seccomp->notify && seccomp->state;
	int fd;

	stage("seccomp", "A program of comparisons, which the kernel runs before each system call.",
	      "grep Seccomp /proc/%d/status", call_pid());
	if (hand_over && courier_start(seccomp->supervisor, seccomp->state) < 0)
		return -1;
	fd = call((int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, filter->flags, &program),
		  "seccomp(SECCOMP_SET_MODE_FILTER, %s, {len=%u, filter=%p})",
		  flag_names(filter->flags), filter->count, (void *)filter->insns);

	if (hand_over && courier_hand_over(fd) < 0)
		return -1;
	if (fd < 0 && errno == EACCES)
		return call_hint("without no_new_privs only CAP_SYS_ADMIN may put on a filter");
	return fd < 0 ? -1 : 0; /* a listener is close-on-exec, the kernel sees to it */
}
/* ANCHOR_END: install */

int
seccomp_install_early(const struct seccomp *seccomp)
{
	return seccomp->filter && !seccomp->no_new_privs ? install(seccomp) : 0;
}

int
seccomp_install_last(const struct seccomp *seccomp)
{
	return seccomp->filter && seccomp->no_new_privs ? install(seccomp) : 0;
}

int
seccomp_install_beside(const struct seccomp *seccomp)
{
	struct seccomp alone = { .filter = seccomp->filter, .no_new_privs = seccomp->no_new_privs };

	if (alone.filter) /* this process's copy; the second flag is only for a listener */
		alone.filter->flags &= ~(unsigned)(SECCOMP_FILTER_FLAG_NEW_LISTENER |
						   SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV);
	return seccomp_install_last(&alone);
}

int
seccomp_no_new_privs(const struct seccomp *seccomp)
{
	if (!seccomp->no_new_privs)
		return 0;
	return call(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0),
		    "prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)");
}

/* ---- options ---- */

static int
option_new_privileges(const struct option_row *row, const char *value, void *into)
{
	struct seccomp_options *options = into;

	if (!value || strcmp(value, "true") == 0)
		options->new_privileges = false;
	else if (strcmp(value, "false") == 0)
		options->new_privileges = true;
	else
		return fail(EINVAL, "--%s=%s: true or false", row->name, value);
	return 0;
}

const struct option_row seccomp_options[] = {
	{ "seccomp", 0, "FILE", "SECCOMP_SET_MODE_FILTER",
	  "a profile in place of the default; or unconfined", option_text,
	  offsetof(struct seccomp_options, profile), 0 },
	{ "no-new-privileges", 0, "[=BOOL]", "PR_SET_NO_NEW_PRIVS",
	  "exec gains nothing by setuid; =false lets it", option_new_privileges, 0, 0 },
	{ 0 },
};

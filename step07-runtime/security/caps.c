/*
 * caps.c: takes root's power away, piece by piece, in the only order that works.
 * Follows capabilities(7), capget(2), prctl(2), setresuid(2). Explained in book/07a-security.md.
 */
#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "step01-unshare/call.h"
#include "step01-unshare/idmap.h"
#include "step07-runtime/security/caps.h"

#define BIT(number) (UINT64_C(1) << (number))

#define N(name) "CAP_" #name

static const char *const names[CAPS_NAMED] = {
	/* by number */
	N(CHOWN),
	N(DAC_OVERRIDE),
	N(DAC_READ_SEARCH),
	N(FOWNER),
	N(FSETID),
	N(KILL),
	N(SETGID),
	N(SETUID),
	N(SETPCAP),
	N(LINUX_IMMUTABLE),
	N(NET_BIND_SERVICE),
	N(NET_BROADCAST),
	N(NET_ADMIN),
	N(NET_RAW),
	N(IPC_LOCK),
	N(IPC_OWNER),
	N(SYS_MODULE),
	N(SYS_RAWIO),
	N(SYS_CHROOT),
	N(SYS_PTRACE),
	N(SYS_PACCT),
	N(SYS_ADMIN),
	N(SYS_BOOT),
	N(SYS_NICE),
	N(SYS_RESOURCE),
	N(SYS_TIME),
	N(SYS_TTY_CONFIG),
	N(MKNOD),
	N(LEASE),
	N(AUDIT_WRITE),
	N(AUDIT_CONTROL),
	N(SETFCAP),
	N(MAC_OVERRIDE),
	N(MAC_ADMIN),
	N(SYSLOG),
	N(WAKE_ALARM),
	N(BLOCK_SUSPEND),
	N(AUDIT_READ),
	N(PERFMON),
	N(BPF),
	N(CHECKPOINT_RESTORE)
};

/* ---- names and numbers ---- */

const char *
cap_name(size_t number)
{
	return number < CAPS_NAMED ? names[number] : NULL;
}

int
cap_number(const char *name)
{
	size_t prefix = strncasecmp(name, "CAP_", 4) == 0 ? 4 : 0;

	for (int i = 0; i < CAPS_NAMED; i++)
		if (strcasecmp(names[i] + 4, name + prefix) == 0)
			return i;
	errno = EINVAL;
	return -1;
}

int
cap_add(const char *name, uint64_t *set)
{
	int number = cap_number(name);

	if (number >= 0)
		*set |= BIT(number);
	return number < 0 ? -1 : 0;
}

static const char *
set_text(uint64_t set, const char *before, char *text, size_t size)
{
	size_t length = 0;

	snprintf(text, size, "0");
	for (unsigned i = 0; i < CAPS_NAMED && length < size; i++)
		if (set & BIT(i))
			length += (size_t)snprintf(text + length, size - length, "%s%s%s",
						   length ? "|" : "", before, names[i]);
	return text;
}

const char *
caps_text(uint64_t set)
{
	static char text[1024];

	return set_text(set, "", text, sizeof text);
}

/* ---- what is wanted, and what there is ---- */

uint64_t
caps_in(const struct cap_sets *sets)
{
	return sets->bounding | sets->permitted | sets->effective | sets->inheritable |
	       sets->ambient;
}

uint64_t
caps_available(uint64_t wanted, bool new_user_namespace)
{
	struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct data[2];
	uint64_t known = 0, bounding = 0;

	for (unsigned i = 0; i < CAPS_NAMED; i++) {
		int has;

		if (!(wanted & BIT(i)))
			continue;
		if ((has = prctl(PR_CAPBSET_READ, i, 0, 0, 0)) < 0)
			break; /* EINVAL: above what this kernel has */
		known |= BIT(i);
		if (has)
			bounding |= BIT(i);
	}
	if (new_user_namespace)
		return known;
	if (syscall(SYS_capget, &header, data) < 0)
		return 0;
	return bounding & ((uint64_t)data[1].permitted << 32 | data[0].permitted);
}

/* One list of the command line: the names as bits, ALL apart. */
static int
read_list(const struct text_list *list, uint64_t *set, bool *all)
{
	*set = 0;
	*all = false;
	for (size_t i = 0; i < list->count; i++) {
		if (cap_add(list->item[i], set) == 0)
			continue;
		if (strcasecmp(list->item[i], "ALL") == 0)
			*all = true;
		else
			return fail(EINVAL, "capability \"%s\": no such name", list->item[i]);
	}
	return 0;
}

int
caps_from_options(const struct cap_options *options, uint64_t available, struct cap_sets *sets)
{
	uint64_t add, drop, set;
	bool add_all, drop_all;

	if (read_list(&options->add, &add, &add_all) < 0 ||
	    read_list(&options->drop, &drop, &drop_all) < 0)
		return -1;
	if ((add & drop) || (add_all && drop_all))
		return fail(EINVAL, "%s: both added and dropped",
			    add & drop ? caps_text(add & drop) : "ALL");
	if (add & ~available) {
		fail(EPERM, "--cap-add %s", caps_text(add & ~available));
		return call_hint("the caller itself does not have it; see `capsh --print`");
	}
	set = options->privileged || add_all ? CAPS_ALL : drop_all ? 0 : CAPS_DEFAULT;
	set = ((set & ~drop) | add) & available;
	*sets = (struct cap_sets){ .bounding = set, .permitted = set, .effective = set };
	return 0;
}

uint64_t
caps_restrict(struct cap_sets *sets, uint64_t available)
{
	uint64_t missing = ~available & caps_in(sets);

	sets->bounding &= available;
	sets->permitted &= available;
	missing |= (sets->effective & ~sets->permitted) | (sets->inheritable & ~sets->bounding);
	sets->effective &= sets->permitted;
	sets->inheritable &= sets->bounding;
	missing |= sets->ambient & ~(sets->permitted & sets->inheritable);
	sets->ambient &= sets->permitted & sets->inheritable;
	return missing;
}

/* ---- becoming it ---- */

/* ANCHOR: bounding */
int
caps_drop_bounding(const struct cap_sets *sets)
{
	char number[16];

	stage("capabilities",
	      "Root's power comes in 41 pieces; what leaves the bounding set no file gives back.",
	      "grep Cap /proc/%d/status", call_pid());
	for (unsigned i = 0; i < 64; i++) {
		int has;

		if (sets->bounding & BIT(i))
			continue;
		if (!cap_name(i))
			snprintf(number, sizeof number, "%#x", i);
		if (call_try(prctl(PR_CAPBSET_DROP, i, 0, 0, 0), "prctl(PR_CAPBSET_DROP, %s)",
			     cap_name(i) ?: number) == 0)
			continue;
		if ((has = prctl(PR_CAPBSET_READ, i, 0, 0, 0)) < 0)
			return 0; /* EINVAL: this kernel has no more */
		if (has) {
			fail(errno, "prctl(PR_CAPBSET_DROP, %s)", cap_name(i) ?: number);
			return call_hint("CAP_SETPCAP is needed: run as root, or with --user");
		}
	}
	return 0;
}
/* ANCHOR_END: bounding */

/* A user namespace that an ordinary user mapped keeps its groups for good: who is denied something
 * as a member of a group must not be able to leave it. */
static int
set_groups(const gid_t *groups, size_t count)
{
	int done = idmap_set_groups(count, groups);

	if (done == 1 && count) {
		fail(EPERM, "setgroups(%zu, [%u%s])", count, groups[0], count > 1 ? ", …" : "");
		return call_hint("this user namespace denies it; map a range (--map-auto)");
	}
	return done < 0 ? -1 : 0;
}

/* ANCHOR: become */
int
caps_become_user(uid_t uid, gid_t gid, const gid_t *groups, size_t count)
{
	if (uid > INT32_MAX || gid > INT32_MAX)
		return fail(EINVAL, "user %u:%u: ids end at %d", uid, gid, INT32_MAX);
	stage("user", "From here on it is who the image says, in no group of the caller's.",
	      "grep -E '^(Uid|Gid|Groups)' /proc/%d/status", call_pid());
	if (set_groups(groups, count) < 0)
		return -1;
	if (call(setresgid(gid, gid, gid), "setresgid(%u, %u, %u)", gid, gid, gid) < 0)
		return call_hint("is %u mapped in this user namespace?", gid);
	/* Leaving uid 0 empties the permitted set, unless this is set; exec clears it again. */
	if (uid != 0 && call(prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0), "prctl(PR_SET_KEEPCAPS, 1)") < 0)
		return -1;
	if (call(setresuid(uid, uid, uid), "setresuid(%u, %u, %u)", uid, uid, uid) < 0)
		return call_hint("is %u mapped in this user namespace?", uid);
	return 0;
}
/* ANCHOR_END: become */

static int
raise_ambient(uint64_t ambient)
{
	if (call(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0),
		 "prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)") < 0)
		return -1;
	for (unsigned i = 0; i < CAPS_NAMED; i++)
		if ((ambient & BIT(i)) &&
		    call(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, i, 0, 0),
			 "prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, %s, 0, 0)", names[i]) < 0)
			return call_hint("an ambient capability must be permitted and inheritable");
	return 0;
}

/* ANCHOR: set */
int
caps_set(const struct cap_sets *sets)
{
	struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct data[2];
	char effective[1200], permitted[1200], inheritable[1200];

	for (int i = 0; i < 2; i++) { /* each half carries 32 capabilities */
		data[i].effective = (uint32_t)(sets->effective >> 32 * i);
		data[i].permitted = (uint32_t)(sets->permitted >> 32 * i);
		data[i].inheritable = (uint32_t)(sets->inheritable >> 32 * i);
	}
	if (call((int)syscall(SYS_capset, &header, data),
		 "capset({version=_LINUX_CAPABILITY_VERSION_3, pid=0}, "
		 "{effective=%s, permitted=%s, inheritable=%s})",
		 set_text(sets->effective, "1<<", effective, sizeof effective),
		 set_text(sets->permitted, "1<<", permitted, sizeof permitted),
		 set_text(sets->inheritable, "1<<", inheritable, sizeof inheritable)) < 0)
		return -1;
	return raise_ambient(sets->ambient);
}
/* ANCHOR_END: set */

/* ---- options ---- */

static int
option_capability(const struct option_row *row, const char *value, void *into)
{
	if (cap_number(value) < 0 && strcasecmp(value, "ALL") != 0) {
		fail(EINVAL, "--%s %s: no such capability", row->name, value);
		return call_hint("names are in capabilities(7), with or without CAP_; or ALL");
	}
	return option_list(row, value, into);
}

const struct option_row cap_options[] = {
	{ "cap-add", 0, "NAME", "capset", "leave this capability (or ALL)", option_capability,
	  offsetof(struct cap_options, add), 0 },
	{ "cap-drop", 0, "NAME", "PR_CAPBSET_DROP", "take this capability away (or ALL)",
	  option_capability, offsetof(struct cap_options, drop), 0 },
	{ "privileged", 0, NULL, "capset", "all capabilities, no seccomp: the wall is gone",
	  option_flag, offsetof(struct cap_options, privileged), 0 },
	{ 0 },
};

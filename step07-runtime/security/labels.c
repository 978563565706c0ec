/*
 * labels.c: a label is asked for by a write, and entered by the exec that follows.
 * Follows apparmor(7), selinux(8), proc(5) (attr/exec). Explained in book/07a-security.md.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "step01-unshare/call.h"
#include "step01-unshare/procfs.h"
#include "step07-runtime/security/labels.h"

enum { LONGEST = 500 }; /* name of a profile: cut off, it would be another one's */

static bool
apparmor_enabled(void)
{
	char answer = 'N';
	int fd = open("/sys/module/apparmor/parameters/enabled", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return false;
	if (read(fd, &answer, 1) != 1)
		answer = 'N';
	close(fd);
	return answer == 'Y';
}

static bool
wants_apparmor(const struct label_options *options)
{
	return options->apparmor && *options->apparmor &&
	       strcmp(options->apparmor, "unconfined") != 0;
}

bool
labels_selinux_enabled(void)
{
	return access("/sys/fs/selinux/enforce", F_OK) == 0;
}

int
labels_check(const struct label_options *options)
{
	if (wants_apparmor(options) && strlen(options->apparmor) > LONGEST)
		return fail(ENAMETOOLONG, "AppArmor profile %.40s…", options->apparmor);
	if (wants_apparmor(options) && !apparmor_enabled())
		return fail(EOPNOTSUPP, "AppArmor profile %s: AppArmor is not on in this kernel",
			    options->apparmor);
	if (options->selinux && *options->selinux && !labels_selinux_enabled())
		return fail(EOPNOTSUPP, "SELinux label %s: SELinux is not on in this kernel",
			    options->selinux);
	return 0;
}

int
labels_enter(const struct label_options *options, int proc)
{
	char text[LONGEST + sizeof "exec "];
	struct stat status;

	if (wants_apparmor(options)) {
		/* since 5.8 each security module has a directory of its own */
		bool own = fstatat(proc, "self/attr/apparmor/exec", &status, 0) == 0;
		snprintf(text, sizeof text, "exec %s", options->apparmor);
		if (procfs_write(proc, own ? "self/attr/apparmor/exec" : "self/attr/exec", text) <
		    0)
			return call_hint("is the profile loaded? see aa-status(8)");
	}
	if (options->selinux && *options->selinux)
		return procfs_write(proc, "self/attr/exec", options->selinux);
	return 0;
}

const struct option_row label_options[] = {
	{ "apparmor", 0, "PROFILE", "attr/apparmor/exec", "the AppArmor profile, or unconfined",
	  option_text, offsetof(struct label_options, apparmor), 0 },
	{ "selinux", 0, "LABEL", "attr/exec", "the SELinux label of the process", option_text,
	  offsetof(struct label_options, selinux), 0 },
	{ 0 },
};

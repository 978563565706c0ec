/*
 * profile: the default seccomp profile as JSON on stdout, for the bundles of the bench: the usual
 * engines write theirs whole into config.json. Follows `linux.seccomp` of the runtime-spec.
 */
#include <stdint.h>
#include <stdio.h>

#include "step07-runtime/security/profile.h"
#include "tests/profile_json.h"

int
main(void)
{
	struct profile profile;

	/* without capabilities: the list that every container gets */
	if (profile_default(0, &profile) < 0 || profile_print(&profile, stdout) < 0)
		return 1;
	profile_free(&profile);
	return fclose(stdout) == 0 ? 0 : 1;
}

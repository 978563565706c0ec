/*
 * resources: linux.resources, from the words of cgroup v1 to the limits of step 4.
 * Follows config-linux.md, "Control groups", of the OCI runtime specification.
 * Explained in book/07-runtime.md.
 */
#ifndef BOXSTEP_OCI_RESOURCES_H
#define BOXSTEP_OCI_RESOURCES_H

#include "step04-cgroups/device_rules.h"
#include "step04-cgroups/limits.h"

struct json_object;

/* Fills LIMITS, whose strings stay JSON's; its arrays are freed by limits_free. NULL:
 * nothing is limited. A pids.limit of 0 is a limit since version 1.MINOR = 3, and "not set" before.
 * *RULES, to be freed: linux.resources.devices, followed by what every engine allows; none, when
 * the list is absent or empty: everything is allowed then. −1 with EINVAL. */
int oci_resources_read(struct json_object *resources, unsigned minor, struct limits *limits,
		       struct device_rule **rules, size_t *count);

#endif

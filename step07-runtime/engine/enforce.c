/*
 * enforce.c: the controllers that the top of cgroup v2 offers. Follows cgroups(7).
 * Explained in book/07-runtime.md.
 */
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "step04-cgroups/cgroup.h"
#include "step07-runtime/engine/enforce.h"

static int
offered(void)
{
	char path[PATH_MAX], text[512] = "";
	char file[PATH_MAX + 32];
	FILE *controllers;

	if (hierarchy_find(path) < 0)
		return 0;
	snprintf(file, sizeof file, "%s/cgroup.controllers", path);
	if ((controllers = fopen(file, "re"))) {
		if (!fgets(text, sizeof text, controllers))
			text[0] = '\0';
		fclose(controllers);
	}
	return controllers_parse(text);
}

static void
drop(struct limits *limits, int controller)
{
	if (controller == CONTROLLER_MEMORY) {
		limits->memory = limits->memory_swap = limits->memory_reservation = 0;
		limits->memory_check = limits->oom_group = false;
	} else if (controller == CONTROLLER_CPU) {
		limits->cpu_quota = limits->cpu_period = limits->cpu_burst = 0;
		limits->cpu_weight = limits->cpu_shares = limits->cpu_idle = 0;
	} else if (controller == CONTROLLER_CPUSET)
		limits->cpuset_cpus = limits->cpuset_mems = NULL;
	else if (controller == CONTROLLER_PIDS)
		limits->pids = 0;
	else if (controller == CONTROLLER_IO) {
		limits->io_count = limits->io_weights_count = 0;
		limits->io_weight = limits->blkio_weight = 0;
	}
	/* --cgroup-conf names the files */
	for (size_t i = 0; i < limits->unified_count;)
		if (controller_of_file(limits->unified[i].file) == controller)
			limits->unified[i] = limits->unified[--limits->unified_count];
		else
			i++;
}

void
enforce_what_can_be(struct limits *limits)
{
	int missing = limits_controllers(limits) & ~offered();

	for (int controller = 1; controller <= missing; controller <<= 1)
		if (missing & controller) {
			fprintf(stderr,
				"boxstep: this host has no %s controller in cgroup v2: that limit "
				"is left out\n",
				controllers_text(controller, 0));
			drop(limits, controller);
		}
}

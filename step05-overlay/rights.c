/*
 * rights: whether this process is in a user namespace, and how much of one.
 *
 * Follows user_namespaces(7) (/proc/PID/uid_map). Explained in book/05-overlay.md.
 */
#include "step05-overlay/rights.h"

#include <stdint.h>
#include <stdio.h>

void
rights_look(bool *inside, bool *single)
{
	unsigned long from, to, count = UINT32_MAX;
	FILE *map = fopen("/proc/self/uid_map", "re");
	int lines = 0;

	while (map && fscanf(map, "%lu %lu %lu", &from, &to, &count) == 3)
		lines++;
	if (map)
		fclose(map);
	*inside = count != UINT32_MAX;
	*single = *inside && lines == 1 && count == 1;
}

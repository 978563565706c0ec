/*
 * environment.c: the later of two values is meant, and a variable is set where it stood.
 * Follows environ(7). Explained in book/07-runtime.md.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "step01-unshare/call.h"
#include "step07-runtime/environment.h"

/* By name, and those of one name in their order. */
static int
by_name(const void *one, const void *other)
{
	char **a = *(char **const *)one, **b = *(char **const *)other;
	size_t length = strcspn(*a, "="), its = strcspn(*b, "=");
	int order = strncmp(*a, *b, (length > its ? length : its) + 1);

	return order ? order : (a > b) - (a < b);
}

/* Sorted, because whoever wrote them may have put a hundred thousand there. */
int
environment_tidy(char **env)
{
	char ***sorted;
	size_t count = 0, kept = 0;

	while (env[count])
		count++;
	if (!(sorted = calloc(count + 1, sizeof *sorted)))
		return fail(ENOMEM, "memory for the environment");
	for (size_t i = 0; i < count; i++)
		sorted[i] = &env[i];
	qsort(sorted, count, sizeof *sorted, by_name);
	for (size_t i = count; i-- > 1;) {
		size_t name = strcspn(*sorted[i], "=") + 1;
		if (strncmp(*sorted[i - 1], *sorted[i], name) != 0)
			continue;
		*sorted[i - 1] = *sorted[i]; /* in the place of the first of that name */
		*sorted[i] = NULL;
	}
	for (size_t i = 0; i < count; i++)
		if (env[i])
			env[kept++] = env[i];
	env[kept] = NULL;
	free(sorted);
	return 0;
}

int
environment_set(char ***env, char *variable)
{
	size_t name = strcspn(variable, "=") + 1, count = 0;
	char **longer = *env;

	while (longer[count] && strncmp(longer[count], variable, name) != 0)
		count++;
	if (!longer[count]) {
		if (!(longer = reallocarray(longer, count + 2, sizeof *longer)))
			return fail(ENOMEM, "memory for the environment");
		longer[count + 1] = NULL;
		*env = longer;
	}
	longer[count] = variable;
	return 0;
}

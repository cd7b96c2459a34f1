#include "schedule/portfolio.h"

#include <stdio.h>
#include <string.h>

#include "schedule/schedule.h"

bool
portfolio_is_known(const char *name)
{
	return !strcmp(name, "auto") || !strcmp(name, "dfs") || (schedule_is_known(name) && !schedule_is_native(name));
}

/* A bound without a number of steps gets one, so that the schedule says all by itself. */
static void
with_steps(const char *bound, uint64_t steps, char name[64])
{
	if ((!strncmp(bound, "pct", 3) || !strncmp(bound, "delay", 5)) && (!strchr(bound, ':') || !strchr(strchr(bound, ':') + 1, ':')))
		snprintf(name, 64, "%s%s:%lu", bound, strchr(bound, ':') ? "" : bound[0] == 'p' ? ":3" : ":2", (unsigned long)(steps ? steps : 1));
	else
		snprintf(name, 64, "%s", bound);
}

void
portfolio_strategy(const char *wish, uint64_t i, uint64_t steps, char name[64])
{
	static const char *const fixed[PORTFOLIO_FIXED] = { "fifo", "lifo", "rr", "rev" };
	static const char *const turns[] = { "random", "pos", "pct:3", "random", "pos", "delay:2", "random", "pct:2", "pos", "delay:1", "pct:5", "delay:3" };

	if (strcmp(wish, "auto"))
		with_steps(wish, steps, name);
	else if (i < PORTFOLIO_FIXED)
		snprintf(name, 64, "%s", fixed[i]);
	else
		with_steps(turns[(i - PORTFOLIO_FIXED) % (sizeof(turns) / sizeof(turns[0]))], steps, name);
}

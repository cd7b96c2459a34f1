/* One leaf of a depth-first search: the decisions that the command asks for (schedule.h, prefix), then the default ones. The command reads from
 * the tape where the next branch is. A prefix that does not fit the run means that the program is not deterministic: n_followed tells. */
#include "strategy.h"

static uint32_t at;

static bool begin(const struct det_strategy_start *start)
{
	at = 0;
	return start->parameter[0] == 0;
}

static uint32_t next(uint32_t n, uint32_t usual)
{
	if (n < 2 || at >= det_schedule->n_prefix)
		return usual;
	uint32_t wanted = det_schedule_prefix[at++];
	if (wanted >= n) {
		det_schedule->n_infeasible++;
		return usual;
	}
	det_schedule->n_followed++;
	return wanted;
}

static uint32_t pick(const struct rt_candidate *list, uint32_t n, int32_t current)
{
	return next(n, current != RT_NO_CURRENT ? (uint32_t)current : 0);
}

static uint32_t choose(enum rt_choice kind, uint32_t n) { return next(n, 0); }

const struct det_strategy det_strategy_dfs = { "dfs", begin, pick, choose };

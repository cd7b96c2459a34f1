/* Partial order sampling: Yuan, Yang and Gu, "Partial Order Aware Concurrency Sampling", CAV 2018, algorithm 2. Every pending operation gets a
 * random priority; the highest runs; those that conflict with what ran get a new one, so that each order of a conflicting pair stays as
 * likely as if nothing had happened before. Two departures: a goroutine whose wait has ended is pending with the operation it waited for,
 * and one that fell behind keeps its priority until it is listed again. */
#include "strategy.h"

static struct det_random random_state;
static struct det_slots priorities;     /* 0: to be drawn */

static bool begin(const struct det_strategy_start *start)
{
	random_state = start->random;
	det_slots_clear(&priorities);
	return start->parameter[0] == 0;
}

static uint64_t priority_of(const struct rt_candidate *c)
{
	uint64_t *p = det_slot(&priorities, c->g->id);

	if (p == NULL)
		return det_random_next(&random_state);
	if (*p == 0)
		*p = det_random_next(&random_state) | 1;
	return *p;
}

static void forget(const struct rt_candidate *c)
{
	uint64_t *p = det_slot(&priorities, c->g->id);

	if (p != NULL)
		*p = 0;
}

static uint32_t pick(const struct rt_candidate *list, uint32_t n, int32_t current)
{
	uint32_t best = 0;
	uint64_t most = 0;

	for (uint32_t i = 0; i < n; i++) {
		uint64_t priority = priority_of(&list[i]);
		if (i == 0 || priority > most) {
			most = priority;
			best = i;
		}
	}
	for (uint32_t i = 0; i < n; i++)
		if (i == best || det_points_conflict(&list[i], &list[best]))
			forget(&list[i]);
	return best;
}

static uint32_t choose(enum rt_choice kind, uint32_t n) { return det_random_below(&random_state, n); }

const struct det_strategy det_strategy_pos = { "pos", begin, pick, choose };

/* Random walk: every runnable goroutine is as likely, at every point. No guarantee, and hard to beat: 43 of 49 programs in Thomson, Donaldson and
 * Betts, "Concurrency Testing Using Controlled Schedulers", TOPC 2016. */
#include "strategy.h"

static struct det_random random_state;

static bool begin(const struct det_strategy_start *start)
{
	random_state = start->random;
	return start->parameter[0] == 0;
}

static uint32_t pick(const struct rt_candidate *list, uint32_t n, int32_t current)
{
	return n > 1 ? det_random_below(&random_state, n) : 0;
}

static uint32_t choose(enum rt_choice kind, uint32_t n) { return det_random_below(&random_state, n); }

const struct det_strategy det_strategy_random = { "random", begin, pick, choose };

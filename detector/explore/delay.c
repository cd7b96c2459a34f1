/* Delay bounding: Emmi, Qadeer and Rakamarić, "Delay-Bounded Scheduling", POPL 2011. A deterministic scheduler (run to block, then the longest
 * runnable), and at K random steps the goroutine it would have run is passed over. The number of schedules does not grow with the number of
 * goroutines. */
#include "strategy.h"

enum { DELAYS_MAX = 100, DELAYS_DEFAULT = 2 };

static struct det_random random_state;
static uint64_t delay_at[DELAYS_MAX], step;
static uint32_t n_delays;

static bool begin(const struct det_strategy_start *start)
{
	uint64_t steps;
	int delays = det_strategy_bound(start->parameter, DELAYS_DEFAULT, DELAYS_MAX, &steps);

	if (delays < 0)
		return false;
	random_state = start->random;
	step = 0;
	n_delays = (uint32_t)delays;
	for (uint32_t i = 0; i < n_delays; i++)
		delay_at[i] = 1 + det_random_next(&random_state) % steps;
	return true;
}

static uint32_t pick(const struct rt_candidate *list, uint32_t n, int32_t current)
{
	uint32_t usual = current != RT_NO_CURRENT ? (uint32_t)current : 0, skip = 0;

	step++;
	for (uint32_t i = 0; i < n_delays; i++)
		skip += delay_at[i] == step;
	return (usual + skip) % n;
}

static uint32_t choose(enum rt_choice kind, uint32_t n) { return det_random_below(&random_state, n); }

const struct det_strategy det_strategy_delay = { "delay", begin, pick, choose };

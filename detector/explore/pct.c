/* Probabilistic concurrency testing: Burckhardt, Kothari, Musuvathi and Nagarakatti, "A Randomized Scheduler with Probabilistic Guarantees of
 * Finding Bugs", ASPLOS 2010. Goroutines have random priorities, the highest runnable runs; at d-1 random steps of the k that a run has, the
 * one that is running falls below all others. A bug of depth d shows with probability at least 1/(n k^(d-1)).
 * Departure: a goroutine that yields or spins falls behind by the runtime's own rule, without which the highest could wait for a lower one. */
#include "strategy.h"

enum { DEPTH_MAX = 100, DEPTH_DEFAULT = 3 };

static struct det_random random_state;
static struct det_slots priorities;     /* 0: to be drawn; changed ones are 1 … d-1, all others above DEPTH_MAX */
static uint64_t change_at[DEPTH_MAX], step;
static uint32_t n_changes, changed;

static void sort_changes(void)
{
	for (uint32_t i = 1; i < n_changes; i++)
		for (uint32_t j = i; j > 0 && change_at[j] < change_at[j - 1]; j--) {
			uint64_t moved = change_at[j];
			change_at[j] = change_at[j - 1];
			change_at[j - 1] = moved;
		}
}

static bool begin(const struct det_strategy_start *start)
{
	uint64_t steps;
	int depth = det_strategy_bound(start->parameter, DEPTH_DEFAULT, DEPTH_MAX, &steps);

	if (depth < 0)
		return false;
	random_state = start->random;
	det_slots_clear(&priorities);
	step = 0;
	changed = 0;
	n_changes = (uint32_t)depth - 1;
	for (uint32_t i = 0; i < n_changes; i++)
		change_at[i] = 1 + det_random_next(&random_state) % steps;
	sort_changes();
	return true;
}

static uint64_t *priority_of(const struct rt_candidate *c)
{
	static uint64_t lowest;
	uint64_t *p = det_slot(&priorities, c->g->id);

	if (p == NULL) {
		lowest = DEPTH_MAX + 1;
		return &lowest;
	}
	if (*p == 0)
		*p = DEPTH_MAX + 1 + (det_random_next(&random_state) >> 8);
	return p;
}

static uint32_t highest(const struct rt_candidate *list, uint32_t n)
{
	uint32_t best = 0;

	for (uint32_t i = 1; i < n; i++)
		if (*priority_of(&list[i]) > *priority_of(&list[best]))
			best = i;
	return best;
}

static uint32_t pick(const struct rt_candidate *list, uint32_t n, int32_t current)
{
	uint32_t best = highest(list, n);

	step++;
	while (changed < n_changes && change_at[changed] <= step) {
		*priority_of(&list[best]) = n_changes - changed;
		changed++;
		best = highest(list, n);
	}
	return best;
}

static uint32_t choose(enum rt_choice kind, uint32_t n) { return det_random_below(&random_state, n); }

const struct det_strategy det_strategy_pct = { "pct", begin, pick, choose };

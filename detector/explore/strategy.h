/* A strategy answers two questions: who runs next, and which of n alternatives. One file each; the table is in explore.c. Its state is static:
 * there is one schedule per process at a time, and all calls come from the one worker. */
#ifndef CSP_DETECTOR_EXPLORE_STRATEGY_H
#define CSP_DETECTOR_EXPLORE_STRATEGY_H

#include <stdbool.h>
#include <stdint.h>

#include "schedule.h"

/* xorshift64*: Vigna 2016. */
struct det_random { uint64_t x; };

static inline uint64_t det_random_next(struct det_random *r)
{
	r->x ^= r->x >> 12;
	r->x ^= r->x << 25;
	r->x ^= r->x >> 27;
	return r->x * 0x2545F4914F6CDD1Dull;
}

static inline uint32_t det_random_below(struct det_random *r, uint32_t n)
{
	return (uint32_t)((det_random_next(r) >> 32) * n >> 32);
}

/* What a strategy knows when a run begins. */
struct det_strategy_start {
	const char *parameter;          /* after the colon, or "" */
	struct det_random random;       /* of this seed and this index */
};

struct det_strategy {
	const char *name;
	/* False: the parameter makes no sense. */
	bool     (*begin)(const struct det_strategy_start *start);
	uint32_t (*pick)(const struct rt_candidate *list, uint32_t n, int32_t current);
	uint32_t (*choose)(enum rt_choice kind, uint32_t n);
};

extern const struct det_strategy det_strategy_fifo, det_strategy_lifo, det_strategy_rr, det_strategy_rev, det_strategy_random, det_strategy_pos,
	det_strategy_pct, det_strategy_delay, det_strategy_dfs, det_strategy_replay;

/* Which decision is being made; for strategies that go by it. */
struct det_deciding { uint64_t who; uint32_t nth_pick, nth_choice; };
extern struct det_deciding det_deciding;
/* The schedule being written. */
extern struct det_schedule *det_schedule;
extern const uint16_t *det_schedule_prefix;

/* A parameter N or N:K, as in pct:3:120: a bound in [1, max] (`fallback` if there is no parameter, -1 if it makes no sense), and how many steps
 * a run is thought to have (a guess if K is not given). */
int det_strategy_bound(const char *parameter, int fallback, int max, uint64_t *steps);

/* Two operations on one object of which the order may matter. */
bool det_points_conflict(const struct rt_candidate *a, const struct rt_candidate *b);

/* A word per goroutine of this run, 0 at first, by number. NULL: too many. */
struct det_slots { uint64_t *words; };
uint64_t *det_slot(struct det_slots *s, uint64_t gid);
void det_slots_clear(struct det_slots *s);

#endif

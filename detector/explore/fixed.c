/* The four fixed schedules. Each is cheap and finds what hides from chance: fifo and lifo run each goroutine as long as it can go on, rr changes
 * at every point, rev lets the newest go first. */
#include "strategy.h"

static uint32_t turn;

static bool begin(const struct det_strategy_start *start)
{
	turn = 0;
	return start->parameter[0] == 0;
}

static uint32_t fifo_pick(const struct rt_candidate *list, uint32_t n, int32_t current)
{
	return current != RT_NO_CURRENT ? (uint32_t)current : 0;
}

static uint32_t lifo_pick(const struct rt_candidate *list, uint32_t n, int32_t current)
{
	return n - 1;                   /* the running one is the last */
}

static uint32_t rr_pick(const struct rt_candidate *list, uint32_t n, int32_t current)
{
	return 0;
}

static uint32_t rev_pick(const struct rt_candidate *list, uint32_t n, int32_t current)
{
	return current != RT_NO_CURRENT && n > 1 ? n - 2 : n - 1;
}

static uint32_t first(enum rt_choice kind, uint32_t n) { return 0; }
static uint32_t last(enum rt_choice kind, uint32_t n) { return n - 1; }
static uint32_t in_turn(enum rt_choice kind, uint32_t n) { return turn++ % n; }

const struct det_strategy det_strategy_fifo = { "fifo", begin, fifo_pick, first };
const struct det_strategy det_strategy_lifo = { "lifo", begin, lifo_pick, last };
const struct det_strategy det_strategy_rr = { "rr", begin, rr_pick, in_turn };
const struct det_strategy det_strategy_rev = { "rev", begin, rev_pick, last };

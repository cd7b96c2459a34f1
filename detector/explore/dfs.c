/* One leaf of a depth-first search: the decisions that the command asks for, then the default ones. They stand in the file (schedule.h, prefix), or,
 * if they are few, in the parameter, a digit of base 36 each: dfs:0102. The command reads from the tape where the next branch is. A prefix that
 * does not fit the run means that the program is not deterministic: n_infeasible tells. */
#include "strategy.h"

enum { DIGITS_MAX = 64 };

static uint32_t at, n_digits;
static uint8_t  digits[DIGITS_MAX];

static bool begin(const struct det_strategy_start *start)
{
	at = 0;
	for (n_digits = 0; start->parameter[n_digits] != 0; n_digits++) {
		char c = start->parameter[n_digits];
		if (n_digits == DIGITS_MAX || !((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z')))
			return false;
		digits[n_digits] = (uint8_t)(c <= '9' ? c - '0' : c - 'a' + 10);
	}
	return true;
}

static uint32_t next(uint32_t n, uint32_t usual)
{
	if (n < 2 || at >= (n_digits > 0 ? n_digits : det_schedule->n_prefix))
		return usual;
	uint32_t wanted = n_digits > 0 ? digits[at] : det_schedule_prefix[at];
	at++;
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

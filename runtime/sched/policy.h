/* Which goroutine next? The third door (with event.h and inspect.h): an exploring scheduler owns every nondeterministic choice.
 * No policy (the normal case): native scheduling on CSPMAXPROCS workers, choices drawn from a per-worker random generator.
 * With a policy: exactly one worker, and every choice point asks it. */
#ifndef CSP_RUNTIME_SCHED_POLICY_H
#define CSP_RUNTIME_SCHED_POLICY_H

#include <stdint.h>

enum rt_choice {
	RT_CHOOSE_G,            /* alternatives: the runnable goroutines in queue order */
	RT_CHOOSE_CASE,         /* the ready cases of a select */
	RT_CHOOSE_WAITER,       /* whom a signal wakes */
	RT_CHOOSE_TIMER,        /* timers due at the same instant */
	RT_CHOOSE_USER,         /* csp_choose(n) */
};

struct rt_policy {
	/* Returns the index chosen, < n. n >= 1; called for n == 1 only for RT_CHOOSE_G, so that steps can be counted. */
	uint32_t (*choose)(void *self, enum rt_choice kind, uint32_t n, const uint64_t *ids /* g ids for RT_CHOOSE_G, else NULL */);
	void *self;
};

/* Install before the first goroutine is started; NULL restores native scheduling. Returns 0, or -EBUSY once goroutines exist. */
int rt_policy_set(const struct rt_policy *policy);

/* NULL without a policy. For rooms of the runtime that are FIFO by themselves and ask only a policy. */
extern const struct rt_policy *rt_policy __attribute__((visibility("hidden")));

/* The choice function every room calls instead of a random generator. */
uint32_t rt_choose(enum rt_choice kind, uint32_t n);

#endif

/* Which goroutine next? The third door (with event.h and inspect.h): an exploring scheduler owns every nondeterministic choice.
 * No policy (the normal case): native scheduling on CSPMAXPROCS workers, choices drawn from a per-worker random generator.
 * With a policy: exactly one worker, on one OS thread; every choice is the policy's; time is virtual.
 *
 * Where it is asked: at every point (before an operation on something that goroutines share, also where it would not block) and whenever
 * the running goroutine parks, yields or ends. Between two points nothing else runs, so a program's run is a function of the answers, as
 * long as it takes nothing else from outside (wall-clock time, addresses, real input).
 *
 * Fairness: a goroutine that yields, or repeats one operation without effect, or keeps running for very long, falls behind: it is no
 * alternative until all those that were runnable then have run once. Without that a policy may starve the one a spinner waits for.
 *
 * Time: csp_now_ns starts at a fixed instant and jumps to the next timer when nobody else can run; locks count as waiting like everything
 * else. While all who can run only spin, it creeps on. Descriptors are served when nobody else can run, and now and then before. */
#ifndef CSP_RUNTIME_SCHED_POLICY_H
#define CSP_RUNTIME_SCHED_POLICY_H

#include <stdint.h>

#include "../event/event.h"

enum rt_choice {
	RT_CHOOSE_CASE,         /* the ready cases of a select */
	RT_CHOOSE_WAITER,       /* whom a signal wakes */
	RT_CHOOSE_TIMER,        /* timers due at the same instant */
	RT_CHOOSE_USER,         /* csp_choose(n) */
	RT_CHOOSE_N_
};

/* What a runnable goroutine will do next. */
enum rt_point {
	RT_AT_START, RT_AT_RESUME /* a wait has ended */, RT_AT_YIELD,
	RT_AT_SEND, RT_AT_RECV, RT_AT_TRY_SEND, RT_AT_TRY_RECV, RT_AT_CLOSE, RT_AT_SELECT,
	RT_AT_LOCK, RT_AT_TRY_LOCK, RT_AT_UNLOCK /* asked only once the program has tried a lock */, RT_AT_RLOCK, RT_AT_TRY_RLOCK,
	RT_AT_COND_WAIT, RT_AT_SIGNAL, RT_AT_BROADCAST, RT_AT_WG_ADD, RT_AT_WG_WAIT, RT_AT_ONCE, RT_AT_ACQUIRE, RT_AT_TRY_ACQUIRE,
	RT_AT_CONTEXT, RT_AT_TIMER, RT_AT_IO,
	RT_AT_ATOMIC_LOAD, RT_AT_ATOMIC_STORE, RT_AT_ATOMIC_RMW, RT_AT_READ, RT_AT_WRITE,
	RT_AT_N_
};

/* Who a goroutine is in every schedule: its parent's path and how many the parent had started (nth counts from 1). Main is 1. What a timer's
 * function runs in descends from the goroutine that armed the timer, as RT_PATH_TIMER + how many it had armed, then 1 for each firing. */
#define RT_PATH_MAIN  1u
#define RT_PATH_TIMER (UINT64_C(1) << 32)
static inline uint64_t rt_path_child(uint64_t path, uint64_t nth)
{
	uint64_t x = (path ^ nth * 0x9E3779B97F4A7C15ull) + 0x9E3779B97F4A7C15ull;      /* splitmix64: Steele, Lea and Flood 2014 */

	x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9ull;
	x = (x ^ x >> 27) * 0x94D049BB133111EBull;
	return x ^ x >> 31;
}

struct rt_candidate {
	struct rt_gview *g;
	uint64_t path;
	void    *obj;           /* what `at` is about, or NULL. RESUME: what it waited for */
	uint32_t at;            /* enum rt_point */
};

enum { RT_NO_CURRENT = -1 };

struct rt_policy {
	/* The index of who runs next, < n; n >= 1. The list is in the order in which they became runnable. current: the index of the one that is
	 * running and could go on (always the last), or RT_NO_CURRENT. Called for n == 1 too, so that steps can be counted. */
	uint32_t (*pick)(void *self, const struct rt_candidate *list, uint32_t n, int32_t current);
	/* Of n > 1 alternatives. */
	uint32_t (*choose)(void *self, enum rt_choice kind, uint32_t n);
	void *self;
	uint32_t *n_unfair;     /* counts the picks from which somebody was left out because he fell behind; may be NULL */
};

/* Install before the first goroutine is started; NULL restores native scheduling. Returns 0, or -EBUSY once goroutines exist. */
int rt_policy_set(const struct rt_policy *policy);

/* NULL without a policy. While there is one there is an observer too (a mute one if need be), so that one test on a usual path is enough. */
extern const struct rt_policy *rt_policy __attribute__((visibility("hidden")));

/* The choice function every room calls instead of a random generator. */
uint32_t rt_choose(enum rt_choice kind, uint32_t n);

/* Ask who runs next; the caller is about to do `at` on obj and holds no lock of the runtime. It may run on at once or much later. No-op
 * without a policy, on foreign threads, and off a goroutine's own stack (signal handlers). */
void rt_point(enum rt_point at, const void *obj);
#define RT_POINT(at, obj) \
	do { if (__builtin_expect(rt_observer != NULL, 0) && rt_policy != NULL) rt_point(at, obj); } while (0)

#endif

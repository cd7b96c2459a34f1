/* Private to the rooms that a policy reaches into (policy.c): goroutines made runnable, the next one, births, timers and the clock. Called only
 * while there is a policy. */
#ifndef CSP_RUNTIME_SCHED_PICK_H
#define CSP_RUNTIME_SCHED_PICK_H

#include "../g.h"

/* On the worker's own thread: g has become runnable by a start or by the end of its wait; or it yields and falls behind. */
void rt_policy_push(struct rt_g *g);
void rt_policy_push_yielded(struct rt_g *g);

/* From a goroutine that is about to leave its worker, with locks of its objects held. NULL: the scheduler's context has to decide. */
struct rt_g *rt_policy_next_direct(struct rt_m *m);
/* In the scheduler's context. NULL: go idle. */
struct rt_g *rt_policy_next(struct rt_m *m);

/* park.c: g, which stays runnable, leaves the worker to `to`, or to the scheduler's context. */
void rt_leave_runnable(struct rt_m *m, struct rt_g *g, struct rt_g *to);

void rt_policy_born(struct rt_g *g, struct rt_g *parent);       /* parent NULL: the firing timer */
void rt_policy_timer_armed(struct rt_timer *t);
void rt_policy_timer_fires(struct rt_timer *t);
void rt_policy_ranges(void (*visit)(uintptr_t lo, uintptr_t hi, void *arg), void *arg);        /* memory of ours; see inspect.h, own_ranges */
int64_t rt_policy_now_ns(void);
int64_t rt_real_now_ns(void);           /* heap.c */
void rt_policy_waits(bool waits);       /* the idle worker blocks until something comes from outside; or no more */

#endif

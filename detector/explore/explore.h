/* Schedule exploration: the policy behind the runtime's choice function (policy.h). The environment says which schedule this run is to have:
 *   CSPCHECK_SCHEDULE        native (none of this), or a strategy: fifo lifo rr rev random pos pct:D[:STEPS] delay:K[:STEPS] replay:FILE
 *   CSPCHECK_SEED            seed of the strategy's random choices
 *   CSPCHECK_SCHEDULE_INDEX  which of the schedules of that seed (0 …)
 * What was done is left in $CSPCHECK_SPOOL/PID.schedule (schedule.h). */
#ifndef CSP_DETECTOR_EXPLORE_EXPLORE_H
#define CSP_DETECTOR_EXPLORE_EXPLORE_H

#include <stdbool.h>

#include "../../runtime/sched/inspect.h"

/* While the observer is being attached. True: this run has a policy. A schedule that was asked for and cannot be had ends the program with
 * a message, status 69. */
bool det_explore_attach(const struct rt_door *door);

/* At the last moment before main: does not return in a process that serves schedules (serve.h), but in each of its children. */
void det_explore_serve(void);
bool det_explore_is_on(void);
/* In such a child, which has run nothing of the program yet: begin this schedule. */
void det_explore_begin(const char *schedule, uint64_t seed, uint64_t index, uint64_t max_steps);
extern bool det_explore_keep_shared __attribute__((visibility("hidden")));    /* a child that is forked meanwhile writes to the same file */
bool det_explore_is_served(void);       /* this is such a child */

void det_explore_go(struct rt_gview *parent, struct rt_gview *child);
/* The running goroutine's step also touches obj (a case of its select, a lock it releases). */
void det_explore_touch(const void *obj, bool writes);
void det_explore_forget(const void *obj);
void det_explore_fork(int phase);
void det_explore_at_exit(void);

extern void (*det_explore_point_fn)(enum rt_point at, const void *obj) __attribute__((visibility("hidden")));
/* The run has a policy: who is runnable when main returns was not chosen to run, and will not run any more. */
static inline bool det_explore_rules(void) { return det_explore_point_fn != NULL; }
/* Before an operation that the runtime does not see. May switch to other goroutines. */
static inline void det_explore_point(enum rt_point at, const volatile void *obj)
{
	if (__builtin_expect(det_explore_point_fn != NULL, 0))
		det_explore_point_fn(at, (const void *)obj);
}

#endif

/* All armed timers: a 4-ary heap by deadline; equal deadlines in the order of arming. g.h declares what rooms use. */
#ifndef CSP_RUNTIME_TIME_HEAP_H
#define CSP_RUNTIME_TIME_HEAP_H

#include "../g.h"

/* Earliest deadline, INT64_MAX if none. No lock. */
int64_t rt_timers_next(void);
uint32_t rt_timers_count(void);         /* armed; a moment ago */
/* Fire everything due. One thread at a time: others return at once. */
void    rt_timers_run(int64_t now_ns);
/* Wait until t is not being fired (it may have been readying goroutines when it was stopped too late). */
void    rt_timer_sync(struct rt_timer *t);
/* Called by sched when g's registers are saved: arms what rt_deadline_arm noted. */
void    rt_deadline_insert_slow(struct rt_g *g);
static inline void rt_deadline_insert(struct rt_g *g)
{
	if (__builtin_expect(g->room[0] != NULL, 0))
		rt_deadline_insert_slow(g);
}
/* Could an armed timer wake or start a goroutine? Those that send on a channel nobody receives from do not count. */
bool    rt_timers_can_act(void);
void    rt_timers_each(void (*visit)(const struct rt_timer *t, void *arg), void *arg);
bool    rt_timer_is_armed(struct rt_timer *t);
void    rt_timers_range(uintptr_t *lo, uintptr_t *hi);

/* Set by time/timer.c: is a goroutine waiting to receive from this channel? */
void rt_timers_hold_firing(bool hold);           /* over a fork (sched/fork.c) */
void rt_timers_hold(bool hold);

extern bool (*_Atomic rt_timer_chan_awaited)(void *chan);

#endif

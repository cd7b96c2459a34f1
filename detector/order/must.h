/* Must-order: happens-before without the edges that locks make.
 *
 * A run orders two critical sections of one lock; another run orders them the other way round. What start, join, channels, conditions,
 * once, timers, contexts, semaphores and atomics order stays ordered in every run, as long as control takes the same way. So each
 * goroutine has a second clock, that takes all edges but the locks'. Who knows an event by this clock comes after it in every such run.
 *
 * Off until the first lock is taken: an event before that is ordered with nothing we ask about, so nothing is lost.
 * The edges of a mutex that guards a condition are taken too (held.c): who finds the predicate true without waiting learns by the mutex
 * alone what the signal would have told. */
#ifndef CSP_DETECTOR_ORDER_MUST_H
#define CSP_DETECTOR_ORDER_MUST_H

#include "../shadow/self.h"

extern _Atomic bool det_must_on_flag __attribute__((visibility("hidden")));
static inline bool det_must_on(void) { return __builtin_expect(atomic_load_explicit(&det_must_on_flag, memory_order_relaxed), 0); }

/* As their namesakes in shadow/self.h, on the second clock. Nothing while off. */
void det_must_release(struct det_g *g, struct det_snap *out);
void det_must_release_join(struct det_g *g, struct det_snap *s);
void det_must_release_store(struct det_g *g, struct det_snap *s);
void det_must_acquire(struct det_g *g, const struct det_snap *s);
void det_must_end(struct det_g *g);

/* The event that happens now: its epoch. What g releases from now on tells of it. */
det_epoch det_must_event(struct det_g *g);
static inline bool det_must_knows(det_epoch at, det_clock clock, det_epoch e)
{
	return (at.slot == e.slot && at.time >= e.time) || det_clock_get(clock, e.slot) >= e.time;
}

#endif

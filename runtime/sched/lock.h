/* The usual path of a spin lock, in its caller. Protocol: lock.c. */
#ifndef CSP_RUNTIME_SCHED_LOCK_H
#define CSP_RUNTIME_SCHED_LOCK_H

#include <stdatomic.h>
#include <stdbool.h>

#include "stop.h"

/* Spin lock with real back-off (16..256 pauses, then sched_yield): held for tens of instructions, never across a switch except
 * through rt_park's commit. */
struct rt_lock { _Atomic uint32_t word; };

void rt_lock_slow(struct rt_lock *l);
bool rt_trylock(struct rt_lock *l);

static inline void rt_lock(struct rt_lock *l)
{
	rt_critical_enter();
	if (__builtin_expect(atomic_exchange_explicit(&l->word, 1, memory_order_acquire), 0))
		rt_lock_slow(l);
}

/* One attempt, that does not look before: for usual paths that leave everything else to another function. */
static inline bool rt_lock_quick(struct rt_lock *l)
{
	rt_critical_enter();
	if (__builtin_expect(atomic_exchange_explicit(&l->word, 1, memory_order_acquire) == 0, 1))
		return true;
	rt_critical_leave();
	return false;
}

static inline void rt_unlock(struct rt_lock *l)
{
	atomic_store_explicit(&l->word, 0, memory_order_release);
	rt_critical_leave();
}

#endif

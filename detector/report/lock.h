/* The detector's own lock: a word, a futex, no pthread and no malloc, so that it works on goroutine stacks, with the runtime's
 * spin locks held, inside an interposed malloc and after fork. Not recursive. Held for one record or one table update.
 *
 * A thread that the world-stop signal catches while it holds such a lock keeps it until the world starts again: therefore nobody
 * takes one between world_stop and world_start (except in the event `deadlock`, when no goroutine is inside the detector). */
#ifndef CSP_DETECTOR_REPORT_LOCK_H
#define CSP_DETECTOR_REPORT_LOCK_H

#include <stdatomic.h>
#include <stdint.h>

/* 0 free, 1 held, 2 held and somebody may sleep on it. */
struct det_lock { _Atomic uint32_t word; };

void det_lock_slow(struct det_lock *l);
void det_unlock_slow(struct det_lock *l);

static inline void det_lock(struct det_lock *l)
{
	uint32_t zero = 0;
	if (!atomic_compare_exchange_strong_explicit(&l->word, &zero, 1, memory_order_acquire, memory_order_relaxed))
		det_lock_slow(l);
}

static inline void det_unlock(struct det_lock *l)
{
	if (atomic_exchange_explicit(&l->word, 0, memory_order_release) == 2)
		det_unlock_slow(l);
}

/* In a forked child, whose other threads are gone. */
static inline void det_lock_reset(struct det_lock *l)
{
	atomic_store_explicit(&l->word, 0, memory_order_relaxed);
}

#endif

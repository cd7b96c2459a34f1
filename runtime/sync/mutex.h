/* The lock word behind csp_mutex and the writers' queue of csp_rwmutex: Go's sync.Mutex without owners and events. */
#ifndef CSP_RUNTIME_SYNC_MUTEX_H
#define CSP_RUNTIME_SYNC_MUTEX_H

#include "../csp.h"
#include "../os/quick.h"
#include "../sched/sched.h"
#include "semtable.h"

/* State: byte 0 is LOCKED and nothing else, so that os/quick.h may clear it alone; above it: a waiter has been woken (or spins), starving, marked
 * for os/quick.c, and the number of waiters. */
#define RT_MUTEX_LOCKED    1u
#define RT_MUTEX_WOKEN     0x100u
#define RT_MUTEX_STARVING  0x200u
#define RT_MUTEX_CONTENDED 0x400u
#define RT_MUTEX_WAITER    0x800u

/* csp_mutex.owner_ and csp_rwmutex.owner_: the id of the holder, 0 for none, or this constant for ever in hand-over mode. */
#define RT_OWNER_ANY UINT64_MAX

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "byte 0 is the lowest");

/* Also past waiters, as rt_lockword_lock_slow does, unless it is handed over to them. */
static inline bool rt_lockword_try(uint32_t *state)
{
	/* One byte is read because the word may still be on its way from the store buffer, in parts. It has all but the count of 32 waiters or more. */
	uint32_t free_state = (uint32_t)__atomic_load_n((uint8_t *)state + 1, __ATOMIC_RELAXED) << 8;

	return !(free_state & RT_MUTEX_STARVING) &&
	       __atomic_compare_exchange_n(state, &free_state, free_state | RT_MUTEX_LOCKED, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
}

/* try_lock also when there are waiters, but not into a starving mutex. */
bool rt_lockword_try_slow(uint32_t *state);
void rt_lockword_lock_slow(uint32_t *state, uint32_t *sema, const struct rt_sem_why *why);
void rt_lockword_unlock_slow(uint32_t *state, uint32_t *sema);

/* Is nobody to be woken when a lock with this word is released? */
static inline bool rt_lockword_owes_nothing(uint32_t word)
{
	return !(word & RT_MUTEX_STARVING) && (word < RT_MUTEX_WAITER || word & RT_MUTEX_WOKEN);
}

/* The caller holds the lock. May yield (hand-off of a starving lock). */
static inline void rt_lockword_unlock(uint32_t *state, uint32_t *sema)
{
	uint32_t old = __atomic_load_n(state, __ATOMIC_RELAXED);

	if (__builtin_expect(!rt_lockword_owes_nothing(old) || !(old & RT_MUTEX_LOCKED) ||
	    !__atomic_compare_exchange_n(state, &old, old & ~RT_MUTEX_LOCKED, false, __ATOMIC_RELEASE, __ATOMIC_RELAXED), 0))
		rt_lockword_unlock_slow(state, sema);
}

/* The same for a csp_mutex, whose CONTENDED mark goes when it has not been contended for a while (os/quick.c). */
void rt_lockword_unlock_marked(uint32_t *state, uint32_t *sema, struct rt_m *m);

/* rt_self without a call on the usual path. */
static inline struct rt_g *rt_self_inline(void)
{
	struct rt_m *worker = rt_m_self();

	return __builtin_expect(worker != NULL && worker->g != NULL, 1) ? worker->g : rt_self();
}

/* csp_mutex_lock and _unlock in full, with the pc of the public function's caller. */
void rt_mutex_lock(csp_mutex *m, void *pc);
void rt_mutex_unlock(csp_mutex *m, void *pc);
bool rt_mutex_is_held_by(const csp_mutex *m, uint64_t g_id);    /* hand-over mode: held by anyone */

#endif

/* Go's sync.Mutex (Go 1.22, sync/mutex.go).
 * Normal mode: waiters queue FIFO, but a woken waiter competes with those who arrive running; the newcomers usually win, which is fast.
 * A waiter that lost for 1 ms switches the lock to starvation mode: unlock hands the lock to the first waiter directly (the state
 * stays "not locked", and newcomers queue up because they see STARVING), until a waiter is the last or waited less than 1 ms.
 * Pairs: the release exchange or decrement in rt_lockword_unlock with the acquire exchanges of lock and try_lock.
 * tests/model/lockword.pml. */
#include "mutex.h"

#define STARVATION_NS INT64_C(1000000)
#define SPINS         4
#define SPIN_PAUSES   30

static uint32_t load(uint32_t *state)
{
	return __atomic_load_n(state, __ATOMIC_RELAXED);
}

static bool swap(uint32_t *state, uint32_t *old, uint32_t new_state)
{
	return __atomic_compare_exchange_n(state, old, new_state, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
}

/* Spinning helps only if the holder can be running on another worker. */
static bool may_spin(void)
{
	return atomic_load_explicit(&rt_sched.n_running, memory_order_relaxed) > 1 && rt_policy == NULL;
}

static void spin(void)
{
	for (int i = 0; i < SPIN_PAUSES; i++)
		rt_arch_pause();
}

bool rt_lockword_try_slow(uint32_t *state)
{
	uint32_t old = load(state);

	if (old & (RT_MUTEX_LOCKED | RT_MUTEX_STARVING))
		return false;
	return swap(state, &old, old | RT_MUTEX_LOCKED);
}

/* The word has been marked by the caller; returns it as it is when no holder can overlook the mark any more. Where the kernel refuses the
 * barrier the holder's unlock is waited for awake. */
static uint32_t wait_for_mark(uint32_t *state)
{
	uint32_t old;

	for (;;) {
		bool done = rt_quick_barrier();
		old = load(state);
		if (done || !(old & RT_MUTEX_LOCKED))
			return old;
		rt_yield();
	}
}

void rt_lockword_lock_slow(uint32_t *state, uint32_t *sema, const struct rt_sem_why *why)
{
	int64_t wait_start_ns = 0;
	bool starving = false, awoke = false;
	int spins = may_spin() ? 0 : SPINS;
	uint32_t old = load(state);

	for (;;) {
		uint32_t next = old;

		/* Spin while the holder runs; WOKEN tells unlock not to wake others. */
		if ((old & (RT_MUTEX_LOCKED | RT_MUTEX_STARVING)) == RT_MUTEX_LOCKED && spins < SPINS) {
			if (!awoke && !(old & RT_MUTEX_WOKEN) && old >= RT_MUTEX_WAITER && swap(state, &old, old | RT_MUTEX_WOKEN))
				awoke = true;
			spin();
			spins++;
			old = load(state);
			continue;
		}
		if ((old & RT_MUTEX_LOCKED) && !(old & RT_MUTEX_CONTENDED) && why->kind == RT_OBJ_MUTEX && rt_quick_in_use()) {
			if (swap(state, &old, old | RT_MUTEX_CONTENDED))
				old = wait_for_mark(state);
			continue;
		}
		if (!(old & RT_MUTEX_STARVING))
			next |= RT_MUTEX_LOCKED;
		if (old & (RT_MUTEX_LOCKED | RT_MUTEX_STARVING))
			next += RT_MUTEX_WAITER;
		if (starving && (old & RT_MUTEX_LOCKED))
			next |= RT_MUTEX_STARVING;
		if (awoke)
			next &= ~RT_MUTEX_WOKEN;
		if (__builtin_expect(next < RT_MUTEX_WAITER && old >= RT_MUTEX_WAITER, 0))
			rt_throw("mutex: too many waiters");
		if (!swap(state, &old, next))
			continue;
		if (!(old & (RT_MUTEX_LOCKED | RT_MUTEX_STARVING)))
			return;
		rt_sem_acquire(sema, why, wait_start_ns != 0);
		if (wait_start_ns == 0)
			wait_start_ns = rt_now_ns();
		else
			starving = starving || rt_now_ns() - wait_start_ns > STARVATION_NS;
		old = load(state);
		if (old & RT_MUTEX_STARVING) {
			/* Handed to us: unlock left LOCKED clear and us counted as a waiter. */
			uint32_t delta = RT_MUTEX_LOCKED - RT_MUTEX_WAITER;

			if (!starving || old / RT_MUTEX_WAITER == 1)
				delta -= RT_MUTEX_STARVING;
			__atomic_fetch_add(state, delta, __ATOMIC_ACQUIRE);
			return;
		}
		awoke = true;
		spins = may_spin() ? 0 : SPINS;
	}
}

enum { LOOK_EVERY = 512 };

void rt_lockword_unlock_marked(uint32_t *state, uint32_t *sema, struct rt_m *m)
{
	uint32_t marked = RT_MUTEX_LOCKED | RT_MUTEX_CONTENDED;

	if (__builtin_expect(++m->marked_unlocks % LOOK_EVERY == 0 && __atomic_load_n(state, __ATOMIC_RELAXED) == marked && rt_quick_is_calm(), 0) &&
	    __atomic_compare_exchange_n(state, &marked, 0, false, __ATOMIC_RELEASE, __ATOMIC_RELAXED))
		return;
	rt_lockword_unlock(state, sema);
}

void rt_lockword_unlock_slow(uint32_t *state, uint32_t *sema)
{
	uint32_t old = __atomic_sub_fetch(state, RT_MUTEX_LOCKED, __ATOMIC_RELEASE);

	if (old < RT_MUTEX_WAITER)
		return;
	if (old & RT_MUTEX_STARVING) {
		/* Newcomers do not take a starving lock, so it passes to the woken waiter in any case; go there at once. */
		if (rt_sem_release(sema, true) && rt_policy == NULL)
			rt_yield();
		return;
	}
	/* Nothing to do if there is no waiter, or somebody has been woken, has the lock, or owes the hand-off already. */
	while (old >= RT_MUTEX_WAITER && !(old & (RT_MUTEX_LOCKED | RT_MUTEX_WOKEN | RT_MUTEX_STARVING)))
		if (swap(state, &old, (old - RT_MUTEX_WAITER) | RT_MUTEX_WOKEN)) {
			rt_sem_release(sema, false);
			return;
		}
}

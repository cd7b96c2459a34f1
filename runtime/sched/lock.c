/* The spin lock of the runtime.
 *
 * Back-off of 16..256 pauses between looks: with single pauses the waiters' loads keep taking the line from the holder (several
 * times slower with two waiters already). After SPINS_MAX rounds the holder has probably lost its CPU: give it ours.
 *
 * rt_locks_held counts the locks this OS thread holds. The stopping signal (stop.c) leaves a thread alone while it is not zero. A
 * lock may be released on the other side of a switch, but always by the thread that took it. */
#include <sched.h>

#include "stop.h"

#include "../arch/arch.h"
#include "../g.h"
#include "../os/os.h"
#include "sched.h"

enum { PAUSES_MIN = 16, PAUSES_MAX = 256, SPINS_MAX = 50 };

__thread uint32_t rt_locks_held __attribute__((tls_model("initial-exec")));

void rt_lock_slow(struct rt_lock *l)
{
	unsigned pauses = PAUSES_MIN, rounds = 0;

	do {
		if (++rounds > SPINS_MAX) {
			if (atomic_load_explicit(&rt_world_ends, memory_order_relaxed) && (rt_m_self() != NULL || rt_os_tid() == rt_sysmon_tid()))
				rt_rest_for_ever();
			sched_yield();
		}
		for (unsigned i = 0; i < pauses; i++)
			rt_arch_pause();
		if (pauses < PAUSES_MAX)
			pauses *= 2;
	} while (atomic_load_explicit(&l->word, memory_order_relaxed) || atomic_exchange_explicit(&l->word, 1, memory_order_acquire));
}

bool rt_trylock(struct rt_lock *l)
{
	rt_critical_enter();
	if (!atomic_load_explicit(&l->word, memory_order_relaxed) && !atomic_exchange_explicit(&l->word, 1, memory_order_acquire))
		return true;
	rt_critical_leave();
	return false;
}

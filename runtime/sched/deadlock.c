/* Are all goroutines asleep for ever? Exact: no ready can be under way when the answer is yes.
 *
 * Asked with rt_sched.lock held, by a worker that has just gone idle, or by who stops being a source of wake-ups. Yes means: every
 * worker is idle (so every run queue of its own is empty), the global queue is empty, and nothing outside can act. Order matters:
 *   - a new thread counts as a worker before it stops counting as starting, and n_starting is raised under our lock: read first.
 *   - who turns timers or events into ready goroutines raises external_busy first, takes them, pushes them (which needs the lock
 *     we hold) or raises n_foreign_running, and lowers it last. We look at the heap and the poller first, at external_busy then, at
 *     n_foreign_running last: what had left the heap when we looked keeps external_busy up, or is counted.
 *   - a foreign thread's count is raised by its waker before it can act. A thread that never called us has no count: the process's
 *     threads are counted instead.
 * Whatever makes the answer no is lowered by somebody who asks again (rt_deadlock_check), with two exceptions that end unannounced: an
 * unknown thread's life (one that detaches from us is still listed by the kernel when it asks) and a stopped world. For these
 * recheck_ns is set, and the owner of the poller asks again after that time.
 * Timers that send on a channel nobody receives from wake nobody and do not count (Go's count). */
#include "../dump/dump.h"
#include "../net/poll.h"
#include "../os/os.h"
#include "../time/heap.h"
#include "fiber.h"
#include "sched.h"

static _Atomic int64_t recheck_ns = -1;

int64_t rt_deadlock_recheck_ns(void)
{
	return atomic_load_explicit(&recheck_ns, memory_order_relaxed);
}

int32_t rt_thread_ids(int32_t *tids, int32_t max)
{
	uint32_t n = atomic_load_explicit(&rt_sched.n_ms, memory_order_acquire);
	int32_t count = 0, sysmon = rt_sysmon_tid();

	for (uint32_t i = 0; i < n && count < max; i++) {
		struct rt_m *m = atomic_load_explicit(&rt_sched.ms[i], memory_order_acquire);
		if (m && m->tid)
			tids[count++] = m->tid;
	}
	if (sysmon && count < max)
		tids[count++] = sysmon;
	return count;
}

struct tids { int32_t n, id[2 * RT_MS_MAX]; };

static bool count_foreign(struct rt_m *m, void *arg)
{
	struct tids *ids = arg;

	ids->id[ids->n++] = m->tid;
	return ids->n < 2 * RT_MS_MAX;
}

/* libtsan has a thread of its own. */
static bool unknown_threads(void)
{
	static struct tids ids;                 /* guarded by rt_sched.lock */

	ids.n = rt_thread_ids(ids.id, RT_MS_MAX);
	rt_foreign_each(count_foreign, &ids);
	int unknown = rt_os_foreign_threads(ids.id, ids.n);
	return unknown > ((rt_fiber_tools & RT_FIBER_LIBTSAN) ? 1 : 0);
}

static int64_t goroutines_alive(void)
{
	int64_t alive = atomic_load(&rt_sched.n_past_started);
	uint32_t n = atomic_load(&rt_sched.n_ms);

	for (uint32_t i = 0; i < n; i++) {
		struct rt_m *m = atomic_load(&rt_sched.ms[i]);
		alive += m ? atomic_load(&m->n_started) - atomic_load(&m->n_ended) : 0;
	}
	return alive;
}

enum { RECHECK_MIN_NS = 10000000, RECHECK_MAX_NS = 1000000000 };

static bool all_idle(void)
{
	return atomic_load(&rt_sched.n_idle) + atomic_load(&rt_sched.n_pinned_waiting) == atomic_load(&rt_sched.n_workers);
}

static void recheck_later(void)
{
	int64_t next = atomic_load(&recheck_ns);

	atomic_store(&recheck_ns, next < 0 ? RECHECK_MIN_NS : next < RECHECK_MAX_NS ? next * 2 : next);
}

bool rt_is_deadlock_locked(void)
{
	bool starting = atomic_load(&rt_sched.n_starting) != 0;

	if (starting || !all_idle() || rt_sched.global.count || rt_any_queue_nonempty() || rt_poll_waiters() || rt_timers_can_act() ||
	    atomic_load(&rt_sched.external_busy) || atomic_load(&rt_sched.n_foreign_running) ||
	    /* only foreign threads use us, and all of them are gone or wait for each other: theirs to say */
	    (!atomic_load(&rt_sched.main_exited) && goroutines_alive() == 0)) {
		atomic_store(&recheck_ns, -1);
		return false;
	}
	if (atomic_load(&rt_sched.stop) || unknown_threads()) {
		recheck_later();
		return false;
	}
	/* A thread unknown when n_foreign_running was read may have attached before the threads were counted: it counted itself first, and
	 * cannot push while we hold the lock. */
	return atomic_load(&rt_sched.n_foreign_running) == 0;
}

void rt_deadlock_check(void)
{
	if (!all_idle())
		return;
	rt_lock(&rt_sched.lock);
	bool dead = !atomic_load(&rt_sched.dying) && rt_is_deadlock_locked();
	if (dead)
		atomic_store(&rt_sched.dying, true);
	bool again = atomic_load(&recheck_ns) >= 0;
	struct rt_m *poller = atomic_load(&rt_sched.poller);
	rt_unlock(&rt_sched.lock);
	if (dead)
		rt_deadlock();
	/* Who blocks in the poller does not know yet that he has to look again; who is about to block reads recheck_ns after he has become
	 * the owner. */
	if (again && poller && poller != rt_m_self())
		rt_poll_wake();
}

/* Everybody sleeps, and with `dying` nobody gets up: the world is stopped. */
void rt_deadlock(void)
{
	RT_EVENT(deadlock);
	rt_fatal_asleep(atomic_load(&rt_sched.main_exited) ? "no goroutines (main called runtime.Goexit) - deadlock!"
	                                                   : "all goroutines are asleep - deadlock!");
}

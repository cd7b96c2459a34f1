/* fork. The child has one thread, the one that forked; it keeps all goroutines that were not running elsewhere. Those that were are gone
 * with their threads: they stay RUNNING for ever in the child's eyes and are never resumed. The usual fork and exec is not
 * concerned.
 *
 * Held over the fork are all locks of the runtime that do not belong to an object of the program, so that what they guard is whole in the
 * child and free to be used there. In this order, which is the one they nest in elsewhere:
 *   stop      the world is not being stopped: the child has nobody who would start it again. Only tried for, between rests
 *   firing    no timer is between the heap and its goroutine's run queue; its functions take any of the locks below
 *   sched     the lists of workers and the global queue; the verdict on deadlock takes foreign and heap under it
 *   foreign   the list of attached threads
 *   semtable  every bucket, by index; parking arms a deadline (heap) under one
 *   heap      deadlines
 *   stacks    every size class, by index; nothing is taken under one
 *   M table   nothing is taken under it
 * A channel, context or descriptor that another thread was at work on at the fork stays locked in the child, as a pthread mutex would. */
#include <pthread.h>
#include <sched.h>

#include "../net/poll.h"
#include "../os/os.h"
#include "../sync/semtable.h"
#include "../time/heap.h"
#include "sched.h"
#include "stop.h"

static void before(void)
{
	RT_EVENT(fork, 0);
	while (!rt_stop_try_hold())
		sched_yield();
	rt_timers_hold_firing(true);
	rt_lock(&rt_sched.lock);
	rt_foreign_hold(true);
	rt_semtable_hold(true);
	rt_timers_hold(true);
	rt_stacks_hold(true);
	rt_ms_hold(true);
}

static void release_all(void)
{
	rt_ms_hold(false);
	rt_stacks_hold(false);
	rt_timers_hold(false);
	rt_semtable_hold(false);
	rt_foreign_hold(false);
	rt_unlock(&rt_sched.lock);
	rt_timers_hold_firing(false);
	rt_stop_release();
}

static void in_parent(void)
{
	release_all();
	RT_EVENT(fork, 1);
}

static void in_child(void)
{
	struct rt_m *m = rt_m_self();
	uint32_t n = atomic_load(&rt_sched.n_ms);
	struct rt_g *g;

	rt_sched.idle = NULL;
	atomic_store(&rt_sched.n_idle, 0);
	atomic_store(&rt_sched.n_spinning, 0);
	atomic_store(&rt_sched.n_starting, 0);
	atomic_store(&rt_sched.n_pinned_waiting, 0);
	atomic_store(&rt_sched.external_busy, 0);
	atomic_store(&rt_sysmon_busy, false);
	atomic_store(&rt_sched.poller, NULL);
	for (uint32_t i = 0; i < n; i++) {
		struct rt_m *other = atomic_load(&rt_sched.ms[i]);
		if (!other || other == m)
			continue;
		while ((g = rt_runq_take(&other->runq)))
			rt_gqueue_push(&rt_sched.global, g);
		atomic_fetch_add(&rt_sched.n_past_started, atomic_load(&other->n_started) - atomic_load(&other->n_ended));
		atomic_store(&rt_sched.ms[i], NULL);
	}
	atomic_store(&rt_sched.n_global, rt_sched.global.count);
	bool worker = m && !m->foreign;
	atomic_store(&rt_sched.n_running, worker ? 1 : 0);
	atomic_store(&rt_sched.n_workers, worker ? 1 : 0);
	atomic_store(&rt_sched.n_foreign_running, worker || !m ? 0 : 1);
	if (m) {
		atomic_fetch_and(&m->flags, ~(uint32_t)RT_M_STUCK);
		m->tid = rt_os_tid();
	}
	rt_foreign_forget_others_locked(m && m->foreign ? m : NULL);
	release_all();
	rt_poll_after_fork();
	RT_EVENT(fork, 2);
	if (rt_policy == NULL)
		rt_sysmon_start();
}

void rt_fork_init(void)
{
	pthread_atfork(before, in_parent, in_child);
}

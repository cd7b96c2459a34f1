/* fork. The child has one thread, the one that forked; it keeps all goroutines that were not running elsewhere. Those that were are gone
 * with their threads: they stay RUNNING for ever in the child's eyes and are never resumed. The usual fork and exec is not
 * concerned. Held over the fork: the scheduler's lock, so that its lists are whole in the child. */
#include <pthread.h>

#include "../net/poll.h"
#include "../os/os.h"
#include "sched.h"
#include "stop.h"

static void before(void)
{
	RT_EVENT(fork, 0);
	rt_lock(&rt_sched.lock);
}

static void in_parent(void)
{
	rt_unlock(&rt_sched.lock);
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
	atomic_store(&rt_sched.poller, NULL);
	for (uint32_t i = 0; i < n; i++) {
		struct rt_m *other = atomic_load(&rt_sched.ms[i]);
		if (!other || other == m)
			continue;
		while ((g = rt_runq_take(&other->runq)))
			rt_gqueue_push(&rt_sched.global, g);
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
	rt_unlock(&rt_sched.lock);
	rt_poll_after_fork();
	RT_EVENT(fork, 2);
	rt_sysmon_start();
}

void rt_fork_init(void)
{
	pthread_atfork(before, in_parent, in_child);
}

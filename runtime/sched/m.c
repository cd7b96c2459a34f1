/* Worker threads. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../os/os.h"
#include "sched.h"
#include "stop.h"

enum { WORKER_STACK_BYTES = 256 << 10 };

static struct rt_lock table_lock;

struct rt_m *rt_m_new(void)
{
	struct rt_m *m = aligned_alloc(64, (sizeof *m + 63) & ~(size_t)63);

	if (!m)
		return NULL;
	memset(m, 0, sizeof *m);
	rt_lock(&table_lock);
	uint32_t n = atomic_load(&rt_sched.n_ms);
	if (n < RT_MS_MAX) {
		m->rng = (uint64_t)rt_now_ns() * 2 + 0x9E3779B97F4A7C15ull * (n + 1);
		if (rt_policy)
			atomic_store(&m->flags, RT_M_POLICY);
		atomic_store_explicit(&rt_sched.ms[n], m, memory_order_release);
		atomic_store_explicit(&rt_sched.n_ms, n + 1, memory_order_release);
		if (atomic_load(&rt_sched.stop))
			atomic_fetch_or(&m->flags, RT_M_STOP);
	}
	rt_unlock(&table_lock);
	if (n == RT_MS_MAX) {
		free(m);
		return NULL;
	}
	return m;
}

void rt_ms_hold(bool hold)
{
	if (hold)
		rt_lock(&table_lock);
	else
		rt_unlock(&table_lock);
}

static void *worker_main(void *arg)
{
	struct rt_m *m = arg;

	rt_os_name_thread("csp-worker");
	rt_critical_enter();
	rt_m_tls = m;
	m->errno_at = &errno;
	m->tid = rt_os_tid();
	rt_os_thread_stack(&m->stack_lo, &m->stack_hi);
	rt_os_signal_stack();
	atomic_fetch_add(&rt_sched.n_workers, 1);
	atomic_fetch_sub(&rt_sched.n_starting, 1);
	rt_worker_loop(m);
}

/* Records of threads that could not be started; reused by the next attempt. */
static _Atomic(struct rt_m *) unused;

_Atomic int rt_m_refused;

bool rt_m_start_thread(void)
{
	struct rt_m *m = atomic_exchange(&unused, NULL);

	if (!m)
		m = rt_m_new();
	if (!m) {
		atomic_store(&rt_m_refused, ENOMEM);
		return false;
	}
	m->spinning = true;
	int err = rt_os_thread(worker_main, m, WORKER_STACK_BYTES);
	atomic_store(&rt_m_refused, err);
	if (err == 0)
		return true;
	m->spinning = false;
	atomic_store(&unused, m);
	return false;
}

/* csp_block: the goroutine keeps its thread and stack and gives up the worker's place, so that another worker may run meanwhile.
 * Nothing else is handed over: run queues are stealable. */
#include "sched.h"
#include "spawn.h"

void rt_block_enter(void)
{
	struct rt_g *g = rt_self();
	struct rt_m *m = rt_m_self();

	if (m->foreign)
		return;
	g->wait = RT_WAIT_BLOCK;
	atomic_store_explicit(&g->state, RT_G_SYSCALL, memory_order_relaxed);
	if (rt_policy)                  /* the only worker: all wait for the call */
		return;
	if (atomic_fetch_or(&m->flags, RT_M_STUCK) & RT_M_STUCK)
		return;
	atomic_fetch_sub(&rt_sched.n_running, 1);
	rt_give_away(m);
}

void rt_block_exit(void)
{
	struct rt_m *m = rt_m_self();

	if (m->foreign)
		return;
	m->g->wait = RT_WAIT_NONE;
	atomic_store_explicit(&m->g->state, RT_G_RUNNING, memory_order_relaxed);
	if (!(atomic_fetch_and(&m->flags, ~(uint32_t)RT_M_STUCK) & RT_M_STUCK))
		return;
	if (atomic_fetch_add(&rt_sched.n_running, 1) >= atomic_load(&rt_sched.maxprocs))
		rt_yield();             /* somebody took the place: queue for one */
}

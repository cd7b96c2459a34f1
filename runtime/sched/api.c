/* The small public functions about goroutines. */
#include <errno.h>

#include "../csp.h"
#include "sched.h"
#include "stop.h"

#undef errno

int *csp_errno_location(void)
{
	int *p = __errno_location();

	__asm__ volatile("" : "+r"(p) : : "memory");
	return p;
}

void csp_yield(void)
{
	rt_yield();
}

uint64_t csp_id(void)
{
	return rt_self()->view.id;
}

void csp_set_name(const char *name)
{
	struct rt_g *g = rt_self();
	size_t n = 0;

	for (; name && name[n] && n < sizeof g->name - 1; n++)
		g->name[n] = name[n];
	g->name[n] = 0;
	RT_EVENT(g_name, &g->view, g->name);
}

int csp_choose(int n)
{
	rt_self();
	return n > 1 ? (int)rt_choose(RT_CHOOSE_USER, (uint32_t)n) : 0;
}

int csp_maxprocs(int n)
{
	rt_self();
	rt_lock(&rt_sched.lock);
	int old = atomic_load(&rt_sched.maxprocs);
	if (n >= 1 && !rt_policy)
		atomic_store(&rt_sched.maxprocs, n > 1024 ? 1024 : n);
	rt_unlock(&rt_sched.lock);
	if (n > old)
		rt_wake_one();
	else if (n >= 1 && n < old)
		rt_yield();             /* perhaps this worker has no place any more */
	return old;
}

static bool count_g(struct rt_m *m, void *arg)
{
	*(int64_t *)arg += 1 + atomic_load(&m->n_started) - atomic_load(&m->n_ended);
	return true;
}

int csp_num_goroutines(void)
{
	int64_t n = atomic_load(&rt_sched.n_past_started);
	uint32_t ms;

	rt_self();
	ms = atomic_load(&rt_sched.n_ms);
	for (uint32_t i = 0; i < ms; i++) {
		struct rt_m *m = atomic_load(&rt_sched.ms[i]);
		if (m)
			n += atomic_load(&m->n_started) - atomic_load(&m->n_ended);
	}
	rt_foreign_each(count_g, &n);
	return (int)n;
}

/* A pinned goroutine is resumed by its own thread only: a worker that picks it hands it over (worker.c). */
void csp_lock_thread(void)
{
	struct rt_g *g = rt_self();
	struct rt_m *m = rt_m_self();

	if (g->foreign || g->lock_depth++ > 0)
		return;
	g->locked = true;
	if (rt_policy)                  /* there is only one thread to be pinned to */
		return;
	g->lock_m = m;
	m->locked_g = g;
	atomic_fetch_or(&m->flags, RT_M_LOCKED);
}

void csp_unlock_thread(void)
{
	struct rt_g *g = rt_self();
	struct rt_m *m = rt_m_self();

	if (g->foreign || g->lock_depth == 0 || --g->lock_depth > 0)
		return;
	g->locked = false;
	g->lock_m = NULL;
	m->locked_g = NULL;
	atomic_fetch_and(&m->flags, ~(uint32_t)RT_M_LOCKED);
}

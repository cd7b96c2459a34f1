/* Threads that are no workers. On its first call such a thread gets a stand-in worker with a goroutine of its own, which "runs" on it
 * until the thread ends; parking blocks the thread on a futex. What it readies or starts goes to the global queue.
 *
 * n_foreign_running counts those outside a park: each may still wake or start anything (deadlock.c). It is raised by the waker,
 * before the woken thread can act, so it never reads lower than the truth. */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "../dump/debug.h"
#include "../os/os.h"
#include "../time/heap.h"
#include "sched.h"
#include "spawn.h"

static struct rt_lock foreign_lock;
static struct rt_m *first;
struct rt_m *const *const rt_debug_foreign = &first;
static pthread_key_t key;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void detach(void *p)
{
	struct rt_m *m = p;

	RT_EVENT(g_foreign, &m->foreign_g.view, false);
	rt_lock(&foreign_lock);
	if (m->foreign_prev)
		m->foreign_prev->foreign_next = m->foreign_next;
	else
		first = m->foreign_next;
	if (m->foreign_next)
		m->foreign_next->foreign_prev = m->foreign_prev;
	rt_unlock(&foreign_lock);
	atomic_fetch_add(&rt_sched.n_past_started, atomic_load(&m->n_started) - atomic_load(&m->n_ended));
	while (m->stacks.first) {
		struct rt_g *g = m->stacks.first;
		m->stacks.first = g->sched_next;
		rt_stack_free(NULL, g);
	}
	rt_m_tls = NULL;
	atomic_fetch_sub_explicit(&rt_sched.n_foreign_running, 1, memory_order_seq_cst);
	rt_deadlock_check();
	free(m);
}

static void make_key(void)
{
	int err = pthread_key_create(&key, detach);

	if (err != 0)
		rt_refused("foreign thread: no key", err);
}

struct rt_m *rt_foreign_attach(void)
{
	struct rt_m *m = aligned_alloc(64, (sizeof *m + 63) & ~(size_t)63);
	struct rt_g *g;

	if (!m)
		rt_refused("foreign thread: out of memory", ENOMEM);
	memset(m, 0, sizeof *m);
	pthread_once(&once, make_key);
	g = &m->foreign_g;
	m->foreign = true;
	m->tid = rt_os_tid();
	m->rng = (uint64_t)rt_now_ns() | 1;
	m->g = g;
	g->foreign = true;
	g->m = m;
	rt_os_thread_stack(&g->view.stack_lo, &g->view.stack_hi);
	atomic_store(&g->state, RT_G_RUNNING);
	atomic_fetch_add_explicit(&rt_sched.n_foreign_running, 1, memory_order_seq_cst);
	if (rt_os_is_main_thread() && rt_main_g.view.id == 0) {
		rt_main_g.view.id = 1;          /* the number is main's, even if main came late */
		g->view.id = 1;
	} else {
		/* Single ids: a thread may never start a goroutine. */
		g->view.id = atomic_fetch_add_explicit(&rt_sched.next_id, 1, memory_order_relaxed);
	}
	rt_m_tls = m;
	int err = pthread_setspecific(key, m);
	if (err != 0)                   /* nobody would notice the thread's end */
		rt_refused("foreign thread: out of memory", err);
	rt_lock(&foreign_lock);
	m->foreign_next = first;
	if (first)
		first->foreign_prev = m;
	first = m;
	rt_unlock(&foreign_lock);
	RT_EVENT(g_go, NULL, &g->view, NULL);
	RT_EVENT(g_foreign, &g->view, true);
	RT_EVENT(g_switch, &g->view);
	return m;
}

/* The registers stay on the thread's own stack: nothing can resume it elsewhere, so commit runs at once. */
void rt_foreign_park(struct rt_m *m, bool (*commit)(struct rt_g *, void *), void *arg)
{
	struct rt_g *g = m->g;

	/* Whoever looks for pointers reads this thread's stack, not its registers: those that a caller keeps something in are saved here. */
	__builtin_unwind_init();
	atomic_store_explicit(&g->futex, 0, memory_order_relaxed);      /* published by the object's lock */
	rt_deadline_insert(g);
	if (!commit(g, arg) && rt_fire(g)) {
		atomic_store_explicit(&g->state, RT_G_RUNNING, memory_order_relaxed);
		return;
	}
	atomic_fetch_sub_explicit(&rt_sched.n_foreign_running, 1, memory_order_seq_cst);
	rt_deadlock_check();
	while (!atomic_load_explicit(&g->futex, memory_order_acquire))
		rt_os_futex_wait(&g->futex, 0, -1);
	if (atomic_load(&rt_sched.stop))        /* we counted as stopped until we were made ready */
		rt_stop_here(m);
	RT_EVENT(g_switch, &g->view);
}

void rt_foreign_each(bool (*visit)(struct rt_m *m, void *arg), void *arg)
{
	rt_lock(&foreign_lock);
	for (struct rt_m *m = first; m && visit(m, arg); m = m->foreign_next)
		;
	rt_unlock(&foreign_lock);
}

void rt_foreign_hold(bool hold)
{
	if (hold)
		rt_lock(&foreign_lock);
	else
		rt_unlock(&foreign_lock);
}

void rt_foreign_forget_others_locked(struct rt_m *self)
{
	first = self;
	if (self)
		self->foreign_next = self->foreign_prev = NULL;
}

/* Parking, readying, and the switch between goroutines.
 *
 * A goroutine must not be resumable before its registers are saved:
 *   goroutine g                  other side of the switch         waker
 *   enqueue w (holding ch->lock)
 *   switch away ───────────────▶ registers saved, g is WAITING
 *                                commit(): unlock ch ──────────▶ lock ch, dequeue w, g is RUNNABLE
 * If g unlocked on its own stack, a second worker could start it while the first still runs there. The other side is the next
 * goroutine if the worker has one at hand (a direct switch), else the scheduler's context.
 *
 * Between leaving one goroutine and arriving at the next, and all the time in the scheduler's context, the thread is in a critical
 * section (stop.h): the stopping signal then leaves it to the flag RT_M_STOP. */
#include <sched.h>

#include "../os/os.h"
#include "../time/heap.h"
#include "fiber.h"
#include "pick.h"
#include "sched.h"
#include "stop.h"

__thread struct rt_m *rt_m_tls __attribute__((tls_model("initial-exec")));

struct rt_g *rt_self_or_null(void)
{
	struct rt_m *m = rt_m_self();

	return m ? m->g : NULL;
}

static __attribute__((noinline)) struct rt_g *self_slow(void)
{
	struct rt_m *m = rt_m_self();

	if (!m) {
		rt_init();
		m = rt_m_self();
		if (!m)
			m = rt_foreign_attach();
	}
	if (!m->g)
		rt_throw("self: called on a scheduler's stack");
	return m->g;
}

struct rt_g *rt_self(void)
{
	struct rt_m *m = rt_m_self();

	if (__builtin_expect(m && m->g, 1))
		return m->g;
	return self_slow();
}

void rt_run_after(struct rt_m *m)
{
	bool (*after)(struct rt_g *, void *) = m->after;
	struct rt_g *g = m->after_g;

	if (!after)
		return;
	m->after = NULL;
	rt_deadline_insert(g);                  /* before commit: later g may be running again */
	if (!after(g, m->after_arg) && rt_fire(g)) {
		/* Not fired: neither a waker nor the deadline has readied it. */
		atomic_store_explicit(&g->state, RT_G_RUNNABLE, memory_order_relaxed);
		rt_enqueue(g);
	}
}

static inline __attribute__((always_inline)) void depart(struct rt_m *m, struct rt_g *from, struct rt_g *to, bool from_ends)
{
	if (from) {
		rt_critical_enter();
		from->m = NULL;
	}
	if (to) {
		atomic_store_explicit(&to->state, RT_G_RUNNING, memory_order_relaxed);
		to->m = m;
		RT_PROBE(goroutine_run, to->view.id);
	}
	__atomic_store_n(&m->g, to, __ATOMIC_RELAXED);
	RT_EVENT(g_switch, to ? &to->view : NULL);
	rt_fiber_leave(m, from, to, from_ends);
}

static inline __attribute__((always_inline)) void switch_to(struct rt_m *m, struct rt_g *from, struct rt_g *to, bool from_ends)
{
	depart(m, from, to, from_ends);
	m = rt_switch(from ? &from->sp : &m->sched_sp, to ? to->sp : m->sched_sp, m);
	rt_fiber_arrive(m, from);
	rt_run_after(m);
	if (from) {
		*m->errno_at = from->saved_errno;
		rt_critical_leave();
	}
}

struct rt_arrival rt_leave_for_good(struct rt_m *m, struct rt_g *from, struct rt_g *to)
{
	depart(m, from, to, true);
	return (struct rt_arrival){ to ? to->sp : m->sched_sp, m };
}

void rt_switch_to(struct rt_m *m, struct rt_g *from, struct rt_g *to, bool from_ends)
{
	switch_to(m, from, to, from_ends);
}

/* The next goroutine of this worker's own queue, or NULL if the scheduler should look around: nothing here, or it is time to poll
 * the global queue. After RT_RUNNEXT_BUDGET picks of runnext in a row the pair that keeps readying each other goes to the tail. */
struct rt_g *rt_pick_local(struct rt_m *m)
{
	uint32_t tick = atomic_load_explicit(&m->tick, memory_order_relaxed) + 1;
	struct rt_g *g;

	atomic_store_explicit(&m->tick, tick, memory_order_relaxed);
	if (tick % RT_GLOBAL_POLL_TICKS == 0)
		return NULL;
	if (atomic_load_explicit(&m->runq.runnext, memory_order_relaxed)) {
		g = rt_runnext_exchange(&m->runq, NULL);
		if (g && (++m->streak < RT_RUNNEXT_BUDGET || rt_runq_len(&m->runq) == 0 || !rt_runq_push(&m->runq, g)))
			return g;
	}
	m->streak = 0;
	return rt_runq_pop(&m->runq);
}

static struct rt_g *next_after_park(struct rt_m *m)
{
	uint32_t flags = atomic_load_explicit(&m->flags, memory_order_relaxed);

	if (flags)
		return flags == RT_M_POLICY ? rt_policy_next_direct(m) : NULL;
	struct rt_g *next = rt_pick_local(m);
	if (next && next->lock_m) {
		m->pending = next;
		return NULL;
	}
	return next;
}

static inline __attribute__((always_inline)) void leave(struct rt_m *m, struct rt_g *g, bool (*after)(struct rt_g *, void *), void *arg)
{
	g->saved_errno = *m->errno_at;
	m->after = after;
	m->after_g = g;
	m->after_arg = arg;
	switch_to(m, g, next_after_park(m), false);
}

void rt_leave_runnable(struct rt_m *m, struct rt_g *g, struct rt_g *to)
{
	g->saved_errno = *m->errno_at;
	switch_to(m, g, to, false);
}

void rt_park(bool (*commit)(struct rt_g *g, void *arg), void *arg)
{
	struct rt_m *m = rt_m_self();
	struct rt_g *g = m->g;

	if (rt_observer)
		g->since_ns = rt_now_ns();
	atomic_store_explicit(&g->state, RT_G_WAITING, memory_order_relaxed);
	RT_EVENT(g_park, &g->view);
	RT_PROBE(goroutine_park, g->view.id, g->wait);
	if (m->foreign)
		rt_foreign_park(m, commit, arg);
	else
		leave(m, g, commit, arg);
}

bool rt_commit_unlock(struct rt_g *g, void *lock)
{
	rt_unlock(lock);
	return true;
}

static bool commit_requeue(struct rt_g *g, void *arg)
{
	struct rt_m *m = rt_m_self();

	atomic_store_explicit(&g->state, RT_G_RUNNABLE, memory_order_relaxed);
	if (atomic_load_explicit(&m->flags, memory_order_relaxed) & RT_M_POLICY) {
		rt_policy_push_yielded(g);
	} else if (atomic_load_explicit(&m->flags, memory_order_relaxed) || !rt_runq_push(&m->runq, g)) {
		g->sched_next = NULL;
		rt_global_push(g);
		rt_wake_one();
	}
	return true;
}

void rt_yield(void)
{
	struct rt_m *m = rt_m_self();
	struct rt_g *g = rt_self();

	m = rt_m_self();
	if (m->foreign) {
		sched_yield();
		return;
	}
	if (!atomic_load_explicit(&m->flags, memory_order_relaxed) && !atomic_load_explicit(&m->runq.runnext, memory_order_relaxed) &&
	    rt_runq_len(&m->runq) == 0 && !atomic_load_explicit(&rt_sched.n_global, memory_order_relaxed)) {
		/* Nobody to yield to; but timers and descriptors want a look now and then. */
		uint32_t tick = atomic_load_explicit(&m->tick, memory_order_relaxed) + 1;
		if (tick % RT_GLOBAL_POLL_TICKS != 0) {
			atomic_store_explicit(&m->tick, tick, memory_order_relaxed);
			return;
		}
	}
	if (atomic_load_explicit(&m->flags, memory_order_relaxed) & RT_M_POLICY) {     /* it is runnable before the next one is chosen */
		commit_requeue(g, NULL);
		struct rt_g *next = rt_policy_next_direct(m);
		if (next == g)
			atomic_store_explicit(&g->state, RT_G_RUNNING, memory_order_relaxed);
		else
			rt_leave_runnable(m, g, next);
		return;
	}
	leave(m, g, commit_requeue, NULL);
}

static bool commit_return(struct rt_g *g, void *arg)
{
	struct rt_m *m = rt_m_self();

	if (atomic_load_explicit(&m->flags, memory_order_relaxed) || atomic_load_explicit(&m->runq.runnext, memory_order_relaxed))
		return commit_requeue(g, arg);
	atomic_store_explicit(&g->state, RT_G_RUNNABLE, memory_order_relaxed);
	atomic_store_explicit(&m->runq.runnext, g, memory_order_release);
	return true;
}

bool rt_yield_to_next(struct rt_m *m)
{
	if (atomic_load_explicit(&m->flags, memory_order_relaxed) || m->foreign || rt_runq_len(&m->runq) != 0 ||
	    !atomic_load_explicit(&m->runq.runnext, memory_order_relaxed))
		return false;
	leave(m, m->g, commit_return, NULL);
	return true;
}

/* The ring is full: half of it and g go to the global queue. */
static void overflow(struct rt_m *m, struct rt_g *g)
{
	struct rt_gqueue q = { 0 };

	for (int i = 0; i < RT_RUNQ_SIZE / 2; i++) {
		struct rt_g *old = rt_runq_pop_to_move(&m->runq);
		if (!old)
			break;
		rt_gqueue_push(&q, old);
	}
	rt_gqueue_push(&q, g);
	rt_global_push(q.first);
}

void rt_enqueue(struct rt_g *g)
{
	struct rt_m *m = rt_m_self();

	if (m && (atomic_load_explicit(&m->flags, memory_order_relaxed) & RT_M_POLICY) && !m->resting) {
		rt_policy_push(g);
		return;
	}
	if (!m || m->foreign || m->resting) {
		g->sched_next = NULL;
		rt_global_push(g);
		if (!m || !m->resting)
			rt_wake_one();
		return;
	}
	if (m->g) {
		/* Others only ever take from runnext: what its owner finds empty stays empty, and needs no locked instruction. */
		if (!atomic_load_explicit(&m->runq.runnext, memory_order_relaxed)) {
			atomic_store_explicit(&m->runq.runnext, g, memory_order_release);
			g = NULL;
		} else {
			g = rt_runnext_exchange(&m->runq, g);
		}
	}
	if (!g) {
		/* Nothing displaced: the caller will probably run it before another worker could. If it computes instead, sysmon must see that soon.
		 * No fence between the store and this look, so both may miss each other; then sysmon's next look finds it, one pause later (it never
		 * sleeps without end while a worker runs), which is dearer than a fence but rarer than a ready. tests/model/sysmon.pml. */
		if (__builtin_expect(atomic_load_explicit(&rt_sysmon_slow, memory_order_relaxed), 0))
			rt_sysmon_hurry();
		return;
	}
	if (!rt_runq_push(&m->runq, g))
		overflow(m, g);
	rt_wake_for(m);
}

void rt_ready(struct rt_g *g)
{
	struct rt_m *m = rt_m_self();

	RT_EVENT(g_ready, m && m->g && !m->foreign ? &m->g->view : NULL, &g->view);
	RT_PROBE(goroutine_ready, g->view.id);
	if (g->foreign) {
		atomic_fetch_add_explicit(&rt_sched.n_foreign_running, 1, memory_order_seq_cst);
		atomic_store_explicit(&g->state, RT_G_RUNNING, memory_order_relaxed);
		atomic_store_explicit(&g->futex, 1, memory_order_release);
		rt_os_futex_wake(&g->futex, 1);
		return;
	}
	atomic_store_explicit(&g->state, RT_G_RUNNABLE, memory_order_relaxed);
	rt_enqueue(g);
}

void rt_ready_list(struct rt_g *list)
{
	while (list) {
		struct rt_g *g = list;
		list = g->sched_next;
		__builtin_prefetch(list, 1);
		rt_ready(g);
	}
}

enum { CHAIN_LONG = 64 };       /* fewer are as well run by this worker, one after the other */

void rt_ready_chain(const struct rt_chain *c)
{
	if (c->n < CHAIN_LONG) {
		rt_ready_list(c->first);
		return;
	}
	rt_global_splice(c);
	rt_wake_one();
}

/* Birth and end of goroutines. */
#include "spawn.h"

#include <errno.h>
#include <pthread.h>

#include "../csp.h"
#include "fiber.h"
#include "pick.h"
#include "sched.h"
#include "stop.h"

enum {
	ID_BATCH = 16, STACK_BYTES_MIN = 16 << 10,
	START_BACKLOG = 128,            /* so many goroutines in the ring: who starts another yields first */
};

void (*rt_run_defers)(struct rt_g *g);

static uint64_t new_id(struct rt_m *m)
{
	if (m->next_id == m->last_id) {
		m->next_id = atomic_fetch_add_explicit(&rt_sched.next_id, ID_BATCH, memory_order_relaxed);
		m->last_id = m->next_id + ID_BATCH;
	}
	return m->next_id++;
}

void rt_g_init(struct rt_g *g, struct rt_g *parent, void *entry_pc, void *go_pc)
{
	g->view.id = new_id(rt_m_self());
	g->view.parent_id = parent ? parent->view.id : 0;
	g->view.entry_pc = entry_pc;
	g->view.go_pc = go_pc;
	if (__builtin_expect(rt_policy != NULL, 0))
		rt_policy_born(g, parent);
}

struct rt_g *rt_g_create(size_t stack_bytes, struct rt_g *parent, void *entry_pc, void *go_pc)
{
	struct rt_m *m = rt_m_self();

	if (stack_bytes && stack_bytes < STACK_BYTES_MIN)
		stack_bytes = STACK_BYTES_MIN;
	if (stack_bytes && rt_observer && stack_bytes < rt_stack_default_bytes())
		stack_bytes = rt_stack_default_bytes();
	rt_critical_enter();
	struct rt_g *g = rt_stack_alloc(&m->stacks, stack_bytes);
	if (g)
		rt_g_init(g, parent, entry_pc, go_pc);
	rt_critical_leave();
	return g;
}

void rt_g_discard(struct rt_g *g)
{
	rt_stack_free(NULL, g);
}

void *rt_g_reserve(struct rt_g *g, size_t bytes)
{
	g->stack_top = (void *)(((uintptr_t)g->stack_top - bytes) & ~(uintptr_t)15);
	return g->stack_top;
}

void rt_g_set_entry(struct rt_g *g, void (*start)(void *frame), void *frame)
{
	g->start = start;
	g->entry_frame = frame;
}

/* Who starts many lets them run now and then: their stacks are used again while they are in the cache, instead of one after the other
 * being touched for the first time. Who has lost its place (RT_M_STUCK) drops out here. Not where the caller holds a lock of ours, nor on
 * a pinned thread, nor under a policy. */
static bool wants_yield(struct rt_m *m)
{
	uint32_t flags = atomic_load_explicit(&m->flags, memory_order_relaxed);

	if (flags == 0 && rt_runq_len(&m->runq) < START_BACKLOG)
		return false;
	return (flags & ~(uint32_t)(RT_M_STUCK | RT_M_STOP)) == 0 && !m->foreign && rt_locks_held == 0;
}

void rt_g_start(struct rt_g *g)
{
	struct rt_m *m = rt_m_self();
	struct rt_g *self = m->g;

	RT_EVENT(g_go, self ? &self->view : NULL, &g->view, g->view.go_pc);
	RT_PROBE(goroutine_start, g->view.id, g->view.parent_id, g->view.entry_pc, g->view.go_pc);
	rt_fiber_create(g);
	g->sp = rt_arch_prepare(g->stack_top, rt_g_body, g);
	if (self)
		atomic_store_explicit(&m->n_started, atomic_load_explicit(&m->n_started, memory_order_relaxed) + 1, memory_order_relaxed);
	else                            /* a timer's function, perhaps on sysmon's thread */
		atomic_fetch_add_explicit(&rt_sched.n_past_started, 1, memory_order_relaxed);
	atomic_store_explicit(&g->state, RT_G_RUNNABLE, memory_order_relaxed);
	rt_enqueue(g);
	if (self && wants_yield(m))
		rt_yield();
}

static bool commit_end(struct rt_g *g, void *arg)
{
	struct rt_m *m = rt_m_self();

	atomic_store_explicit(&m->n_ended, atomic_load_explicit(&m->n_ended, memory_order_relaxed) + 1, memory_order_relaxed);
	rt_fiber_destroy(g);
	atomic_store_explicit(&g->state, RT_G_DEAD, memory_order_release);
	if (g->main_stack) {
		atomic_store(&rt_sched.main_exited, true);
		return true;
	}
	RT_EVENT(g_stack_free, g->view.stack_lo, g->view.stack_hi);
	rt_stack_free(&m->stacks, g);
	return true;
}

/* The last words of g, on its own stack. Returns who runs next, NULL for the scheduler. */
static struct rt_g *end(struct rt_m *m, struct rt_g *g)
{
	RT_EVENT(g_end, &g->view);
	RT_PROBE(goroutine_end, g->view.id);
	if (g->locked) {                /* the thread goes on as an ordinary worker */
		g->locked = false;
		g->lock_m = NULL;
		m->locked_g = NULL;
		atomic_fetch_and(&m->flags, ~(uint32_t)RT_M_LOCKED);
	}
	m->after = commit_end;
	m->after_g = g;
	m->after_arg = NULL;
	uint32_t flags = atomic_load_explicit(&m->flags, memory_order_relaxed);
	struct rt_g *next = flags == RT_M_POLICY ? rt_policy_next_direct(m) : flags ? NULL : rt_pick_local(m);
	if (next && next->lock_m) {
		m->pending = next;
		next = NULL;
	}
	return next;
}

/* From somewhere within g's calls. */
static _Noreturn void end_here(struct rt_g *g)
{
	struct rt_m *m = rt_m_self();

	rt_switch_to(m, g, end(m, g), true);
	rt_throw("end: a finished goroutine was resumed");
}

struct rt_arrival rt_g_body(struct rt_m *m, void *arg)
{
	struct rt_g *g = arg;

	rt_fiber_arrive(m, g);
	rt_run_after(m);
	rt_critical_leave();
	if (g->locked)
		csp_lock_thread();
	g->start(g->entry_frame);
	if (g->defers && rt_run_defers)
		rt_run_defers(g);
	if (rt_fiber_tools != 0)                /* instrumented code must not run after the last words to a sanitizer */
		end_here(g);
	m = rt_m_self();
	return rt_leave_for_good(m, g, end(m, g));
}

void csp_exit_goroutine(void)
{
	struct rt_g *g = rt_self();

	if (g->defers && rt_run_defers)
		rt_run_defers(g);
	if (g->foreign)
		pthread_exit(NULL);
	end_here(g);
}

struct go_call { void (*fn)(void *); void *arg; };

static void go_start(void *frame)
{
	struct go_call *call = frame;

	call->fn(call->arg);
}

int rt_go(void (*fn)(void *), void *arg, bool system, void *pc)
{
	if (!rt_m_self())
		rt_self();
	struct rt_g *g = rt_g_create(0, rt_self_or_null(), (void *)fn, pc);
	if (!g)
		return -ENOMEM;
	struct go_call *call = rt_g_reserve(g, sizeof *call);
	call->fn = fn;
	call->arg = arg;
	g->system = system;
	rt_g_set_entry(g, go_start, call);
	rt_g_start(g);
	return 0;
}

void rt_g_start_locked(struct rt_g *g)
{
	g->locked = true;               /* rt_g_body pins it */
}

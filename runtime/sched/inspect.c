/* The door the observer was handed: goroutines and objects as they are. See inspect.h. */
#include "inspect.h"

#include <ucontext.h>

#include "../chan/chan.h"
#include "../dump/dump.h"
#include "../dump/unwind.h"
#include "../net/poll.h"
#include "../os/os.h"
#include "../sync/info.h"
#include "../sync/semtable.h"
#include "../time/heap.h"
#include "pick.h"
#include "sched.h"
#include "walk.h"

const char *rt_wait_text(enum rt_wait wait)
{
	static const char *const text[RT_WAIT_N_] = {
		[RT_WAIT_NONE] = "", [RT_WAIT_CHAN_RECV] = "chan receive", [RT_WAIT_CHAN_SEND] = "chan send",
		[RT_WAIT_CHAN_RECV_NIL] = "chan receive (nil chan)", [RT_WAIT_CHAN_SEND_NIL] = "chan send (nil chan)",
		[RT_WAIT_SELECT] = "select", [RT_WAIT_SELECT_NO_CASES] = "select (no cases)", [RT_WAIT_SLEEP] = "sleep",
		[RT_WAIT_MUTEX] = "sync.Mutex.Lock", [RT_WAIT_RW_RLOCK] = "sync.RWMutex.RLock", [RT_WAIT_RW_LOCK] = "sync.RWMutex.Lock",
		[RT_WAIT_WAITGROUP] = "sync.WaitGroup.Wait", [RT_WAIT_COND] = "sync.Cond.Wait", [RT_WAIT_ONCE] = "sync.Once.Do",
		[RT_WAIT_SEMA] = "semacquire", [RT_WAIT_IO] = "IO wait", [RT_WAIT_BLOCK] = "syscall",
	};

	return (unsigned)wait < RT_WAIT_N_ ? text[wait] : "";
}

static void fill_context(const struct rt_g *g, struct rt_ginfo *out)
{
	ucontext_t *uc = g->m ? g->m->stop_context : NULL;

	if (uc) {                               /* stopped in user code: its registers are in the handler's frame */
#if defined(__x86_64__)
		out->sp = (uintptr_t)uc->uc_mcontext.gregs[REG_RSP];
		out->pc = (uintptr_t)uc->uc_mcontext.gregs[REG_RIP];
		out->bp = (uintptr_t)uc->uc_mcontext.gregs[REG_RBP];
		out->regs = (const uintptr_t *)uc->uc_mcontext.gregs;
		out->n_regs = NGREG;
#elif defined(__aarch64__)
		out->sp = uc->uc_mcontext.sp;
		out->pc = uc->uc_mcontext.pc;
		out->bp = uc->uc_mcontext.regs[29];
		out->regs = (const uintptr_t *)uc->uc_mcontext.regs;
		out->n_regs = 31;
#endif
	} else if (!g->foreign && out->state != RT_G_RUNNING && out->state != RT_G_SYSCALL && g->sp) {
		out->sp = (uintptr_t)g->sp;
		out->pc = rt_arch_saved_pc(g->sp);
		out->bp = rt_arch_saved_bp(g->sp);
	}
}

static bool info_of(struct rt_g *g, struct rt_ginfo *out)
{
	uint32_t state = atomic_load_explicit(&g->state, memory_order_acquire);

	if (state == RT_G_DEAD)
		return false;
	*out = (struct rt_ginfo){
		.g = &g->view, .id = g->view.id, .parent_id = g->view.parent_id, .name = g->name, .state = state,
		.wait = state == RT_G_WAITING || state == RT_G_SYSCALL ? g->wait : RT_WAIT_NONE,
		.since_ns = state == RT_G_WAITING ? g->since_ns : 0, .has_deadline = state == RT_G_WAITING && g->has_deadline,
		.system = g->system, .foreign = g->foreign, .locked = g->locked,
	};
	if (state == RT_G_WAITING)
		for (struct rt_waiter *w = g->waits; w; w = w->next_in_set) {
			if (out->n_waits < RT_INSPECT_WAITS)
				out->waits[out->n_waits] = (struct rt_wait_entry){ w->obj, w->kind, w->op };
			out->n_waits++;
		}
	/* In a plain system call, its place taken by another worker. */
	if (state == RT_G_RUNNING && g->m && (atomic_load_explicit(&g->m->flags, memory_order_relaxed) & RT_M_STUCK))
		out->state = RT_G_SYSCALL;
	fill_context(g, out);
	return true;
}

struct walk { bool (*visit)(const struct rt_ginfo *info, void *arg); void *arg; bool more; };

static bool walk_g(struct rt_g *g, void *arg)
{
	struct walk *w = arg;
	struct rt_ginfo info;

	if (w->more && info_of(g, &info))
		w->more = w->visit(&info, w->arg);
	return w->more;
}

static bool walk_foreign(struct rt_m *m, void *arg)
{
	return walk_g(&m->foreign_g, arg);
}

void rt_inspect_each(bool (*visit)(const struct rt_ginfo *info, void *arg), void *arg)
{
	struct walk w = { visit, arg, true };

	walk_g(&rt_main_g, &w);
	if (w.more)
		rt_stack_each(walk_g, &w);
	if (w.more)
		rt_foreign_each(walk_foreign, &w);
}

static bool g_info(struct rt_gview *g, struct rt_ginfo *out)
{
	return info_of((struct rt_g *)g, out);
}

struct find_timer { void *chan; int64_t when_ns; bool found; };

static void find_timer(const struct rt_timer *t, void *arg)
{
	struct find_timer *f = arg;

	if (t->chan == f->chan) {
		f->found = true;
		f->when_ns = t->when_ns;
	}
}

static void obj_info(enum rt_obj_kind kind, void *obj, struct rt_objinfo *out)
{
	struct rt_objinfo none = { .kind = kind };

	*out = none;
	if (kind == RT_OBJ_CHAN && obj) {
		rt_chan_info(obj, out);
		out->kind = kind;
		if (((struct csp_chan *)obj)->timer) {
			struct find_timer f = { obj, 0, false };
			rt_timers_each(find_timer, &f);
			out->is_timer_chan = f.found;
			out->timer_when_ns = f.when_ns;
		}
	} else if (kind != RT_OBJ_CHAN) {
		rt_sync_info(kind, obj, out);
		out->kind = kind;
	}
}

static void count_timer(const struct rt_timer *t, void *arg)
{
	struct rt_sources *out = arg;

	if (t->chan)
		out->timer_chans_awaited += rt_timer_chan_awaited && rt_timer_chan_awaited(t->chan);
	else if (!t->sleeper)
		out->timer_funcs++;
}

static bool count_g(const struct rt_ginfo *info, void *arg)
{
	struct rt_sources *out = arg;

	out->runnable += info->state == RT_G_RUNNABLE;
	out->running += info->state == RT_G_RUNNING && !info->foreign;
	out->syscall += info->state == RT_G_SYSCALL;
	out->sleepers += info->has_deadline;
	out->pollers += info->wait == RT_WAIT_IO;
	out->foreign += info->foreign && info->state == RT_G_RUNNING;
	return true;
}

static void sources(struct rt_sources *out)
{
	*out = (struct rt_sources){ 0 };
	rt_inspect_each(count_g, out);
	rt_timers_each(count_timer, out);
}

static size_t g_stack(struct rt_gview *view, void **pcs, size_t max)
{
	struct rt_g *g = (struct rt_g *)view;

	if (g->m && g->m->stop_context)
		return rt_unwind_context(g->m->stop_context, pcs, max);
	return g->foreign || !g->sp ? 0 : rt_unwind_parked(g, pcs, max);
}

static int32_t threads_starting(void) { return atomic_load(&rt_sched.n_starting); }

static struct rt_gview *self(void)
{
	struct rt_g *g = rt_self_or_null();

	return g ? &g->view : NULL;
}

static void own_ranges(void (*visit)(uintptr_t lo, uintptr_t hi, void *arg), void *arg)
{
	uintptr_t lo, hi;
	uint32_t n = atomic_load(&rt_sched.n_ms);

	rt_stack_ranges(visit, arg);
	rt_os_service_stacks(visit, arg);
	rt_timers_range(&lo, &hi);
	if (lo)
		visit(lo, hi, arg);
	rt_poll_range(&lo, &hi);
	if (lo)
		visit(lo, hi, arg);
	rt_semtable_range(&lo, &hi);
	visit(lo, hi, arg);
	rt_policy_ranges(visit, arg);
	visit((uintptr_t)&rt_sched, (uintptr_t)(&rt_sched + 1), arg);
	visit((uintptr_t)&rt_main_g, (uintptr_t)(&rt_main_g + 1), arg);
	for (uint32_t i = 0; i < n; i++) {
		struct rt_m *m = atomic_load(&rt_sched.ms[i]);
		if (m) {
			visit((uintptr_t)m, (uintptr_t)(m + 1), arg);
			if (m->stack_lo)
				visit(m->stack_lo, m->stack_hi, arg);
		}
	}
}

struct roots { void (*visit)(void *fn, void *arg_of_fn, void *arg); void *arg; };

static void root_of(const struct rt_timer *t, void *arg)
{
	struct roots *r = arg;

	if (t->is_func)
		r->visit(t->func, t->func_arg, r->arg);
	else if (!t->sleeper && !t->chan)
		r->visit((void *)t->fire, t->arg, r->arg);
}

static void timer_roots(void (*visit)(void *fn, void *arg_of_fn, void *arg), void *arg)
{
	struct roots r = { visit, arg };

	rt_timers_each(root_of, &r);
}

static void fatal(const char *text)
{
	rt_fatal_told(text);
}

struct rt_door rt_the_door = {
	.abi = RT_EVENT_ABI, .world_stop = rt_world_stop, .world_start = rt_world_start, .g_each = rt_inspect_each, .g_info = g_info, .obj_info = obj_info,
	.sources = sources, .g_stack = g_stack, .self = self, .fatal = fatal, .wait_text = rt_wait_text, .own_ranges = own_ranges,
	.timer_roots = timer_roots, .thread_ids = rt_thread_ids, .threads_starting = threads_starting, .now_ns = rt_now_ns,
	.policy_set = rt_policy_set, .point = rt_point,
};

/* The door the observer was handed: goroutines and objects as they are. See inspect.h. */
#include "inspect.h"

#include <string.h>
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

/* The kernel says in its own words behind the legacy area how much it saved beyond. */
static void fill_signal_frame(const ucontext_t *uc, struct rt_ginfo *out)
{
	uintptr_t alt_lo = (uintptr_t)uc->uc_stack.ss_sp, alt_hi = alt_lo + uc->uc_stack.ss_size;

#if defined(__x86_64__)
	enum { LEGACY_BYTES = 512, MAGIC_AT = 464, SIZE_AT = 480, RED_ZONE = 128 };
	const char *fp = (const char *)uc->uc_mcontext.fpregs;
	uint32_t magic, bytes;
	if (fp) {
		memcpy(&magic, fp + MAGIC_AT, sizeof magic);
		memcpy(&bytes, fp + SIZE_AT, sizeof bytes);
		out->vector_lo = (uintptr_t)fp;
		out->vector_hi = (uintptr_t)fp + (magic == 0x46505853u && bytes > LEGACY_BYTES ? bytes : LEGACY_BYTES);
	}
#elif defined(__aarch64__)
	enum { RED_ZONE = 0 };
	out->vector_lo = (uintptr_t)uc->uc_mcontext.__reserved;
	out->vector_hi = out->vector_lo + sizeof uc->uc_mcontext.__reserved;
#endif
	if (out->sp > alt_lo && out->sp < alt_hi) {
		out->handler_lo = out->sp - RED_ZONE;
		out->handler_hi = alt_hi;
	}
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
		fill_signal_frame(uc, out);
	} else if (!g->foreign && out->state != RT_G_RUNNING && out->state != RT_G_SYSCALL && g->sp) {
		out->sp = (uintptr_t)g->sp;
		out->pc = rt_arch_saved_pc(g->sp);
		out->bp = rt_arch_saved_bp(g->sp);
	}
}

static struct rt_wait_entry entry_of(const struct rt_waiter *w)
{
	return (struct rt_wait_entry){ w->obj, w->kind == RT_OBJ_COND ? w->elem : NULL, w->kind, w->op };
}

static uint32_t g_waits(struct rt_gview *view, struct rt_wait_entry *out, uint32_t max)
{
	const struct rt_g *g = (const struct rt_g *)view;
	uint32_t n = 0;

	for (const struct rt_waiter *w = g->waits; w && n < max; w = w->next_in_set)
		out[n++] = entry_of(w);
	return n;
}

/* Between taking a waiter out of its queue and rt_ready a waker holds no lock, so the world may be stopped there. Its object may have been the
 * last thing the waker knew of it: whoever is in a waker's hand is as good as runnable. */
static bool is_being_readied(const struct rt_g *g)
{
	for (const struct rt_waiter *w = g->waits; w; w = w->next_in_set)
		if (!w->queued && w->kind != RT_OBJ_FD)
			return true;
	return false;
}

static bool info_of(struct rt_g *g, struct rt_ginfo *out)
{
	uint32_t state = atomic_load_explicit(&g->state, memory_order_acquire);

	if (state == RT_G_DEAD)
		return false;
	if (state == RT_G_WAITING && g->waits && is_being_readied(g))
		state = RT_G_RUNNABLE;
	if (state == RT_G_WAITING && g->m && g->m->stop_context)
		state = RT_G_RUNNING;           /* caught on its way into a park without a lock */
	/* Field by field: the array of waits is large, and a walk may see a million goroutines. */
	out->g = &g->view;
	out->id = g->view.id;
	out->parent_id = g->view.parent_id;
	out->name = g->name;
	out->state = state;
	out->wait = state == RT_G_WAITING || state == RT_G_SYSCALL ? g->wait : RT_WAIT_NONE;
	out->since_ns = state == RT_G_WAITING ? g->since_ns : 0;
	out->has_deadline = state == RT_G_WAITING && g->has_deadline;
	out->system = g->system;
	out->foreign = g->foreign;
	out->locked = g->locked;
	out->n_waits = out->n_regs = 0;
	out->sp = out->pc = out->bp = 0;
	out->regs = NULL;
	out->vector_lo = out->vector_hi = out->handler_lo = out->handler_hi = 0;
	if (state == RT_G_WAITING)
		for (struct rt_waiter *w = g->waits; w; w = w->next_in_set) {
			if (out->n_waits < RT_INSPECT_WAITS)
				out->waits[out->n_waits] = entry_of(w);
			out->n_waits++;
		}
	/* In a plain system call, its place taken by another worker. */
	if (state == RT_G_RUNNING && g->m && (atomic_load_explicit(&g->m->flags, memory_order_relaxed) & RT_M_STUCK))
		out->state = RT_G_SYSCALL;
	fill_context(g, out);
	return true;
}

/* Control blocks lie a stack apart: each costs several cache misses and a page walk, and so does its waiter. They are fetched a batch at a
 * time, so that the misses overlap. */
enum { WALK_BATCH = 32, LINE = 64 };

struct walk {
	bool (*visit)(const struct rt_ginfo *info, void *arg); void *arg; bool more;
	struct rt_g *batch[WALK_BATCH];
	uint32_t n;
};

static void visit_batch(struct walk *w)
{
	struct rt_ginfo info;

	for (uint32_t i = 0; i < w->n; i++)
		__builtin_prefetch(w->batch[i]->waits);
	for (uint32_t i = 0; i < w->n && w->more; i++)
		if (info_of(w->batch[i], &info))
			w->more = w->visit(&info, w->arg);
	w->n = 0;
}

static bool walk_g(struct rt_g *g, void *arg)
{
	struct walk *w = arg;

	for (size_t at = 0; at < sizeof *g; at += LINE)
		__builtin_prefetch((const char *)g + at);
	w->batch[w->n++] = g;
	if (w->n == WALK_BATCH)
		visit_batch(w);
	return w->more;
}

static bool walk_foreign(struct rt_m *m, void *arg)
{
	walk_g(&m->foreign_g, arg);
	visit_batch(arg);                       /* while its list is locked: it cannot end before */
	return ((struct walk *)arg)->more;
}

void rt_inspect_each(bool (*visit)(const struct rt_ginfo *info, void *arg), void *arg)
{
	struct walk w = { .visit = visit, .arg = arg, .more = true };

	walk_g(&rt_main_g, &w);
	if (w.more)
		rt_stack_each(walk_g, &w);
	visit_batch(&w);
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

struct chans { void (*visit)(void *chan, void *arg); void *arg; };

static void chan_of(const struct rt_timer *t, void *arg)
{
	struct chans *c = arg;

	if (t->chan)
		c->visit(t->chan, c->arg);
}

static void timer_chans(void (*visit)(void *chan, void *arg), void *arg)
{
	struct chans c = { visit, arg };

	rt_timers_each(chan_of, &c);
}

static void fatal(const char *text)
{
	rt_fatal_told(text);
}

struct rt_door rt_the_door = {
	.abi = RT_EVENT_ABI, .world_stop = rt_world_stop, .world_start = rt_world_start, .g_each = rt_inspect_each, .g_info = g_info, .obj_info = obj_info,
	.sources = sources, .g_stack = g_stack, .self = self, .fatal = fatal, .wait_text = rt_wait_text, .own_ranges = own_ranges,
	.timer_roots = timer_roots, .timer_chans = timer_chans, .g_waits = g_waits, .thread_ids = rt_thread_ids, .threads_starting = threads_starting,
	.now_ns = rt_now_ns, .policy_set = rt_policy_set, .point = rt_point,
};

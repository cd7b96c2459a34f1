/* Goroutines and threads: who acts on this thread, go → first action, ends, stacks.
 *
 * view->det holds the det_g. Goroutine 1 takes over the state of the thread that initialised the runtime, and an attached foreign
 * thread keeps its own, so what they did before is ordered before what they do as goroutines. */
#include <elf.h>
#include <link.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../order/must.h"
#include "../report/loss.h"
#include "../shadow/access.h"
#include "../shadow/arena.h"
#include "../shadow/context.h"
#include "../shadow/self.h"
#include "goroutines.h"
#include "hb.h"
#include "hbcore.h"
#include "syncmap.h"

static _Atomic uint64_t n_started, n_ended;
const struct rt_door *det_door;

void det_hb_attach(const struct rt_door *door)
{
	det_init();
	det_door = door;
}

static void set_gid(struct det_g *d, struct rt_gview *view)
{
	d->view = view;
	d->stack_lo = view->stack_lo;
	d->stack_hi = view->stack_hi;
	det_row_rename(d->row, view->id);
}

struct det_g *det_of(struct rt_gview *g)
{
	struct det_g *d;

	if (!g)
		return NULL;
	d = g->det;
	if (__builtin_expect(d != NULL, 1) || !atomic_load_explicit(&det_on, memory_order_relaxed))
		return d;
	d = det_g_create(g->id, NULL);  /* it ran before the detector was attached */
	if (d) {
		set_gid(d, g);
		g->det = d;
	}
	return d;
}

void det_hb_g_go(struct rt_gview *parent, struct rt_gview *child, void *pc)
{
	struct det_g *p = parent ? det_of(parent) : det_me(), *c;
	struct det_snap known;
	struct det_row *row;
	uint32_t ctx;

	if (!p)
		return;
	atomic_fetch_add_explicit(&n_started, 1, memory_order_relaxed);
	if (!parent && child->id == 1) {
		set_gid(p, child);
		child->det = p;
		if (det_thread.own == p)
			det_thread.own = NULL;
		return;
	}
	ctx = det_ctx_here(pc);
	if (!det_enter())
		return;
	c = det_g_create(child->id, p);
	if (c) {
		set_gid(c, child);
		row = det_row_of(c);
		row->entry_pc = (uintptr_t)child->entry_pc;
		row->go_pc = (uintptr_t)pc;
		row->created_ctx = ctx;
		det_release(p, &known);
		det_acquire(c, &known);
		det_snap_drop(&known);
		det_must_release(p, &known);
		det_must_acquire(c, &known);
		det_snap_drop(&known);
		child->det = c;
	}
	det_leave();
}

void det_hb_g_switch(struct rt_gview *to)
{
	det_self = to ? det_of(to) : NULL;
}

void det_hb_g_end(struct rt_gview *g)
{
	struct det_g *d = g->det;

	if (!d)
		return;
	atomic_fetch_add_explicit(&n_ended, 1, memory_order_relaxed);
	g->det = NULL;
	if (det_self == d)
		det_self = NULL;
	if (det_thread.own == d)
		det_thread.own = NULL;
	if (!det_enter())
		return;
	det_g_finish(d);
	det_leave();
}

void det_hb_g_stack_free(uintptr_t lo, uintptr_t hi)
{
	det_memory_reset(lo, hi - lo);
}

void det_hb_g_foreign(struct rt_gview *g, bool attached)
{
	struct det_g *d;

	if (!attached) {
		g->det = NULL;
		return;
	}
	d = det_me();
	if (!d)
		return;
	atomic_fetch_add_explicit(&n_started, 1, memory_order_relaxed);
	set_gid(d, g);
	g->det = d;
}

void det_hb_g_name(struct rt_gview *g, const char *name)
{
	struct det_g *d = det_of(g);
	struct det_row *row;
	unsigned i;

	if (!d)
		return;
	row = det_row_of(d);
	for (i = 0; name && name[i] && i + 1 < sizeof(row->name); i++)
		row->name[i] = name[i];
	row->name[i] = '\0';
}

void det_hb_ignore(struct rt_gview *g, bool begin)
{
	struct det_g *d = det_of(g);

	if (!d)
		return;
	if (begin)
		d->ignore++;
	else if (d->ignore)
		d->ignore--;
}

void det_hb_fork(int phase)
{
	if (phase == 2)
		det_after_fork();
}

void det_memory_reset(uintptr_t addr, size_t bytes)
{
	if (!atomic_load_explicit(&det_on, memory_order_relaxed) || !det_enter())
		return;
	det_forget(addr, bytes);
	det_sync_forget(addr, bytes);
	det_leave();
}

/* --- threads outside goroutines --- */

struct tls_search { uintptr_t fs, lo; };

static int on_module(struct dl_phdr_info *info, size_t size, void *arg)
{
	struct tls_search *s = arg;
	uintptr_t at = (uintptr_t)info->dlpi_tls_data;

	if (at && at < s->fs && s->fs - at < (1u << 20) && at < s->lo)
		s->lo = at;
	return 0;
}

struct det_g *det_thread_create(void)
{
	struct tls_search tls = { (uintptr_t)pthread_self(), (uintptr_t)pthread_self() };
	long tid = syscall(SYS_gettid);
	uint64_t gid = tid == (long)getpid() ? 1 : DET_GID_THREAD | (uint64_t)tid;
	struct det_g *d;

	dl_iterate_phdr(on_module, &tls);
	det_thread.tls_lo = tls.lo;
	det_thread.tls_hi = tls.fs + 4096;      /* the C library's own part of it, errno included, lies above */
	det_thread.tls_known = true;
	if (!det_enter())
		return NULL;
	if (gid == 1 && det_row_of_gid(1))
		gid = DET_GID_THREAD | (uint64_t)tid;   /* goroutine 1 has left this thread to the scheduler */
	d = det_g_create(gid, NULL);
	det_leave();
	return d;
}

/* --- look-up --- */

bool det_goroutine_lookup(uint64_t gid, struct det_goroutine *out, struct det_stack *created)
{
	const struct det_row *row = atomic_load(&det_on) ? det_row_of_gid(gid) : NULL;

	*out = (struct det_goroutine){ .gid = gid, .name = "", .state = "running", .blocked_ns = -1 };
	created->n = 0;
	created->exact0 = false;
	if (!row)
		return false;
	out->parent_gid = row->parent_gid;
	out->name = row->name;
	out->entry_pc = row->entry_pc;
	out->state = atomic_load_explicit(&row->finished, memory_order_relaxed) ? "finished" : "running";
	if (row->created_ctx) {
		det_ctx_expand(row->created_ctx, created);
		out->created_at = created;
	}
	return true;
}

uintptr_t det_goroutine_go_pc(uint64_t gid)
{
	const struct det_row *row = atomic_load(&det_on) ? det_row_of_gid(gid) : NULL;

	return row ? row->go_pc : 0;
}

void det_goroutine_counts(uint64_t *started, uint64_t *ended)
{
	*started = atomic_load(&n_started);
	*ended = atomic_load(&n_ended);
}

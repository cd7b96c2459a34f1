/* Storage of det_g and of the rows that outlive them, and the two primitives of order: release and acquire.
 *
 * det_g records and shadow stacks are used again; slots, rows and goroutine ids are not. */
#include "self.h"

#include "../order/must.h"
#include "../report/loss.h"
#include "arena.h"
#include "access.h"

#define G_MAX    (1u << 21)                     /* alive at the same time */
#define ROWS_MAX (1u << 30)

_Thread_local struct det_g *det_self;
_Thread_local struct det_thread det_thread;
_Atomic bool det_on;
bool det_races_off;

static struct det_pool gs, rows, stacks;
static uint32_t *row_of_slot;                   /* by slot */
static uint32_t *row_of_gid;                    /* by gid, for ids of the runtime */
static _Atomic uint32_t next_slot = 1;

bool det_self_init(void)
{
	row_of_slot = det_reserve((size_t)UINT32_MAX * sizeof(*row_of_slot));
	row_of_gid = det_reserve((size_t)UINT32_MAX * sizeof(*row_of_gid));
	return row_of_slot && row_of_gid && det_pool_init(&gs, sizeof(struct det_g), G_MAX, "goroutine records") &&
	       det_pool_init(&rows, sizeof(struct det_row), ROWS_MAX, "goroutine rows") &&
	       det_pool_init(&stacks, DET_FRAMES * sizeof(struct det_frame), G_MAX, "shadow stacks");
}

struct det_row *det_row_at(uint32_t row) { return det_pool_at(&rows, row); }
struct det_row *det_row_of_slot(uint32_t slot) { return det_row_at(row_of_slot[slot]); }
uint32_t det_rows(void) { return atomic_load(&rows.next); }

struct det_row *det_row_of_gid(uint64_t gid)
{
	if (gid < UINT32_MAX)
		return row_of_gid[gid] ? det_row_at(row_of_gid[gid]) : NULL;
	for (uint32_t i = 1; i < det_rows(); i++)
		if (det_row_at(i)->gid == gid)
			return det_row_at(i);
	return NULL;
}

void det_row_rename(uint32_t row, uint64_t gid)
{
	det_row_at(row)->gid = gid;
	if (gid < UINT32_MAX)
		row_of_gid[gid] = row;
}

static uint32_t new_slot(uint32_t row)
{
	uint32_t slot = atomic_fetch_add_explicit(&next_slot, 1, memory_order_relaxed);

	row_of_slot[slot] = row;
	return slot;
}

struct det_g *det_g_create(uint64_t gid, const struct det_g *parent)
{
	uint32_t index = det_pool_get(&gs), row = det_pool_get(&rows), stack = det_pool_get(&stacks);
	struct det_g *g;

	if (!index || !row || !stack)
		return NULL;
	g = det_pool_at(&gs, index);
	det_zero(g, sizeof(*g));
	g->next_free = index;
	g->row = row;
	g->stack_index = stack;
	g->frames = det_pool_at(&stacks, stack);
	g->sp = g->frames;
	g->epoch = (det_epoch){ new_slot(row), 1 };
	g->dirty = true;
	g->ignore = det_races_off;      /* one level that nothing ends */
	det_zero(det_row_at(row), sizeof(struct det_row));
	det_row_at(row)->gid = gid;
	det_row_at(row)->parent_gid = parent ? det_row_of(parent)->gid : 0;
	if (gid < UINT32_MAX)
		row_of_gid[gid] = row;
	return g;
}

uint64_t det_stack_owner(uintptr_t addr)
{
	uint32_t n = atomic_load(&gs.next);

	for (uint32_t i = 1; i < n; i++) {
		const struct det_g *g = det_pool_at(&gs, i);

		if (addr >= g->stack_lo && addr < g->stack_hi)
			return det_row_of(g)->gid;
	}
	return 0;
}

void det_g_finish(struct det_g *g)
{
	g->stack_lo = g->stack_hi = 0;
	atomic_store_explicit(&det_row_of(g)->finished, 1, memory_order_relaxed);
	det_clock_drop(&g->clock);
	det_snap_drop(&g->pending_acquire);
	det_snap_drop(&g->release_fence);
	det_snap_drop(&g->must_pending_acquire);
	det_snap_drop(&g->must_release_fence);
	det_must_end(g);
	det_pool_put(&stacks, g->stack_index);
	det_pool_put(&gs, g->next_free);
}

struct det_g *det_self_slow(void)
{
	if (!atomic_load_explicit(&det_on, memory_order_relaxed))
		return NULL;
	if (!det_thread.own)
		det_thread.own = det_thread_create();
	det_self = det_thread.own;
	return det_self;
}

/* A time that would overflow: the goroutine continues under a new slot that has seen the whole of the old one. */
static void next_epoch(struct det_g *g)
{
	if (g->epoch.time == DET_TIME_MAX) {
		det_clock_set(&g->clock, g->epoch);
		g->epoch = (det_epoch){ new_slot(g->row), 0 };
	}
	g->epoch.time++;
	g->span_len = 0;
	g->dirty = false;
	for (unsigned i = 0; i < 16; i++)
		g->recent[i].id = 0;
}

void det_release(struct det_g *g, struct det_snap *out)
{
	/* Nothing accessed or acquired since the last release: that one's snapshot says it all. (Its time may lie in the old slot after
	 * an overflow, then time is 1 and the clock holds the rest.) */
	det_epoch e = g->epoch;

	if (!g->dirty && e.time > 1)
		e.time--;
	*out = (struct det_snap){ .clock = det_clock_ref(g->clock), .own = e, .pure = true };
	if (g->dirty || g->epoch.time == 1)
		next_epoch(g);
}

void det_release_store(struct det_g *g, struct det_snap *s)
{
	struct det_snap now;

	det_release(g, &now);
	det_snap_drop(s);
	*s = now;
}

void det_release_join(struct det_g *g, struct det_snap *s)
{
	struct det_snap now;

	det_release(g, &now);
	det_snap_join(s, &now);
	det_snap_drop(&now);
}

void det_acquire(struct det_g *g, const struct det_snap *s)
{
	if (det_snap_empty(s))
		return;
	if (s->pure && det_knows(g, s->own))
		return;
	if (det_clock_join(&g->clock, s->clock))
		g->dirty = true;
	if (s->own.slot != g->epoch.slot && det_clock_get(g->clock, s->own.slot) < s->own.time) {
		det_clock_set(&g->clock, s->own);
		g->dirty = true;
	}
}

/* The second clock: the same rules as shadow/self.c, with slots of its own, drawn at a goroutine's first event. */
#include "must.h"

_Atomic bool det_must_on_flag;
static _Atomic uint32_t next_slot = 1;

static uint32_t new_slot(void) { return atomic_fetch_add_explicit(&next_slot, 1, memory_order_relaxed); }

static void begin(struct det_must *m)
{
	if (m->epoch.slot == 0)
		m->epoch = (det_epoch){ new_slot(), 1 };
}

det_epoch det_must_event(struct det_g *g)
{
	begin(&g->must);
	g->must.dirty = true;
	return g->must.epoch;
}

static void next_epoch(struct det_must *m)
{
	if (m->epoch.time == DET_TIME_MAX) {
		det_clock_set(&m->clock, m->epoch);
		m->epoch = (det_epoch){ new_slot(), 0 };
	}
	m->epoch.time++;
	m->dirty = false;
}

void det_must_release(struct det_g *g, struct det_snap *out)
{
	struct det_must *m = &g->must;

	*out = (struct det_snap){ 0 };
	if (!det_must_on())
		return;
	begin(m);
	m->n_out++;
	if (!m->dirty && m->epoch.time > 1) {   /* nothing happened since the last release */
		*out = (struct det_snap){ .clock = det_clock_ref(m->clock), .own = { m->epoch.slot, m->epoch.time - 1 }, .pure = true };
		return;
	}
	*out = (struct det_snap){ .clock = det_clock_ref(m->clock), .own = m->epoch, .pure = true };
	next_epoch(m);
}

void det_must_release_store(struct det_g *g, struct det_snap *s)
{
	struct det_snap now;

	if (!det_must_on())
		return;
	det_must_release(g, &now);
	det_snap_drop(s);
	*s = now;
}

void det_must_release_join(struct det_g *g, struct det_snap *s)
{
	struct det_snap now;

	if (!det_must_on())
		return;
	det_must_release(g, &now);
	det_snap_join(s, &now);
	det_snap_drop(&now);
}

void det_must_acquire(struct det_g *g, const struct det_snap *s)
{
	struct det_must *m = &g->must;

	if (det_snap_empty(s))
		return;
	begin(m);
	m->n_in++;
	if (s->pure && det_must_knows(m->epoch, m->clock, s->own))
		return;
	if (det_clock_join(&m->clock, s->clock))
		m->dirty = true;
	if (s->own.slot != m->epoch.slot && det_clock_get(m->clock, s->own.slot) < s->own.time) {
		det_clock_set(&m->clock, s->own);
		m->dirty = true;
	}
}

void det_must_end(struct det_g *g) { det_clock_drop(&g->must.clock); }

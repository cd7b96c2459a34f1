/* Kept in the map of synchronisation objects, so that an object's sites go when its memory is freed or used anew: two wait groups that
 * lay at one address, one after the other, have nothing to do with each other.
 *
 * The rule of wait groups. Its documentation asks that an Add at counter zero happen before Wait. Where the two are not ordered, whether
 * Wait sees the task is luck; the runtime notices only the worst interleavings (and panics). So it is judged by order, not by luck: the
 * last Waits are remembered with their epochs, and the next Add from zero must know them, and the other way round. Both events come under the
 * group's own lock, one after the other, so the second of an unordered pair finds the first. Order is known exactly only in programs
 * that are instrumented: others synchronise by means that are not seen, and are not judged. */
#include "sites.h"

#include "../abi/module.h"
#include "../hb/hbcore.h"
#include "../hb/syncmap.h"
#include "../shadow/arena.h"
#include "../shadow/context.h"
#include "../shadow/self.h"
#include "block.h"
#include "draft.h"

#define WG(op) ((op) - DET_SITE_LOCK_OPS)     /* place in the array of a wait group */
#define WG_OPS WG(DET_SITE_OPS)

/* Sites of the wait group at addr, its bucket locked; NULL if there are none and !create. */
static struct det_site *sites_lock(uintptr_t addr, bool create)
{
	struct det_sync *s = det_sync_lock(addr, DET_ROLE_SITES, create);

	if (s != NULL && s->sites_ref == 0 && create) {
		s->sites_ref = det_alloc(WG_OPS * sizeof(struct det_site));
		s->sites_bytes = s->sites_ref != 0 ? WG_OPS * sizeof(struct det_site) : 0;
	}
	return s != NULL && s->sites_bytes != 0 ? det_at(s->sites_ref) : NULL;
}

static bool begin(void)
{
	return atomic_load_explicit(&det_on, memory_order_relaxed) && det_enter();
}

struct det_site det_site_of(uintptr_t addr, enum det_site_op op)
{
	struct det_site site = { 0 };

	if (!begin())
		return site;
	if (op < DET_SITE_LOCK_OPS) {           /* kept with the lock's clock */
		struct det_sync *lock = det_sync_lock(addr, DET_ROLE_LOCK, false);
		if (lock != NULL && lock->unlocked[op].pc != 0)
			site = (struct det_site){ .gid = det_row_at(lock->unlocked[op].row)->gid, .ctx = det_ctx_intern(lock->unlocked[op].ctx, lock->unlocked[op].pc) };
	} else {
		struct det_site *s = sites_lock(addr, false);
		if (s != NULL)
			site = s[WG(op)];
	}
	det_sync_unlock(addr);
	det_leave();
	return site;
}

/* --- Add and Wait without order ------------------------------------------------------------------------------------------ */

static void part(const char *role, const struct det_site *s, uintptr_t wg)
{
	det_draft_part_object(det_draft_part(role, role, s->gid, det_draft_ctx(s->ctx)), RT_OBJ_WAITGROUP, wg);
	det_draft_goroutine(s->gid, NULL, -1);
}

static void report(uintptr_t wg, const struct det_site *add, const struct det_site *wait)
{
	det_draft_begin(det_block_door);
	part("add", add, wg);
	part("wait", wait, wg);
	det_draft_object(RT_OBJ_WAITGROUP, wg);
	det_draft_emit(DET_WG_REUSE, NULL, true, "the counter is raised from zero while a Wait may be running: nothing orders the two, so it is luck whether Wait waits");
}

static bool unordered(const struct det_g *me, const struct det_site *other)
{
	return other->gid != 0 && other->epoch.slot != 0 && !det_knows(me, other->epoch);
}

/* The last waits of DET_SITE_WAITS goroutines, latest first. */
static void note_wait(struct det_site *s, struct det_site now)
{
	for (int i = 0; i < DET_SITE_WAITS; i++) {
		struct det_site before = s[WG(DET_SITE_WAIT) + i];
		s[WG(DET_SITE_WAIT) + i] = now;
		if (before.gid == now.gid)
			break;
		now = before;
	}
}

/* Note an operation of g; the one it is not ordered with, if that is against the rule. */
static struct det_site note(struct det_g *me, uintptr_t wg, enum det_site_op op, struct det_site now, bool judge)
{
	struct det_site other = { 0 };

	if (!begin())
		return other;
	struct det_site *s = sites_lock(wg, true);
	if (s != NULL && judge && op == DET_SITE_WAIT && unordered(me, &s[WG(DET_SITE_RAISE)]))
		other = s[WG(DET_SITE_RAISE)];
	for (int i = 0; s != NULL && judge && op == DET_SITE_RAISE && i < DET_SITE_WAITS; i++)
		if (unordered(me, &s[WG(DET_SITE_WAIT) + i]))
			other = s[WG(DET_SITE_WAIT) + i];
	if (s != NULL && op == DET_SITE_WAIT)
		note_wait(s, now);
	else if (s != NULL)
		s[WG(op)] = now;
	det_sync_unlock(wg);
	det_leave();
	return other;
}

static void on_wait_group(struct rt_gview *g, void *wg, enum det_site_op op, void *pc)
{
	struct det_g *me = det_of(g);

	if (me == NULL || g == NULL)
		return;
	struct det_site now = { .gid = g->id, .ctx = det_ctx_here(pc), .epoch = me->epoch };
	bool judge = me->ignore == 0 && !det_races_off && det_any_instrumented() && !det_block_dying();
	me->dirty = true;                       /* what is released from here on tells of it */
	struct det_site other = note(me, (uintptr_t)wg, op, now, judge);
	if (other.gid != 0)
		report((uintptr_t)wg, op == DET_SITE_WAIT ? &other : &now, op == DET_SITE_WAIT ? &now : &other);
}

void det_block_wg_add(struct rt_gview *g, void *wg, int64_t delta, int64_t counter_after, void *pc)
{
	if (det_block_door == NULL || delta == 0 || counter_after < 0)
		return;                         /* below zero it panics next, and wants to know who was the one before */
	on_wait_group(g, wg, delta < 0 ? DET_SITE_DONE : counter_after == delta ? DET_SITE_RAISE : DET_SITE_ADD, pc);
}

void det_block_wg_wait(struct rt_gview *g, void *wg, void *pc)
{
	if (det_block_door != NULL)
		on_wait_group(g, wg, DET_SITE_WAIT, pc);
}

/* Locks, wait groups, once, condition variables, semaphores, and edges by address.
 *
 *   mutex      unlock stores its clock, lock acquires it. Store, not join: unlock n happens after lock n, which acquired the rest.
 *   rw mutex   a: the last writer's clock, acquired by readers and writers; b: the readers' since then, acquired by the next writer only,
 *              so that read sections are not ordered with each other.
 *   the rest   releases join, acquires take everything joined so far, as Go's own annotations do. */
#include "hb.h"
#include "../order/must.h"
#include "hbcore.h"

/* Who comes after the beginning of another's section of this lock in every run, and takes the lock, comes after its end as well. */
static bool knows_section(const struct det_g *g, const struct det_sync *s, bool write)
{
	return __builtin_expect(s->section.slot != 0, 0) && (write || s->section_write) && det_must_knows(g->must.epoch, g->must.clock, s->section);
}

void det_sync_acquire(struct det_g *g, const void *addr, enum det_role role)
{
	struct det_sync *s;

	if (!g || !det_enter())
		return;
	s = det_sync_lock((uintptr_t)addr, role, false);
	if (s) {
		det_acquire(g, &s->a);
		if (role != DET_ROLE_LOCK || s->condition || knows_section(g, s, true))
			det_must_acquire(g, &s->must);
	}
	det_sync_unlock((uintptr_t)addr);
	det_leave();
}

static void note_unlock(struct det_sync *s, struct det_g *g, bool reader, const void *pc)
{
	if (!s || !pc)
		return;
	s->unlocked[reader].pc = (uintptr_t)pc;
	s->unlocked[reader].ctx = det_ctx_of(g);
	s->unlocked[reader].row = g->row;
}

static void release(struct det_g *g, const void *addr, enum det_role role, bool join, const void *unlock_pc)
{
	struct det_sync *s;

	if (!g || !det_enter())
		return;
	s = det_sync_lock((uintptr_t)addr, role, true);
	if (s && join)
		det_release_join(g, &s->a);
	else if (s)
		det_release_store(g, &s->a);
	if (s && (role != DET_ROLE_LOCK || s->condition) && det_must_on()) {
		if (join)
			det_must_release_join(g, &s->must);
		else
			det_must_release_store(g, &s->must);
	}
	note_unlock(s, g, false, unlock_pc);
	det_sync_unlock((uintptr_t)addr);
	det_leave();
}

void det_sync_release_join(struct det_g *g, const void *addr, enum det_role role) { release(g, addr, role, true, NULL); }
void det_sync_release_store(struct det_g *g, const void *addr, enum det_role role) { release(g, addr, role, false, NULL); }

void det_rw_locked(struct det_g *g, const void *addr, bool writer)
{
	struct det_sync *s;

	if (!g || !det_enter())
		return;
	s = det_sync_lock((uintptr_t)addr, DET_ROLE_LOCK, false);
	if (s) {
		det_acquire(g, &s->a);
		if (writer) {
			det_acquire(g, &s->b);
			det_snap_drop(&s->b);
		}
		if (knows_section(g, s, writer))
			det_must_acquire(g, &s->must);
	}
	det_sync_unlock((uintptr_t)addr);
	det_leave();
}

static void rw_unlocking(struct det_g *g, const void *addr, bool writer, const void *pc)
{
	struct det_sync *s;

	if (!g || !det_enter())
		return;
	s = det_sync_lock((uintptr_t)addr, DET_ROLE_LOCK, true);
	if (s && writer)
		det_release_store(g, &s->a);
	else if (s)
		det_release_join(g, &s->b);
	note_unlock(s, g, !writer, pc);
	det_sync_unlock((uintptr_t)addr);
	det_leave();
}

void det_rw_unlocking(struct det_g *g, const void *addr, bool writer) { rw_unlocking(g, addr, writer, NULL); }

void det_hb_mutex_lock(struct rt_gview *g, void *m, void *pc) { det_sync_acquire(det_of(g), m, DET_ROLE_LOCK); }
void det_hb_mutex_unlock(struct rt_gview *g, void *m, void *pc) { release(det_of(g), m, DET_ROLE_LOCK, false, pc); }
void det_hb_rw_lock(struct rt_gview *g, void *rw, bool writer, void *pc) { det_rw_locked(det_of(g), rw, writer); }
void det_hb_rw_unlock(struct rt_gview *g, void *rw, bool writer, void *pc) { rw_unlocking(det_of(g), rw, writer, pc); }

/* Both count as reads of the group itself: they race with a plain write to it, or its free. Their own order is block/sites.c's affair. */
void det_hb_wg_add(struct rt_gview *g, void *wg, int64_t delta, int64_t counter_after, void *pc)
{
	struct det_g *d = det_of(g);

	if (!d)
		return;
	if (delta < 0)
		det_sync_release_join(d, wg, DET_ROLE_GENERIC);
	else if (delta > 0 && counter_after == delta)
		det_access(d, (uintptr_t)wg, 4, DET_READ, (uintptr_t)pc);
}

void det_hb_wg_wait(struct rt_gview *g, void *wg, bool first_waiter, void *pc)
{
	struct det_g *d = det_of(g);

	if (d && first_waiter)
		det_access(d, (uintptr_t)wg, 4, DET_READ, (uintptr_t)pc);
}

void det_hb_wg_waited(struct rt_gview *g, void *wg) { det_sync_acquire(det_of(g), wg, DET_ROLE_GENERIC); }

void det_hb_once_begin(struct rt_gview *g, void *o) { det_of(g); }
void det_hb_once_done(struct rt_gview *g, void *o) { det_sync_release_store(det_of(g), o, DET_ROLE_GENERIC); }
void det_hb_once_seen(struct rt_gview *g, void *o) { det_sync_acquire(det_of(g), o, DET_ROLE_GENERIC); }

void det_hb_cond_signal(struct rt_gview *g, void *c, bool broadcast, void *pc) { det_sync_release_join(det_of(g), c, DET_ROLE_GENERIC); }
void det_hb_cond_waited(struct rt_gview *g, void *c) { det_sync_acquire(det_of(g), c, DET_ROLE_GENERIC); }

void det_hb_sema(struct rt_gview *g, void *s, bool is_release, void *pc)
{
	if (is_release)
		det_sync_release_join(det_of(g), s, DET_ROLE_GENERIC);
	else
		det_sync_acquire(det_of(g), s, DET_ROLE_GENERIC);
}

void det_hb_release(struct rt_gview *g, const void *sync) { det_sync_release_join(det_of(g), sync, DET_ROLE_GENERIC); }
void det_hb_acquire(struct rt_gview *g, const void *sync) { det_sync_acquire(det_of(g), sync, DET_ROLE_GENERIC); }

void det_hb_sync_forget(const void *sync, size_t bytes)
{
	if (!atomic_load_explicit(&det_on, memory_order_relaxed) || !det_enter())
		return;
	det_sync_forget((uintptr_t)sync, bytes);
	det_leave();
}

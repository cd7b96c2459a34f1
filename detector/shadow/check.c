/* The rules: FastTrack (Flanagan & Freund, PLDI 2009) per byte, extended by atomics.
 *
 * Kinds conflict like this (a plain write and a free conflict with everything):
 *
 *                   plain read   atomic read   atomic write   plain write
 *   plain read                                      x              x
 *   atomic read                                                    x
 *   atomic write        x                                          x
 *   plain write         x             x             x              x
 *
 * A unit is the {w, r} pair of one cell or of one byte of an inflated cell. w is the last plain write; r whatever followed it.
 * Invariant per unit, as long as no race was found on it: everything in r happened after w, and for every earlier access a that is no
 * longer in the unit some access b still in it has a → b and conflicts with whatever a conflicts with. So an access unordered with a
 * is unordered with b too, and the first race of a byte is always seen, at its second access. After its first race a byte is still
 * tracked, as well as the rules allow.
 *
 * A kind stands for another (`covers`) if it conflicts with at least the same kinds.
 *
 * Locking: one lock per line of 64 program bytes, from a table. A unit is read and written under it by the rules, so two simultaneous
 * accesses cannot both miss. At most one is held. */
#include "access.h"

#include "../report/loss.h"
#include "arena.h"
#include "desc.h"
#include "map.h"
#include "unit.h"

#define LINE 64u
#define LOCKS (1u << 14)

static struct det_spin locks[LOCKS];

static struct det_spin *lock_of(uintptr_t addr)
{
	uint64_t line = (addr & DET_FOLD_MASK) / LINE;

	return &locks[(line ^ line >> 14) & (LOCKS - 1)];
}

struct race { uintptr_t addr; uint32_t bytes, previous; };

struct access {
	struct det_g *g;
	enum det_kind kind;             /* DET_FREE is judged as DET_WRITE */
	uintptr_t addr, pc;
	size_t size;
	uint32_t id;                    /* 0 until the first unit has to be changed */
	bool give_up;                   /* no descriptor to be had */
	uint32_t n_races;
	struct race races[LINE];        /* of the present line */
};

static bool is_write(enum det_kind k) { return k == DET_WRITE || k == DET_FREE; }

static bool conflict(enum det_kind a, enum det_kind b)
{
	if (is_write(a) || is_write(b))
		return true;
	return (a == DET_READ && b == DET_ATOMIC_WRITE) || (a == DET_ATOMIC_WRITE && b == DET_READ);
}

static bool covers(enum det_kind a, enum det_kind b) { return a == b || b == DET_ATOMIC_READ || is_write(a); }

static bool ordered(const struct access *a, uint32_t id) { return det_knows(a->g, det_desc_at(id)->epoch); }

static bool in_my_epoch(const struct access *a, uint32_t id)
{
	const struct det_desc *d;

	if (id - a->g->span_base < a->g->span_len)
		return true;
	if (!id || det_is_tagged(id))
		return false;
	d = det_desc_at(id);
	return d->epoch.slot == a->g->epoch.slot && d->epoch.time == a->g->epoch.time;
}

static void note_race(struct access *a, uintptr_t addr, uint32_t bytes, uint32_t previous)
{
	struct race *last = a->n_races ? &a->races[a->n_races - 1] : NULL;

	if (last && last->previous == previous && last->addr + last->bytes == addr)
		last->bytes += bytes;
	else
		a->races[a->n_races++] = (struct race){ addr, bytes, previous };
}

/* An entry of r that races with this access, or 0. */
static uint32_t conflicting_in_r(const struct access *a, uint32_t r)
{
	const struct det_set *s;

	if (!r)
		return 0;
	if (!det_is_tagged(r))
		return conflict(a->kind, det_desc_kind(det_desc_at(r))) && !ordered(a, r) ? r : 0;
	s = det_at(r & ~DET_TAG);
	if (a->kind == DET_ATOMIC_READ || (a->kind == DET_READ && !s->n_atomic_writes) || (a->kind == DET_ATOMIC_WRITE && !s->n_plain_reads))
		return 0;
	for (uint32_t i = 0; i < s->n; i++)
		if (conflict(a->kind, det_desc_kind(det_desc_at(s->id[i]))) && !ordered(a, s->id[i]))
			return s->id[i];
	return 0;
}

/* Is an access of this epoch and at least this kind in r already? Only the newest few are looked at: a repetition costs an entry, no
 * precision. */
static bool recorded_in_r(const struct access *a, uint32_t r)
{
	const struct det_set *s;

	if (!r)
		return false;
	if (!det_is_tagged(r))
		return in_my_epoch(a, r) && covers(det_desc_kind(det_desc_at(r)), a->kind);
	s = det_at(r & ~DET_TAG);
	for (uint32_t i = s->n, looked = 0; i-- > 0 && looked < 16; looked++)
		if (in_my_epoch(a, s->id[i]) && covers(det_desc_kind(det_desc_at(s->id[i])), a->kind))
			return true;
	return false;
}

static bool stands_for(const struct access *a, uint32_t id)
{
	return covers(a->kind, det_desc_kind(det_desc_at(id))) && ordered(a, id);
}

static void prune(struct access *a, struct det_set *s)
{
	uint32_t kept = 0;

	s->n_plain_reads = s->n_atomic_writes = 0;
	for (uint32_t i = 0; i < s->n; i++) {
		if (stands_for(a, s->id[i]))
			continue;
		det_set_count(s, s->id[i]);
		s->id[kept++] = s->id[i];
	}
	s->n = kept;
	s->prune_at = kept < 4 ? 8 : 2 * kept;
}

static void add_to_r(struct access *a, uint32_t *r)
{
	if (!*r || (!det_is_tagged(*r) && stands_for(a, *r))) {
		*r = a->id;     /* [FT READ EXCLUSIVE] */
		return;
	}
	if (!det_is_tagged(*r)) {
		*r = det_set_create(*r, a->id); /* [FT READ SHARE] */
		return;
	}
	/* [FT READ SHARED] */
	if (((struct det_set *)det_at(*r & ~DET_TAG))->n >= ((struct det_set *)det_at(*r & ~DET_TAG))->prune_at) {
		struct det_set *s = det_at(*r & ~DET_TAG);

		prune(a, s);
		if (s->n == 0) {
			det_set_destroy(*r);
			*r = a->id;
			return;
		}
	}
	det_set_add(r, a->id);
}

static bool need_id(struct access *a)
{
	if (!a->id && !a->give_up) {
		a->id = det_desc_for(a->g, a->kind, a->size, a->pc);
		a->give_up = a->id == 0;
	}
	return a->id != 0;
}

/* Nothing to learn or to change? [FT READ SAME EPOCH], [FT WRITE SAME EPOCH]: this g already accessed the unit in its present epoch at
 * least as strongly; whoever raced with that since has found it and reported itself. A plain write of ours stands for all. */
static bool same_epoch(const struct access *a, const struct det_cell *u)
{
	if (in_my_epoch(a, u->w))
		return true;
	return !is_write(a->kind) && recorded_in_r(a, u->r);
}

static void apply(struct access *a, struct det_cell *u, uintptr_t addr, uint32_t bytes)
{
	uint32_t previous = 0;

	if (same_epoch(a, u) || !need_id(a))
		return;
	if (u->w && !ordered(a, u->w))
		previous = u->w;                        /* [FT WRITE-WRITE RACE], [FT WRITE-READ RACE] */
	if (!previous)
		previous = conflicting_in_r(a, u->r);   /* [FT READ-WRITE RACE], [FT SHARED-WRITE RACE], atomics */
	if (previous)
		note_race(a, addr, bytes, previous);
	if (is_write(a->kind)) {
		det_set_destroy(u->r);                  /* [FT WRITE EXCLUSIVE], [FT WRITE SHARED] */
		u->r = 0;
		u->w = a->id;
	} else {
		add_to_r(a, &u->r);
	}
}

/* mask: which of the cell's bytes, bit 0 first. */
static void apply_cell(struct access *a, struct det_cell *c, uintptr_t base, unsigned mask)
{
	struct det_bytes *b;

	if (!det_is_tagged(c->w)) {
		if (mask == 15) {
			apply(a, c, base, 4);
			return;
		}
		if (same_epoch(a, c) || !det_cell_inflate(c))
			return;
	}
	b = det_at(c->w & ~DET_TAG);
	for (unsigned i = 0; i < 4; i++)
		if (mask >> i & 1)
			apply(a, &b->of[i], base + i, 1);
	det_cell_deflate(c);
}

/* Visit the cells of the part of [lo, hi) that lies in lo's line, as (cell, first byte, mask). */
#define FOR_CELLS(lo, hi, cell, base, mask)                                                                              \
	for (uintptr_t base = (lo) & ~(uintptr_t)3, mask; base < (hi) && (mask = det_mask(base, lo, hi)) != 0; base += 4) \
		for (struct det_cell *cell = det_cell_of(base); cell; cell = NULL)

static unsigned det_mask(uintptr_t base, uintptr_t lo, uintptr_t hi)
{
	unsigned mask = 15;

	if (base < lo)
		mask &= 15u << (lo - base);
	if (base + 4 > hi)
		mask &= 15u >> (base + 4 - hi);
	return mask & 15;
}

static void access_line(struct access *a, uintptr_t lo, uintptr_t hi)
{
	struct det_spin *lock = lock_of(lo);
	unsigned char *dirty = det_dirty_of(lo);

	a->n_races = 0;
	if (!det_map_claim(lo))
		return;
	det_spin_lock(lock);
	if (!*dirty)
		*dirty = 1;
	FOR_CELLS(lo, hi, cell, base, mask)
		apply_cell(a, cell, base, (unsigned)mask);
	det_spin_unlock(lock);
}

uint32_t det_last_write(uintptr_t addr)
{
	struct det_spin *lock = lock_of(addr);
	uint32_t w = 0;

	if (!*det_dirty_of(addr))
		return 0;
	det_spin_lock(lock);
	w = det_cell_of(addr)->w;
	if (det_is_tagged(w))
		w = ((struct det_bytes *)det_at(w & ~DET_TAG))->of[addr & 3].w;
	det_spin_unlock(lock);
	return w;
}

static bool is_own_tls(uintptr_t addr)
{
	/* Thread-local memory belongs to the OS thread, and goroutines use it one after another without any order the model knows. */
	return det_thread.tls_known && addr - det_thread.tls_lo < det_thread.tls_hi - det_thread.tls_lo;
}

void det_access_collect(struct det_g *g, uintptr_t addr, size_t size, enum det_kind kind, uintptr_t pc, struct det_races *out)
{
	struct access a = { .g = g, .kind = kind, .addr = addr, .size = size, .pc = pc };

	out->n = 0;
	if (g->ignore || is_own_tls(addr) || size > 16)
		return;
	for (uintptr_t lo = addr, hi = addr + size; lo < hi;) {
		uintptr_t next = (lo | (LINE - 1)) + 1 < hi ? (lo | (LINE - 1)) + 1 : hi;

		access_line(&a, lo, next);
		for (uint32_t i = 0; i < a.n_races && out->n < 16; i++) {
			out->at[out->n].addr = a.races[i].addr;
			out->at[out->n].bytes = a.races[i].bytes;
			out->at[out->n++].previous = a.races[i].previous;
		}
		lo = next;
	}
	out->current = a.id;
	out->addr = addr;
	out->size = size;
}

void det_access_report(struct det_g *g, const struct det_races *r)
{
	for (uint32_t i = 0; i < r->n; i++)
		det_race(g, r->at[i].addr, r->at[i].bytes, r->at[i].previous, r->current, r->addr, r->size);
}

void det_access(struct det_g *g, uintptr_t addr, size_t size, enum det_kind kind, uintptr_t pc)
{
	struct access a;

	if (g->ignore || is_own_tls(addr) || size == 0 || addr + size < addr)
		return;
	if (!det_enter()) {
		det_loss("accesses in signal handlers", 1);
		return;
	}
	a.g = g;
	a.kind = kind;
	a.addr = addr;
	a.size = size;
	a.pc = pc;
	a.id = 0;
	a.give_up = false;
	for (uintptr_t lo = addr, hi = addr + size; lo < hi;) {
		uintptr_t next = (lo | (LINE - 1)) + 1;

		if (next > hi || next == 0)
			next = hi;
		access_line(&a, lo, next);
		for (uint32_t i = 0; i < a.n_races; i++)
			det_race(g, a.races[i].addr, a.races[i].bytes, a.races[i].previous, a.id, addr, size);
		lo = next;
	}
	det_leave();
}

static void forget_line(uintptr_t lo, uintptr_t hi)
{
	struct det_spin *lock = lock_of(lo);

	det_spin_lock(lock);
	FOR_CELLS(lo, hi, cell, base, mask)
		if (cell->w | cell->r)
			det_cell_clear(cell, (unsigned)mask);
	det_spin_unlock(lock);
}

void det_forget(uintptr_t addr, size_t size)
{
	uintptr_t hi = addr + size;

	if (size == 0 || hi < addr || !det_shadow_base)
		return;
	for (uintptr_t lo = addr; lo < hi;) {
		uintptr_t page_end = (lo | (DET_DIRTY_BYTES - 1)) + 1, stop = page_end < hi ? page_end : hi;
		unsigned char *dirty = det_dirty_of(lo);

		if (*dirty) {
			for (uintptr_t at = lo; at < stop;) {
				uintptr_t next = (at | (LINE - 1)) + 1;

				if (next > stop)
					next = stop;
				forget_line(at, next);
				at = next;
			}
			if ((lo & (DET_DIRTY_BYTES - 1)) == 0 && stop == page_end)
				*dirty = 0;
		}
		lo = stop;
	}
}

void det_shadow_after_fork(void)
{
	for (unsigned i = 0; i < LOCKS; i++)
		atomic_store(&locks[i].word, 0);
}

/* Three hash tables of chained pool records, each in shards with a spin lock of its own. A shard lock is a leaf: nothing is called
 * while it is held. */
#include "table.h"

#include "../report/loss.h"
#include "../shadow/arena.h"

#define SHARDS  64u
#define BUCKETS (1u << 18)              /* per table; a multiple of SHARDS */

struct table {
	struct det_pool pool;
	struct { struct det_spin lock; char pad[60]; } shards[SHARDS];
	_Atomic uint32_t buckets[BUCKETS];
};

static struct table goroutines, holds, chans;
static _Atomic bool any_goroutine;

static uint32_t bucket_of(uint64_t key)
{
	return (uint32_t)((key * UINT64_C(0x9e3779b97f4a7c15)) >> 40) % BUCKETS;
}

static struct det_spin *shard_of(struct table *t, uint32_t bucket)
{
	return &t->shards[bucket % SHARDS].lock;
}

bool det_table_init(void)
{
	return det_pool_init(&goroutines.pool, sizeof(struct det_bg), 1u << 22, "goroutines of the wait-for analyser") &&
		det_pool_init(&holds.pool, sizeof(struct det_hold), 1u << 22, "held locks") &&
		det_pool_init(&chans.pool, sizeof(struct det_chan), 1u << 22, "channels");
}

void det_table_after_fork(void)
{
	struct table *all[] = { &goroutines, &holds, &chans };
	for (int t = 0; t < 3; t++)
		for (uint32_t i = 0; i < SHARDS; i++)
			atomic_store(&all[t]->shards[i].lock.word, 0);
}

/* --- goroutines --- */

static struct det_bg *bg_at(uint32_t i) { return det_pool_at(&goroutines.pool, i); }

struct det_bg *det_bg_of(uint64_t gid, bool create)
{
	uint32_t b = bucket_of(gid), i;
	struct det_bg *found = NULL;

	if (!create && atomic_load_explicit(&goroutines.buckets[b], memory_order_relaxed) == 0)
		return NULL;
	det_spin_lock(shard_of(&goroutines, b));
	for (i = goroutines.buckets[b]; i != 0 && found == NULL; i = bg_at(i)->next)
		if (bg_at(i)->gid == gid)
			found = bg_at(i);
	if (found == NULL && create && (i = det_pool_get(&goroutines.pool)) != 0) {
		found = bg_at(i);
		*found = (struct det_bg){ .gid = gid, .next = goroutines.buckets[b] };
		goroutines.buckets[b] = i;
		atomic_store_explicit(&any_goroutine, true, memory_order_relaxed);
	}
	det_spin_unlock(shard_of(&goroutines, b));
	return found;
}

void det_bg_drop(uint64_t gid)
{
	uint32_t b = bucket_of(gid), gone = 0;

	det_spin_lock(shard_of(&goroutines, b));
	if (goroutines.buckets[b] != 0 && bg_at(goroutines.buckets[b])->gid == gid) {
		gone = goroutines.buckets[b];
		goroutines.buckets[b] = bg_at(gone)->next;
	} else {
		for (uint32_t i = goroutines.buckets[b]; i != 0 && gone == 0; i = bg_at(i)->next) {
			uint32_t next = bg_at(i)->next;
			if (next != 0 && bg_at(next)->gid == gid) {
				gone = next;
				bg_at(i)->next = bg_at(gone)->next;
			}
		}
	}
	det_spin_unlock(shard_of(&goroutines, b));
	if (gone != 0)
		det_pool_put(&goroutines.pool, gone);
}

bool det_bg_any(void)
{
	return atomic_load_explicit(&any_goroutine, memory_order_relaxed);
}

void det_bg_each(bool (*visit)(struct det_bg *b, void *arg), void *arg)
{
	for (uint32_t b = 0; b < BUCKETS; b++)
		for (uint32_t i = goroutines.buckets[b]; i != 0; i = bg_at(i)->next)
			if (!visit(bg_at(i), arg))
				return;
}

/* --- locks --- */

static _Atomic bool hold_missed;       /* for want of memory: absence proves nothing any more */

static struct det_hold *hold_at(uint32_t i) { return det_pool_at(&holds.pool, i); }

void det_hold_add(uintptr_t lock, uint8_t kind, uint64_t gid, bool write, uint32_t ctx)
{
	uint32_t b = bucket_of(lock), i;
	struct det_hold *h = NULL;

	det_spin_lock(shard_of(&holds, b));
	for (i = holds.buckets[b]; i != 0 && h == NULL; i = hold_at(i)->next)
		if (hold_at(i)->lock == lock && hold_at(i)->gid == gid && hold_at(i)->write == write)
			h = hold_at(i);
	if (h != NULL) {
		h->count++;
	} else if ((i = det_pool_get(&holds.pool)) != 0) {
		*hold_at(i) = (struct det_hold){ lock, gid, ctx, 1, write, kind, holds.buckets[b] };
		holds.buckets[b] = i;
	} else {
		atomic_store_explicit(&hold_missed, true, memory_order_relaxed);
	}
	det_spin_unlock(shard_of(&holds, b));
	struct det_bg *g = det_bg_of(gid, true);
	if (g != NULL)
		atomic_fetch_add_explicit(&g->n_holds, 1, memory_order_relaxed);
}

bool det_hold_is_anothers(uintptr_t lock, uint64_t gid, bool write)
{
	uint32_t b = bucket_of(lock);
	bool mine = false, anothers = false;

	det_spin_lock(shard_of(&holds, b));
	for (uint32_t i = holds.buckets[b]; i != 0 && !mine; i = hold_at(i)->next)
		if (hold_at(i)->lock == lock && hold_at(i)->write == write) {
			mine = hold_at(i)->gid == gid;
			anothers |= !mine;
		}
	det_spin_unlock(shard_of(&holds, b));
	return anothers && !mine && !atomic_load_explicit(&hold_missed, memory_order_relaxed);
}

void det_hold_remove(uintptr_t lock, uint64_t gid, bool write)
{
	uint32_t b = bucket_of(lock), before = 0, victim = 0, victim_before = 0;
	uint64_t holder = 0;

	det_spin_lock(shard_of(&holds, b));
	for (uint32_t i = holds.buckets[b]; i != 0; before = i, i = hold_at(i)->next) {
		struct det_hold *h = hold_at(i);
		if (h->lock != lock || h->write != write || (victim != 0 && h->gid != gid))
			continue;
		victim = i;
		victim_before = before;
		if (h->gid == gid)
			break;
	}
	if (victim != 0) {
		struct det_hold *h = hold_at(victim);
		holder = h->gid;
		if (--h->count != 0) {
			victim = 0;
		} else if (victim_before != 0) {
			hold_at(victim_before)->next = h->next;
		} else {
			holds.buckets[b] = h->next;
		}
	}
	det_spin_unlock(shard_of(&holds, b));
	if (victim != 0)
		det_pool_put(&holds.pool, victim);
	struct det_bg *g = holder != 0 ? det_bg_of(holder, false) : NULL;
	if (g != NULL)
		atomic_fetch_sub_explicit(&g->n_holds, 1, memory_order_relaxed);
}

uint32_t det_hold_list(uintptr_t lock, struct det_hold *out, uint32_t max)
{
	uint32_t b = bucket_of(lock), n = 0;

	det_spin_lock(shard_of(&holds, b));
	for (uint32_t i = holds.buckets[b]; i != 0 && n < max; i = hold_at(i)->next)
		if (hold_at(i)->lock == lock)
			out[n++] = *hold_at(i);
	det_spin_unlock(shard_of(&holds, b));
	return n;
}

uint32_t det_hold_of(uint64_t gid, struct det_hold *out, uint32_t max)
{
	uint32_t n = 0;

	for (uint32_t b = 0; b < BUCKETS && n < max; b++) {
		if (atomic_load_explicit(&holds.buckets[b], memory_order_relaxed) == 0)
			continue;
		det_spin_lock(shard_of(&holds, b));
		for (uint32_t i = holds.buckets[b]; i != 0 && n < max; i = hold_at(i)->next)
			if (hold_at(i)->gid == gid)
				out[n++] = *hold_at(i);
		det_spin_unlock(shard_of(&holds, b));
	}
	return n;
}

/* --- channels --- */

static struct det_chan *chan_at(uint32_t i) { return det_pool_at(&chans.pool, i); }

static struct det_chan *chan_find_locked(uint32_t b, uintptr_t addr)
{
	for (uint32_t i = chans.buckets[b]; i != 0; i = chan_at(i)->next)
		if (chan_at(i)->addr == addr)
			return chan_at(i);
	return NULL;
}

void det_chan_add(uintptr_t addr, size_t header, size_t bytes, size_t elem, uint64_t cap, uint64_t gid, uint32_t ctx)
{
	uint32_t b = bucket_of(addr), i;

	det_chan_drop(addr);
	if ((i = det_pool_get(&chans.pool)) == 0)
		return;
	det_spin_lock(shard_of(&chans, b));
	*chan_at(i) = (struct det_chan){ .addr = addr, .header_bytes = header, .bytes = bytes, .elem_bytes = elem, .cap = cap, .made_by = gid,
		.made_ctx = ctx, .next = chans.buckets[b] };
	chans.buckets[b] = i;
	det_spin_unlock(shard_of(&chans, b));
}

void det_chan_drop(uintptr_t addr)
{
	uint32_t b = bucket_of(addr), before = 0, i;

	det_spin_lock(shard_of(&chans, b));
	for (i = chans.buckets[b]; i != 0 && chan_at(i)->addr != addr; i = chan_at(i)->next)
		before = i;
	if (i != 0 && before != 0)
		chan_at(before)->next = chan_at(i)->next;
	else if (i != 0)
		chans.buckets[b] = chan_at(i)->next;
	det_spin_unlock(shard_of(&chans, b));
	if (i != 0)
		det_pool_put(&chans.pool, i);
}

bool det_chan_get(uintptr_t addr, struct det_chan *out)
{
	uint32_t b = bucket_of(addr);

	det_spin_lock(shard_of(&chans, b));
	struct det_chan *c = chan_find_locked(b, addr);
	if (c != NULL)
		*out = *c;
	det_spin_unlock(shard_of(&chans, b));
	return c != NULL;
}

void det_chan_used(uintptr_t addr, uint64_t gid, bool is_send)
{
	uint32_t b = bucket_of(addr);

	det_spin_lock(shard_of(&chans, b));
	struct det_chan *c = chan_find_locked(b, addr);
	uint64_t *users = c == NULL ? NULL : is_send ? c->senders : c->receivers;
	if (users != NULL && users[0] != gid) {
		uint64_t carry = gid;           /* move to the front */
		for (int k = 0; k < DET_USERS; k++) {
			uint64_t old = users[k];
			users[k] = carry;
			carry = old;
			if (old == gid)
				break;
		}
	}
	det_spin_unlock(shard_of(&chans, b));
}

void det_chan_closed(uintptr_t addr, uint64_t gid, uint32_t ctx)
{
	uint32_t b = bucket_of(addr);

	det_spin_lock(shard_of(&chans, b));
	struct det_chan *c = chan_find_locked(b, addr);
	if (c != NULL) {
		c->closed_by = gid;
		c->closed_ctx = ctx;
	}
	det_spin_unlock(shard_of(&chans, b));
}

void det_chan_each(bool (*visit)(const struct det_chan *c, void *arg), void *arg)
{
	for (uint32_t b = 0; b < BUCKETS; b++)
		for (uint32_t i = chans.buckets[b]; i != 0; i = chan_at(i)->next)
			if (!visit(chan_at(i), arg))
				return;
}

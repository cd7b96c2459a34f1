/* Records in a pool, found by start address through a fixed table of buckets (one lock per group), and by any address through bitmaps
 * of block starts: one bit per 16 bytes, and one per word of those, so that the way back from the middle of a gigabyte is short.
 *
 * Readers take no lock: a record's `start` is written last when it is added and cleared first when it is removed; chains may then show
 * a stale `next` for a moment, which bounded walks tolerate. */
#include "heap.h"

#include <stdatomic.h>

#include "../shadow/arena.h"
#include "../shadow/map.h"

#define BUCKETS (1u << 22)
#define LOCKS   (1u << 10)

struct record {
	_Atomic uint32_t next;
	uint32_t ctx;
	_Atomic uintptr_t start;
	size_t   size;
	uint64_t gid;
};

static _Atomic uint32_t *buckets;
static struct det_spin locks[LOCKS];
static struct det_pool pool;
static _Atomic uint64_t *starts;        /* bit: a block starts in these 16 bytes */
static _Atomic uint64_t *groups;        /* bit: that word of starts is not 0 (or was) */
#define GROUP_SHIFT 16                  /* a word of groups stands for so many bytes, as a power of two */
static _Atomic size_t largest;          /* block ever: no search for a start goes further back */

/* The latest frees, for reports of use after free. Torn entries only spoil a text. */
#define FREED 1024
static struct det_heap_block freed[FREED];
static _Atomic uint32_t freed_next;

void det_heap_init(void)
{
	buckets = det_reserve((size_t)BUCKETS * sizeof(*buckets));
	starts = det_reserve((size_t)1 << (DET_FOLD_BITS - 4 - 3));
	groups = det_reserve((size_t)1 << (DET_FOLD_BITS - 4 - 6 - 3));
	if (!starts || !groups || !det_pool_init(&pool, sizeof(struct record), 1u << 28, "heap records"))
		buckets = NULL;
}

static uint32_t bucket_of(uintptr_t start)
{
	return (uint32_t)(((start >> 4) * UINT64_C(0x9e3779b97f4a7c15)) >> 42) & (BUCKETS - 1);
}

static struct det_spin *lock_of(uintptr_t start) { return &locks[bucket_of(start) & (LOCKS - 1)]; }
static uint64_t unit_of(uintptr_t addr) { return (addr & DET_FOLD_MASK) >> 4; }

static struct record *record_at(uint32_t index) { return det_pool_at(&pool, index); }

static void copy_out(uint32_t index, struct det_heap_block *out)
{
	const struct record *r = record_at(index);

	*out = (struct det_heap_block){ atomic_load_explicit(&r->start, memory_order_relaxed), r->size, r->gid, r->ctx, index };
}

void det_heap_add(uintptr_t start, size_t size, uint64_t gid, uint32_t ctx)
{
	_Atomic uint32_t *head;
	struct record *r;
	uint32_t index;

	if (!buckets || !(index = det_pool_get(&pool)))
		return;
	for (size_t most = atomic_load_explicit(&largest, memory_order_relaxed); size > most;)
		if (atomic_compare_exchange_weak_explicit(&largest, &most, size, memory_order_relaxed, memory_order_relaxed))
			break;
	r = record_at(index);
	r->size = size;
	r->gid = gid;
	r->ctx = ctx;
	head = &buckets[bucket_of(start)];
	det_spin_lock(lock_of(start));
	atomic_store_explicit(&r->next, atomic_load_explicit(head, memory_order_relaxed), memory_order_relaxed);
	atomic_store_explicit(&r->start, start, memory_order_release);
	atomic_store_explicit(head, index, memory_order_release);
	atomic_fetch_or_explicit(&starts[unit_of(start) >> 6], UINT64_C(1) << (unit_of(start) & 63), memory_order_relaxed);
	atomic_fetch_or_explicit(&groups[unit_of(start) >> 12], UINT64_C(1) << (unit_of(start) >> 6 & 63), memory_order_relaxed);
	det_spin_unlock(lock_of(start));
}

static uint32_t index_of(uintptr_t start)
{
	uint32_t index = atomic_load_explicit(&buckets[bucket_of(start)], memory_order_acquire);

	for (unsigned steps = 0; index && steps < 100000; steps++) {
		if (atomic_load_explicit(&record_at(index)->start, memory_order_acquire) == start)
			return index;
		index = atomic_load_explicit(&record_at(index)->next, memory_order_acquire);
	}
	return 0;
}

bool det_heap_remove(uintptr_t start, struct det_heap_block *out)
{
	_Atomic uint32_t *link;
	uint32_t index = 0;

	if (!buckets)
		return false;
	det_spin_lock(lock_of(start));
	for (link = &buckets[bucket_of(start)]; (index = atomic_load_explicit(link, memory_order_relaxed)) != 0; link = &record_at(index)->next)
		if (atomic_load_explicit(&record_at(index)->start, memory_order_relaxed) == start)
			break;
	if (index) {
		copy_out(index, out);
		atomic_fetch_and_explicit(&starts[unit_of(start) >> 6], ~(UINT64_C(1) << (unit_of(start) & 63)), memory_order_relaxed);
		atomic_store_explicit(&record_at(index)->start, 0, memory_order_release);
		atomic_store_explicit(link, atomic_load_explicit(&record_at(index)->next, memory_order_relaxed), memory_order_release);
		freed[atomic_fetch_add_explicit(&freed_next, 1, memory_order_relaxed) % FREED] = *out;
	}
	det_spin_unlock(lock_of(start));
	if (index)
		det_pool_put(&pool, index);
	return index != 0;
}

/* The nearest start at or below addr, as a unit; false if there is none that a block as large as the largest could have. The leak check asks this
 * of every word of every stack, most of them far from any block. */
static bool start_below(uint64_t unit, uint64_t *out)
{
	uint64_t word = atomic_load_explicit(&starts[unit >> 6], memory_order_relaxed) & (~UINT64_C(0) >> (63 - (unit & 63)));
	uint64_t w = unit >> 6, g = w >> 6, bits, furthest = (atomic_load_explicit(&largest, memory_order_relaxed) >> GROUP_SHIFT) + 2;

	if (word) {
		*out = (w << 6) + 63 - (unsigned)__builtin_clzl(word);
		return true;
	}
	bits = atomic_load_explicit(&groups[g], memory_order_relaxed) & ((UINT64_C(1) << (w & 63)) - 1);
	for (uint64_t steps = 0; steps < furthest; steps++) {
		while (bits) {
			w = (g << 6) + 63 - (unsigned)__builtin_clzl(bits);
			word = atomic_load_explicit(&starts[w], memory_order_relaxed);
			if (word) {
				*out = (w << 6) + 63 - (unsigned)__builtin_clzl(word);
				return true;
			}
			bits &= ~(UINT64_C(1) << (w & 63));
		}
		if (g == 0)
			return false;
		bits = atomic_load_explicit(&groups[--g], memory_order_relaxed);
	}
	return false;
}

bool det_heap_find_near(uintptr_t addr, struct det_heap_block *out)
{
	uint64_t unit;
	uint32_t index;

	if (!buckets || addr >> 47 || !start_below(unit_of(addr), &unit))
		return false;
	index = index_of((addr & ~(uintptr_t)DET_FOLD_MASK) | unit << 4);
	if (!index)
		return false;
	copy_out(index, out);
	if (out->start == addr && out->size != 0)
		return true;
	return out->start && addr - out->start <= out->size;
}

void det_heap_prefetch(uintptr_t start, int step)
{
	if (!buckets || start >> 47)
		return;
	_Atomic uint32_t *head = &buckets[bucket_of(start)];
	if (step == 0) {
		__builtin_prefetch(head);
		__builtin_prefetch(&starts[unit_of(start) >> 6]);
	} else {
		__builtin_prefetch(record_at(atomic_load_explicit(head, memory_order_relaxed)));
	}
}

bool det_heap_find(uintptr_t addr, struct det_heap_block *out)
{
	uint64_t unit;
	uint32_t index;

	if (!buckets || addr >> 47 || !start_below(unit_of(addr), &unit))
		return false;
	index = index_of((addr & ~(uintptr_t)DET_FOLD_MASK) | unit << 4);
	if (!index)
		return false;
	copy_out(index, out);
	return out->start && (addr - out->start < out->size || addr == out->start);
}

bool det_heap_find_freed(uintptr_t addr, struct det_heap_block *out)
{
	uint32_t next = atomic_load(&freed_next);

	for (uint32_t i = 1; i <= FREED && i <= next; i++) {
		*out = freed[(next - i) % FREED];
		if (out->start && addr - out->start < out->size)
			return true;
	}
	return false;
}

void det_heap_each(bool (*visit)(const struct det_heap_block *b, void *arg), void *arg)
{
	uint32_t n = det_heap_ids();

	for (uint32_t i = 1; i < n; i++) {
		struct det_heap_block b;

		copy_out(i, &b);
		if (b.start && !visit(&b, arg))
			return;
	}
}

uint32_t det_heap_ids(void) { return buckets ? atomic_load(&pool.next) : 1; }

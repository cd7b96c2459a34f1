/* A fixed table of buckets, chains of pool records, one lock per group of buckets. The bucket is chosen by addr / 8, so that all
 * objects of an 8-byte word are in one chain. `touched` has a byte per 2 KiB of the program's (folded) address
 * space that ever had an object, so that forgetting a range without objects reads a few bytes.
 *
 * Bucket locks are taken inside runtime locks and hold clock operations; cell locks are never held with them. */
#include "syncmap.h"

#include "../shadow/arena.h"
#include "../shadow/map.h"

#define BUCKETS (1u << 20)
#define LOCKS   (1u << 12)
#define TOUCHED_SHIFT 11

static uint32_t *buckets;
static struct det_spin locks[LOCKS];
static struct det_pool pool;
static unsigned char *touched;

bool det_syncmap_init(void)
{
	buckets = det_reserve(BUCKETS * sizeof(*buckets));
	touched = det_reserve((size_t)1 << (DET_FOLD_BITS - TOUCHED_SHIFT));
	return buckets && touched && det_pool_init(&pool, sizeof(struct det_sync), 1u << 28, "synchronisation objects");
}

static uint32_t bucket_of(uintptr_t addr)
{
	return (uint32_t)(((addr >> 3) * UINT64_C(0x9e3779b97f4a7c15)) >> 44) & (BUCKETS - 1);
}

static struct det_spin *lock_of(uintptr_t addr) { return &locks[bucket_of(addr) & (LOCKS - 1)]; }
static unsigned char *touched_of(uintptr_t addr) { return &touched[(addr & DET_FOLD_MASK) >> TOUCHED_SHIFT]; }

struct det_sync *det_sync_lock(uintptr_t addr, enum det_role role, bool create)
{
	uint32_t *head = &buckets[bucket_of(addr)], index;
	struct det_sync *s;

	det_spin_lock(lock_of(addr));
	for (index = *head; index; index = s->next) {
		s = det_pool_at(&pool, index);
		if (s->addr == addr && s->role == (uint32_t)role)
			return s;
	}
	if (!create)
		return NULL;
	index = det_pool_get(&pool);
	if (!index)
		return NULL;
	s = det_pool_at(&pool, index);
	*s = (struct det_sync){ .addr = addr, .role = role, .next = *head };
	*head = index;
	if (!*touched_of(addr))
		*touched_of(addr) = 1;
	return s;
}

void det_sync_unlock(uintptr_t addr)
{
	det_spin_unlock(lock_of(addr));
}

static void sync_finish(struct det_sync *s)
{
	struct det_slot *slots = s->slots_n ? det_at(s->slots_ref) : NULL;

	det_snap_drop(&s->a);
	det_snap_drop(&s->b);
	det_snap_drop(&s->must);
	for (uint32_t i = 0; i < s->slots_n; i++) {
		det_snap_drop(&slots[i].all);
		det_snap_drop(&slots[i].must);
	}
	if (s->slots_n)
		det_free(s->slots_ref, s->slots_n * sizeof(*slots));
	if (s->sites_bytes)
		det_free(s->sites_ref, s->sites_bytes);
}

static void forget_word(uintptr_t lo, uintptr_t hi)
{
	uint32_t *link = &buckets[bucket_of(lo)];

	if (!*link)
		return;
	det_spin_lock(lock_of(lo));
	while (*link) {
		uint32_t index = *link;
		struct det_sync *s = det_pool_at(&pool, index);

		if (s->addr < lo || s->addr >= hi) {
			link = &s->next;
			continue;
		}
		*link = s->next;
		sync_finish(s);
		det_pool_put(&pool, index);
	}
	det_spin_unlock(lock_of(lo));
}

void det_sync_forget(uintptr_t addr, size_t bytes)
{
	uintptr_t hi = addr + bytes;

	if (!touched || hi < addr)
		return;
	for (uintptr_t lo = addr; lo < hi;) {
		uintptr_t end = (lo | ((UINT64_C(1) << TOUCHED_SHIFT) - 1)) + 1;

		if (end > hi)
			end = hi;
		if (*touched_of(lo))
			for (uintptr_t at = lo; at < end; at = (at | 7) + 1)
				forget_word(at, (at | 7) + 1 < end ? (at | 7) + 1 : end);
		lo = end;
	}
}

void det_syncmap_after_fork(void)
{
	for (unsigned i = 0; i < LOCKS; i++)
		atomic_store(&locks[i].word, 0);
}

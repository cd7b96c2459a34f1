/* Reserved address space and the records in it. One lock per size class; a class's free list runs through the first word of each
 * free record. Nothing is given back to the system except by det_pool users that discard whole ranges themselves. */
#include "arena.h"

#include <sched.h>
#include <sys/mman.h>

#include "../report/loss.h"

#define ARENA_BYTES (UINT64_C(1) << 35)         /* 2^31 references of 16 bytes */
#define RESERVED_MAX 256
#define CLASSES 27                              /* 16 << 0 … 16 << 26 */

unsigned char *det_arena_base;
static _Atomic uint64_t arena_next;
static struct { struct det_spin lock; uint32_t head; } classes[CLASSES];

void det_spin_slow(struct det_spin *l)
{
	for (unsigned spins = 0;; spins++) {
		while (atomic_load_explicit(&l->word, memory_order_relaxed)) {
			if (spins < 64) {
				spins++;
				__builtin_ia32_pause();
			} else {
				sched_yield();
			}
		}
		if (atomic_exchange_explicit(&l->word, 1, memory_order_acquire) == 0)
			return;
	}
}

void *det_reserve(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		return NULL;
	madvise(p, bytes, MADV_DONTDUMP);
	madvise(p, bytes, MADV_NOHUGEPAGE);
	det_reserved_add((uintptr_t)p, bytes);
	return p;
}

static struct { uintptr_t lo, hi; } reserved[RESERVED_MAX];
static _Atomic uint32_t n_reserved;

bool det_reserved_add(uintptr_t lo, size_t bytes)
{
	uint32_t i = atomic_fetch_add(&n_reserved, 1);

	if (i >= RESERVED_MAX) {
		det_loss("table of the detector's own memory", 1);
		return false;
	}
	reserved[i].lo = lo;
	reserved[i].hi = lo + bytes;
	return true;
}

void det_reserved_each(void (*visit)(uintptr_t lo, uintptr_t hi, void *arg), void *arg)
{
	for (uint32_t i = 0; i < atomic_load(&n_reserved) && i < RESERVED_MAX; i++)
		visit(reserved[i].lo, reserved[i].hi, arg);
}

void det_zero(void *p, size_t bytes)
{
	__asm__ volatile("rep stosb" : "+D"(p), "+c"(bytes) : "a"(0) : "memory");
}

bool det_pool_init(struct det_pool *p, uint32_t record_bytes, uint32_t max, const char *what)
{
	p->record_bytes = record_bytes;
	p->max = max;
	p->what = what;
	atomic_store(&p->next, 1);
	p->base = det_reserve((size_t)record_bytes * max);
	return p->base != NULL;
}

uint32_t det_pool_get(struct det_pool *p)
{
	uint32_t index;

	det_spin_lock(&p->lock);
	index = p->free_list;
	if (index)
		p->free_list = *(uint32_t *)det_pool_at(p, index);
	det_spin_unlock(&p->lock);
	if (index)
		return index;
	if (atomic_load_explicit(&p->next, memory_order_relaxed) < p->max) {
		index = atomic_fetch_add_explicit(&p->next, 1, memory_order_relaxed);
		if (index < p->max)
			return index;
	}
	det_loss(p->what, 1);
	return 0;
}

void det_pool_put(struct det_pool *p, uint32_t index)
{
	det_spin_lock(&p->lock);
	*(uint32_t *)det_pool_at(p, index) = p->free_list;
	p->free_list = index;
	det_spin_unlock(&p->lock);
}

bool det_arena_init(void)
{
	det_arena_base = det_reserve(ARENA_BYTES);
	atomic_store(&arena_next, 64);
	return det_arena_base != NULL;
}

static unsigned class_of(size_t bytes)
{
	return bytes <= 16 ? 0 : 60u - (unsigned)__builtin_clzl(bytes - 1);
}

uint32_t det_alloc(size_t bytes)
{
	unsigned c = class_of(bytes);
	uint32_t ref = 0;
	uint64_t at;

	if (c >= CLASSES) {
		det_loss("detector memory (record too large)", 1);
		return 0;
	}
	det_spin_lock(&classes[c].lock);
	ref = classes[c].head;
	if (ref)
		classes[c].head = *(uint32_t *)det_at(ref);
	det_spin_unlock(&classes[c].lock);
	if (ref) {
		det_zero(det_at(ref), (size_t)16 << c);
		return ref;
	}
	at = atomic_fetch_add_explicit(&arena_next, (uint64_t)16 << c, memory_order_relaxed);
	if (at + ((uint64_t)16 << c) > ARENA_BYTES) {
		atomic_fetch_sub_explicit(&arena_next, (uint64_t)16 << c, memory_order_relaxed);
		det_loss("detector memory", 1);
		return 0;
	}
	return (uint32_t)(at / 16);
}

void det_free(uint32_t ref, size_t bytes)
{
	unsigned c = class_of(bytes);

	if (!ref)
		return;
	det_spin_lock(&classes[c].lock);
	*(uint32_t *)det_at(ref) = classes[c].head;
	classes[c].head = ref;
	det_spin_unlock(&classes[c].lock);
}

void det_arena_after_fork(void)
{
	for (unsigned c = 0; c < CLASSES; c++)
		atomic_store(&classes[c].lock.word, 0);
}

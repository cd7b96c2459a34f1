/* The detector's own memory: reserved address space, committed by touch; never from malloc, so that it may be used with any lock of
 * the program or the runtime held. Records are named by 32-bit references (16-byte units from the base of one arena), so that a
 * shadow cell can hold them. */
#ifndef CSP_DETECTOR_SHADOW_ARENA_H
#define CSP_DETECTOR_SHADOW_ARENA_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Spin lock for tens of instructions. Yields, since the holder may be off the CPU. */
struct det_spin { _Atomic uint32_t word; };
void det_spin_slow(struct det_spin *l);
static inline void det_spin_lock(struct det_spin *l)
{
	if (__builtin_expect(atomic_exchange_explicit(&l->word, 1, memory_order_acquire) != 0, 0))
		det_spin_slow(l);
}
static inline void det_spin_unlock(struct det_spin *l) { atomic_store_explicit(&l->word, 0, memory_order_release); }

/* Address space that reads as zero. NULL if the system refuses. Not in core dumps, no huge pages. */
void *det_reserve(size_t bytes);
/* All of the detector's own mappings: what det_reserve gave, and others that are told. A scan for leaks looks into none of them. */
bool det_reserved_add(uintptr_t lo, size_t bytes);
void det_reserved_each(void (*visit)(uintptr_t lo, uintptr_t hi, void *arg), void *arg);

/* Fixed-size records by dense index from 1; freed ones are used again. */
struct det_pool {
	unsigned char *base;
	uint32_t record_bytes, max;
	_Atomic uint32_t next;          /* first index never handed out */
	struct det_spin lock;           /* guards free_list */
	uint32_t free_list;             /* linked through the first word of each free record */
	const char *what;               /* for det_loss */
};
bool det_pool_init(struct det_pool *p, uint32_t record_bytes, uint32_t max, const char *what);
uint32_t det_pool_get(struct det_pool *p);      /* 0 and a loss when exhausted. Content is not cleared */
void det_pool_put(struct det_pool *p, uint32_t index);
static inline void *det_pool_at(const struct det_pool *p, uint32_t index) { return p->base + (size_t)index * p->record_bytes; }

/* Small records of any size (rounded up to a power of two, 16 B … 1 GiB). A reference is never 0 and fits 31 bits. */
bool det_arena_init(void);
uint32_t det_alloc(size_t bytes);               /* zeroed; 0 and a loss when exhausted */
void det_free(uint32_t ref, size_t bytes);      /* bytes as given to det_alloc */
extern unsigned char *det_arena_base __attribute__((visibility("hidden")));
static inline void *det_at(uint32_t ref) { return det_arena_base + (size_t)ref * 16; }

void det_zero(void *p, size_t bytes);

/* After fork in the child, where the holders of the locks do not exist. */
void det_arena_after_fork(void);

#endif

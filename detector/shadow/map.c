/* Placement of the shadow. Kernels place PIE images at 0x55…, the mmap area and stacks below 0x7fff…, or, with an unlimited stack,
 * the mmap area from about 0x14…; the candidates avoid both, and MAP_FIXED_NOREPLACE tells if one is taken. */
#include "map.h"

#include <stdatomic.h>
#include <sys/mman.h>

#include "../report/loss.h"
#include "arena.h"

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif

unsigned char *det_shadow_base;
unsigned char *det_dirty;

/* High bits + 1 of the owner of each 4 GiB of folded space; 0: nobody yet. */
static _Atomic uint32_t owner[1u << (DET_FOLD_BITS - 32)];

bool det_map_init(void)
{
	static const uintptr_t candidates[] = { 0x100000000000, 0x200000000000, 0x300000000000, 0x180000000000, 0x340000000000 };
	const size_t bytes = (size_t)2 << DET_FOLD_BITS;

	for (unsigned i = 0; i < sizeof(candidates) / sizeof(candidates[0]) && !det_shadow_base; i++) {
		void *p = mmap((void *)candidates[i], bytes, PROT_READ | PROT_WRITE,
		               MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);

		if (p == MAP_FAILED)
			continue;
		if ((uintptr_t)p != candidates[i]) {
			munmap(p, bytes);
			continue;
		}
		madvise(p, bytes, MADV_DONTDUMP);
		madvise(p, bytes, MADV_NOHUGEPAGE);
		det_reserved_add((uintptr_t)p, bytes);
		det_shadow_base = p;
	}
	det_dirty = det_reserve((size_t)1 << (DET_FOLD_BITS - DET_DIRTY_SHIFT));
	return det_shadow_base && det_dirty;
}

bool det_map_claim(uintptr_t addr)
{
	_Atomic uint32_t *o = &owner[(addr & DET_FOLD_MASK) >> 32];
	uint32_t high = (uint32_t)(addr >> DET_FOLD_BITS) + 1, present = atomic_load_explicit(o, memory_order_relaxed);

	if (__builtin_expect(present == high, 1))
		return true;
	if (present == 0 && atomic_compare_exchange_strong(o, &present, high))
		return true;
	if (present == high)
		return true;
	det_loss("accesses at aliased addresses", 1);
	return false;
}

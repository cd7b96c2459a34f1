/* The heap of the program: every live block handed out by malloc and its relatives, with who allocated it and where.
 * Written by abi/malloc.c. det_heap_find and det_heap_each take no lock: they are safe at any time, exact while the world is stopped
 * (a block whose malloc or free is in flight may be missing or present). */
#ifndef CSP_DETECTOR_ABI_HEAP_H
#define CSP_DETECTOR_ABI_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct det_heap_block {
	uintptr_t start;
	size_t    size;                 /* as asked for */
	uint64_t  gid;                  /* who allocated it */
	uint32_t  ctx;                  /* where: det_ctx_expand */
	uint32_t  id;                   /* dense index from 1, below det_heap_ids(); for mark bitmaps */
};

/* The block that contains addr (one past the end counts as outside, the first byte of an empty block as inside). */
/* The block that addr lies in or is one past the end of. Blocks of malloc never touch, so there is only one. */
bool det_heap_find_near(uintptr_t addr, struct det_heap_block *out);
/* For many starts of blocks: fetch what finding them will read, in two steps with other work between. */
void det_heap_prefetch(uintptr_t start, int step);
bool det_heap_find(uintptr_t addr, struct det_heap_block *out);
/* One of the latest blocks freed, for reports. */
bool det_heap_find_freed(uintptr_t addr, struct det_heap_block *out);
void det_heap_each(bool (*visit)(const struct det_heap_block *b, void *arg), void *arg);
uint32_t det_heap_ids(void);

/* For abi/malloc.c and foreign allocators. */
void det_heap_add(uintptr_t start, size_t size, uint64_t gid, uint32_t ctx);
bool det_heap_remove(uintptr_t start, struct det_heap_block *out);
void det_heap_init(void);

#endif

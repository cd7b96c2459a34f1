/* From an address of the program to its shadow cell.
 *
 * Four bytes of the program have one cell of eight bytes. The low 44 bits of an address select the cell; the image, the heap and the
 * mmap area of a process differ there, which is verified: each 4 GiB of folded space belongs to the first high bits seen, and an
 * access with others is not checked and counted as a loss. The shadow lies where neither PIE images nor the mmap area are placed, so
 * that it does not push later mappings onto an alias. */
#ifndef CSP_DETECTOR_SHADOW_MAP_H
#define CSP_DETECTOR_SHADOW_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cell.h"

#define DET_FOLD_BITS 44
#define DET_FOLD_MASK ((UINT64_C(1) << DET_FOLD_BITS) - 1)

extern unsigned char *det_shadow_base __attribute__((visibility("hidden")));

static inline struct det_cell *det_cell_of(uintptr_t addr)
{
	return (struct det_cell *)(det_shadow_base + ((addr & DET_FOLD_MASK) >> 2) * sizeof(struct det_cell));
}

/* One byte per DET_DIRTY_BYTES of the program, set before the first cell of it is written: what was never touched need not be swept. */
#define DET_DIRTY_SHIFT 11
#define DET_DIRTY_BYTES ((uintptr_t)1 << DET_DIRTY_SHIFT)
extern unsigned char *det_dirty __attribute__((visibility("hidden")));
static inline unsigned char *det_dirty_of(uintptr_t addr) { return &det_dirty[(addr & DET_FOLD_MASK) >> DET_DIRTY_SHIFT]; }

bool det_map_init(void);
/* May cells of addr be used? False, and a loss, for an alias. */
bool det_map_claim(uintptr_t addr);

#endif

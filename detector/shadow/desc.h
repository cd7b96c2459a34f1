/* Access descriptors: an append-only table, drawn in private blocks per thread. See access.h for what one holds. */
#ifndef CSP_DETECTOR_SHADOW_DESC_H
#define CSP_DETECTOR_SHADOW_DESC_H

#include "access.h"

#define DET_DESC_MAX (1u << 30)

bool det_desc_init(void);

/* The descriptor of an access by g now: one drawn earlier in this epoch for the same pc, stack and kind, or a new one.
 * 0 and a loss when the table is full. */
uint32_t det_desc_for(struct det_g *g, enum det_kind kind, size_t size, uintptr_t pc);

#endif

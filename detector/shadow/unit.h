/* The two forms a cell grows into: four bytes that differ, and sets of accesses. All under the lock of the cell's line. */
#ifndef CSP_DETECTOR_SHADOW_UNIT_H
#define CSP_DETECTOR_SHADOW_UNIT_H

#include "access.h"
#include "cell.h"

/* Give each byte of c its own pair. False, and a loss, if there is no memory. */
bool det_cell_inflate(struct det_cell *c);
/* Back to one pair if the four agree exactly. */
void det_cell_deflate(struct det_cell *c);
/* Forget the bytes of mask. */
void det_cell_clear(struct det_cell *c, unsigned mask);

uint32_t det_set_create(uint32_t first, uint32_t second);      /* tagged word, or `second` if there is no memory (a loss) */
void det_set_add(uint32_t *r, uint32_t id);                    /* *r is tagged; may move the set */
void det_set_destroy(uint32_t r);                              /* no-op unless tagged */
void det_set_count(struct det_set *s, uint32_t id);            /* note id's kind in the counts */

#endif

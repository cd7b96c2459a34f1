/* Hash of the happens-before order of a run, by the rule of Musuvathi and Qadeer ("Partial-Order Reduction for Context-Bounded State
 * Exploration", MSR-TR-2007-12): each step is hashed with the hash of the goroutine's step before and of the steps it depends on, and the
 * whole is the sum, so that swapping independent steps does not change it. */
#ifndef CSP_DETECTOR_EXPLORE_OBJECTS_H
#define CSP_DETECTOR_EXPLORE_OBJECTS_H

#include <stdbool.h>
#include <stdint.h>

struct det_hb_object { const void *addr; uint64_t write, reads; };

/* An access of object addr by the step with hash `step`; returns the step's new hash. */
uint64_t det_hb_touch(const void *addr, bool writes, uint64_t step);
void det_hb_forget(const void *addr);
void det_hb_clear(void);

#endif

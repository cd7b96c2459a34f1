/* Calling contexts: interned chains of return addresses. A context id stands for a whole stack, for the whole run; nothing is
 * evicted. Ids are dense from 1; 0 is "no frames". */
#ifndef CSP_DETECTOR_SHADOW_CONTEXT_H
#define CSP_DETECTOR_SHADOW_CONTEXT_H

#include <stdbool.h>
#include <stdint.h>

#include "../report/finding.h"

/* The context of the caller, with pc (a return address into user code) as its innermost frame: the shadow stack of instrumented
 * frames where there is one, else (uninstrumented programs) the frames found by unwinding. Any thread; may be called with runtime
 * locks held. */
uint32_t det_ctx_here(void *pc);

/* (parent, pc) → id. Lock-free. Returns 0 and counts a loss when the table is full. */
uint32_t det_ctx_intern(uint32_t parent, uintptr_t pc);

/* Innermost first, at most DET_STACK_MAX frames. exact0 is left false. */
void det_ctx_expand(uint32_t ctx, struct det_stack *out);

void det_ctx_init(void);

#endif

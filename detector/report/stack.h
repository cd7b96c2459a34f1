/* Stacks for findings: of the caller, and of a parked goroutine. */
#ifndef CSP_DETECTOR_REPORT_STACK_H
#define CSP_DETECTOR_REPORT_STACK_H

#include "finding.h"
#include "../../runtime/event/event.h"
#include "../../runtime/sched/inspect.h"

/* The caller's stack, from the return address pc into user code outwards. */
void det_stack_here(struct det_stack *out, void *pc);

/* The stack of a goroutine that is not running, runtime frames included; empty if it cannot be had. */
void det_stack_parked(struct det_stack *out, const struct rt_door *door, struct rt_gview *g);

uint64_t det_stack_hash(const struct det_stack *s);

#endif

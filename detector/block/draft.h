/* A finding under construction: the parties, goroutines, objects and edges of a wait-for graph, with their stacks, in one scratch area
 * of the detector. Each goroutine and object is entered once, however often it is named. What exceeds the area is left out and counted
 * in the cause. One draft at a time: begin takes a lock, emit releases it. */
#ifndef CSP_DETECTOR_BLOCK_DRAFT_H
#define CSP_DETECTOR_BLOCK_DRAFT_H

#include "../report/finding.h"
#include "../report/stack.h"
#include "../../runtime/sched/inspect.h"

#define DET_DRAFT_PARTS 256u

void det_draft_begin(const struct rt_door *door);

struct det_stack *det_draft_stack(void);                /* an empty one; never NULL (the last is shared when they run out) */
struct det_stack *det_draft_ctx(uint32_t ctx);          /* NULL for 0 */
struct det_stack *det_draft_parked(struct rt_gview *g);

struct det_part *det_draft_part(const char *role, const char *op, uint64_t gid, const struct det_stack *stack);     /* NULL: full */
void det_draft_part_object(struct det_part *p, enum rt_obj_kind kind, uintptr_t addr);
/* state NULL: what is known of it (running, finished). */
void det_draft_goroutine(uint64_t gid, const char *state, int64_t blocked_ns);
void det_draft_object(enum rt_obj_kind kind, uintptr_t addr);
void det_draft_edge_to_object(uint64_t from_gid, enum rt_obj_kind kind, uintptr_t obj, const char *label, const struct det_stack *stack);
void det_draft_edge_to_goroutine(enum rt_obj_kind kind, uintptr_t obj, uint64_t to_gid, const char *label, const struct det_stack *stack);

/* A piece of memory that is no object of the runtime's, and that one names another. */
void det_draft_memory(const char *kind, uintptr_t addr, size_t bytes, uint64_t gid);
void det_draft_edge_of_memory(uintptr_t from, uintptr_t to);

/* Texts that live as long as the draft. */
const char *det_draft_text(const char *format, ...) __attribute__((format(printf, 1, 2)));

uint32_t det_draft_emit(enum det_rule rule, const char *proof, bool gate, const char *cause);
/* *key, if asked for: of the finding (det_finding_repeat). */
uint32_t det_draft_emit_keyed(enum det_rule rule, const char *proof, bool gate, const char *cause, uint64_t *key);
void det_draft_after_fork(void);

const char *det_kind_text(enum rt_obj_kind kind);
/* A blocked goroutine as seen by inspect: a part "blocked" with its objects, the goroutine, an edge to each object. */
void det_draft_blocked(const struct rt_ginfo *info);

#endif

/* What is known of every goroutine that ever ran, for the whole run: number, parent, name, entry, creation stack, whether it has
 * ended. Rows are never removed. A pthread without an identity in the runtime has a row too, with an id of DET_GID_THREAD | tid. */
#ifndef CSP_DETECTOR_HB_GOROUTINES_H
#define CSP_DETECTOR_HB_GOROUTINES_H

#include <stdbool.h>
#include <stdint.h>

#include "../report/finding.h"

#define DET_GID_THREAD (UINT64_C(1) << 48)

/* Fill *out for goroutine gid. created_at points into *created (filled too), or is NULL for goroutine 1 and unknown ones.
 * state is "running" or "finished"; blocked_ns is -1: who knows better (the wait-for analyser) overwrites both.
 * Returns false, with gid set and the rest empty, if no such goroutine was ever seen. */
bool det_goroutine_lookup(uint64_t gid, struct det_goroutine *out, struct det_stack *created);

/* The pc handed to g_go for this goroutine, 0 if unknown. */
uintptr_t det_goroutine_go_pc(uint64_t gid);

/* How many goroutines were created so far, how many have ended. Foreign threads are not counted. */
void det_goroutine_counts(uint64_t *started, uint64_t *ended);

#endif

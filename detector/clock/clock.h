/* Vector clocks as immutable 16-ary tries of 32-bit times, indexed by slot.
 *
 * Nodes are shared between clocks and counted; a join visits only subtrees that differ (equal indices are equal subtrees) and gives
 * back one of its operands where that one dominates, so that joining what is mostly known costs a walk along the differences.
 * A det_clock is a value that owns one reference to its root; {0, 0} is the clock that knows nothing.
 *
 * A snapshot is what a release leaves behind: the releaser's clock and its own epoch beside it, O(1) to take. If `pure`, it is the
 * state of one goroutine at one release, and who knows its epoch knows all of it; if not, several releases were joined into it. */
#ifndef CSP_DETECTOR_CLOCK_CLOCK_H
#define CSP_DETECTOR_CLOCK_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "epoch.h"

typedef struct { uint32_t root, levels; } det_clock;

struct det_snap { det_clock clock; det_epoch own; bool pure; };     /* own.slot 0: empty */

bool det_clock_init(void);
uint32_t det_clock_get(det_clock c, uint32_t slot);
det_clock det_clock_ref(det_clock c);
void det_clock_drop(det_clock *c);
void det_clock_set(det_clock *c, det_epoch e);          /* c[e.slot] = max(c[e.slot], e.time) */
bool det_clock_join(det_clock *c, det_clock other);     /* false if c knew all of it */

static inline bool det_snap_empty(const struct det_snap *s) { return s->own.slot == 0; }
void det_snap_drop(struct det_snap *s);
struct det_snap det_snap_ref(const struct det_snap *s);
void det_snap_join(struct det_snap *into, const struct det_snap *s);    /* s stays the caller's */

/* Nodes in use, for tests of reclamation. */
uint32_t det_clock_nodes(void);

#endif

/* Where locks and wait groups were last touched: the other site of a misuse report. Also the one rule of wait groups that needs order:
 * an Add that raises the counter from zero must happen before the Wait of its round, and after every Wait of the round before. */
#ifndef CSP_DETECTOR_BLOCK_SITES_H
#define CSP_DETECTOR_BLOCK_SITES_H

#include <stdbool.h>
#include <stdint.h>

#include "../clock/epoch.h"
#include "../../runtime/event/event.h"

/* What is remembered of an object: the last operation of each kind. */
enum det_site_op {
	DET_SITE_UNLOCK,                /* mutex, rw mutex as writer */
	DET_SITE_RUNLOCK,
	DET_SITE_LOCK_OPS,
	DET_SITE_RAISE = DET_SITE_LOCK_OPS,     /* wait group: Add from zero */
	DET_SITE_ADD,                   /* any other Add */
	DET_SITE_DONE,                  /* the counter went down */
	DET_SITE_WAIT,                  /* of the last four goroutines that waited */
	DET_SITE_WAITS = 4,
	DET_SITE_OPS = DET_SITE_WAIT + DET_SITE_WAITS
};

struct det_site { uint64_t gid; uint32_t ctx; det_epoch epoch; };      /* gid 0: never, or no longer known */

struct det_site det_site_of(uintptr_t addr, enum det_site_op op);

/* The events of that name. */
void det_block_wg_add(struct rt_gview *g, void *wg, int64_t delta, int64_t counter_after, void *pc);
void det_block_wg_wait(struct rt_gview *g, void *wg, void *pc);

#endif

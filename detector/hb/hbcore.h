/* Shared inside the room and with abi/: start-up, and the steps common to all kinds of synchronisation. */
#ifndef CSP_DETECTOR_HB_HBCORE_H
#define CSP_DETECTOR_HB_HBCORE_H

#include "../shadow/access.h"
#include "syncmap.h"

/* Reserve everything and switch on; idempotent, called by the constructor, __tsan_init and attach. If the system refuses the address
 * space the detector stays off and says so once on stderr. */
void det_init(void);
void det_after_fork(void);
void det_fork_tell(void);       /* in the child, when its stream may be written to: what is lost */

/* The state behind a view; made on demand. NULL for NULL or while off. */
struct det_g *det_of(struct rt_gview *g);
extern const struct rt_door *det_door __attribute__((visibility("hidden")));

/* Fresh or dead memory: no access, no synchronisation object is remembered of it. */
void det_memory_reset(uintptr_t addr, size_t bytes);

/* One step through the object at addr; no-ops for g == NULL. */
void det_sync_acquire(struct det_g *g, const void *addr, enum det_role role);
void det_sync_release_join(struct det_g *g, const void *addr, enum det_role role);
void det_sync_release_store(struct det_g *g, const void *addr, enum det_role role);
void det_rw_locked(struct det_g *g, const void *addr, bool writer);
void det_rw_unlocking(struct det_g *g, const void *addr, bool writer);

#endif

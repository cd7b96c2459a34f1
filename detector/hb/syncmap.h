/* What releases left behind, by the address of the object they went through. An object exists from its first release until its memory
 * is freed or reused. One address may play several roles (a mutex that is also named in CSP_RELEASE); they do not mix. */
#ifndef CSP_DETECTOR_HB_SYNCMAP_H
#define CSP_DETECTOR_HB_SYNCMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../clock/clock.h"

enum det_role { DET_ROLE_ATOMIC, DET_ROLE_LOCK, DET_ROLE_CHAN, DET_ROLE_GENERIC, DET_ROLE_SITES /* block/sites.c */ };

struct det_slot { struct det_snap all, must; };

struct det_sync {
	uintptr_t addr;
	uint32_t  role;
	uint32_t  next;                 /* in the bucket */
	struct det_snap a;              /* what acquirers learn; rw lock: from writers; channel: from close */
	struct det_snap b;              /* rw lock: from readers, for the next writer */
	struct det_snap must;           /* as a, without the edges of locks (order/must.h); of a lock only as told below */
	uint32_t  slots_ref, slots_n;   /* channel: array of det_slot, one per buffer index */
	uint32_t  sites_ref, sites_bytes;       /* sites: array of det_site */
	uint32_t  lock_id;              /* lock: its number, another one for another lock at the same address; 0: none yet */
	uint32_t  lock_made;            /* lock: the last plain write to it when the number was given */
	bool      condition;            /* mutex: guards a condition */
	bool      section_write;
	det_epoch section;              /* lock: the last section in which its holder told others something, and `must` is what it knew at the end */
	/* Lock: where it was last unlocked by a writer and by a reader, not interned yet: an unlock has no time for that. pc 0: never. */
	struct { uintptr_t pc; uint32_t ctx, row; } unlocked[2];
};

bool det_syncmap_init(void);

/* The object, with its bucket locked, so that nobody else looks at or removes it; NULL if there is none and !create (then too the
 * bucket is locked), or if there is no memory (a loss). Unlock with the same address. */
struct det_sync *det_sync_lock(uintptr_t addr, enum det_role role, bool create);
void det_sync_unlock(uintptr_t addr);

/* Remove all objects in [addr, addr + bytes). */
void det_sync_forget(uintptr_t addr, size_t bytes);
void det_syncmap_after_fork(void);

#endif

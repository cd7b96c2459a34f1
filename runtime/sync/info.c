#include "info.h"
#include "mutex.h"

static uint64_t known_owner(uint64_t owner)
{
	return owner == RT_OWNER_ANY ? 0 : owner;
}

static void mutex_info(const csp_mutex *m, struct rt_objinfo *out)
{
	uint64_t owner = __atomic_load_n(&m->owner_, __ATOMIC_RELAXED);

	out->owner_id = known_owner(owner);
	out->handover = owner == RT_OWNER_ANY;
}

static void rwmutex_info(const csp_rwmutex *rw, struct rt_objinfo *out)
{
	uint64_t owner = __atomic_load_n(&rw->owner_, __ATOMIC_RELAXED);
	int32_t readers = __atomic_load_n(&rw->readers_, __ATOMIC_RELAXED);
	int32_t departing = __atomic_load_n(&rw->departing_, __ATOMIC_RELAXED);

	out->owner_id = known_owner(owner);
	out->handover = owner == RT_OWNER_ANY;
	/* With a writer announced only the readers it waits for hold the lock; the others are queued. */
	out->counter = readers >= 0 ? readers : departing;
	out->writer_waiting = readers < 0 && departing > 0;
}

bool rt_sync_info(enum rt_obj_kind kind, void *obj, struct rt_objinfo *out)
{
	*out = (struct rt_objinfo){ .kind = kind };
	switch (kind) {
	case RT_OBJ_MUTEX:
		mutex_info(obj, out);
		return true;
	case RT_OBJ_RWMUTEX:
		rwmutex_info(obj, out);
		return true;
	case RT_OBJ_WAITGROUP:
		out->counter = (int32_t)(__atomic_load_n(&((csp_waitgroup *)obj)->state_, __ATOMIC_RELAXED) >> 32);
		return true;
	case RT_OBJ_ONCE:
		out->owner_id = __atomic_load_n(&((csp_once *)obj)->runner_, __ATOMIC_RELAXED);
		return true;
	case RT_OBJ_SEMA:
		out->counter = __atomic_load_n(&((csp_sema *)obj)->permits_, __ATOMIC_RELAXED);
		return true;
	case RT_OBJ_COND:
		return true;
	default:
		return false;
	}
}

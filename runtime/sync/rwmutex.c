/* csp_rwmutex: Go's sync.RWMutex. Writers pass through a lock word one at a time; the one inside announces itself by subtracting
 * MAX_READERS from readers_, which turns new readers away, and waits until the readers present then (departing_) have left.
 *   readers_ >= 0   that many readers, no writer
 *   readers_ <  0   a writer waits or writes; readers_ + MAX_READERS readers are present or queued
 *   departing_      readers the announced writer still waits for (may be negative for a moment: a reader that leaves before the writer
 *                   has counted it)
 * tests/model/rwmutex.pml. The writer's event order: release before readers_ is restored; acquire once all readers have left. */
#include "mutex.h"

#define MAX_READERS (1 << 30)

void csp_rwmutex_init(csp_rwmutex *rw, unsigned flags)
{
	*rw = (csp_rwmutex){ .owner_ = flags & CSP_MUTEX_HANDOVER ? RT_OWNER_ANY : 0 };
}

static void set_owner(csp_rwmutex *rw, uint64_t id)
{
	if (__atomic_load_n(&rw->owner_, __ATOMIC_RELAXED) != RT_OWNER_ANY)
		__atomic_store_n(&rw->owner_, id, __ATOMIC_RELAXED);
}

void csp_rwmutex_rlock(csp_rwmutex *rw)
{
	void *pc = __builtin_return_address(0);
	struct rt_g *g = rt_self_inline();

	RT_POINT(RT_AT_RLOCK, rw);
	if (__atomic_add_fetch(&rw->readers_, 1, __ATOMIC_ACQUIRE) < 0) {
		struct rt_sem_why why = { rw, RT_WAIT_RW_RLOCK, RT_OBJ_RWMUTEX, RT_OP_RLOCK, NULL };

		rt_sem_acquire(&rw->reader_sema_, &why, false);
	}
	RT_EVENT(rw_lock, &g->view, rw, false, pc);
}

bool csp_rwmutex_try_rlock(csp_rwmutex *rw)
{
	struct rt_g *g = rt_self_inline();
	RT_POINT(RT_AT_TRY_RLOCK, rw);
	int32_t readers = __atomic_load_n(&rw->readers_, __ATOMIC_RELAXED);

	do {
		if (readers < 0)
			return false;
	} while (!__atomic_compare_exchange_n(&rw->readers_, &readers, readers + 1, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED));
	RT_EVENT(lock_tried, &g->view, rw);
	RT_EVENT(rw_lock, &g->view, rw, false, __builtin_return_address(0));
	return true;
}

void csp_rwmutex_runlock(csp_rwmutex *rw)
{
	void *pc = __builtin_return_address(0);
	struct rt_g *g = rt_self_inline();
	int32_t before = __atomic_load_n(&rw->readers_, __ATOMIC_RELAXED);

	/* Checked before the event, so that the observer never hears of an unlock that did not happen. */
	if (before == 0 || before == -MAX_READERS)
		rt_fatal(RT_MISUSE_RUNLOCK_UNLOCKED, rw, "sync: RUnlock of unlocked RWMutex", pc);
	RT_POINT(RT_AT_UNLOCK, rw);
	RT_EVENT(rw_unlock, &g->view, rw, false, pc);
	before = __atomic_fetch_sub(&rw->readers_, 1, __ATOMIC_RELEASE);
	if (before > 0)
		return;
	if (before == 0 || before == -MAX_READERS)
		rt_fatal(RT_MISUSE_RUNLOCK_UNLOCKED, rw, "sync: RUnlock of unlocked RWMutex", pc);
	if (__atomic_sub_fetch(&rw->departing_, 1, __ATOMIC_ACQ_REL) == 0)
		rt_sem_release(&rw->writer_sema_, false);
}

void csp_rwmutex_lock(csp_rwmutex *rw)
{
	void *pc = __builtin_return_address(0);
	struct rt_g *g = rt_self_inline();
	struct rt_sem_why why = { rw, RT_WAIT_RW_LOCK, RT_OBJ_RWMUTEX, RT_OP_LOCK, NULL };
	int32_t readers;

	RT_POINT(RT_AT_LOCK, rw);
	if (!rt_lockword_try(&rw->writers_))
		rt_lockword_lock_slow(&rw->writers_, &rw->writers_sema_, &why);
	readers = __atomic_fetch_sub(&rw->readers_, MAX_READERS, __ATOMIC_ACQ_REL);
	if (readers != 0 && __atomic_add_fetch(&rw->departing_, readers, __ATOMIC_ACQ_REL) != 0)
		rt_sem_acquire(&rw->writer_sema_, &why, false);
	set_owner(rw, g->view.id);
	RT_EVENT(rw_lock, &g->view, rw, true, pc);
}

bool csp_rwmutex_try_lock(csp_rwmutex *rw)
{
	struct rt_g *g = rt_self_inline();
	int32_t none = 0;

	RT_POINT(RT_AT_TRY_LOCK, rw);
	if (!rt_lockword_try(&rw->writers_) && !rt_lockword_try_slow(&rw->writers_))
		return false;
	if (!__atomic_compare_exchange_n(&rw->readers_, &none, -MAX_READERS, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) {
		rt_lockword_unlock(&rw->writers_, &rw->writers_sema_);
		return false;
	}
	set_owner(rw, g->view.id);
	RT_EVENT(lock_tried, &g->view, rw);
	RT_EVENT(rw_lock, &g->view, rw, true, __builtin_return_address(0));
	return true;
}

void csp_rwmutex_unlock(csp_rwmutex *rw)
{
	void *pc = __builtin_return_address(0);
	struct rt_g *g = rt_self_inline();
	uint64_t owner = __atomic_load_n(&rw->owner_, __ATOMIC_RELAXED);
	int32_t readers = __atomic_load_n(&rw->readers_, __ATOMIC_RELAXED);

	if (readers >= 0 || (owner == 0 && __atomic_load_n(&rw->departing_, __ATOMIC_RELAXED) != 0))
		rt_fatal(RT_MISUSE_UNLOCK_UNLOCKED, rw, "sync: Unlock of unlocked RWMutex", pc);
	if (owner != RT_OWNER_ANY && owner != g->view.id)
		rt_fatal(RT_MISUSE_UNLOCK_FOREIGN, rw, "sync: Unlock of RWMutex locked by another goroutine", pc);
	RT_POINT(RT_AT_UNLOCK, rw);
	RT_EVENT(rw_unlock, &g->view, rw, true, pc);
	set_owner(rw, 0);
	readers = __atomic_add_fetch(&rw->readers_, MAX_READERS, __ATOMIC_RELEASE);
	if (readers >= MAX_READERS)
		rt_fatal(RT_MISUSE_UNLOCK_UNLOCKED, rw, "sync: Unlock of unlocked RWMutex", pc);
	for (; readers > 0; readers--)
		rt_sem_release(&rw->reader_sema_, false);
	rt_lockword_unlock(&rw->writers_, &rw->writers_sema_);
}

/* csp_mutex: the lock word plus the id of its holder. owner_ is written by the holder only: after it took the lock, and before it
 * releases it, so that nobody ever reads a goroutine that does not hold the lock (0, "unknown", is possible in between). */
#include "mutex.h"

void csp_mutex_init(csp_mutex *m, unsigned flags)
{
	*m = (csp_mutex){ .owner_ = flags & CSP_MUTEX_HANDOVER ? RT_OWNER_ANY : 0 };
}

static uint64_t owner_of(const csp_mutex *m)
{
	return __atomic_load_n(&m->owner_, __ATOMIC_RELAXED);
}

static void set_owner(csp_mutex *m, uint64_t id)
{
	if (owner_of(m) != RT_OWNER_ANY)
		__atomic_store_n(&m->owner_, id, __ATOMIC_RELAXED);
}

bool rt_mutex_is_held_by(const csp_mutex *m, uint64_t g_id)
{
	uint64_t owner = owner_of(m);

	if (owner == RT_OWNER_ANY)
		return __atomic_load_n(&m->state_, __ATOMIC_RELAXED) & RT_MUTEX_LOCKED;
	return owner == g_id;
}

__attribute__((noinline)) void rt_mutex_lock(csp_mutex *m, void *pc)
{
	struct rt_g *g = rt_self_inline();

	RT_POINT(RT_AT_LOCK, m);
	if (!rt_lockword_try(&m->state_)) {
		struct rt_sem_why why = { m, RT_WAIT_MUTEX, RT_OBJ_MUTEX, RT_OP_LOCK, NULL };

		rt_lockword_lock_slow(&m->state_, &m->sema_, &why);
	}
	set_owner(m, g->view.id);
	RT_EVENT(mutex_lock, &g->view, m, pc);
}

static _Noreturn __attribute__((cold, noinline)) void unlock_misuse(csp_mutex *m, void *pc)
{
	if (__atomic_load_n(&m->state_, __ATOMIC_RELAXED) & RT_MUTEX_LOCKED)
		rt_fatal(RT_MISUSE_UNLOCK_FOREIGN, m, "sync: unlock of mutex locked by another goroutine", pc);
	rt_fatal(RT_MISUSE_UNLOCK_UNLOCKED, m, "sync: unlock of unlocked mutex", pc);
}

__attribute__((noinline)) void rt_mutex_unlock(csp_mutex *m, void *pc)
{
	struct rt_g *g = rt_self_inline();

	if (__builtin_expect(!rt_mutex_is_held_by(m, g->view.id), 0))
		unlock_misuse(m, pc);
	RT_POINT(RT_AT_UNLOCK, m);
	RT_EVENT(mutex_unlock, &g->view, m, pc);
	set_owner(m, 0);
	rt_lockword_unlock(&m->state_, &m->sema_);
}

/* The public functions take the case without contention, hand-over mode and observer; anything else starts over in full. */

void csp_mutex_lock(csp_mutex *m)
{
	struct rt_g *g = rt_self_inline();

	if (__builtin_expect(rt_observer == NULL && owner_of(m) != RT_OWNER_ANY && rt_lockword_try(&m->state_), 1))
		__atomic_store_n(&m->owner_, g->view.id, __ATOMIC_RELAXED);
	else
		rt_mutex_lock(m, __builtin_return_address(0));
}

void csp_mutex_unlock(csp_mutex *m)
{
	struct rt_g *g = rt_self_inline();

	if (__builtin_expect(rt_observer == NULL && owner_of(m) == g->view.id, 1)) {
		__atomic_store_n(&m->owner_, 0, __ATOMIC_RELAXED);
		if (__builtin_expect(!rt_quick_unlock(&m->state_), 0))
			rt_lockword_unlock_marked(&m->state_, &m->sema_, g->m);
	} else {
		rt_mutex_unlock(m, __builtin_return_address(0));
	}
}

bool csp_mutex_try_lock(csp_mutex *m)
{
	struct rt_g *g = rt_self_inline();

	RT_POINT(RT_AT_TRY_LOCK, m);
	if (!rt_lockword_try(&m->state_) && !rt_lockword_try_slow(&m->state_))
		return false;
	set_owner(m, g->view.id);
	RT_EVENT(lock_tried, &g->view, m);
	RT_EVENT(mutex_lock, &g->view, m, __builtin_return_address(0));
	return true;
}

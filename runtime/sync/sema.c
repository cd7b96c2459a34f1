/* csp_sema: a counting semaphore of the table; a released permit goes to the longest waiting goroutine. */
#include "semtable.h"
#include "../csp.h"

void csp_sema_init(csp_sema *s, int64_t permits)
{
	*s = (csp_sema){ .permits_ = permits < 0 ? 0 : permits > UINT32_MAX ? UINT32_MAX : (uint32_t)permits };
}

void csp_sema_acquire(csp_sema *s)
{
	void *pc = __builtin_return_address(0);
	struct rt_g *g = rt_self();
	struct rt_sem_why why = { s, RT_WAIT_SEMA, RT_OBJ_SEMA, RT_OP_ACQUIRE, NULL };

	RT_POINT(RT_AT_ACQUIRE, s);
	if (!rt_sem_try_acquire(&s->permits_))
		rt_sem_acquire(&s->permits_, &why, false);
	RT_EVENT(sema, &g->view, s, false, pc);
}

bool csp_sema_try_acquire(csp_sema *s)
{
	RT_POINT(RT_AT_TRY_ACQUIRE, s);
	if (!rt_sem_try_acquire(&s->permits_))
		return false;
	RT_EVENT(sema, &rt_self()->view, s, false, __builtin_return_address(0));
	return true;
}

void csp_sema_release(csp_sema *s)
{
	RT_POINT(RT_AT_UNLOCK, s);
	RT_EVENT(sema, &rt_self()->view, s, true, __builtin_return_address(0));
	rt_sem_release(&s->permits_, true);
}

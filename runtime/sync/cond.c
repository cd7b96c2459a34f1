/* csp_cond: Go's notifyList. A waiter draws a ticket from wait_ while it still holds the mutex, so a signal sent after the mutex
 * was released wakes it even if it has not queued yet: notify_ is the next ticket to be woken, and a waiter whose ticket is below
 * notify_ does not sleep. Both wrap around; differences count. notify_ is written under the bucket lock of the cond's address.
 * tests/model/cond.pml. */
#include "mutex.h"

static bool is_before(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) < 0;
}

static void sleep_until_notified(csp_cond *c, csp_mutex *m, uint32_t ticket)
{
	struct rt_sem_why why = { c, RT_WAIT_COND, RT_OBJ_COND, RT_OP_WAIT, m };
	struct rt_sem_bucket *bucket = rt_sem_lock(c);

	if (is_before(ticket, __atomic_load_n(&c->notify_, __ATOMIC_RELAXED)))
		rt_sem_unlock(bucket);
	else
		rt_sem_wait_locked(bucket, c, ticket, &why);
}

void csp_cond_wait(csp_cond *c, csp_mutex *m)
{
	void *pc = __builtin_return_address(0);
	struct rt_g *g = rt_self();
	uint32_t ticket;

	if (!rt_mutex_is_held_by(m, g->view.id))
		rt_fatal(RT_MISUSE_COND_WITHOUT_LOCK, m, "sync: unlock of unlocked mutex", pc);
	RT_POINT(RT_AT_COND_WAIT, c);
	ticket = __atomic_fetch_add(&c->wait_, 1, __ATOMIC_SEQ_CST);
	rt_mutex_unlock(m, pc);
	sleep_until_notified(c, m, ticket);
	RT_EVENT(cond_waited, &g->view, c);
	rt_mutex_lock(m, pc);
}

/* Nobody has drawn a ticket that was not served. A waiter that draws one concurrently is not ordered with this signal. */
static bool nobody_waits(csp_cond *c)
{
	return __atomic_load_n(&c->wait_, __ATOMIC_SEQ_CST) == __atomic_load_n(&c->notify_, __ATOMIC_SEQ_CST);
}

void csp_cond_signal(csp_cond *c)
{
	struct rt_sem_bucket *bucket;
	struct rt_g *g = NULL;
	uint32_t ticket;

	RT_POINT(RT_AT_SIGNAL, c);
	RT_EVENT(cond_signal, &rt_self()->view, c, false, __builtin_return_address(0));
	if (nobody_waits(c))
		return;
	bucket = rt_sem_lock(c);
	ticket = c->notify_;
	if (ticket != __atomic_load_n(&c->wait_, __ATOMIC_SEQ_CST)) {
		__atomic_store_n(&c->notify_, ticket + 1, __ATOMIC_SEQ_CST);
		g = rt_sem_take(bucket, c, ticket);
	}
	rt_sem_unlock(bucket);
	if (g != NULL)
		rt_ready(g);
}

void csp_cond_broadcast(csp_cond *c)
{
	struct rt_sem_bucket *bucket;
	struct rt_g *list;

	RT_POINT(RT_AT_BROADCAST, c);
	RT_EVENT(cond_signal, &rt_self()->view, c, true, __builtin_return_address(0));
	if (nobody_waits(c))
		return;
	bucket = rt_sem_lock(c);
	__atomic_store_n(&c->notify_, __atomic_load_n(&c->wait_, __ATOMIC_SEQ_CST), __ATOMIC_SEQ_CST);
	list = rt_sem_take_all(bucket, c);
	rt_sem_unlock(bucket);
	rt_ready_list(list);
}

#include "../g.h"

void rt_waitq_push_front(struct rt_waitq *q, struct rt_waiter *w)
{
	w->prev = NULL;
	w->next = q->first;
	if (q->first)
		q->first->prev = w;
	else
		q->last = w;
	rt_waitq_set_first_(q, w);
	w->queued = true;
}

void rt_waitq_remove(struct rt_waitq *q, struct rt_waiter *w)
{
	if (!w->queued)
		return;
	if (w->prev)
		w->prev->next = w->next;
	else
		rt_waitq_set_first_(q, w->next);
	if (w->next)
		w->next->prev = w->prev;
	else
		q->last = w->prev;
	w->next = w->prev = NULL;
	w->queued = false;
}

/* A contended waiter that has lost (its g was woken through another case, or by its deadline) is dropped; its g will find it
 * unqueued. */
struct rt_waiter *rt_waitq_pop_slow(struct rt_waitq *q)
{
	struct rt_waiter *w;

	while ((w = q->first)) {
		rt_waitq_remove(q, w);
		if (!w->contended || rt_fire(w->g))
			return w;
	}
	return NULL;
}

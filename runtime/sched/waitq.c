#include "../g.h"

/* Queues are guarded by their object's lock; only "is anybody first?" is asked without it (chan.c). */
static void set_first(struct rt_waitq *q, struct rt_waiter *w) { __atomic_store_n(&q->first, w, __ATOMIC_RELEASE); }

void rt_waitq_push(struct rt_waitq *q, struct rt_waiter *w)
{
	w->next = NULL;
	w->prev = q->last;
	if (q->last)
		q->last->next = w;
	else
		set_first(q, w);
	q->last = w;
	w->queued = true;
}

void rt_waitq_push_front(struct rt_waitq *q, struct rt_waiter *w)
{
	w->prev = NULL;
	w->next = q->first;
	if (q->first)
		q->first->prev = w;
	else
		q->last = w;
	set_first(q, w);
	w->queued = true;
}

void rt_waitq_remove(struct rt_waitq *q, struct rt_waiter *w)
{
	if (!w->queued)
		return;
	if (w->prev)
		w->prev->next = w->next;
	else
		set_first(q, w->next);
	if (w->next)
		w->next->prev = w->prev;
	else
		q->last = w->prev;
	w->next = w->prev = NULL;
	w->queued = false;
}

/* A contended waiter that has lost (its g was woken through another case, or by its deadline) is dropped; its g will find it
 * unqueued. */
struct rt_waiter *rt_waitq_pop(struct rt_waitq *q)
{
	struct rt_waiter *w;

	while ((w = q->first)) {
		rt_waitq_remove(q, w);
		if (!w->contended || rt_fire(w->g))
			return w;
	}
	return NULL;
}

void rt_wait_begin(struct rt_g *g, enum rt_wait why, struct rt_waiter *set)
{
	atomic_store_explicit(&g->fired, 0, memory_order_relaxed);      /* published with the set by the object's lock */
	g->wait = why;
	g->waits = set;
	g->wake = NULL;
	g->wake_code = 0;
}

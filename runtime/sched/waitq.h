/* Queues of waiters, and the beginning of a wait. Guarded by their object's lock; only "is anybody first?" is asked without it (chan.c).
 * Included by g.h. */
#ifndef CSP_RUNTIME_SCHED_WAITQ_H
#define CSP_RUNTIME_SCHED_WAITQ_H

static inline void rt_waitq_set_first_(struct rt_waitq *q, struct rt_waiter *w) { __atomic_store_n(&q->first, w, __ATOMIC_RELEASE); }

static inline void rt_waitq_push(struct rt_waitq *q, struct rt_waiter *w)
{
	w->next = NULL;
	w->prev = q->last;
	if (q->last)
		q->last->next = w;
	else
		rt_waitq_set_first_(q, w);
	q->last = w;
	w->queued = true;
}

void rt_waitq_push_front(struct rt_waitq *q, struct rt_waiter *w);
void rt_waitq_remove(struct rt_waitq *q, struct rt_waiter *w);  /* no-op if not queued */
struct rt_waiter *rt_waitq_pop_slow(struct rt_waitq *q);

static inline void rt_waitq_take_first_(struct rt_waitq *q, struct rt_waiter *w)
{
	if (w->next)
		w->next->prev = NULL;
	else
		q->last = NULL;
	rt_waitq_set_first_(q, w->next);
	w->next = NULL;
	w->queued = false;
}

/* First waiter that can still be woken, removed from q; if contended, its g->fired has been won by the caller. NULL if none. */
static inline struct rt_waiter *rt_waitq_pop(struct rt_waitq *q)
{
	struct rt_waiter *w = q->first;

	if (w == NULL)
		return NULL;
	if (w->contended && !rt_fire(w->g))
		return rt_waitq_pop_slow(q);
	rt_waitq_take_first_(q, w);
	return w;
}

/* As rt_waitq_pop if the first waiter can be woken, and without a call; otherwise NULL, though another might. */
static inline struct rt_waiter *rt_waitq_pop_quick(struct rt_waitq *q)
{
	struct rt_waiter *w = q->first;

	if (w == NULL || (w->contended && !rt_fire(w->g)))
		return NULL;
	rt_waitq_take_first_(q, w);
	return w;
}
/* Begin a wait: clears fired, wake, wake_code of g and notes the set. Before the first entry is queued. */
static inline void rt_wait_begin(struct rt_g *g, enum rt_wait why, struct rt_waiter *set)
{
	atomic_store_explicit(&g->fired, 0, memory_order_relaxed);      /* published with the set by the object's lock */
	g->wait = why;
	g->waits = set;
	g->wake = NULL;
	g->wake_code = 0;
}

#endif

/* Run queues.
 *
 * rt_runq: a ring of 256 and runnext. Only the owner pushes (tail: release, pairs with the acquire of takers); anyone takes from
 * the head by compare-and-swap. A slot is read before the head is claimed: a failed claim throws the stale value away, and the
 * owner cannot reuse the slot before the head has passed it. After golang/go proc.go, runqput/runqgrab;
 * tests/model/steal.pml, tests/stress/steal.c.
 * runnext: the goroutine the owner readied last, to be run next by it (its partner's data is in cache). The owner exchanges it without a locked
 * instruction where os/quick.h can; others shut it first. */
#ifndef CSP_RUNTIME_SCHED_RUNQ_H
#define CSP_RUNTIME_SCHED_RUNQ_H

#include "../g.h"
#include "../os/quick.h"

enum { RT_RUNQ_SIZE = 256 };

struct rt_runq {
	_Alignas(64) _Atomic uint32_t head;
	_Alignas(64) _Atomic uint32_t tail;
	_Atomic(struct rt_g *) runnext;                 /* written by the owner's rt_runnext_exchange, and by takers; read by anyone */
	_Atomic uint32_t runnext_shut;                  /* takers at work */
	_Atomic(struct rt_g *) ring[RT_RUNQ_SIZE];
};

/* A plain FIFO chained by sched_next. */
struct rt_gqueue { struct rt_g *first, *last; uint32_t count; };
void         rt_gqueue_push(struct rt_gqueue *q, struct rt_g *g);
struct rt_g *rt_gqueue_pop(struct rt_gqueue *q);

/* Owner: append; false if full. */
bool         rt_runq_push(struct rt_runq *q, struct rt_g *g);
struct rt_g *rt_runq_pop(struct rt_runq *q);           /* to be run soon */
struct rt_g *rt_runq_pop_to_move(struct rt_runq *q);   /* into another queue */
/* Anyone: move half of victim's ring into q (the thief's own), return one of them. NULL: nothing. */
struct rt_g *rt_runq_steal(struct rt_runq *q, struct rt_runq *victim);
/* Anyone: take one goroutine, oldest first; runnext last. */
struct rt_g *rt_runq_take(struct rt_runq *q);

/* Owner: put g (or NULL) there, return what was. */
static inline struct rt_g *rt_runnext_exchange(struct rt_runq *q, struct rt_g *g)
{
	void *old = rt_quick_exchange((void *_Atomic *)&q->runnext, g, &q->runnext_shut);

	if (__builtin_expect(old != RT_QUICK_NOT, 1))
		return old;
	return atomic_exchange_explicit(&q->runnext, g, memory_order_acq_rel);
}

static inline uint32_t rt_runq_len(struct rt_runq *q)
{
	return atomic_load_explicit(&q->tail, memory_order_acquire) - atomic_load_explicit(&q->head, memory_order_acquire);
}

#endif

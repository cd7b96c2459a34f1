#include "runq.h"

void rt_gqueue_push(struct rt_gqueue *q, struct rt_g *g)
{
	g->sched_next = NULL;
	if (q->last)
		q->last->sched_next = g;
	else
		q->first = g;
	q->last = g;
	q->count++;
}

struct rt_g *rt_gqueue_pop(struct rt_gqueue *q)
{
	struct rt_g *g = q->first;

	if (!g)
		return NULL;
	q->first = g->sched_next;
	if (!q->first)
		q->last = NULL;
	q->count--;
	g->sched_next = NULL;
	return g;
}

bool rt_runq_push(struct rt_runq *q, struct rt_g *g)
{
	uint32_t head = atomic_load_explicit(&q->head, memory_order_acquire);
	uint32_t tail = atomic_load_explicit(&q->tail, memory_order_relaxed);

	if (tail - head >= RT_RUNQ_SIZE)
		return false;
	atomic_store_explicit(&q->ring[tail % RT_RUNQ_SIZE], g, memory_order_relaxed);
	atomic_store_explicit(&q->tail, tail + 1, memory_order_release);
	return true;
}

/* Of many, each has been out of the cache for long: what the one after the next will touch is fetched ahead, its control block and the frames
 * below. A stale entry is still an address in some slot. */
enum { AHEAD = 2, MANY = 32, LINE = 64, FRAME_LINES = 10 };

static inline void fetch_ahead(struct rt_runq *q, uint32_t head)
{
	const char *g = (const char *)atomic_load_explicit(&q->ring[(head + AHEAD) % RT_RUNQ_SIZE], memory_order_relaxed);

	for (int i = -FRAME_LINES; i < (int)(sizeof(struct rt_g) / LINE); i++)
		__builtin_prefetch(g + i * LINE, 1);
}

static inline struct rt_g *pop(struct rt_runq *q, bool to_run)
{
	uint32_t head = atomic_load_explicit(&q->head, memory_order_acquire);

	for (;;) {
		uint32_t tail = atomic_load_explicit(&q->tail, memory_order_acquire);
		if ((int32_t)(tail - head) <= 0)
			return NULL;
		if (to_run && __builtin_expect(tail - head > MANY, 0))
			fetch_ahead(q, head);
		struct rt_g *g = atomic_load_explicit(&q->ring[head % RT_RUNQ_SIZE], memory_order_relaxed);
		if (atomic_compare_exchange_weak_explicit(&q->head, &head, head + 1, memory_order_acq_rel, memory_order_acquire))
			return g;
	}
}

struct rt_g *rt_runq_pop(struct rt_runq *q) { return pop(q, true); }
struct rt_g *rt_runq_pop_to_move(struct rt_runq *q) { return pop(q, false); }

struct rt_g *rt_runq_take(struct rt_runq *q)
{
	struct rt_g *g = rt_runq_pop_to_move(q);

	if (!g && atomic_load_explicit(&q->runnext, memory_order_relaxed)) {
		/* os/quick.c says why. */
		atomic_fetch_add_explicit(&q->runnext_shut, 1, memory_order_seq_cst);
		if (rt_quick_fence())
			g = atomic_exchange_explicit(&q->runnext, NULL, memory_order_acq_rel);
		atomic_fetch_sub_explicit(&q->runnext_shut, 1, memory_order_release);
	}
	return g;
}

/* The thief's ring is empty when it steals, so half of another ring always fits. */
struct rt_g *rt_runq_steal(struct rt_runq *q, struct rt_runq *victim)
{
	uint32_t tail = atomic_load_explicit(&q->tail, memory_order_relaxed);
	uint32_t head = atomic_load_explicit(&victim->head, memory_order_acquire);

	for (;;) {
		uint32_t vtail = atomic_load_explicit(&victim->tail, memory_order_acquire);
		uint32_t n = vtail - head;

		n -= n / 2;
		if (n == 0)
			return NULL;
		if (n > RT_RUNQ_SIZE / 2) {             /* head and tail were read at different times */
			head = atomic_load_explicit(&victim->head, memory_order_acquire);
			continue;
		}
		for (uint32_t i = 0; i < n; i++) {
			struct rt_g *g = atomic_load_explicit(&victim->ring[(head + i) % RT_RUNQ_SIZE], memory_order_relaxed);
			atomic_store_explicit(&q->ring[(tail + i) % RT_RUNQ_SIZE], g, memory_order_relaxed);
		}
		if (!atomic_compare_exchange_weak_explicit(&victim->head, &head, head + n, memory_order_acq_rel, memory_order_acquire))
			continue;
		n--;
		struct rt_g *g = atomic_load_explicit(&q->ring[(tail + n) % RT_RUNQ_SIZE], memory_order_relaxed);
		if (n)
			atomic_store_explicit(&q->tail, tail + n, memory_order_release);
		return g;
	}
}

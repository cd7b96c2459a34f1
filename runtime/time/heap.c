/* The deadline heap.
 *
 * An entry is small, so that the four children of one share a cache line, and says of its timer only the id: timers[id] is the timer, places[id]
 * its index in the heap. Sifting touches neither timers nor the stacks they lie on. A free id's place is the next free one.
 * heap_lock guards the arrays and every armed timer's heap_id; next_ns is the root's deadline, written under it, read anywhere.
 * Who arms a new earliest timer fences and then looks for the owner of the poller, who fences after it became the owner and then
 * looks at next_ns: one of the two sees the other (worker.c, block_in_poller; tests/model/poller.pml).
 * Firing is one thread's at a time (firing_lock); `firing` names the timer whose function runs, so that who stops it too late can
 * wait for the end of it. */
#include "heap.h"

#include <errno.h>
#include <sched.h>
#include <time.h>

#include "../net/poll.h"
#include "../os/os.h"
#include "../sched/pick.h"
#include "../sched/sched.h"

enum { ARITY = 4, IDLE = 0, ARMED = 1 };
#define NO_ID UINT32_MAX

struct entry { int64_t when_ns; uint32_t seq, id; };    /* seq: the order of arming, for equal deadlines */

static struct rt_lock heap_lock, firing_lock;
static char          *reserved;                 /* once; committed by touch */
static struct entry  *heap;                     /* heap[1] begins a cache line */
static struct rt_timer **timers;
static uint32_t      *places;
static const size_t   heap_max = (size_t)64 << 20;
static const size_t   reserved_bytes = 64 + heap_max * (sizeof *heap + sizeof *timers + sizeof *places);
static uint32_t       n_entries, n_ids, free_id = NO_ID;
static uint32_t       next_seq;
static uint32_t       n_chan;                   /* of them, those that send on a channel */
static _Atomic int64_t next_ns = INT64_MAX;
static _Atomic uint32_t n_armed;                /* n_entries, to be read anywhere */
static _Atomic(struct rt_timer *) firing;
bool (*_Atomic rt_timer_chan_awaited)(void *chan);

int64_t rt_real_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * INT64_C(1000000000) + ts.tv_nsec;
}

int64_t rt_now_ns(void)
{
	return __builtin_expect(rt_policy != NULL, 0) ? rt_policy_now_ns() : rt_real_now_ns();
}

int64_t rt_timers_next(void)
{
	return atomic_load_explicit(&next_ns, memory_order_acquire);
}

uint32_t rt_timers_count(void)
{
	return atomic_load_explicit(&n_armed, memory_order_relaxed);
}

static bool before(const struct entry *a, const struct entry *b)
{
	return a->when_ns < b->when_ns || (a->when_ns == b->when_ns && (int32_t)(a->seq - b->seq) < 0);
}

static void place(uint32_t i, struct entry e)
{
	heap[i] = e;
	places[e.id] = i;
}

static void sift_up(uint32_t i, struct entry e)
{
	while (i > 0) {
		uint32_t parent = (i - 1) / ARITY;
		if (!before(&e, &heap[parent]))
			break;
		place(i, heap[parent]);
		i = parent;
	}
	place(i, e);
}

static void sift_down(uint32_t i, struct entry e)
{
	for (;;) {
		uint32_t child = i * ARITY + 1, best = child;
		if (child >= n_entries)
			break;
		for (uint32_t c = child + 1; c < child + ARITY && c < n_entries; c++)
			if (before(&heap[c], &heap[best]))
				best = c;
		if (!before(&heap[best], &e))
			break;
		place(i, heap[best]);
		i = best;
	}
	place(i, e);
}

static void publish_next_locked(void)
{
	atomic_store_explicit(&n_armed, n_entries, memory_order_relaxed);
	atomic_store_explicit(&next_ns, n_entries ? heap[0].when_ns : INT64_MAX, memory_order_release);
}

static void reserve(void)
{
	if (!(reserved = rt_os_reserve(reserved_bytes)))
		rt_refused("timers: no address space for the heap", ENOMEM);
	heap = (struct entry *)(reserved + 64) - 1;
	timers = (struct rt_timer **)(reserved + 64 + heap_max * sizeof *heap);
	places = (uint32_t *)(timers + heap_max);
}

static void insert_locked(struct rt_timer *t)
{
	if (!heap)
		reserve();
	if (n_entries == heap_max)
		rt_throw("timers: more than 64 Mi armed");
	n_chan += t->chan != NULL;
	atomic_store_explicit(&t->state, ARMED, memory_order_relaxed);
	t->heap_id = free_id != NO_ID ? free_id : n_ids++;
	if (free_id != NO_ID)
		free_id = places[free_id];
	timers[t->heap_id] = t;
	sift_up(n_entries++, (struct entry){ t->when_ns, next_seq++, t->heap_id });
	publish_next_locked();
}

static void remove_locked(struct rt_timer *t)
{
	uint32_t id = t->heap_id, i = places[id];
	struct entry last = heap[--n_entries];

	n_chan -= t->chan != NULL;
	atomic_store_explicit(&t->state, IDLE, memory_order_relaxed);
	if (last.id != id) {
		if (i > 0 && before(&last, &heap[(i - 1) / ARITY]))
			sift_up(i, last);
		else
			sift_down(i, last);
	}
	places[id] = free_id;
	free_id = id;
	publish_next_locked();
}

void rt_timer_start(struct rt_timer *t, int64_t when_ns)
{
	rt_lock(&heap_lock);
	t->when_ns = when_ns;
	if (rt_policy)
		rt_policy_timer_armed(t);
	insert_locked(t);
	bool earliest = heap[0].id == t->heap_id;
	rt_unlock(&heap_lock);
	if (!earliest)
		return;
	atomic_thread_fence(memory_order_seq_cst);
	struct rt_m *poller = atomic_load_explicit(&rt_sched.poller, memory_order_relaxed);
	if (poller && poller != rt_m_self())
		rt_poll_wake();
	else if (atomic_load_explicit(&rt_sysmon_deep, memory_order_relaxed))
		rt_sysmon_poke();
}

bool rt_timer_stop(struct rt_timer *t)
{
	bool armed;

	rt_lock(&heap_lock);
	armed = atomic_load_explicit(&t->state, memory_order_relaxed) == ARMED;
	if (armed)
		remove_locked(t);
	rt_unlock(&heap_lock);
	return armed;
}

bool rt_timer_is_armed(struct rt_timer *t)
{
	return atomic_load_explicit(&t->state, memory_order_relaxed) == ARMED;
}

void rt_timer_sync(struct rt_timer *t)
{
	while (atomic_load_explicit(&firing, memory_order_acquire) == t)
		sched_yield();
}

/* Among timers due at the same instant a policy may choose; the heap's order is the order of arming. */
static struct rt_timer *pop_due_locked(int64_t now_ns)
{
	if (!n_entries || heap[0].when_ns > now_ns)
		return NULL;
	struct rt_timer *t = timers[heap[0].id];
	if (rt_policy) {
		uint32_t ties = 0, pick;
		for (uint32_t i = 0; i < n_entries; i++)
			ties += heap[i].when_ns == t->when_ns;
		pick = ties > 1 ? rt_choose(RT_CHOOSE_TIMER, ties) : 0;
		for (uint32_t i = 0; i < n_entries; i++)
			if (heap[i].when_ns == t->when_ns && pick-- == 0) {
				t = timers[heap[i].id];
				break;
			}
	}
	remove_locked(t);
	if (t->period_ns > 0) {         /* missed periods are dropped, as Go's tickers do */
		t->when_ns += t->period_ns * (1 + (now_ns - t->when_ns) / t->period_ns);
		insert_locked(t);
	}
	return t;
}

/* Of many, all have been out of the cache for long: the timers that may be the next but one, and the sleeper of the next. */
static void fetch_ahead_locked(void)
{
	if (n_entries <= ARITY)
		return;
	for (uint32_t i = 1; i <= ARITY; i++)
		__builtin_prefetch(timers[heap[i].id], 1);
	const char *sleeper = (const char *)timers[heap[0].id]->sleeper;
	if (sleeper)
		for (size_t i = 0; i < sizeof(struct rt_g); i += 64)
			__builtin_prefetch(sleeper + i, 1);
}

void rt_timers_run(int64_t now_ns)
{
	if (rt_timers_next() > now_ns || !rt_trylock(&firing_lock))
		return;
	for (;;) {
		rt_lock(&heap_lock);
		struct rt_timer *t = pop_due_locked(now_ns);
		atomic_store_explicit(&firing, t, memory_order_relaxed);
		if (t)
			fetch_ahead_locked();
		rt_unlock(&heap_lock);
		if (!t)
			break;
		if (rt_policy)
			rt_policy_timer_fires(t);
		RT_PROBE(timer_fire, t, t->chan, now_ns);
		t->fire(t, now_ns);
		atomic_store_explicit(&firing, NULL, memory_order_release);
	}
	rt_unlock(&firing_lock);
}

/* --- deadlines of waits ---
 *
 * Arming only notes t in the goroutine: a timer that fired before the registers are saved would start g twice. The other side of the
 * switch arms it, before the commit. */
static void deadline_fire(struct rt_timer *t, int64_t now_ns)
{
	struct rt_g *g = t->sleeper;
	bool won = rt_fire(g);

	atomic_store_explicit(&firing, NULL, memory_order_release);     /* t is dead to us: it lies on g's stack */
	if (won)
		rt_ready(g);
}

void rt_deadline_arm(struct rt_timer *t, struct rt_g *g, int64_t deadline_ns)
{
	*t = (struct rt_timer){ .when_ns = deadline_ns, .fire = deadline_fire, .sleeper = g };
	g->room[0] = t;
	g->has_deadline = true;
}

void rt_deadline_insert_slow(struct rt_g *g)
{
	struct rt_timer *t = g->room[0];

	g->room[0] = NULL;
	rt_timer_start(t, t->when_ns);
}

void rt_deadline_cancel(struct rt_timer *t)
{
	struct rt_g *g = t->sleeper;

	g->room[0] = NULL;
	g->has_deadline = false;
	if (!rt_timer_stop(t))
		rt_timer_sync(t);
}

/* --- fork: nobody is firing, and the heap is whole --- */

void rt_timers_hold_firing(bool hold)
{
	if (hold)
		rt_lock(&firing_lock);
	else
		rt_unlock(&firing_lock);
}

void rt_timers_hold(bool hold)
{
	if (hold)
		rt_lock(&heap_lock);
	else
		rt_unlock(&heap_lock);
}

/* --- inspection --- */

bool rt_timers_can_act(void)
{
	bool can = false;

	rt_lock(&heap_lock);
	can = n_entries > n_chan;
	for (uint32_t i = 0; i < n_entries && !can; i++)
		can = rt_timer_chan_awaited && rt_timer_chan_awaited(timers[heap[i].id]->chan);
	rt_unlock(&heap_lock);
	return can;
}

void rt_timers_each(void (*visit)(const struct rt_timer *t, void *arg), void *arg)
{
	rt_lock(&heap_lock);
	for (uint32_t i = 0; i < n_entries; i++)
		visit(timers[heap[i].id], arg);
	rt_unlock(&heap_lock);
}

void rt_timers_range(uintptr_t *lo, uintptr_t *hi)
{
	*lo = (uintptr_t)reserved;
	*hi = reserved ? (uintptr_t)reserved + reserved_bytes : 0;
}

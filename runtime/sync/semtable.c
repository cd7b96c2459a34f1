/* The wake-up protocol, both halves (a lost wake-up needs both sides to miss the other):
 *   acquire: n_waiters++ · seq_cst · look for a permit once more, then queue and park
 *   release: permit++    · seq_cst · if n_waiters == 0 nobody waits; else lock and look for a waiter
 * n_waiters counts the waiters of every address of the bucket, so it only errs towards locking. After golang/go sema.go. */
#include "semtable.h"
#include "../sched/policy.h"

#define N_BUCKETS 512u

static struct rt_sem_bucket table[N_BUCKETS];

void rt_semtable_range(uintptr_t *lo, uintptr_t *hi)
{
	*lo = (uintptr_t)table;
	*hi = (uintptr_t)(table + N_BUCKETS);
}

static struct rt_sem_bucket *bucket_of(const void *addr)
{
	uint64_t hash = ((uintptr_t)addr >> 2) * UINT64_C(0x9E3779B97F4A7C15);

	return &table[hash >> 55];
}

_Static_assert(N_BUCKETS == 1u << (64 - 55), "bucket_of takes the top bits");

/* The link that points at the first waiter of addr, or the bucket's last link. */
static struct rt_sem_waiter **link_of(struct rt_sem_bucket *bucket, const void *addr)
{
	struct rt_sem_waiter **link = &bucket->first;

	while (*link != NULL && (*link)->addr != addr)
		link = &(*link)->chain;
	return link;
}

static struct rt_sem_waiter *next_of(const struct rt_sem_waiter *s)
{
	return (struct rt_sem_waiter *)s->w.next;
}

static void push_locked(struct rt_sem_bucket *bucket, struct rt_sem_waiter *s, bool lifo)
{
	struct rt_sem_waiter **link = link_of(bucket, s->addr), *first = *link;

	s->w.next = NULL;
	s->w.queued = true;
	if (first == NULL) {
		s->chain = NULL;
		s->last = s;
		*link = s;
	} else if (lifo) {
		s->w.next = &first->w;
		s->chain = first->chain;
		s->last = first->last;
		*link = s;
	} else {
		first->last->w.next = &s->w;
		first->last = s;
	}
}

/* Take s, whose predecessor among the waiters of its address is before (NULL: s is the first), out of the table. */
static void remove_locked(struct rt_sem_bucket *bucket, struct rt_sem_waiter **link, struct rt_sem_waiter *before, struct rt_sem_waiter *s)
{
	struct rt_sem_waiter *next = next_of(s);

	if (before != NULL) {
		before->w.next = s->w.next;
		if ((*link)->last == s)
			(*link)->last = before;
	} else if (next != NULL) {
		next->chain = s->chain;
		next->last = s->last;
		*link = next;
	} else {
		*link = s->chain;
	}
	s->w.next = NULL;
	s->w.queued = false;
	atomic_store_explicit(&bucket->n_waiters, atomic_load_explicit(&bucket->n_waiters, memory_order_relaxed) - 1,
		memory_order_relaxed);
}

/* Which of the waiters that begin at first is to be woken: itself, or the one a schedule policy chooses. */
static uint32_t choose_locked(const struct rt_sem_waiter *first)
{
	uint32_t n = 0;

	if (__builtin_expect(rt_policy == NULL, 1))
		return 0;
	if (first->w.kind == RT_OBJ_WAITGROUP || first->w.op == RT_OP_RLOCK)
		return 0;               /* all of them are woken */
	for (const struct rt_sem_waiter *s = first; s != NULL; s = next_of(s))
		n++;
	return n > 1 ? rt_choose(RT_CHOOSE_WAITER, n) : 0;
}

static struct rt_sem_waiter *pop_locked(struct rt_sem_bucket *bucket, const void *addr)
{
	struct rt_sem_waiter **link = link_of(bucket, addr), *s = *link, *before = NULL;

	if (s == NULL)
		return NULL;
	for (uint32_t skip = choose_locked(s); skip > 0; skip--) {
		before = s;
		s = next_of(s);
	}
	remove_locked(bucket, link, before, s);
	return s;
}

bool rt_sem_try_acquire(uint32_t *addr)
{
	uint32_t permits = __atomic_load_n(addr, __ATOMIC_SEQ_CST);

	while (permits != 0)
		if (__atomic_compare_exchange_n(addr, &permits, permits - 1, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
			return true;
	return false;
}

static void describe(struct rt_sem_waiter *s, struct rt_g *g, const void *addr, uint32_t ticket, const struct rt_sem_why *why)
{
	*s = (struct rt_sem_waiter){
		.w = { .g = g, .obj = why->obj, .elem = why->with, .kind = why->kind, .op = why->op, .ticket = ticket },
		.addr = addr,
	};
}

void rt_sem_acquire(uint32_t *addr, const struct rt_sem_why *why, bool lifo)
{
	struct rt_sem_bucket *bucket = bucket_of(addr);
	struct rt_g *g = rt_self();
	struct rt_sem_waiter s;

	do {
		describe(&s, g, addr, 0, why);
		rt_lock(&bucket->lock);
		atomic_fetch_add_explicit(&bucket->n_waiters, 1, memory_order_seq_cst);
		if (rt_sem_try_acquire(addr)) {
			atomic_fetch_sub_explicit(&bucket->n_waiters, 1, memory_order_relaxed);
			rt_unlock(&bucket->lock);
			return;
		}
		rt_wait_begin(g, why->wait, &s.w);
		push_locked(bucket, &s, lifo);
		RT_PROBE(lock_wait, s.w.obj, g->wait, g->view.id);
		rt_park(rt_commit_unlock, &bucket->lock);
		RT_PROBE(lock_woken, s.w.obj, g->wait, g->view.id);
	} while (!s.granted && !rt_sem_try_acquire(addr));
}

bool rt_sem_release(uint32_t *addr, bool grant)
{
	struct rt_sem_bucket *bucket = bucket_of(addr);
	struct rt_sem_waiter *s;
	struct rt_g *g;
	bool granted;

	__atomic_fetch_add(addr, 1, __ATOMIC_SEQ_CST);
	if (atomic_load_explicit(&bucket->n_waiters, memory_order_seq_cst) == 0)
		return false;
	rt_lock(&bucket->lock);
	s = pop_locked(bucket, addr);
	if (s == NULL) {
		rt_unlock(&bucket->lock);
		return false;
	}
	g = s->w.g;
	g->wake = &s->w;
	/* s still waits, so the object behind addr is still there. */
	granted = s->granted = grant && rt_sem_try_acquire(addr);
	rt_unlock(&bucket->lock);
	rt_ready(g);
	return granted;
}

struct rt_sem_bucket *rt_sem_lock(const void *addr)
{
	struct rt_sem_bucket *bucket = bucket_of(addr);

	rt_lock(&bucket->lock);
	return bucket;
}

void rt_sem_unlock(struct rt_sem_bucket *bucket)
{
	rt_unlock(&bucket->lock);
}

void rt_sem_wait_locked(struct rt_sem_bucket *bucket, const void *addr, uint32_t ticket, const struct rt_sem_why *why)
{
	struct rt_g *g = rt_self();
	struct rt_sem_waiter s;

	describe(&s, g, addr, ticket, why);
	atomic_fetch_add_explicit(&bucket->n_waiters, 1, memory_order_relaxed);
	rt_wait_begin(g, why->wait, &s.w);
	push_locked(bucket, &s, false);
	RT_PROBE(lock_wait, s.w.obj, g->wait, g->view.id);
	rt_park(rt_commit_unlock, &bucket->lock);
	RT_PROBE(lock_woken, s.w.obj, g->wait, g->view.id);
}

static struct rt_g *take_locked(struct rt_sem_bucket *bucket, const void *addr, uint32_t ticket)
{
	struct rt_sem_waiter **link = link_of(bucket, addr), *s = *link, *before = NULL;

	while (s->w.ticket != ticket) {
		before = s;
		s = next_of(s);
	}
	remove_locked(bucket, link, before, s);
	s->w.g->wake = &s->w;
	return s->w.g;
}

struct rt_g *rt_sem_take(struct rt_sem_bucket *bucket, const void *addr, uint32_t ticket)
{
	struct rt_sem_waiter *first = *link_of(bucket, addr), *holder = first, *s;

	while (holder != NULL && holder->w.ticket != ticket)
		holder = next_of(holder);
	if (holder == NULL)
		return NULL;
	if (__builtin_expect(rt_policy != NULL, 0)) {
		s = first;
		for (uint32_t skip = choose_locked(first); skip > 0; skip--)
			s = next_of(s);
		holder->w.ticket = s->w.ticket;
		s->w.ticket = ticket;
	}
	return take_locked(bucket, addr, ticket);
}

struct rt_g *rt_sem_take_all(struct rt_sem_bucket *bucket, const void *addr)
{
	struct rt_sem_waiter **link = link_of(bucket, addr);
	struct rt_g *list = NULL, **tail = &list;

	while (*link != NULL && (*link)->addr == addr) {
		struct rt_sem_waiter *s = *link;

		remove_locked(bucket, link, NULL, s);
		s->w.g->wake = &s->w;
		s->w.g->sched_next = NULL;
		*tail = s->w.g;
		tail = &s->w.g->sched_next;
	}
	return list;
}

void rt_semtable_hold(bool hold)
{
	for (unsigned i = 0; i < N_BUCKETS; i++)
		if (hold)
			rt_lock(&table[i].lock);
		else
			rt_unlock(&table[i].lock);
}

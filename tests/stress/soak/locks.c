#include "soak.h"

/* --- locks: two words that are equal under the lock ---------------------------------------------------------------------- */

struct locked {
	csp_mutex     mutex, handover;
	csp_rwmutex   rw;
	csp_once      once;
	csp_waitgroup wg;
	long          a[3], b[3];               /* guarded by mutex, handover, rw */
	_Atomic long  changes[3];
	long          first;                    /* written by once */
};

static void set_first(void *arg)
{
	struct locked *l = arg;

	csp_yield();
	l->first++;
}

static void change(struct locked *l, int which, struct rng *r)
{
	CHECK_EQ(l->a[which], l->b[which]);
	l->a[which]++;
	if (pick(r, 8) == 0)
		soak_pause(r);
	l->b[which]++;
	atomic_fetch_add_explicit(&l->changes[which], 1, memory_order_relaxed);
}

static void use_locks(struct locked *l, struct rng r, int times)
{
	csp_once_do_arg(&l->once, set_first, l);
	CHECK_EQ(l->first, 1);
	for (int i = 0; i < times; i++) {
		switch (pick(&r, 7)) {
		case 0:
			if (csp_mutex_try_lock(&l->mutex)) {
				change(l, 0, &r);
				csp_mutex_unlock(&l->mutex);
			}
			break;
		case 1:
			csp_mutex_lock(&l->handover);
			change(l, 1, &r);
			csp_mutex_unlock(&l->handover);
			break;
		case 2:
			csp_rwmutex_lock(&l->rw);
			change(l, 2, &r);
			csp_rwmutex_unlock(&l->rw);
			break;
		case 3:
			if (csp_rwmutex_try_lock(&l->rw)) {
				change(l, 2, &r);
				csp_rwmutex_unlock(&l->rw);
			}
			break;
		case 4:
			if (!csp_rwmutex_try_rlock(&l->rw))
				csp_rwmutex_rlock(&l->rw);
			CHECK_EQ(l->a[2], l->b[2]);
			soak_pause(&r);
			CHECK_EQ(l->a[2], l->b[2]);
			csp_rwmutex_runlock(&l->rw);
			break;
		default:
			csp_mutex_lock(&l->mutex);
			change(l, 0, &r);
			csp_mutex_unlock(&l->mutex);
		}
		soak_pause(&r);
	}
	soak_count((uint64_t)times);
	csp_wg_done(&l->wg);
}

void soak_locks(struct rng r)
{
	struct locked l = { .handover = CSP_MUTEX_HANDOVER_INIT };
	int n = between(&r, 1, 12 * soak_scale);

	csp_wg_add(&l.wg, n);
	for (int i = 0; i < n; i++)
		csp_go(use_locks, &l, fork_rng(&r), pick(&r, 300));
	csp_wg_wait(&l.wg);
	for (int i = 0; i < 3; i++) {
		CHECK_EQ(l.a[i], l.b[i]);
		CHECK_EQ(l.a[i], l.changes[i]);
	}
}

/* --- buffer: a ring on two conditions; permits in circulation ------------------------------------------------------------ */

enum { ROOM = 5 };

struct buffer {
	csp_mutex     m;
	csp_cond      filled, emptied;
	long          ring[ROOM], in, out;      /* guarded by m */
	bool          ended;
	csp_sema      permits;
	_Atomic int   holders;
	int           holders_max;
	csp_waitgroup givers, takers;
	_Atomic long  given, taken;
};

static void with_permit(struct buffer *b, struct rng *r)
{
	if (!csp_sema_try_acquire(&b->permits))
		csp_sema_acquire(&b->permits);
	CHECK(atomic_fetch_add(&b->holders, 1) < b->holders_max);
	soak_pause(r);
	atomic_fetch_sub(&b->holders, 1);
	csp_sema_release(&b->permits);
}

static void give(struct buffer *b, struct rng r, int times)
{
	for (int i = 0; i < times; i++) {
		long v = pick(&r, 1000);

		csp_mutex_lock(&b->m);
		while (b->in - b->out == ROOM)
			csp_cond_wait(&b->emptied, &b->m);
		b->ring[b->in++ % ROOM] = v;
		csp_mutex_unlock(&b->m);
		if (pick(&r, 4))
			csp_cond_signal(&b->filled);
		else
			csp_cond_broadcast(&b->filled);
		atomic_fetch_add(&b->given, v);
		if (pick(&r, 4) == 0)
			with_permit(b, &r);
	}
	soak_count((uint64_t)times);
	csp_wg_done(&b->givers);
}

static void take(struct buffer *b, struct rng r)
{
	for (;;) {
		csp_mutex_lock(&b->m);
		while (b->in == b->out && !b->ended)
			csp_cond_wait(&b->filled, &b->m);
		if (b->in == b->out)
			break;
		long v = b->ring[b->out++ % ROOM];
		csp_mutex_unlock(&b->m);
		csp_cond_signal(&b->emptied);
		atomic_fetch_add(&b->taken, v);
		if (pick(&r, 4) == 0)
			with_permit(b, &r);
	}
	csp_mutex_unlock(&b->m);
	csp_wg_done(&b->takers);
}

void soak_buffer(struct rng r)
{
	struct buffer b = { .holders_max = between(&r, 1, 4) };
	int givers = between(&r, 1, 6 * soak_scale), takers = between(&r, 1, 6 * soak_scale);

	csp_sema_init(&b.permits, b.holders_max);
	csp_wg_add(&b.givers, givers);
	csp_wg_add(&b.takers, takers);
	for (int i = 0; i < takers; i++)
		csp_go(take, &b, fork_rng(&r));
	for (int i = 0; i < givers; i++)
		csp_go(give, &b, fork_rng(&r), pick(&r, 100));
	csp_wg_wait(&b.givers);
	csp_mutex_lock(&b.m);
	b.ended = true;
	csp_mutex_unlock(&b.m);
	csp_cond_broadcast(&b.filled);
	csp_wg_wait(&b.takers);
	CHECK_EQ(b.given, b.taken);
	CHECK_EQ(b.in, b.out);
	CHECK_EQ(b.holders, 0);
}

#include "soak.h"

#include <pthread.h>
#include <unistd.h>

/* --- contexts: the end of a node is the end of all below ----------------------------------------------------------------- */

struct hooks { _Atomic long ran; csp_waitgroup wg; };

static void hook(void *arg)
{
	struct hooks *h = arg;

	atomic_fetch_add(&h->ran, 1);
	csp_wg_done(&h->wg);
}

static void watch(csp_context *ctx, csp_waitgroup *wg)
{
	csp_chan_recv(csp_context_done(ctx));
	CHECK(csp_context_err(ctx) != 0);
	csp_context_free(ctx);
	csp_wg_done(wg);
}

static csp_context *child_of(csp_context *parent, struct rng *r)
{
	static const char key;

	switch (pick(r, 4)) {
	case 0:
		return csp_context_with_timeout(parent, pick(r, 1000) * CSP_MICROSECOND);
	case 1:
		return csp_context_with_deadline(parent, csp_now_ns() + pick(r, 1000) * CSP_MICROSECOND);
	case 2:
		return csp_context_with_value(parent, &key, parent);
	default:
		return csp_context_with_cancel(parent);
	}
}

void soak_contexts(struct rng r)
{
	enum { NODES = 24 };
	csp_context *node[NODES];
	struct hooks h = { 0 };
	csp_waitgroup watchers = { 0 };
	long due = 0;
	int n = between(&r, 1, NODES);

	for (int i = 0; i < n; i++) {
		node[i] = i == 0 ? csp_context_with_cancel(NULL) : child_of(node[pick(&r, i)], &r);
		CHECK(node[i] != NULL);
		if (pick(&r, 2)) {
			csp_wg_add(&watchers, 1);
			csp_go(watch, csp_context_ref(node[i]), &watchers);
		}
		if (pick(&r, 3) == 0) {
			csp_wg_add(&h.wg, 1);
			uint64_t id = csp_context_after_func(node[i], hook, &h);
			soak_pause(&r);
			if (pick(&r, 2) && csp_context_after_stop(node[i], id))
				csp_wg_done(&h.wg);
			else
				due++;
		}
		if (pick(&r, 6) == 0)
			csp_context_cancel(node[pick(&r, i + 1)]);
		soak_pause(&r);
	}
	csp_context_cancel_cause(node[0], -77);
	/* Also below a node that a deadline is ending at the same time. */
	for (int i = 0; i < n; i++) {
		char v;

		CHECK(csp_context_err(node[i]) != 0);
		CHECK(!csp_chan_try_recv(csp_context_done(node[i]), &v));
	}
	csp_wg_wait(&watchers);
	csp_wg_wait(&h.wg);
	CHECK_EQ(h.ran, due);
	while (n > 0) {
		int i = pick(&r, n);
		csp_context_free(node[i]);
		node[i] = node[--n];
	}
	soak_count((uint64_t)due + 1);
}

/* --- groups --------------------------------------------------------------------------------------------------------------- */

struct work { csp_context *ctx; _Atomic int running, peak, done; int fail_at; };

static int work(void *arg)
{
	struct work *w = arg;
	int running = atomic_fetch_add(&w->running, 1) + 1, peak = atomic_load(&w->peak);

	while (running > peak && !atomic_compare_exchange_weak(&w->peak, &peak, running))
		;
	csp_sleep(running % 3 * 20 * CSP_MICROSECOND);
	atomic_fetch_sub(&w->running, 1);
	return atomic_fetch_add(&w->done, 1) == w->fail_at ? -EIO : 0;
}

void soak_groups(struct rng r)
{
	int n = between(&r, 1, 30 * soak_scale), limit = between(&r, 1, 6), started = 0;
	struct work w = { .fail_at = pick(&r, 2) ? pick(&r, n) : -1 };
	csp_group group = { 0 };

	w.ctx = csp_group_with_context(&group, NULL);
	csp_group_set_limit(&group, limit);
	while (started < n) {
		if (pick(&r, 2)) {
			csp_group_go(&group, work, &w);
			started++;
		} else {
			started += csp_group_try_go(&group, work, &w);
		}
		soak_pause(&r);
	}
	CHECK_EQ(csp_group_wait(&group), w.fail_at >= 0 ? -EIO : 0);
	CHECK_EQ(w.done, n);
	CHECK(w.peak <= limit);
	CHECK(csp_context_err(w.ctx) != 0);
	csp_context_free(w.ctx);
	soak_count((uint64_t)n);
}

/* --- tree ----------------------------------------------------------------------------------------------------------------- */

struct tree { csp_waitgroup wg; _Atomic long born, left; };

static void count_end(void *arg)
{
	struct tree *t = arg;

	atomic_fetch_add(&t->left, 1);
	csp_wg_done(&t->wg);
}

static void grow(struct tree *t, struct rng r, int depth)
{
	csp_defer(count_end, t);
	int children = depth > 0 ? pick(&r, 4) : 0;

	for (int i = 0; i < children; i++) {
		csp_go_options options = { .stack_bytes = (size_t)pick(&r, 3) * 40000, .name = pick(&r, 2) ? "leaf" : NULL, .locked = pick(&r, 40) == 0 };
		csp_wg_add(&t->wg, 1);
		atomic_fetch_add(&t->born, 1);
		csp_go_opt(&options, grow, t, fork_rng(&r), depth - 1);
		soak_pause(&r);
	}
	if (pick(&r, 3) == 0)
		csp_exit_goroutine();
}

void soak_tree(struct rng r)
{
	struct tree t = { .born = 1 };

	csp_wg_add(&t.wg, 1);
	csp_go(grow, &t, fork_rng(&r), soak_scale > 1 ? 7 : 5);
	csp_wg_wait(&t.wg);
	CHECK_EQ(t.born, t.left);
	soak_count((uint64_t)t.born);
}

/* --- threads -------------------------------------------------------------------------------------------------------------- */

struct threads { csp_chan(int) to, back; csp_waitgroup wg; csp_mutex m; long in_mutex; };

static void nap(void *arg)
{
	usleep(*(useconds_t *)arg);
}

static void block_sometimes(struct threads *t, struct rng r)
{
	for (int i = pick(&r, 6); i > 0; i--) {
		useconds_t us = (useconds_t)pick(&r, 300);
		csp_block(nap, &us);
		soak_pause(&r);
	}
	csp_wg_done(&t->wg);
}

static void stay_pinned(struct threads *t, struct rng r)
{
	csp_lock_thread();
	pthread_t self = pthread_self();
	for (int i = pick(&r, 20); i > 0; i--) {
		soak_pause(&r);
		csp_mutex_lock(&t->m);
		t->in_mutex++;
		csp_mutex_unlock(&t->m);
		CHECK(pthread_equal(self, pthread_self()));
	}
	if (pick(&r, 2))
		csp_unlock_thread();
	csp_wg_done(&t->wg);
}

static void *foreign(void *arg)
{
	struct threads *t = arg;
	int v;

	while (csp_chan_recv_ok(t->to, &v)) {
		csp_mutex_lock(&t->m);
		t->in_mutex++;
		csp_mutex_unlock(&t->m);
		csp_chan_send(t->back, v + 1);
	}
	return NULL;
}

static void join(void *arg)
{
	pthread_join(*(pthread_t *)arg, NULL);
}

void soak_threads(struct rng r)
{
	struct threads t = { .to = csp_make_chan(int, pick(&r, 2)), .back = csp_make_chan(int, pick(&r, 2)) };
	int n = between(&r, 1, 4), values = pick(&r, 40);
	pthread_t thread;

	CHECK_EQ(pthread_create(&thread, NULL, foreign, &t), 0);
	csp_wg_add(&t.wg, 2 * n);
	for (int i = 0; i < n; i++) {
		csp_go(block_sometimes, &t, fork_rng(&r));
		csp_go(stay_pinned, &t, fork_rng(&r));
	}
	for (int i = 0; i < values; i++) {
		csp_chan_send(t.to, i);
		CHECK_EQ(csp_chan_recv(t.back), i + 1);
		soak_pause(&r);
	}
	csp_chan_close(t.to);
	csp_wg_wait(&t.wg);
	csp_block(join, &thread);
	csp_chan_unref(t.to);
	csp_chan_unref(t.back);
	soak_count((uint64_t)values);
}

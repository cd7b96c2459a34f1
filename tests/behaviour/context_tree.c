/* Contexts: ends, causes, deadlines, values, hooks, lifetimes. Run with CSPMAXPROCS 1, 2, 4. */
#include <csp.h>

#include "../lib/expect.h"

static bool has_ended(csp_context *ctx)
{
	return csp_select(CSP_ON_RECV(csp_context_done(ctx)), CSP_ON_DEFAULT) == 0;
}

static void background_never_ends(void)
{
	csp_context *bg = csp_context_background();

	EXPECT(csp_context_done(bg) == NULL);
	csp_context_cancel(bg);
	EXPECT_EQ(csp_context_err(bg), 0);
	EXPECT(csp_context_value(bg, bg) == NULL);
	csp_context_free(bg);
	csp_context_free(NULL);
}

static void end_passes_down_not_up(void)
{
	csp_context *root = csp_context_with_cancel(csp_context_background());
	csp_context *left = csp_context_with_cancel(root), *right = csp_context_with_cancel(root);
	csp_context *leaf = csp_context_with_value(left, &root, root);

	csp_context_cancel_cause(left, 17);
	EXPECT_EQ(csp_context_err(left), -ECANCELED);
	EXPECT_EQ(csp_context_cause(left), 17);
	EXPECT_EQ(csp_context_err(leaf), -ECANCELED);
	EXPECT_EQ(csp_context_cause(leaf), 17);
	EXPECT_EQ(csp_context_err(root), 0);
	EXPECT_EQ(csp_context_err(right), 0);
	EXPECT(has_ended(left) && has_ended(leaf) && !has_ended(root) && !has_ended(right));
	csp_context_cancel(left);
	EXPECT_EQ(csp_context_cause(left), 17);
	csp_context_cancel(root);
	EXPECT(has_ended(right));
	EXPECT_EQ(csp_context_cause(right), -ECANCELED);

	csp_context *late = csp_context_with_cancel(left);
	EXPECT_EQ(csp_context_cause(late), 17);
	EXPECT(has_ended(late));
	csp_context_free(root);
	csp_context_free(late);
	csp_context_free(leaf);
	csp_context_free(right);
	csp_context_free(left);
}

static void values_are_found_upwards(void)
{
	static char one, two, three;
	csp_context *a = csp_context_with_value(NULL, &one, &three);
	csp_context *b = csp_context_with_cancel(a);
	csp_context *c = csp_context_with_value(b, &two, &one);
	csp_context *d = csp_context_with_value(c, &one, &two);

	EXPECT(csp_context_value(c, &one) == &three);
	EXPECT(csp_context_value(c, &two) == &one);
	EXPECT(csp_context_value(d, &one) == &two);
	EXPECT(csp_context_value(d, &three) == NULL);
	csp_context_free(a);                    /* a value context goes on for its children */
	EXPECT_EQ(csp_context_err(d), 0);
	EXPECT(csp_context_value(c, &one) == &three);
	csp_context_free(b);
	EXPECT_EQ(csp_context_err(d), -ECANCELED);
	csp_context_free(c);
	csp_context_free(d);
}

static void deadlines_end_by_time(void)
{
	int64_t start_ns = csp_now_ns();
	csp_context *outer = csp_context_with_timeout(NULL, 20 * CSP_MILLISECOND);
	csp_context *inner = csp_context_with_timeout(outer, CSP_MINUTE);
	csp_context *child = csp_context_with_cancel(outer);

	EXPECT_EQ(csp_context_deadline(inner), csp_context_deadline(outer));
	EXPECT_EQ(csp_context_deadline(csp_context_background()), INT64_MAX);
	csp_chan_recv(csp_context_done(child));
	EXPECT(csp_now_ns() - start_ns >= 20 * CSP_MILLISECOND);
	csp_chan_recv(csp_context_done(inner));
	EXPECT_EQ(csp_context_err(outer), -ETIMEDOUT);
	EXPECT_EQ(csp_context_err(inner), -ETIMEDOUT);
	EXPECT_EQ(csp_context_cause(child), -ETIMEDOUT);
	csp_context_free(outer);
	csp_context_free(inner);
	csp_context_free(child);

	outer = csp_context_with_deadline(NULL, csp_now_ns() - 1);
	EXPECT_EQ(csp_context_err(outer), -ETIMEDOUT);
	csp_context_free(outer);
	/* Cancelled or freed first: the timer does not matter any more. */
	for (int i = 0; i < 200; i++) {
		outer = csp_context_with_timeout(NULL, i % 2 ? 50 * CSP_MICROSECOND : CSP_MINUTE);
		if (i % 3 == 0)
			csp_yield();
		if (i % 5 == 0)
			csp_context_cancel(outer);
		csp_context_free(outer);
	}
}

static void count_end(void *p)
{
	__atomic_add_fetch((int *)p, 1, __ATOMIC_SEQ_CST);
}

static void await_count(int *n, int expected)
{
	while (__atomic_load_n(n, __ATOMIC_SEQ_CST) != expected)
		csp_yield();
}

static void hooks_run_once_after_the_end(void)
{
	csp_context *ctx = csp_context_with_cancel(NULL);
	int n = 0;

	for (int i = 0; i < 10; i++)
		csp_context_after_func(ctx, count_end, &n);
	for (int i = 0; i < 10; i++)
		csp_yield();
	EXPECT_EQ(__atomic_load_n(&n, __ATOMIC_SEQ_CST), 0);
	csp_context_cancel(ctx);
	csp_context_cancel(ctx);
	await_count(&n, 10);
	csp_context_after_func(ctx, count_end, &n);
	await_count(&n, 11);
	csp_context_free(ctx);
}

static void cancel_it(csp_context *ctx, csp_send_chan(int) done)
{
	csp_context_cancel(ctx);
	csp_chan_send(done, 1);
}

static void stopped_hooks_do_not_run(void)
{
	csp_chan(int) done = csp_make_chan(int);
	int n = 0, expected = 0;

	EXPECT_EQ(csp_context_after_func(csp_context_background(), count_end, &n), 0);
	EXPECT(!csp_context_after_stop(csp_context_background(), 0));
	/* One of three is stopped before, each in turn; after the end none can be. */
	for (int stopped = 0; stopped < 3; stopped++) {
		csp_context *ctx = csp_context_with_cancel(NULL);
		uint64_t id[3];
		int counts[3] = { 0 };

		for (int i = 0; i < 3; i++)
			id[i] = csp_context_after_func(ctx, count_end, &counts[i]);
		EXPECT(csp_context_after_stop(ctx, id[stopped]));
		EXPECT(!csp_context_after_stop(ctx, id[stopped]));
		csp_context_cancel(ctx);
		for (int i = 0; i < 3; i++) {
			EXPECT(!csp_context_after_stop(ctx, id[i]));
			if (i != stopped)
				await_count(&counts[i], 1);
		}
		EXPECT_EQ(counts[stopped], 0);
		csp_context_free(ctx);
	}
	/* Stop against cancel: f runs exactly if stop said no. */
	for (int i = 0; i < 500; i++) {
		csp_context *ctx = csp_context_with_cancel(NULL);
		uint64_t id = csp_context_after_func(ctx, count_end, &n);

		csp_go(cancel_it, ctx, done);
		if (i & 1)
			csp_yield();
		if (!csp_context_after_stop(ctx, id))
			expected++;
		csp_chan_recv(done);
		await_count(&n, expected);
		csp_context_free(ctx);
	}
	csp_chan_free(done);
}

static void wait_for_end(csp_context *ctx, csp_waitgroup *wg)
{
	csp_chan_recv(csp_context_done(ctx));
	EXPECT(csp_context_err(ctx) != 0);
	csp_context_free(ctx);
	csp_wg_done(wg);
}

static void deep_and_wide_trees_end(void)
{
	enum { DEPTH = 20000, WIDTH = 500 };
	csp_context *root = csp_context_with_cancel(NULL), *ctx = csp_context_ref(root);
	csp_waitgroup wg = { 0 };

	/* A chain whose nodes are held by their children, or by a goroutine that frees its node after the end. */
	for (int i = 0; i < DEPTH; i++) {
		csp_context *child = csp_context_with_value(ctx, NULL, NULL);

		if (i % 100 == 0) {
			csp_wg_add(&wg, 1);
			csp_go(wait_for_end, ctx, &wg);
		} else {
			csp_context_free(ctx);
		}
		ctx = child;
	}
	for (int i = 0; i < WIDTH; i++) {
		csp_wg_add(&wg, 1);
		csp_go(wait_for_end, csp_context_with_cancel(root), &wg);
	}
	csp_yield();
	EXPECT_EQ(csp_context_err(ctx), 0);
	csp_context_cancel(root);
	csp_wg_wait(&wg);
	EXPECT_EQ(csp_context_err(ctx), -ECANCELED);
	csp_context_free(root);
	csp_context_free(ctx);
}

static void make_and_drop(csp_context *root, int n, csp_waitgroup *wg)
{
	for (int i = 0; i < n; i++) {
		csp_context *a = csp_context_with_timeout(root, 100 * CSP_MICROSECOND);
		csp_context *b = csp_context_with_value(a, root, root);

		csp_context_free(a);
		if (i % 4 == 0)
			csp_yield();
		csp_context_free(b);
	}
	csp_wg_done(wg);
}

static void cancel_races_with_free(void)
{
	for (int round = 0; round < 20; round++) {
		csp_context *root = csp_context_with_cancel(NULL);
		csp_waitgroup wg = { 0 };

		csp_wg_add(&wg, 8);
		for (int i = 0; i < 8; i++)
			csp_go(make_and_drop, root, 50, &wg);
		csp_yield();
		csp_context_cancel(root);
		csp_wg_wait(&wg);
		csp_context_free(root);
	}
}

/* Cancelling the root waits for what another goroutine is just ending below it. */
static void cancel_returns_when_all_has_ended(void)
{
	enum { LEAVES = 300 };
	csp_chan(int) done = csp_make_chan(int);

	for (int round = 0; round < 100; round++) {
		csp_context *root = csp_context_with_cancel(NULL), *middle = csp_context_with_cancel(root), *leaf[LEAVES];

		for (int i = 0; i < LEAVES; i++)
			leaf[i] = csp_context_with_value(i % 7 ? leaf[i - 1] : middle, NULL, NULL);
		csp_go(cancel_it, middle, done);
		while (csp_context_err(middle) == 0)
			csp_yield();
		EXPECT(has_ended(middle));
		csp_context_cancel(round % 2 ? root : middle);
		for (int i = LEAVES - 1; i >= 0; i--) {
			EXPECT(has_ended(leaf[i]));
			EXPECT_EQ(csp_context_err(leaf[i]), -ECANCELED);
		}
		csp_chan_recv(done);
		csp_context_free(root);
		csp_context_free(middle);
		for (int i = 0; i < LEAVES; i++)
			csp_context_free(leaf[i]);
	}
	csp_chan_free(done);
}

int main(void)
{
	cancel_returns_when_all_has_ended();
	background_never_ends();
	end_passes_down_not_up();
	values_are_found_upwards();
	deadlines_end_by_time();
	hooks_run_once_after_the_end();
	stopped_hooks_do_not_run();
	deep_and_wide_trees_end();
	cancel_races_with_free();
	return 0;
}

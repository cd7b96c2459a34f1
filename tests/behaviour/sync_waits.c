/* Wait group, once, cond, group, defer, csp_block. Run with CSPMAXPROCS 1, 2, 4. */
#include <csp.h>

#include "../lib/expect.h"

#include <pthread.h>
#include <time.h>

static int ran;

static void add_one(void *p)
{
	__atomic_add_fetch((int *)p, 1, __ATOMIC_RELAXED);
}

static void wait_group_waits_for_all_and_is_reusable(void)
{
	csp_waitgroup wg = { 0 };

	csp_wg_wait(&wg);
	for (int round = 1; round <= 50; round++) {
		int n = 0;

		for (int i = 0; i < 40; i++)
			csp_wg_go(&wg, add_one, &n);
		csp_wg_wait(&wg);
		EXPECT_EQ(n, 40);
	}
	EXPECT_EQ(wg.state_, 0);
}

static void wait_then_count(csp_waitgroup *gate, csp_waitgroup *out, int *n)
{
	csp_wg_wait(gate);
	__atomic_add_fetch(n, 1, __ATOMIC_RELAXED);
	csp_wg_done(out);
}

static void wait_group_releases_many_waiters(void)
{
	csp_waitgroup gate = { 0 }, out = { 0 };
	int n = 0;

	csp_wg_add(&gate, 1);
	csp_wg_add(&out, 100);
	for (int i = 0; i < 100; i++)
		csp_go(wait_then_count, &gate, &out, &n);
	csp_yield();
	EXPECT_EQ(__atomic_load_n(&n, __ATOMIC_RELAXED), 0);
	csp_wg_done(&gate);
	csp_wg_wait(&out);
	EXPECT_EQ(n, 100);
}

static csp_once once;
static int once_value;

static void fill_once(void)
{
	ran++;
	for (int i = 0; i < 20; i++)
		csp_yield();
	once_value = 42;
}

static void call_once(csp_waitgroup *wg)
{
	csp_once_do(&once, fill_once);
	EXPECT_EQ(once_value, 42);
	csp_wg_done(wg);
}

static void once_runs_once_for_a_thousand_callers(void)
{
	csp_waitgroup wg = { 0 };

	ran = 0;
	csp_wg_add(&wg, 1000);
	for (int i = 0; i < 1000; i++)
		csp_go(call_once, &wg);
	csp_wg_wait(&wg);
	EXPECT_EQ(ran, 1);
	csp_once_do(&once, fill_once);
	EXPECT_EQ(ran, 1);
}

static void leave(void *p)
{
	(void)p;
	csp_exit_goroutine();
}

static void run_and_leave(csp_once *o, csp_waitgroup *wg)
{
	csp_defer(csp_wg_done, wg);
	csp_once_do_arg(o, leave, NULL);
	EXPECT(false);
}

static void once_counts_a_function_that_exits(void)
{
	csp_once o = { 0 };
	csp_waitgroup wg = { 0 };
	int n = 0;

	csp_wg_add(&wg, 1);
	csp_go(run_and_leave, &o, &wg);
	csp_wg_wait(&wg);
	csp_once_do_arg(&o, add_one, &n);
	EXPECT_EQ(n, 0);
}

static csp_mutex cond_lock;
static csp_cond cond;
static int asleep, order[64], woken, released;

static void sleep_in_turn(int id, csp_waitgroup *wg)
{
	csp_mutex_lock(&cond_lock);
	asleep++;
	csp_cond_wait(&cond, &cond_lock);
	order[woken++] = id;
	csp_mutex_unlock(&cond_lock);
	csp_wg_done(wg);
}

static void start_sleepers(int n, csp_waitgroup *wg)
{
	asleep = woken = 0;
	csp_wg_add(wg, n);
	for (int i = 0; i < n; i++) {
		int now;

		csp_go(sleep_in_turn, i, wg);
		do {
			csp_yield();
			csp_mutex_lock(&cond_lock);
			now = asleep;
			csp_mutex_unlock(&cond_lock);
		} while (now <= i);
	}
}

static void cond_signals_in_order(void)
{
	csp_waitgroup wg = { 0 };

	start_sleepers(32, &wg);
	for (int i = 0; i < 32; i++) {
		int now;

		csp_mutex_lock(&cond_lock);
		csp_cond_signal(&cond);
		csp_mutex_unlock(&cond_lock);
		do {
			csp_yield();
			csp_mutex_lock(&cond_lock);
			now = woken;
			csp_mutex_unlock(&cond_lock);
		} while (now <= i);
		EXPECT_EQ(order[i], i);
	}
	csp_wg_wait(&wg);
	csp_cond_signal(&cond);         /* nobody waits: no effect later */
}

static void cond_broadcast_wakes_all(void)
{
	csp_waitgroup wg = { 0 };

	start_sleepers(64, &wg);
	csp_cond_broadcast(&cond);
	csp_wg_wait(&wg);
	EXPECT_EQ(woken, 64);
}

static void consume(int n, csp_waitgroup *wg)
{
	for (int i = 0; i < n; i++) {
		csp_mutex_lock(&cond_lock);
		while (released == 0)
			csp_cond_wait(&cond, &cond_lock);
		released--;
		csp_mutex_unlock(&cond_lock);
	}
	csp_wg_done(wg);
}

static void cond_loses_no_signal(void)
{
	csp_waitgroup wg = { 0 };

	csp_wg_add(&wg, 4);
	for (int i = 0; i < 4; i++)
		csp_go(consume, 1000, &wg);
	for (int i = 0; i < 4000; i++) {
		csp_mutex_lock(&cond_lock);
		released++;
		csp_mutex_unlock(&cond_lock);
		csp_cond_signal(&cond);
	}
	csp_wg_wait(&wg);
	EXPECT_EQ(released, 0);
}

static int group_running, group_max;

static int group_task(void *p)
{
	int inside = __atomic_add_fetch(&group_running, 1, __ATOMIC_SEQ_CST);

	if (inside > __atomic_load_n(&group_max, __ATOMIC_RELAXED))
		__atomic_store_n(&group_max, inside, __ATOMIC_RELAXED);
	for (int i = 0; i < 5; i++)
		csp_yield();
	__atomic_sub_fetch(&group_running, 1, __ATOMIC_SEQ_CST);
	return *(int *)p;
}

static void group_keeps_the_first_result_and_the_limit(void)
{
	csp_group g = { 0 };
	int zero = 0, seven = 7, nine = 9;

	csp_group_set_limit(&g, 2);
	for (int i = 0; i < 20; i++)
		csp_group_go(&g, group_task, &zero);
	EXPECT_EQ(csp_group_wait(&g), 0);
	EXPECT(group_max <= 2);
	csp_group_set_limit(&g, 1);
	csp_group_go(&g, group_task, &seven);
	csp_group_go(&g, group_task, &nine);
	EXPECT_EQ(csp_group_wait(&g), 7);
}

static int wait_for_end(void *ctx)
{
	csp_chan_recv(csp_context_done(ctx));
	return csp_context_err(ctx);
}

static void group_failure_ends_its_context(void)
{
	csp_group g = { 0 };
	csp_context *ctx = csp_group_with_context(&g, NULL);
	int five = 5;

	csp_group_go(&g, wait_for_end, ctx);
	csp_group_go(&g, wait_for_end, ctx);
	csp_group_go(&g, group_task, &five);
	EXPECT_EQ(csp_group_wait(&g), 5);
	EXPECT_EQ(csp_context_err(ctx), -ECANCELED);
	EXPECT_EQ(csp_context_cause(ctx), 5);
	csp_context_free(ctx);
}

static char trace[16];

static void note(long c)
{
	char text[2] = { (char)c, 0 };

	strcat(trace, text);
}

static int deferring(bool early)
{
	csp_defer(note, 'a');
	csp_defer(note, 'b');
	for (int i = 0; i < 2; i++) {
		csp_defer(note, 'c');
		if (early)
			return 1;
	}
	note('d');
	return 0;
}

static void exit_below(csp_waitgroup *wg)
{
	csp_defer(csp_wg_done, wg);
	csp_defer(note, 'y');
	{
		csp_defer(note, 'x');
		csp_exit_goroutine();
	}
}

static void defers_run_last_first(void)
{
	csp_waitgroup wg = { 0 };

	trace[0] = 0;
	deferring(false);
	EXPECT(strcmp(trace, "ccdba") == 0);
	trace[0] = 0;
	deferring(true);
	EXPECT(strcmp(trace, "cba") == 0);
	trace[0] = 0;
	csp_wg_add(&wg, 1);
	csp_go(exit_below, &wg);
	csp_wg_wait(&wg);
	EXPECT(strcmp(trace, "xy") == 0);
}

static pthread_barrier_t all_four;

/* Comes back only if all four calls are under way at once. */
static void block_thread(void *p)
{
	pthread_barrier_wait(&all_four);
	*(bool *)p = true;
}

static void blocking(bool *over, csp_waitgroup *wg)
{
	csp_block(block_thread, over);
	csp_wg_done(wg);
}

static void block_lets_others_run(void)
{
	csp_waitgroup wg = { 0 };
	bool over[4] = { false };

	pthread_barrier_init(&all_four, NULL, 4);
	csp_wg_add(&wg, 4);
	for (int i = 0; i < 4; i++)
		csp_go(blocking, &over[i], &wg);
	csp_wg_wait(&wg);
	for (int i = 0; i < 4; i++)
		EXPECT(over[i]);
	pthread_barrier_destroy(&all_four);
}

static csp_waitgroup bad;

static void wg_negative(void)
{
	csp_wg_done(&bad);
}

static void wait_bad(void)
{
	csp_wg_wait(&bad);
}

static void wg_add_with_wait(void)
{
	csp_wg_add(&bad, 1);
	csp_go(wait_bad);
	while ((uint32_t)__atomic_load_n(&bad.state_, __ATOMIC_RELAXED) == 0)
		csp_yield();
	/* As if the counter had reached zero and an Add came before the waiters were released. */
	__atomic_sub_fetch(&bad.state_, (uint64_t)1 << 32, __ATOMIC_RELAXED);
	csp_wg_add(&bad, 1);
}

static void wg_reused(void)
{
	csp_wg_add(&bad, 1);
	csp_go(wait_bad);
	while ((uint32_t)__atomic_load_n(&bad.state_, __ATOMIC_RELAXED) == 0)
		csp_yield();
	csp_maxprocs(1);                /* the waiter does not run between the two calls */
	csp_yield();
	csp_wg_done(&bad);
	csp_wg_add(&bad, 1);
	csp_sleep(CSP_SECOND);
}

static void cond_without_lock(void)
{
	csp_cond_wait(&cond, &cond_lock);
}

static void wait_for_ever(void)
{
	csp_wg_add(&bad, 1);
	csp_wg_wait(&bad);
}

static void once_in_itself(void)
{
	csp_once_do(&once, once_in_itself);
}

static const struct expect_case deaths[] = {
	{ "wg_negative", wg_negative, 2, "panic: sync: negative WaitGroup counter" },
	{ "wg_add_with_wait", wg_add_with_wait, 2, "panic: sync: WaitGroup misuse: Add called concurrently with Wait" },
	{ "wg_reused", wg_reused, 2, "panic: sync: WaitGroup is reused before previous Wait has returned" },
	{ "cond_without_lock", cond_without_lock, 2, "fatal error: sync: unlock of unlocked mutex" },
	{ "wait_for_ever", wait_for_ever, 2, "fatal error: all goroutines are asleep - deadlock!" },
	{ "once_in_itself", once_in_itself, 2, "fatal error: all goroutines are asleep - deadlock!" },
};

int main(int argc, char **argv)
{
	expect_child_cases(argc, argv, deaths, sizeof deaths / sizeof deaths[0]);
	wait_group_waits_for_all_and_is_reusable();
	wait_group_releases_many_waiters();
	once_runs_once_for_a_thousand_callers();
	once_counts_a_function_that_exits();
	cond_signals_in_order();
	cond_broadcast_wakes_all();
	cond_loses_no_signal();
	group_keeps_the_first_result_and_the_limit();
	group_failure_ends_its_context();
	defers_run_last_first();
	block_lets_others_run();
	return 0;
}

/* Sleeps, deadlines, timers, tickers. Nothing here may fire early; how late is the machine's affair. */
#include "run.h"

#include <csp.h>
#include <stdatomic.h>

#include "chan/chan.h"
#include "g.h"

static csp_waitgroup wg;
static struct rt_lock lock;
static struct rt_waitq queue;

static int wait_with_deadline(int64_t deadline_ns)
{
	struct rt_g *g = rt_self();
	struct rt_waiter w = { .g = g, .contended = true };
	struct rt_timer t;

	rt_lock(&lock);
	rt_wait_begin(g, RT_WAIT_SEMA, &w);
	rt_waitq_push(&queue, &w);
	rt_deadline_arm(&t, g, deadline_ns);
	rt_park(rt_commit_unlock, &lock);
	rt_deadline_cancel(&t);
	rt_lock(&lock);
	rt_waitq_remove(&queue, &w);
	rt_unlock(&lock);
	return g->wake == &w;
}

static void sleep_and_note(int64_t until)
{
	wait_with_deadline(until);      /* csp_sleep takes a length: time passes before it has become a deadline */
	ck_assert_int_ge(csp_now_ns(), until);
	csp_wg_done(&wg);
}

START_TEST(no_sleeper_wakes_before_its_deadline)
{
	int64_t start = csp_now_ns() + CSP_MILLISECOND;

	csp_wg_add(&wg, 64);
	for (int i = 0; i < 64; i++)
		csp_go(sleep_and_note, start + i * 37 % 64 * CSP_MILLISECOND / 4);
	csp_wg_wait(&wg);
}
END_TEST

static struct rt_timer armed[64];
static struct rt_timer *fired[64];
static _Atomic int n_fired;

static void note_fired(struct rt_timer *t, int64_t now_ns)
{
	ck_assert_int_ge(now_ns, t->when_ns);
	fired[n_fired] = t;
	n_fired++;
}

/* Of goroutines woken in one go any may run first: the order is that of the firings. Equal deadlines: the order of arming. */
START_TEST(timers_fire_in_the_order_of_their_deadlines)
{
	int64_t start = csp_now_ns() + 20 * CSP_MILLISECOND, all_armed_ns;
	int compared = 0;

	for (int i = 0; i < 64; i++) {
		armed[i].fire = note_fired;
		rt_timer_start(&armed[i], start + i * 37 % 16 * CSP_MILLISECOND / 4);
	}
	all_armed_ns = csp_now_ns();
	while (n_fired < 64)
		csp_yield();
	for (int i = 1; i < 64; i++) {
		if (fired[i - 1]->when_ns <= all_armed_ns)      /* this machine stood still for 20 ms: it fired before others were armed */
			continue;
		ck_assert_int_ge(fired[i]->when_ns, fired[i - 1]->when_ns);
		if (fired[i]->when_ns == fired[i - 1]->when_ns)
			ck_assert(fired[i] > fired[i - 1]);
		compared++;
	}
	ck_assert_msg(compared > 0 || all_armed_ns >= start, "nothing was compared");
}
END_TEST

START_TEST(a_stopped_timer_does_not_fire)
{
	csp_timer *t = csp_timer_start(CSP_SECOND);
	int64_t v;

	ck_assert(csp_timer_stop(t));
	ck_assert(!csp_timer_stop(t));
	ck_assert(!csp_chan_try_recv(csp_timer_chan(t), &v));
	ck_assert(!csp_timer_reset(t, CSP_MILLISECOND));
	int64_t before = csp_now_ns();
	ck_assert_int_ge(csp_chan_recv(csp_timer_chan(t)), before);
	csp_timer_free(t);
}
END_TEST

START_TEST(a_reset_drops_the_value_of_the_old_setting)
{
	csp_timer *t = csp_timer_start(CSP_NANOSECOND);

	/* Its length is told as zero; the value must lie in it all the same. */
	while (__atomic_load_n(&((struct csp_chan *)(uintptr_t)csp_timer_chan(t))->len, __ATOMIC_ACQUIRE) == 0)
		csp_yield();
	int64_t reset_at = csp_now_ns();
	csp_timer_reset(t, 5 * CSP_MILLISECOND);
	ck_assert_int_ge(csp_chan_recv(csp_timer_chan(t)), reset_at + 5 * CSP_MILLISECOND);
	csp_timer_free(t);
}
END_TEST

START_TEST(a_ticker_ticks_and_stops)
{
	csp_ticker *t = csp_ticker_start(CSP_MILLISECOND);
	int64_t last = 0, v;

	for (int i = 0; i < 10; i++) {
		v = csp_chan_recv(csp_ticker_chan(t));
		ck_assert_int_gt(v, last);
		last = v;
	}
	csp_ticker_reset(t, 2 * CSP_MILLISECOND);
	csp_chan_recv(csp_ticker_chan(t));
	csp_ticker_stop(t);
	csp_sleep(5 * CSP_MILLISECOND);
	ck_assert(!csp_chan_try_recv(csp_ticker_chan(t), &v));
	csp_ticker_free(t);
}
END_TEST

static _Atomic int calls;
static void call(void *arg)
{
	ck_assert_ptr_eq(arg, &calls);
	calls++;
	csp_wg_done(&wg);
}

START_TEST(timer_functions_run_in_goroutines_of_their_own)
{
	csp_timer *t[100];

	csp_wg_add(&wg, 100);
	for (int i = 0; i < 100; i++)
		t[i] = csp_timer_func(i % 10 * CSP_MILLISECOND / 5, call, &calls);
	csp_wg_wait(&wg);
	ck_assert_int_eq(calls, 100);
	for (int i = 0; i < 100; i++)
		csp_timer_free(t[i]);
}
END_TEST

static _Atomic int by_waker, by_deadline, wakes;
static void waiter(int n)
{
	for (int i = 0; i < n; i++)
		if (wait_with_deadline(rt_now_ns() + i % 7 * 3000))
			by_waker++;
		else
			by_deadline++;
	csp_wg_done(&wg);
}

static _Atomic bool done;
static void waker(void)
{
	while (!done) {
		rt_lock(&lock);
		struct rt_waiter *w = rt_waitq_pop(&queue);
		if (w)
			w->g->wake = w;
		rt_unlock(&lock);
		if (w) {
			wakes++;
			rt_ready(w->g);
		}
		csp_yield();
	}
}

/* Exactly one of waker and deadline wins each wait. */
START_TEST(a_waker_and_a_deadline_do_not_both_win)
{
	csp_wg_add(&wg, 8);
	csp_go(waker);
	for (int i = 0; i < 8; i++)
		csp_go(waiter, 2000);
	csp_wg_wait(&wg);
	done = true;
	ck_assert_int_eq(by_waker + by_deadline, 16000);
	ck_assert_int_eq(by_waker, wakes);
}
END_TEST

static void sleep_random(unsigned seed)
{
	for (int i = 0; i < 20; i++)
		csp_sleep(rand_r(&seed) % 500 * CSP_MICROSECOND / 10);
	csp_wg_done(&wg);
}

START_TEST(many_sleepers_all_wake)
{
	csp_wg_add(&wg, 5000);
	for (unsigned i = 0; i < 5000; i++)
		csp_go(sleep_random, i);
	csp_wg_wait(&wg);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("timers");

	tcase_add_test(tc, no_sleeper_wakes_before_its_deadline);
	tcase_add_test(tc, timers_fire_in_the_order_of_their_deadlines);
	tcase_add_test(tc, a_stopped_timer_does_not_fire);
	tcase_add_test(tc, a_reset_drops_the_value_of_the_old_setting);
	tcase_add_test(tc, a_ticker_ticks_and_stops);
	tcase_add_test(tc, timer_functions_run_in_goroutines_of_their_own);
	tcase_add_test(tc, a_waker_and_a_deadline_do_not_both_win);
	tcase_add_test(tc, many_sleepers_all_wake);
	return run_case(tc);
}

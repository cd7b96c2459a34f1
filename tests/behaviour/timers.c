/* Timers and tickers, with the rules of Go 1.23: after stop or reset no value of the former setting arrives. Run with CSPMAXPROCS 1, 2, 4. */
#include <csp.h>

#include "../lib/expect.h"

static bool holds_a_value(csp_recv_chan(int64_t) c)
{
	return csp_chan_try_recv(c, NULL);
}

/* The runtime has fired what is due: a later timer came through. */
static void let_pass(int64_t ns)
{
	csp_sleep(ns + CSP_MILLISECOND);
}

static void timers_fire_once_and_not_early(void)
{
	int64_t start_ns = csp_now_ns();
	csp_timer *t = csp_timer_start(3 * CSP_MILLISECOND);
	int64_t at_ns = csp_chan_recv(csp_timer_chan(t));

	EXPECT(at_ns >= start_ns + 3 * CSP_MILLISECOND && at_ns <= csp_now_ns());
	let_pass(3 * CSP_MILLISECOND);
	EXPECT(!holds_a_value(csp_timer_chan(t)));
	EXPECT(!csp_timer_stop(t));
	EXPECT(!csp_timer_reset(t, 0));
	csp_chan_recv(csp_timer_chan(t));
	EXPECT(!csp_timer_reset(t, -5));
	csp_chan_recv(csp_timer_chan(t));
	csp_timer_free(t);
	csp_timer_free(NULL);
}

static void stopped_timers_are_silent(void)
{
	csp_timer *t = csp_timer_start(CSP_MINUTE);

	EXPECT(csp_timer_stop(t));
	EXPECT(!csp_timer_stop(t));
	EXPECT(!csp_timer_reset(t, CSP_MINUTE));
	EXPECT(csp_timer_reset(t, 0));
	csp_chan_recv(csp_timer_chan(t));
	csp_timer_free(t);
	/* Armed for ever, and freed while armed. */
	t = csp_timer_start(INT64_MAX);
	EXPECT(csp_timer_stop(t));
	csp_timer_reset(t, INT64_MAX);
	csp_timer_free(t);
}

/* Fired, but nobody took the value: stop and reset withdraw it and say that they were in time; the channel passes for unbuffered. */
static void untaken_values_are_withdrawn(void)
{
	csp_timer *t = csp_timer_start(0);
	csp_recv_chan(int64_t) c = csp_timer_chan(t);

	let_pass(0);
	EXPECT_EQ(csp_chan_len(c), 0);
	EXPECT_EQ(csp_chan_cap(c), 0);
	EXPECT(csp_timer_stop(t));
	EXPECT(!holds_a_value(c));
	csp_timer_reset(t, 0);
	let_pass(0);
	int64_t before_ns = csp_now_ns();
	EXPECT(csp_timer_reset(t, CSP_MILLISECOND));
	EXPECT(csp_chan_recv(c) >= before_ns + CSP_MILLISECOND);
	csp_timer_free(t);
}

/* Reset in the very moment of firing, many times: every value received belongs to the last setting. */
static void no_stale_value_after_reset(void)
{
	csp_timer *t = csp_timer_start(0);

	for (int i = 0; i < 3000; i++) {
		if (i % 3 == 0)
			csp_yield();
		int64_t before_ns = csp_now_ns();
		csp_timer_reset(t, 20 * CSP_MICROSECOND);
		if (i % 2)
			EXPECT(csp_chan_recv(csp_timer_chan(t)) >= before_ns + 20 * CSP_MICROSECOND);
	}
	csp_timer_free(t);
}

#define LATER (300 * CSP_MILLISECOND)

static void reset_often(csp_timer *t, int n, csp_waitgroup *wg)
{
	for (int i = 0; i < n; i++)
		csp_timer_reset(t, LATER);
	csp_wg_done(wg);
}

static void many_may_reset_at_once(void)
{
	csp_timer *t = csp_timer_start(0);
	csp_waitgroup wg = { 0 };

	csp_wg_add(&wg, 4);
	for (int i = 0; i < 4; i++)
		csp_go(reset_often, t, 50000, &wg);
	csp_wg_wait(&wg);
	csp_timer_stop(t);
	let_pass(LATER);                        /* had two armed it at once, it would be armed still */
	EXPECT(!holds_a_value(csp_timer_chan(t)));
	csp_timer_reset(t, 0);
	csp_chan_recv(csp_timer_chan(t));
	let_pass(0);
	EXPECT(!holds_a_value(csp_timer_chan(t)));
	csp_timer_free(t);
}

static void tell(void *p)
{
	csp_chan_send((csp_chan(int))p, 1);
}

static void functions_run_in_a_goroutine(void)
{
	csp_chan(int) c = csp_make_chan(int);
	csp_timer *t = csp_timer_func(CSP_MILLISECOND, tell, (void *)c);

	EXPECT(csp_timer_chan(t) == NULL);
	csp_chan_recv(c);
	EXPECT(!csp_timer_stop(t));
	EXPECT(!csp_timer_reset(t, 0));
	csp_chan_recv(c);
	EXPECT(!csp_timer_reset(t, CSP_MINUTE));
	EXPECT(csp_timer_stop(t));
	csp_timer_reset(t, 0);
	if (!csp_timer_stop(t))                 /* f is under way, or was not yet */
		csp_chan_recv(c);
	csp_timer_free(t);
	csp_chan_free(c);
}

static void tickers_tick_and_drop(void)
{
	int64_t start_ns = csp_now_ns(), at_ns = 0;
	csp_ticker *t = csp_ticker_start(2 * CSP_MILLISECOND);
	csp_recv_chan(int64_t) c = csp_ticker_chan(t);

	for (int i = 1; i <= 3; i++) {
		int64_t last_ns = at_ns;
		at_ns = csp_chan_recv(c);
		EXPECT(at_ns > last_ns && at_ns >= start_ns + i * 2 * CSP_MILLISECOND);
	}
	let_pass(10 * CSP_MILLISECOND);         /* several ticks, of which one is kept */
	EXPECT(holds_a_value(c));
	csp_ticker_stop(t);
	let_pass(4 * CSP_MILLISECOND);
	EXPECT(!holds_a_value(c));
	start_ns = csp_now_ns();
	csp_ticker_reset(t, CSP_MILLISECOND);
	EXPECT(csp_chan_recv(c) >= start_ns + CSP_MILLISECOND);
	csp_ticker_reset(t, CSP_MINUTE);
	EXPECT(!holds_a_value(c));
	csp_ticker_free(t);
	csp_ticker_free(NULL);
}

static void no_interval(void)
{
	csp_ticker_start(0);
}

static void no_interval_in_reset(void)
{
	csp_ticker_reset(csp_ticker_start(1), -1);
}

static void after_gives_the_time_once(void)
{
	int64_t start_ns = csp_now_ns();
	csp_recv_chan(int64_t) c = csp_after(CSP_MILLISECOND), unused = csp_after(CSP_MINUTE);

	EXPECT(csp_chan_recv(c) >= start_ns + CSP_MILLISECOND);
	EXPECT(!holds_a_value(c));
	csp_chan_unref(c);
	csp_chan_unref(unused);
	csp_chan_unref(csp_after(0));           /* before it fires */
	let_pass(0);
}

int main(int argc, char **argv)
{
	static const struct expect_case deaths[] = {
		{ "no_interval", no_interval, 2, "panic: non-positive interval for NewTicker" },
		{ "no_interval_in_reset", no_interval_in_reset, 2, "panic: non-positive interval for Ticker.Reset" },
	};

	expect_child_cases(argc, argv, deaths, sizeof deaths / sizeof *deaths);
	timers_fire_once_and_not_early();
	stopped_timers_are_silent();
	untaken_values_are_withdrawn();
	no_stale_value_after_reset();
	many_may_reset_at_once();
	functions_run_in_a_goroutine();
	tickers_tick_and_drop();
	after_gives_the_time_once();
	return 0;
}

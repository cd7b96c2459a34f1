#include "soak.h"

/* --- timers: what was armed was stopped in time, or fired once ----------------------------------------------------------- */

struct calls { _Atomic long n; csp_waitgroup wg; };

static void called(void *arg)
{
	struct calls *c = arg;

	atomic_fetch_add(&c->n, 1);
	csp_wg_done(&c->wg);
}

/* One call is due for each arming that was not stopped in time. */
static void use_timer_func(struct calls *c, struct rng *r, _Atomic long *due)
{
	csp_wg_add(&c->wg, 1);
	csp_timer *t = csp_timer_func(pick(r, 300) * CSP_MICROSECOND, called, c);
	long armed = 1;

	for (int i = pick(r, 4); i > 0; i--) {
		soak_pause(r);
		csp_wg_add(&c->wg, 1);
		if (csp_timer_reset(t, pick(r, 300) * CSP_MICROSECOND))
			csp_wg_done(&c->wg);            /* the earlier arming came to nothing */
		else
			armed++;
	}
	if (pick(r, 2))
		csp_sleep(pick(r, 300) * CSP_MICROSECOND);
	if (csp_timer_stop(t)) {
		csp_wg_done(&c->wg);
		armed--;
	}
	csp_timer_free(t);
	atomic_fetch_add(due, armed);
}

static void use_timer_chan(struct rng *r)
{
	int64_t begin = csp_now_ns(), wait = pick(r, 300) * CSP_MICROSECOND;
	csp_timer *t = csp_timer_start(wait);
	bool received = false;

	for (int i = pick(r, 4); i > 0; i--) {
		soak_pause(r);
		begin = csp_now_ns();
		wait = pick(r, 300) * CSP_MICROSECOND;
		csp_timer_reset(t, wait);               /* what was sent and not received is gone */
	}
	if (pick(r, 2)) {
		CHECK(csp_chan_recv(csp_timer_chan(t)) >= begin + wait);
		received = true;
	}
	bool stopped = csp_timer_stop(t);
	CHECK(!(received && stopped));
	CHECK(!csp_chan_try_recv(csp_timer_chan(t), NULL));
	csp_timer_free(t);
}

static void use_after(struct rng *r)
{
	int64_t begin = csp_now_ns(), wait = pick(r, 200) * CSP_MICROSECOND;
	csp_recv_chan(int64_t) ch = csp_after(wait);

	if (pick(r, 2))
		CHECK(csp_chan_recv(ch) >= begin + wait);
	csp_chan_unref(ch);
	wait = pick(r, 200) * CSP_MICROSECOND;
	begin = csp_now_ns();
	csp_sleep(wait);
	CHECK(csp_now_ns() >= begin + wait);
}

static void use_timers(struct calls *c, struct rng r, _Atomic long *due, csp_waitgroup *wg)
{
	int times = pick(&r, 30);

	for (int i = 0; i < times; i++) {
		switch (pick(&r, 3)) {
		case 0:
			use_timer_func(c, &r, due);
			break;
		case 1:
			use_timer_chan(&r);
			break;
		default:
			use_after(&r);
		}
	}
	soak_count((uint64_t)times);
	csp_wg_done(wg);
}

void soak_timers(struct rng r)
{
	struct calls c = { 0 };
	csp_waitgroup wg = { 0 };
	_Atomic long due = 0;
	int n = between(&r, 1, 10 * soak_scale);

	csp_wg_add(&wg, n);
	for (int i = 0; i < n; i++)
		csp_go(use_timers, &c, fork_rng(&r), &due, &wg);
	csp_wg_wait(&wg);
	csp_wg_wait(&c.wg);
	CHECK_EQ(c.n, due);
}

/* --- tickers ------------------------------------------------------------------------------------------------------------- */

static void use_ticker(struct rng r, csp_waitgroup *wg)
{
	csp_ticker *t = csp_ticker_start(between(&r, 20, 300) * CSP_MICROSECOND);
	int64_t last = 0, now = 0;

	for (int i = between(&r, 1, 20); i > 0; i--) {
		switch (pick(&r, 6)) {
		case 0:
			csp_ticker_reset(t, between(&r, 20, 300) * CSP_MICROSECOND);
			break;
		case 1:
			csp_ticker_stop(t);
			CHECK(!csp_chan_try_recv(csp_ticker_chan(t), NULL));
			csp_ticker_reset(t, between(&r, 20, 300) * CSP_MICROSECOND);
			break;
		default:
			now = csp_chan_recv(csp_ticker_chan(t));
			CHECK(now >= last);
			last = now;
			soak_count(1);
		}
		soak_pause(&r);
	}
	csp_ticker_free(t);
	csp_wg_done(wg);
}

void soak_tickers(struct rng r)
{
	csp_waitgroup wg = { 0 };
	int n = between(&r, 1, 6 * soak_scale);

	csp_wg_add(&wg, n);
	for (int i = 0; i < n; i++)
		csp_go(use_ticker, fork_rng(&r), &wg);
	csp_wg_wait(&wg);
}

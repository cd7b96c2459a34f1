/* Select. */
#define CSP_SHORT_NAMES
#include <csp.h>

#include "../lib/goroutines.h"
#include "../lib/panics.h"

START_TEST(the_ready_case_is_taken)
{
	chan(int) a = make_chan(int, 1), b = make_chan(int, 1);
	int v = 0, w = 0;
	bool ok = false;

	chan_send(b, 5);
	switch (choose(CSP_ON_RECV(a, &v), CSP_ON_RECV(b, &w, &ok))) {
	case 1: ck_assert(w == 5 && v == 0 && ok); break;
	default: ck_abort();
	}
	ck_assert_int_eq(choose(CSP_ON_RECV(a), CSP_ON_SEND(b, 6)), 1);
	ck_assert_int_eq(chan_recv(b), 6);
	ck_assert_int_eq(choose(CSP_ON_RECV(a, &v), CSP_ON_DEFAULT), 1);
	chan_close(a);
	ok = true;
	v = 3;
	ck_assert_int_eq(choose(CSP_ON_RECV(b), CSP_ON_RECV(a, &v, &ok)), 1);
	ck_assert(v == 0 && !ok);
}
END_TEST

START_TEST(designators_name_the_cases)
{
	enum { QUIT = 7, DATA = 2, LATE = 4 };
	chan(int) data = make_chan(int, 1), quit = make_chan(int);
	int v = 0, rounds = 0;

	chan_send(data, 1);
	for (;;) {
		switch (choose([DATA] = CSP_ON_RECV(data, &v), [QUIT] = CSP_ON_RECV(quit), [LATE] = CSP_ON_AFTER(CSP_MINUTE))) {
		case DATA:
			if (++rounds < 3) {
				chan_send(data, v + 1);
				continue;
			}
			chan_close(quit);
			continue;
		case QUIT:
			break;
		default:
			ck_abort();
		}
		break;
	}
	ck_assert_int_eq(v, 3);
}
END_TEST

START_TEST(a_parked_select_is_served)
{
	for (int late = 0; late < 2; late++) for (int cap = 0; cap < 3; cap++) {
		chan(int) a = make_chan(int, cap), b = make_chan(int, cap), out = make_chan(int);
		int v = 0, w = 0;
		go(send_one, b, 9);
		for (int i = 0; late && i < 20; i++)
			csp_yield();
		ck_assert_int_eq(choose(CSP_ON_RECV(a, &v), CSP_ON_RECV(b, &w)), 1);
		ck_assert(v == 0 && w == 9);
		if (cap > 0)
			continue;
		go(recv_into, b, out);
		ck_assert_int_eq(choose(CSP_ON_RECV(a, &v), CSP_ON_SEND(b, 11)), 1);
		ck_assert_int_eq(chan_recv(out), 11);
	}
}
END_TEST

static void close_it(send_chan(int) c) { chan_close(c); }

START_TEST(close_ends_a_parked_select)
{
	chan(int) a = make_chan(int), b = make_chan(int);
	int v = 4;
	bool ok = true;
	go(close_it, b);
	ck_assert_int_eq(choose(CSP_ON_RECV(a), CSP_ON_RECV(b, &v, &ok)), 1);
	ck_assert(v == 0 && !ok);
}
END_TEST

START_TEST(time_limits)
{
	chan(int) never = make_chan(int);
	int64_t start = csp_now_ns();
	ck_assert_int_eq(choose(CSP_ON_RECV(never), CSP_ON_AFTER(20 * CSP_MILLISECOND), CSP_ON_AFTER(CSP_MINUTE)), 1);
	ck_assert_int_ge(csp_now_ns() - start, 20 * CSP_MILLISECOND);
	ck_assert_int_eq(choose(CSP_ON_AFTER(CSP_MILLISECOND)), 0);
	ck_assert_int_eq(choose(CSP_ON_RECV(never), CSP_ON_AFTER(0)), 1);
	ck_assert_int_eq(choose(CSP_ON_RECV(never), CSP_ON_AFTER(-5)), 1);
	for (int i = 0; i < 200; i++) {         /* limit against arrival, at about the same time */
		chan(int) c = make_chan(int);
		int v = 0;
		csp_go_fn((void (*)(void *))csp_yield, NULL, NULL);
		go(send_one, c, 1);
		if (choose(CSP_ON_RECV(c, &v), CSP_ON_AFTER((i % 20) * CSP_MICROSECOND)) == 1)
			v = chan_recv(c);
		ck_assert_int_eq(v, 1);
		csp_chan_unref(c);
	}
}
END_TEST

START_TEST(nil_channels_and_gaps_never_fire)
{
	chan(int) none = NULL, c = make_chan(int, 1);
	chan_send(c, 1);
	for (int i = 0; i < 50; i++) {
		ck_assert_int_eq(choose([9] = CSP_ON_RECV(c), [2] = CSP_ON_RECV(none), [4] = CSP_ON_SEND(none, 1)), 9);
		chan_send(c, 1);
	}
	ck_assert_int_eq(choose(CSP_ON_RECV(none), CSP_ON_DEFAULT), 1);
}
END_TEST

/* Three ready cases, 30,000 draws: each is binomial(n, 1/3), sigma 82; 500 off is 6 sigma: odds of a false alarm below 1 in 10^8. */
START_TEST(ready_cases_are_drawn_evenly)
{
	chan(int) c[3];
	int hits[3] = { 0 };
	for (int i = 0; i < 3; i++)
		chan_close(c[i] = make_chan(int));
	for (int i = 0; i < 30000; i++)
		hits[choose(CSP_ON_RECV(c[0]), CSP_ON_RECV(c[1]), CSP_ON_RECV(c[2]))]++;
	for (int i = 0; i < 3; i++)
		ck_assert_msg(hits[i] > 9500 && hits[i] < 10500, "case %d: %d of 30000", i, hits[i]);
}
END_TEST

START_TEST(lists_made_at_run_time)
{
	enum { N = 100 };
	chan(int) c[N];
	csp_case cases[N];
	int v = 0, seven = 7;
	for (int i = 0; i < N; i++) {
		c[i] = i % 10 == 0 ? NULL : make_chan(int, 1);
		cases[i] = CSP_ON_RECV(c[i], &v);
	}
	for (int i = 1; i < N; i += 13) {
		if (c[i] == NULL)
			continue;
		chan_send(c[i], i);
		ck_assert_int_eq(csp_select_v(cases, N), i);
		ck_assert_int_eq(v, i);
		go(send_one, c[i], -i);
		ck_assert_int_eq(csp_select_v(cases, N), i);
		ck_assert_int_eq(v, -i);
	}
	cases[3] = CSP_ON_SEND_PTR(c[3], &seven);
	ck_assert_int_eq(csp_select_v(cases, N), 3);
	ck_assert_int_eq(chan_recv(c[3]), 7);
	cases[N - 1] = CSP_ON_DEFAULT;
	cases[3] = (csp_case){ 0 };
	ck_assert_int_eq(csp_select_v(cases, N), N - 1);
}
END_TEST

/* Every goroutine both offers and takes on the same two channels, in one select: each exchange pairs two of them. */
static void exchange(chan(int) a, chan(int) b, int rounds, send_chan(int64_t) balance)
{
	int64_t sum = 0;
	for (int i = 0; i < rounds; i++) {
		int v = 0;
		switch (choose(CSP_ON_SEND(a, i), CSP_ON_RECV(a, &v), CSP_ON_SEND(b, 2 * i), CSP_ON_RECV(b, &v), CSP_ON_AFTER(20 * CSP_MILLISECOND))) {
		case 0: sum += i; break;
		case 2: sum += 2 * i; break;
		case 1: case 3: sum -= v; break;
		default: i = rounds; break;     /* nobody left to pair with */
		}
	}
	chan_send(balance, sum);
}

START_TEST(selects_pair_with_selects)
{
	enum { N = 8 };
	chan(int) a = make_chan(int), b = make_chan(int);
	chan(int64_t) balance = make_chan(int64_t);
	int64_t sum = 0;
	for (int i = 0; i < N; i++)
		if (i % 2 == 0)
			go(exchange, a, b, 2000, balance);
		else
			go(exchange, b, a, 2000, balance);
	for (int i = 0; i < N; i++)
		sum += chan_recv(balance);
	ck_assert_int_eq(sum, 0);
}
END_TEST

static void produce(send_chan(int) a, send_chan(int) b, int n, send_chan(bool) done)
{
	for (int i = 1; i <= n; i++)
		choose(CSP_ON_SEND(a, i), CSP_ON_SEND(b, i));
	chan_send(done, true);
}
static void consume(recv_chan(int) a, recv_chan(int) b, recv_chan(bool) quit, send_chan(int64_t) sums)
{
	int64_t sum = 0;
	for (int v;;)
		switch (choose(CSP_ON_RECV(a, &v), CSP_ON_RECV(b, &v), CSP_ON_RECV(quit))) {
		case 2:
			chan_send(sums, sum);
			return;
		default:
			sum += v;
		}
}

START_TEST(every_value_is_received_once)
{
	enum { PRODUCERS = 4, CONSUMERS = 3, VALUES = 3000 };
	for (int cap = 0; cap < 3; cap++) {
		chan(int) a = make_chan(int, cap), b = make_chan(int, 2 - cap);
		chan(bool) done = make_chan(bool), quit = make_chan(bool);
		chan(int64_t) sums = make_chan(int64_t);
		int64_t sum = 0;
		int v;
		for (int i = 0; i < PRODUCERS; i++)
			go(produce, a, b, VALUES, done);
		for (int i = 0; i < CONSUMERS; i++)
			go(consume, a, b, quit, sums);
		for (int i = 0; i < PRODUCERS; i++)
			chan_recv(done);
		chan_close(quit);
		for (int i = 0; i < CONSUMERS; i++)
			sum += chan_recv(sums);
		while (csp_chan_try_recv(a, &v) || csp_chan_try_recv(b, &v))
			sum += v;
		ck_assert_int_eq(sum, (int64_t)PRODUCERS * VALUES * (VALUES + 1) / 2);
	}
}
END_TEST

/* A loser's waiter is taken off the other channel: a later send there finds nobody. */
START_TEST(losers_leave_their_queues)
{
	chan(int) a = make_chan(int), b = make_chan(int);
	for (int i = 0; i < 100; i++) {
		int v = 0;
		go(send_one, a, i);
		ck_assert_int_eq(choose(CSP_ON_RECV(a, &v), CSP_ON_RECV(b, &v)), 0);
		ck_assert_int_eq(v, i);
		ck_assert(!csp_chan_try_send(b, 1));
	}
}
END_TEST

static void wait_quit(recv_chan(int) quit, recv_chan(int) other, send_chan(int) done)
{
	choose(CSP_ON_RECV(other), CSP_ON_RECV(quit));
	chan_send(done, 1);
}

/* The channel that wakes a select may be freed by who closed it, once nobody is parked in it. */
START_TEST(a_closed_channel_may_be_freed_at_once)
{
	chan(int) other = make_chan(int), done = make_chan(int);
	for (int i = 0; i < 200; i++) {
		chan(int) quit = make_chan(int);
		go(wait_quit, quit, other, done);
		chan(int) gate = make_chan(int, 1);
		while (csp_chan_try_send(quit, 1))
			csp_yield();
		csp_chan_free(gate);
		chan_close(quit);
		chan_recv(done);
		csp_chan_free(quit);
	}
}
END_TEST

static void no_cases(void) { choose(); }
static void only_nil(void) { chan(int) c = NULL; choose(CSP_ON_RECV(c)); }
static void send_closed(void) { chan(int) c = make_chan(int), d = make_chan(int); chan_close(c); choose(CSP_ON_SEND(c, 1), CSP_ON_RECV(d)); }
static void select_sender(send_chan(int) c, recv_chan(int) d) { choose(CSP_ON_SEND(c, 1), CSP_ON_RECV(d)); }
static void close_under_sender(void)
{
	chan(int) c = make_chan(int), d = make_chan(int);
	go(select_sender, c, d);
	settle();
	chan_close(c);
	for (;;)
		csp_yield();
}

static const struct death deaths[] = {
	{ no_cases, "fatal error: all goroutines are asleep - deadlock!\n" },
	{ only_nil, "fatal error: all goroutines are asleep - deadlock!\n" },
	{ send_closed, "panic: send on closed channel\n" },
	{ close_under_sender, "panic: send on closed channel\n" },
};

START_TEST(misuse_dies_with_go_words) { dies_with(deaths[_i].program, deaths[_i].words); }
END_TEST

int main(void)
{
	Suite *s = suite_create("select");
	TCase *tc = tcase_create("select");

	tcase_set_timeout(tc, 30);
	suite_add_tcase(s, tc);
	tcase_add_test(tc, the_ready_case_is_taken);
	tcase_add_test(tc, designators_name_the_cases);
	tcase_add_test(tc, a_parked_select_is_served);
	tcase_add_test(tc, close_ends_a_parked_select);
	tcase_add_test(tc, time_limits);
	tcase_add_test(tc, nil_channels_and_gaps_never_fire);
	tcase_add_test(tc, ready_cases_are_drawn_evenly);
	tcase_add_test(tc, lists_made_at_run_time);
	tcase_add_test(tc, selects_pair_with_selects);
	tcase_add_test(tc, every_value_is_received_once);
	tcase_add_test(tc, losers_leave_their_queues);
	tcase_add_test(tc, a_closed_channel_may_be_freed_at_once);
#ifdef __SANITIZE_THREAD__
	(void)misuse_dies_with_go_words;        /* libtsan's background thread may act for all we know: nothing is a deadlock */
#else
	tcase_add_loop_test(tc, misuse_dies_with_go_words, 0, sizeof deaths / sizeof *deaths);
#endif
	return run_suite(s);
}

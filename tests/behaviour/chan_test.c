/* Channels. Most properties are held over the table capacity 0/1/2 x who comes first. "First" is arranged by yielding: with one worker
 * that is exact, with several it only makes the case likely; no result depends on it. */
#define CSP_SHORT_NAMES
#include <csp.h>

#include "../lib/goroutines.h"
#include "../lib/panics.h"

static const int caps[] = { 0, 1, 2 };
#define EACH_CAP(cap) for (size_t cap##_i = 0, cap = 0; cap##_i < 3 && (cap = (size_t)caps[cap##_i], true); cap##_i++)

static void send_range(send_chan(int) c, int from, int to, bool and_close)
{
	for (int i = from; i < to; i++)
		chan_send(c, i);
	if (and_close)
		chan_close(c);
}

START_TEST(values_arrive_in_order)
{
	EACH_CAP(cap) for (int receiver_late = 0; receiver_late < 2; receiver_late++) {
		chan(int) c = make_chan(int, (int64_t)cap);
		go(send_range, c, 0, 100, true);
		if (receiver_late)
			settle();
		for (int i = 0; i < 100; i++) {
			int v = chan_recv(c);
			ck_assert_msg(v == i, "cap %zu late %d: got %d for %d", cap, receiver_late, v, i);
		}
		int v = 7;
		ck_assert(!chan_recv_ok(c, &v));
		ck_assert_int_eq(v, 0);
		ck_assert_int_eq(chan_recv(c), 0);
		csp_chan_free(c);
	}
}
END_TEST

START_TEST(recv_on_closed_drains_then_reports_closed)
{
	EACH_CAP(cap) {
		chan(int) c = make_chan(int, (int64_t)cap);
		for (size_t i = 0; i < cap; i++)
			chan_send(c, (int)i + 1);
		ck_assert_uint_eq(chan_len(c), cap);
		ck_assert_uint_eq(chan_cap(c), cap);
		chan_close(c);
		for (size_t i = 0; i < cap; i++) {
			int v = 0;
			ck_assert(chan_recv_ok(c, &v));
			ck_assert_int_eq(v, (int)i + 1);
		}
		for (int i = 0; i < 3; i++) {
			int v = 9;
			ck_assert(!chan_recv_ok(c, &v));
			ck_assert_int_eq(v, 0);
			v = 9;
			ck_assert(!csp_chan_try_recv(c, &v));
			ck_assert_int_eq(v, 0);
			ck_assert(!chan_recv_ok(c, NULL));
		}
		csp_chan_free(c);
	}
}
END_TEST

START_TEST(try_operations_never_park)
{
	EACH_CAP(cap) {
		chan(int) c = make_chan(int, (int64_t)cap);
		int v = 5;
		ck_assert(!csp_chan_try_recv(c, &v));
		ck_assert_int_eq(v, 5);
		for (size_t i = 0; i < cap; i++)
			ck_assert(csp_chan_try_send(c, (int)i));
		ck_assert(!csp_chan_try_send(c, 99));
		for (size_t i = 0; i < cap; i++) {
			ck_assert(csp_chan_try_recv(c, &v));
			ck_assert_int_eq(v, (int)i);
		}
		ck_assert(!csp_chan_try_recv(c, &v));
		csp_chan_free(c);
	}
}
END_TEST

START_TEST(try_send_serves_a_parked_receiver)
{
	EACH_CAP(cap) {
		chan(int) c = make_chan(int, (int64_t)cap), out = make_chan(int);
		go(recv_into, c, out);
		while (!csp_chan_try_send(c, 42))
			csp_yield();
		ck_assert_int_eq(chan_recv(out), 42);
		go(send_range, c, 10, 11, false);
		int v = 0;
		while (!csp_chan_try_recv(c, &v))
			csp_yield();
		ck_assert_int_eq(v, 10);
	}
}
END_TEST

static void sender_with_flag(send_chan(int) c, int *state)
{
	__atomic_store_n(state, 1, __ATOMIC_SEQ_CST);
	chan_send(c, 1);
	__atomic_store_n(state, 2, __ATOMIC_SEQ_CST);
}

START_TEST(unbuffered_send_waits_for_the_receiver)
{
	chan(int) c = make_chan(int);
	int state = 0;
	go(sender_with_flag, c, &state);
	while (__atomic_load_n(&state, __ATOMIC_SEQ_CST) == 0)
		csp_yield();
	settle();
	ck_assert_int_eq(__atomic_load_n(&state, __ATOMIC_SEQ_CST), 1);
	chan_recv(c);
	while (__atomic_load_n(&state, __ATOMIC_SEQ_CST) != 2)
		csp_yield();
}
END_TEST

START_TEST(close_wakes_all_receivers)
{
	EACH_CAP(cap) {
		chan(int) c = make_chan(int, (int64_t)cap), out = make_chan(int);
		for (int i = 0; i < 50; i++)
			go(recv_into, c, out);
		settle();
		chan_close(c);
		for (int i = 0; i < 50; i++)
			ck_assert_int_eq(chan_recv(out), 0);
	}
}
END_TEST

static void consume(recv_chan(int) c, send_chan(int64_t) out)
{
	int64_t sum = 0;
	chan_for(v, c)
		sum += v;
	chan_send(out, sum);
}
static void produce(send_chan(int) c, int n, send_chan(bool) done)
{
	send_range(c, 1, n + 1, false);
	chan_send(done, true);
}

START_TEST(every_value_is_received_once)
{
	enum { PRODUCERS = 8, CONSUMERS = 5, VALUES = 5000 };
	static const int64_t buffers[] = { 0, 1, 2, 128 };
	for (size_t b = 0; b < 4; b++) {
		chan(int) c = make_chan(int, buffers[b]);
		chan(int64_t) sums = make_chan(int64_t);
		chan(bool) done = make_chan(bool);
		int64_t sum = 0;
		for (int i = 0; i < PRODUCERS; i++)
			go(produce, c, VALUES, done);
		for (int i = 0; i < CONSUMERS; i++)
			go(consume, c, sums);
		for (int i = 0; i < PRODUCERS; i++)
			chan_recv(done);
		chan_close(c);
		for (int i = 0; i < CONSUMERS; i++)
			sum += chan_recv(sums);
		ck_assert_int_eq(sum, (int64_t)PRODUCERS * VALUES * (VALUES + 1) / 2);
	}
}
END_TEST

typedef struct { unsigned char bytes[65536]; } large;

static void send_large(send_chan(large) c, int n)
{
	large *v = malloc(sizeof *v);
	for (int i = 0; i < n; i++) {
		memset(v, i + 1, sizeof *v);
		chan_send(c, *v);
	}
	free(v);
}

START_TEST(elements_of_64_kib)
{
	EACH_CAP(cap) {
		chan(large) c = make_chan(large, (int64_t)cap);
		large *v = malloc(sizeof *v);
		csp_go_opt(&(csp_go_options){ .stack_bytes = 512 << 10 }, send_large, c, 5);
		for (int i = 0; i < 5; i++) {
			ck_assert(chan_recv_ok(c, v));
			ck_assert(v->bytes[0] == i + 1 && v->bytes[65535] == i + 1);
		}
		free(v);
		csp_chan_free(c);
	}
}
END_TEST

#define SIZES(X) X(1) X(2) X(3) X(4) X(5) X(7) X(8) X(9) X(12) X(16) X(24) X(31) X(64) X(255) X(256) X(264) X(1000)
#define ONE_SIZE(n) do { \
		struct sized { unsigned char b[n]; }; \
		chan(struct sized) c = make_chan(struct sized, 3); \
		for (int round = 0; round < 7; round++) { \
			struct sized guarded[3], v; \
			memset(guarded, 0xee, sizeof guarded); \
			for (int i = 0; i < (n); i++) \
				v.b[i] = (unsigned char)(i + round); \
			chan_send(c, v); \
			ck_assert(chan_recv_ok(c, &guarded[1])); \
			ck_assert_int_eq(memcmp(&guarded[1], &v, n), 0); \
			ck_assert(guarded[0].b[(n) - 1] == 0xee && guarded[2].b[0] == 0xee); \
		} \
		csp_chan_free(c); \
	} while (0);

START_TEST(elements_of_all_sizes)
{
	SIZES(ONE_SIZE)
	struct nothing {};
	chan(struct nothing) c = make_chan(struct nothing, 2);
	chan_send(c, (struct nothing){});
	chan_close(c);
	ck_assert(chan_recv_ok(c, NULL));
	ck_assert(!chan_recv_ok(c, NULL));
}
END_TEST

static int evaluations;
static recv_chan(int) counted(recv_chan(int) c) { evaluations++; return c; }

START_TEST(range_is_an_ordinary_loop)
{
	chan(int) c = make_chan(int, 10);
	int seen = 0;
	for (int i = 0; i < 10; i++)
		chan_send(c, i);
	chan_close(c);
	if (seen == 0)
		chan_for(v, counted(c)) {
			if (v % 2 == 0)
				continue;
			if (v == 7)
				break;
			seen += v;
		}
	else
		ck_abort();
	ck_assert_int_eq(seen, 1 + 3 + 5);
	ck_assert_int_eq(evaluations, 1);
	ck_assert_int_eq(chan_recv(c), 8);
	chan_for(v, c)
		chan_for(w, c)
			ck_abort_msg("%d %d", v, w);
}
END_TEST

START_TEST(channels_of_channels)
{
	chan(chan(int)) cc = make_chan(chan(int), 2);
	chan_send(cc, make_chan(int, 1));
	chan(int) c = chan_recv(cc);
	chan_send(c, 3);
	chan_send(cc, c);
	ck_assert_int_eq(chan_recv(chan_recv(cc)), 3);
}
END_TEST

START_TEST(references_are_counted)
{
	chan(int) c = make_chan(int, 1);
	recv_chan(int) d = csp_chan_ref(c);
	chan_send(c, 1);
	csp_chan_unref(c);
	ck_assert_int_eq(chan_recv(d), 1);
	csp_chan_unref(d);
	c = NULL;
	csp_chan_unref(c);
	csp_chan_free(c);
	ck_assert(csp_chan_ref(c) == NULL);
}
END_TEST

START_TEST(nil_channels_never_proceed)
{
	chan(int) c = NULL;
	int v = 1;
	ck_assert(!csp_chan_try_send(c, 1));
	ck_assert(!csp_chan_try_recv(c, &v));
	ck_assert_int_eq(v, 1);
	ck_assert_uint_eq(chan_len(c), 0);
	ck_assert_uint_eq(chan_cap(c), 0);
}
END_TEST

static void send_closed(void) { chan(int) c = make_chan(int, 1); chan_close(c); chan_send(c, 1); }
static void try_send_closed(void) { chan(int) c = make_chan(int); chan_close(c); csp_chan_try_send(c, 1); }
static void close_under_sender(void) { chan(int) c = make_chan(int); go(send_one, c, 1); settle(); chan_close(c); for (;;) csp_yield(); }
static void close_twice(void) { chan(int) c = make_chan(int); chan_close(c); chan_close(c); }
static void close_nil(void) { chan(int) c = NULL; chan_close(c); }
static void recv_nil(void) { chan(int) c = NULL; chan_recv(c); }
static void send_nil(void) { chan(int) c = NULL; chan_send(c, 1); }
static void nobody_sends(void) { chan(int) c = make_chan(int); chan_recv(c); }
static void buffer_full(void) { chan(int) c = make_chan(int, 3); send_range(c, 0, 4, false); }
static void one_recv(recv_chan(int) c) { chan_recv(c); }
static void free_waited_for(void)
{
	chan(int) c = make_chan(int);
	go(one_recv, c);
	for (int i = 0; i < 100000; i++)        /* with several workers the receiver may take a while to get there */
		csp_yield();
	csp_chan_free(c);
}
static void make_huge(void) { volatile int64_t cap = INT64_C(1) << 40; make_chan(int, cap); }
static void make_negative(void) { volatile int64_t cap = -1; make_chan(int, cap); }

static const struct death deaths[] = {
	{ send_closed, "panic: send on closed channel\n" },
	{ try_send_closed, "panic: send on closed channel\n" },
	{ close_under_sender, "panic: send on closed channel\n" },
	{ close_twice, "panic: close of closed channel\n" },
	{ close_nil, "panic: close of nil channel\n" },
	{ recv_nil, "fatal error: all goroutines are asleep - deadlock!\n" },
	{ send_nil, "fatal error: all goroutines are asleep - deadlock!\n" },
	{ nobody_sends, "fatal error: all goroutines are asleep - deadlock!\n" },
	{ buffer_full, "fatal error: all goroutines are asleep - deadlock!\n" },
	{ free_waited_for, "fatal error: free of channel with waiting goroutines\n" },
	{ make_huge, "panic: makechan: size out of range\n" },
	{ make_negative, "panic: makechan: size out of range\n" },
};

START_TEST(misuse_dies_with_go_words) { dies_with(deaths[_i].program, deaths[_i].words); }
END_TEST

int main(void)
{
	Suite *s = suite_create("chan");
	TCase *tc = tcase_create("chan");

	tcase_set_timeout(tc, 30);
	suite_add_tcase(s, tc);
	tcase_add_test(tc, values_arrive_in_order);
	tcase_add_test(tc, recv_on_closed_drains_then_reports_closed);
	tcase_add_test(tc, try_operations_never_park);
	tcase_add_test(tc, try_send_serves_a_parked_receiver);
	tcase_add_test(tc, unbuffered_send_waits_for_the_receiver);
	tcase_add_test(tc, close_wakes_all_receivers);
	tcase_add_test(tc, every_value_is_received_once);
	tcase_add_test(tc, elements_of_64_kib);
	tcase_add_test(tc, elements_of_all_sizes);
	tcase_add_test(tc, range_is_an_ordinary_loop);
	tcase_add_test(tc, channels_of_channels);
	tcase_add_test(tc, references_are_counted);
	tcase_add_test(tc, nil_channels_never_proceed);
#ifdef __SANITIZE_THREAD__
	(void)misuse_dies_with_go_words;        /* libtsan's background thread may act for all we know: nothing is a deadlock */
#else
	tcase_add_loop_test(tc, misuse_dies_with_go_words, 0, sizeof deaths / sizeof *deaths);
#endif
	return run_suite(s);
}

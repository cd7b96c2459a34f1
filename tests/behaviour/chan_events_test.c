/* What an observer is told of channels, and in which order: the race detector's exactness hangs on it (runtime/event/event.h).
 * One worker, so who parks first is exact. M is main, G the other goroutine. Words of the log:
 *   Mop>  Mop<    an attempt to send, receive       Mread Mwrite   memory touched for M
 *   M>0 M<0       M's send, receive through slot 0  MG             rendezvous, sender M, receiver G
 *   Mclose        M closes                          Mclosed        M's receive learns of the close */
#define CSP_SHORT_NAMES
#include <csp.h>

#include <check.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../runtime/event/event.h"

static char words[1000];
static bool logging;
static _Atomic bool said;

static void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void say(const char *format, ...)
{
	va_list ap;
	size_t n = strlen(words);

	if (!logging)
		return;
	va_start(ap, format);
	vsnprintf(words + n, sizeof words - n, format, ap);
	va_end(ap);
	said = true;
}

static void forget(void)
{
	words[0] = '\0';
	said = false;
}

static char who(const struct rt_gview *g) { return g->id == 1 ? 'M' : 'G'; }

static int nothing(void) { return 0; }
static void on_op(struct rt_gview *g, void *ch, bool is_send, void *pc) { say("%cop%c ", who(g), is_send ? '>' : '<'); }
static void on_slot(struct rt_gview *g, void *ch, uint64_t slot, bool is_send) { say("%c%c%u ", who(g), is_send ? '>' : '<', (unsigned)slot); }
static void on_pair(struct rt_gview *sender, struct rt_gview *receiver, void *ch) { say("%c%c ", who(sender), who(receiver)); }
static void on_close(struct rt_gview *g, void *ch, void *pc) { say("%cclose ", who(g)); }
static void on_closed(struct rt_gview *g, void *ch) { say("%cclosed ", who(g)); }
static void on_mem(struct rt_gview *g, const void *p, size_t bytes, bool is_write, void *pc)
{
	ck_assert_uint_eq(bytes, sizeof(int));
	say("%c%s ", who(g), is_write ? "write" : "read");
}

const struct rt_observer *cspcheck_attach(const struct rt_door *door);
__attribute__((visibility("default"))) const struct rt_observer *cspcheck_attach(const struct rt_door *door)
{
	static struct rt_observer observer;
	void (**slot)(void) = (void (**)(void))((char *)&observer + offsetof(struct rt_observer, g_go));

	while ((char *)slot < (char *)(&observer + 1))
		*slot++ = (void (*)(void))nothing;
	observer.abi = RT_EVENT_ABI;
	observer.chan_op = on_op;
	observer.chan_slot = on_slot;
	observer.chan_pair = on_pair;
	observer.chan_close = on_close;
	observer.chan_recv_closed = on_closed;
	observer.mem = on_mem;
	return &observer;
}

static void send_to(send_chan(int) c) { chan_send(c, 5); }
static void recv_from(recv_chan(int) c) { chan_recv(c); }
static void recv_two(recv_chan(int) c) { chan_recv(c); chan_recv(c); }
static void select_recv(recv_chan(int) c, recv_chan(int) d) { choose(CSP_ON_RECV(c, &(int){ 0 }), CSP_ON_RECV(d)); }
static void select_send(send_chan(int) c, recv_chan(int) d) { choose(CSP_ON_SEND(c, 1), CSP_ON_RECV(d)); }

static chan(int) c, none;

/* Every part that settles waits for an event. The watcher may take main's worker from it (a slow machine makes it look blocked): then some
 * yields alone do not let the other goroutine run. */
static void settle(void)
{
	while (!said)
		csp_yield();
	for (int i = 0; i < 5; i++)
		csp_yield();
}

static void expect(const char *expected)
{
	size_t n;

	settle();
	n = strlen(words);
	if (n > 0)
		words[n - 1] = '\0';
	ck_assert_str_eq(words, expected);
	forget();
}

static void begin(int cap)
{
	none = make_chan(int);
	c = make_chan(int, cap);
	logging = true;
}

START_TEST(rendezvous)
{
	begin(0);
	go(recv_from, c);
	expect("Gop<");
	chan_send(c, 1);
	expect("Mop> Mread MG Gwrite");
	go(send_to, c);
	expect("Gop> Gread");
	chan_recv(c);
	expect("Mop< GM Mwrite");
	ck_assert(!csp_chan_try_send(c, 1));
	expect("Mop>");
}
END_TEST

START_TEST(buffered)
{
	begin(2);
	chan_send(c, 1);
	chan_send(c, 2);
	expect("Mop> Mread M>0 Mop> Mread M>1");
	chan_recv(c);
	expect("Mop< M<0 Mwrite");
	chan_send(c, 3);
	expect("Mop> Mread M>0");
	chan_recv_ok(c, NULL);
	expect("Mop< M<1");
}
END_TEST

/* The buffer is full: the receive frees the slot first, then the parked sender's value passes through it. */
START_TEST(receive_from_full_buffer_with_parked_sender)
{
	begin(2);
	chan_send(c, 1);
	chan_send(c, 2);
	go(send_to, c);
	settle();
	forget();
	chan_recv(c);
	expect("Mop< M<0 G>0 Mwrite");
	chan_recv(c);
	chan_recv(c);
	expect("Mop< M<1 Mwrite Mop< M<0 Mwrite");
}
END_TEST

/* The value does not touch the buffer, but operation k passes through slot k mod cap all the same. */
START_TEST(send_to_parked_receiver_of_a_buffered_channel)
{
	begin(2);
	go(recv_two, c);
	expect("Gop<");
	chan_send(c, 1);
	expect("Mop> Mread M>0 G<0 Gwrite Gop<");
	chan_send(c, 2);
	expect("Mop> Mread M>1 G<1 Gwrite");
	chan_send(c, 3);
	expect("Mop> Mread M>0");
}
END_TEST

START_TEST(close_is_learned)
{
	begin(1);
	go(recv_from, c);
	settle();
	forget();
	chan_close(c);
	expect("Mclose Gclosed Gwrite");
	chan_recv(c);
	expect("Mop< Mclosed Mwrite");
}
END_TEST

START_TEST(selects)
{
	int v;
	begin(0);
	go(select_recv, c, none);
	expect("Gop< Gop<");
	ck_assert_int_eq(choose(CSP_ON_SEND(c, 1), CSP_ON_RECV(none)), 0);
	expect("Mop> Mop< Mread MG Gwrite");
	go(select_send, c, none);
	expect("Gop> Gop< Gread");
	ck_assert_int_eq(choose(CSP_ON_RECV(none), CSP_ON_RECV(c, &v)), 1);
	expect("Mop< Mop< GM Mwrite");
	ck_assert_int_eq(choose(CSP_ON_SEND(c, 1), CSP_ON_DEFAULT), 1);
	expect("Mop>");
}
END_TEST

int main(void)
{
	Suite *s = suite_create("chan_events");
	TCase *tc = tcase_create("chan_events");

	setenv("CSPMAXPROCS", "1", 1);
	suite_add_tcase(s, tc);
	tcase_add_test(tc, rendezvous);
	tcase_add_test(tc, buffered);
	tcase_add_test(tc, receive_from_full_buffer_with_parked_sender);
	tcase_add_test(tc, send_to_parked_receiver_of_a_buffered_channel);
	tcase_add_test(tc, close_is_learned);
	tcase_add_test(tc, selects);
	SRunner *runner = srunner_create(s);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}

/* Nobody waits for ever: queues are first in, first out, and neither a busy pair nor a loop without a call keeps others from running. Every case
 * ends as soon as everybody was served, which takes milliseconds, and fails after PATIENCE_NS. Run with CSPMAXPROCS 1, 2, 4. */
#include <csp.h>

#include <stdatomic.h>

#include "../lib/expect.h"

enum { CROWD = 50 };
#define PATIENCE_NS (20 * CSP_SECOND)

static atomic_bool stop;
static atomic_int  served[CROWD];
static int64_t     until_ns;

static bool all_served(void)
{
	for (int i = 0; i < CROWD; i++)
		if (atomic_load_explicit(&served[i], memory_order_relaxed) == 0)
			return false;
	return true;
}

static void begin(void)
{
	atomic_store(&stop, false);
	until_ns = csp_now_ns() + PATIENCE_NS;
	for (int i = 0; i < CROWD; i++)
		atomic_store(&served[i], 0);
}

static void send_always(int id, csp_send_chan(int) c, csp_recv_chan(char) quit, csp_waitgroup *wg)
{
	while (csp_select(CSP_ON_SEND(c, id), CSP_ON_RECV(quit)) == 0)
		;
	csp_wg_done(wg);
}

static void every_sender_is_heard(void)
{
	csp_chan(int) c = csp_make_chan(int);
	csp_chan(char) quit = csp_make_chan(char);
	csp_waitgroup wg = { 0 };

	begin();
	csp_wg_add(&wg, CROWD);
	for (int i = 0; i < CROWD; i++)
		csp_go(send_always, i, c, quit, &wg);
	while (!all_served()) {
		EXPECT(csp_now_ns() < until_ns);
		atomic_fetch_add_explicit(&served[csp_chan_recv(c)], 1, memory_order_relaxed);
		csp_yield();                    /* who was served waits again before the next turn, and is the last */
	}
	csp_chan_close(quit);
	csp_wg_wait(&wg);
	csp_chan_free(c);
	csp_chan_free(quit);
}

static void receive_always(int id, csp_recv_chan(int) c, csp_waitgroup *wg)
{
	while (csp_chan_recv_ok(c, NULL))
		atomic_fetch_add_explicit(&served[id], 1, memory_order_relaxed);
	csp_wg_done(wg);
}

static void every_receiver_is_served(void)
{
	csp_chan(int) c = csp_make_chan(int);
	csp_waitgroup wg = { 0 };

	begin();
	csp_wg_add(&wg, CROWD);
	for (int i = 0; i < CROWD; i++)
		csp_go(receive_always, i, c, &wg);
	while (!all_served()) {
		EXPECT(csp_now_ns() < until_ns);
		csp_chan_send(c, 0);
		csp_yield();
	}
	csp_chan_close(c);
	csp_wg_wait(&wg);
	csp_chan_free(c);
}

static csp_sema permits;

static void acquire_always(int id, csp_waitgroup *wg)
{
	while (!atomic_load(&stop)) {
		csp_sema_acquire(&permits);
		atomic_fetch_add_explicit(&served[id], 1, memory_order_relaxed);
		csp_yield();
		csp_sema_release(&permits);
	}
	csp_wg_done(wg);
}

static void every_permit_goes_round(void)
{
	csp_waitgroup wg = { 0 };

	begin();
	csp_sema_init(&permits, 2);
	csp_wg_add(&wg, CROWD);
	for (int i = 0; i < CROWD; i++)
		csp_go(acquire_always, i, &wg);
	while (!all_served()) {
		EXPECT(csp_now_ns() < until_ns);
		csp_yield();
	}
	atomic_store(&stop, true);
	csp_wg_wait(&wg);
}

/* The producer and its consumer hand the worker to each other without a break. */
static void produce(csp_send_chan(int) c, csp_waitgroup *wg)
{
	for (int i = 0; !atomic_load_explicit(&stop, memory_order_relaxed); i++)
		csp_chan_send(c, i);
	csp_chan_close(c);
	csp_wg_done(wg);
}

static void consume(csp_chan(int) c, csp_waitgroup *wg)
{
	csp_chan_for(v, c)
		(void)v;
	csp_chan_free(c);
	csp_wg_done(wg);
}

static void step(int id, csp_waitgroup *wg)
{
	for (int i = 0; i < 20; i++)
		csp_yield();
	atomic_store(&served[id], 1);
	csp_wg_done(wg);
}

static void read_byte(int fd, csp_waitgroup *wg)
{
	char b;

	EXPECT_EQ(csp_read(fd, &b, 1), 1);
	csp_wg_done(wg);
}

static void write_byte(int fd)
{
	EXPECT_EQ(csp_write(fd, "x", 1), 1);
}

static void a_busy_pair_leaves_room(void)
{
	csp_waitgroup pairs = { 0 }, others = { 0 };
	int ends[2];

	begin();
	EXPECT(pipe(ends) == 0);
	csp_wg_add(&pairs, 8);
	for (int i = 0; i < 4; i++) {           /* as many as there may be workers */
		csp_chan(int) c = csp_make_chan(int);
		csp_go(produce, c, &pairs);
		csp_go(consume, c, &pairs);
	}
	csp_wg_add(&others, CROWD + 1);
	csp_go(read_byte, ends[0], &others);
	for (int i = 0; i < CROWD; i++)
		csp_go(step, i, &others);
	csp_sleep(CSP_MILLISECOND);             /* timers fire */
	write_byte(ends[1]);                    /* descriptors wake */
	csp_wg_wait(&others);
	EXPECT(all_served());
	atomic_store(&stop, true);
	csp_wg_wait(&pairs);
	csp_close_fd(ends[0]);
	csp_close_fd(ends[1]);
}

static void spin(csp_waitgroup *wg)
{
	while (!atomic_load_explicit(&stop, memory_order_relaxed))
		;
	csp_wg_done(wg);
}

/* Loops without a call, on every worker: others get a thread of their own. */
static void a_loop_without_a_call_leaves_room(void)
{
	csp_waitgroup spinning = { 0 }, others = { 0 };
	int n = csp_maxprocs(0);

	begin();
	csp_wg_add(&spinning, n);
	for (int i = 0; i < n; i++)
		csp_go(spin, &spinning);
	csp_wg_add(&others, CROWD);
	for (int i = 0; i < CROWD; i++)
		csp_go(step, i, &others);
	csp_wg_wait(&others);
	csp_sleep(CSP_MILLISECOND);
	EXPECT(all_served());
	atomic_store(&stop, true);
	csp_wg_wait(&spinning);
}

int main(void)
{
	every_sender_is_heard();
	every_receiver_is_served();
	every_permit_goes_round();
	a_busy_pair_leaves_room();
	a_loop_without_a_call_leaves_room();
	return 0;
}

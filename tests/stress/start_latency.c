/* How long what a computing goroutine readies or starts waits while another worker is free. With one worker: until the watcher takes the
 * computing one's place. Run with CSPMAXPROCS 1, 2, 4.
 *
 * Each trial begins after a rest in which partners hand a token back and forth, so that the watcher looks rarely. Then a goroutine readies
 * (or starts) another and computes, without passing a scheduling point, until that one has run. The best quarter of the trials
 * is judged, for the machine may be busy with other things; a watcher that only comes round every 10 ms fails all of them. */
#include <csp.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "../lib/expect.h"

enum { TRIALS = 24, RALLIES = 20000 };

static atomic_bool ran;

static void partner(csp_recv_chan(int) ping, csp_send_chan(int) pong)
{
	csp_chan_for(v, ping)
		csp_chan_send(pong, v);
}

static void rally(void)
{
	csp_chan(int) ping = csp_make_chan(int), pong = csp_make_chan(int);

	csp_go(partner, ping, pong);
	for (int i = 0; i < RALLIES; i++) {
		csp_chan_send(ping, i);
		EXPECT_EQ(csp_chan_recv(pong), i);
	}
	csp_chan_close(ping);
	csp_sleep(20 * CSP_MILLISECOND);
	csp_chan_free(ping);
	csp_chan_free(pong);
}

static void receive(csp_recv_chan(int) c)
{
	(void)csp_chan_recv(c);
	atomic_store(&ran, true);
}

static void note(void)
{
	atomic_store(&ran, true);
}

static int64_t compute_until_ran(void)
{
	int64_t begin = csp_now_ns();

	while (!atomic_load(&ran))
		EXPECT(csp_now_ns() - begin < 10 * CSP_SECOND);
	return csp_now_ns() - begin;
}

static int64_t trial(bool start)
{
	csp_chan(int) c = csp_make_chan(int);

	atomic_store(&ran, false);
	if (start) {
		rally();
		csp_go(note);
	} else {
		csp_go(receive, c);
		rally();
		csp_chan_send(c, 1);
	}
	int64_t ns = compute_until_ran();
	csp_sleep(CSP_MILLISECOND);             /* receive is out of c */
	csp_chan_free(c);
	return ns;
}

static int by_value(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
	return (x > y) - (x < y);
}

static void judge(bool start, int64_t limit_ns)
{
	int64_t ns[TRIALS];

	for (int i = 0; i < TRIALS; i++)
		ns[i] = trial(start);
	qsort(ns, TRIALS, sizeof ns[0], by_value);
	fprintf(stderr, "%s: best %.0f us, quarter %.0f us, half %.0f us, worst %.0f us\n", start ? "started" : "readied", (double)ns[0] / 1e3,
		(double)ns[TRIALS / 4] / 1e3, (double)ns[TRIALS / 2] / 1e3, (double)ns[TRIALS - 1] / 1e3);
	EXPECT(ns[TRIALS / 4] < limit_ns);
}

int main(void)
{
	const char *procs = getenv("CSPMAXPROCS");
	bool alone = procs != NULL && atoi(procs) == 1;

	judge(false, alone ? 200 * CSP_MILLISECOND : 4 * CSP_MILLISECOND);
	judge(true, alone ? 200 * CSP_MILLISECOND : 4 * CSP_MILLISECOND);
	return 0;
}

/* Many wake-ups while reachability is judged every few milliseconds: a verdict on a goroutine that is woken afterwards ends the program (the
 * detector's trap), and there is nothing here that could rightly have one.
 *
 * usage: verdict_soak WAKEUPS [CHECK_MS]        under the detector. Prints wake-ups and checks; status 1 if a check found anything.
 *
 * References to what is waited for move about all the time: made, handed through channels by value, kept on one stack only, in one heap
 * block only, in a callback's argument, by a foreign thread. */
#define CSP_SHORT_NAMES
#include <csp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

static _Atomic long woken, checks;
static _Atomic int  found;
static long wanted;

static bool enough(void) { return atomic_load_explicit(&woken, memory_order_relaxed) >= wanted; }
static void count(long n) { atomic_fetch_add_explicit(&woken, n, memory_order_relaxed); }

/* --- a channel known to two stacks only ---------------------------------------------------------------------------------- */

static void echo(chan(int) in, chan(int) out)
{
	int v;
	while (chan_recv_ok(in, &v))
		chan_send(out, v);
	chan_close(out);
}

static void ping(csp_waitgroup *all)
{
	while (!enough()) {
		chan(int) there = make_chan(int), back = make_chan(int, csp_choose(2));
		go(echo, there, back);
		for (int i = 0; i < 200; i++) {
			chan_send(there, i);
			if (chan_recv(back) != i)
				abort();
		}
		chan_close(there);
		chan_recv(back);
		csp_chan_free(there);
		csp_chan_free(back);
		count(400);
	}
	csp_wg_done(all);
}

/* --- a request that carries the channel of its answer, by value, in a struct that compilers copy by vector registers ----- */

typedef struct { long a, b; chan(long) answer; long c; } request;

static void serve(recv_chan(request) in)
{
	chan_for(r, in)
		chan_send(r.answer, r.a + r.b + r.c);
}

static void client(csp_waitgroup *all)
{
	chan(request) q = make_chan(request, 2);
	for (int i = 0; i < 3; i++)
		go(serve, q);
	while (!enough()) {
		for (int i = 0; i < 100; i++) {
			request *r = malloc(sizeof *r);
			*r = (request){ i, 1, make_chan(long), 2 };
			chan(long) mine = r->answer;
			chan_send(q, *r);
			free(r);
			if (chan_recv(mine) != i + 3)
				abort();
			csp_chan_free(mine);
		}
		count(200);
	}
	chan_close(q);
	csp_wg_done(all);
}

/* --- locks, conds, semaphores, wait groups in heap blocks that only those who use them know ------------------------------ */

struct shared { csp_mutex m; csp_rwmutex rw; csp_cond c; csp_sema s; csp_waitgroup wg; int turn, n; };

static void turns(struct shared *x, int me)
{
	for (int i = 0; i < 100; i++) {
		csp_mutex_lock(&x->m);
		while (x->turn != me)
			csp_cond_wait(&x->c, &x->m);
		x->turn = !me;
		csp_cond_broadcast(&x->c);
		csp_mutex_unlock(&x->m);
		if (i % 4 == me) {
			csp_rwmutex_lock(&x->rw);
			x->n++;
			csp_yield();
			csp_rwmutex_unlock(&x->rw);
		} else {
			csp_rwmutex_rlock(&x->rw);
			csp_yield();
			csp_rwmutex_runlock(&x->rw);
		}
		csp_sema_release(&x->s);
		csp_sema_acquire(&x->s);
	}
	csp_wg_done(&x->wg);
}

static void locks(csp_waitgroup *all)
{
	while (!enough()) {
		struct shared *x = calloc(1, sizeof *x);
		csp_wg_add(&x->wg, 2);
		go(turns, x, 0);
		go(turns, x, 1);
		csp_wg_wait(&x->wg);
		free(x);
		count(300);
	}
	csp_wg_done(all);
}

/* --- select, contexts, timers, callbacks ------------------------------------------------------------------------------- */

static void close_it(void *c) { csp_chan_close_(c); }

static void waits_for_timers(csp_waitgroup *all)
{
	while (!enough()) {
		chan(int) never = make_chan(int), nil = NULL;
		int v;
		for (int i = 0; i < 5; i++)
			choose(CSP_ON_RECV(never, &v), CSP_ON_RECV(nil, &v), CSP_ON_AFTER(200 * CSP_MICROSECOND));
		recv_chan(int64_t) late = csp_after(300 * CSP_MICROSECOND);
		chan_recv(late);
		csp_chan_unref(late);
		csp_timer *t = csp_timer_func(200 * CSP_MICROSECOND, close_it, never);
		chan_recv(never);
		csp_timer_free(t);
		csp_chan_free(never);
		csp_context *ctx = csp_context_with_timeout(csp_context_background(), 300 * CSP_MICROSECOND);
		choose(CSP_ON_RECV(csp_context_done(ctx), NULL));
		csp_context_free(ctx);
		count(8);
	}
	csp_wg_done(all);
}

/* --- a thread that is no worker -------------------------------------------------------------------------------------- */

static void *foreign(void *c)
{
	chan(int) to = c;
	for (int i = 0; i < 50; i++)
		chan_send(to, i);
	chan_close(to);
	return NULL;
}

static void served_from_outside(csp_waitgroup *all)
{
	while (!enough()) {
		chan(int) c = make_chan(int);
		pthread_t t;
		if (pthread_create(&t, NULL, foreign, c) == 0) {
			chan_for(v, c)
				(void)v;
			pthread_join(t, NULL);
		}
		csp_chan_free(c);
		count(50);
		csp_sleep(5 * CSP_MILLISECOND);
	}
	csp_wg_done(all);
}

static void judge(int64_t every_ms, csp_waitgroup *all)
{
	while (!enough()) {
		csp_sleep(every_ms * CSP_MILLISECOND);
		int n = csp_leak_check();
		if (n != 0)
			atomic_store(&found, n);
		atomic_fetch_add(&checks, 1);
	}
	csp_wg_done(all);
}

int main(int argc, char **argv)
{
	csp_waitgroup all = { 0 };
	int64_t every_ms = argc > 2 ? atoi(argv[2]) : 10;

	wanted = argc > 1 ? atol(argv[1]) : 1000000;
	csp_wg_add(&all, 16);
	for (int i = 0; i < 4; i++) {
		go(ping, &all);
		go(client, &all);
		go(locks, &all);
	}
	go(waits_for_timers, &all);
	go(waits_for_timers, &all);
	go(served_from_outside, &all);
	go(judge, every_ms, &all);
	csp_wg_wait(&all);
	csp_sleep(20 * CSP_MILLISECOND);
	printf("%ld wake-ups, %ld checks, %d goroutines thought dead\n", atomic_load(&woken), atomic_load(&checks), atomic_load(&found));
	return atomic_load(&found) != 0;
}

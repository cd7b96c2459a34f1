/* Several goroutines and a foreign thread stop and reset the same timers while they fire. Every arming comes to one end: it fires (its function is
 * called, its value received), or a stop or reset says that it has come first. So at the end armings = fired + told. And where one sets a
 * timer alone: nothing comes after a stop, and what comes after a reset is not early. Model: tests/model/reset.pml.
 *   timer_reset [MILLISECONDS] [SEED] */
#include <csp.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

enum { TIMERS = 8, SETTERS = 3, WAIT_MAX_US = 40 };

struct shared {
	csp_timer    *timer;
	bool          with_chan;
	_Atomic long  armings, fired, told;
};

static struct shared all[TIMERS];
static _Atomic bool over;
static _Atomic long n_wrong;

static uint64_t next_random(uint64_t *x)
{
	*x ^= *x << 13;
	*x ^= *x >> 7;
	return *x ^= *x << 17;
}

static int64_t some_time(uint64_t *x) { return (int64_t)(next_random(x) % WAIT_MAX_US) * CSP_MICROSECOND; }

static void wrong(const char *what)
{
	printf("%s\n", what);
	atomic_fetch_add(&n_wrong, 1);
}

static void called(void *arg)
{
	atomic_fetch_add(&((struct shared *)arg)->fired, 1);
}

static void receive(struct shared *s, csp_chan(char) end)
{
	while (csp_select(CSP_ON_RECV(csp_timer_chan(s->timer), NULL), CSP_ON_RECV(end, NULL)) == 0)
		atomic_fetch_add(&s->fired, 1);
}

static void set_once(struct shared *s, uint64_t *x)
{
	if (next_random(x) % 3 == 0) {
		atomic_fetch_add(&s->told, csp_timer_stop(s->timer));
		return;
	}
	bool was_armed = csp_timer_reset(s->timer, some_time(x));
	atomic_fetch_add(&s->armings, 1);
	atomic_fetch_add(&s->told, was_armed);
}

static void set_often(uint64_t x, csp_waitgroup *wg)
{
	while (!atomic_load(&over)) {
		set_once(&all[next_random(&x) % TIMERS], &x);
		if (next_random(&x) % 4 == 0)
			csp_sleep(some_time(&x));
		else if (next_random(&x) % 4 == 0)
			csp_yield();
	}
	if (wg)
		csp_wg_done(wg);
}

static void *set_from_outside(void *arg)
{
	set_often((uint64_t)(uintptr_t)arg, NULL);
	return NULL;
}

/* Alone with its timers. */
static void set_alone(uint64_t x, csp_waitgroup *wg)
{
	csp_timer *t = csp_timer_start(CSP_SECOND);

	while (!atomic_load(&over)) {
		int64_t wait_ns = some_time(&x), begin_ns = csp_now_ns();

		csp_timer_reset(t, wait_ns);
		if (next_random(&x) % 2 == 0) {
			if (csp_chan_recv(csp_timer_chan(t)) < begin_ns + wait_ns)
				wrong("a value came too early, so from an earlier setting");
			continue;
		}
		/* Sleeping, or awake till about the moment at which another thread fires it. */
		int64_t stop_ns = begin_ns + wait_ns + (int64_t)(next_random(&x) % 8192);
		if (next_random(&x) % 2 == 0)
			csp_sleep(some_time(&x));
		else
			while (csp_now_ns() < stop_ns)
				;
		csp_timer_stop(t);
		if (csp_chan_try_recv(csp_timer_chan(t), NULL))
			wrong("a value lay in the channel after a stop");
		csp_sleep(some_time(&x));
		if (csp_chan_try_recv(csp_timer_chan(t), NULL))
			wrong("a value came after a stop");
	}
	csp_timer_free(t);
	csp_wg_done(wg);
}

static void join(void *thread) { pthread_join(*(pthread_t *)thread, NULL); }

int main(int argc, char **argv)
{
	int64_t end_ns = csp_now_ns() + (argc > 1 ? atol(argv[1]) : 2000) * CSP_MILLISECOND;
	uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 10) : (uint64_t)csp_now_ns() | 1, x = seed;
	csp_chan(char) end = csp_make_chan(char);
	csp_waitgroup wg = { 0 };
	pthread_t thread;
	long armings = 0, fired = 0;

	for (int i = 0; i < TIMERS; i++) {
		struct shared *s = &all[i];
		s->with_chan = i % 2;
		s->armings = 1;
		s->timer = s->with_chan ? csp_timer_start(0) : csp_timer_func(0, called, s);
		if (s->with_chan)
			csp_go(receive, s, end);
	}
	csp_wg_add(&wg, 2 * SETTERS);
	for (int i = 0; i < SETTERS; i++) {
		csp_go(set_often, next_random(&x), &wg);
		csp_go(set_alone, next_random(&x), &wg);
	}
	pthread_create(&thread, NULL, set_from_outside, (void *)(uintptr_t)next_random(&x));
	while (csp_now_ns() < end_ns)
		csp_sleep(CSP_MILLISECOND);
	atomic_store(&over, true);
	csp_block(join, &thread);
	csp_wg_wait(&wg);
	for (int i = 0; i < TIMERS; i++) {
		struct shared *s = &all[i];
		s->told += csp_timer_stop(s->timer);
		/* A call, and what the receiver has in hand, may be on its way. */
		for (int ms = 0; ms < 5000 && s->armings != s->fired + s->told; ms++)
			csp_sleep(CSP_MILLISECOND);
		if (s->armings != s->fired + s->told) {
			printf("%s %d: %ld armings, %ld fired, %ld stopped in time\n", s->with_chan ? "channel" : "function", i, s->armings, s->fired, s->told);
			wrong("an arming came to no end, or to two");
		}
		armings += s->armings;
		fired += s->fired;
	}
	csp_chan_close(end);
	for (int i = 0; i < TIMERS; i++)
		csp_timer_free(all[i].timer);
	printf("seed %llu: %ld armings, %ld fired, %ld wrong\n", (unsigned long long)seed, armings, fired, atomic_load(&n_wrong));
	return n_wrong != 0 || fired == 0 || fired == armings;
}

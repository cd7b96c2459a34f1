/* While the world is stopped nothing happens: no timer fires and no goroutine moves, though the owner of the poller counts as idle and sysmon is no
 * worker. A thread stops the world over and over; timers are due every few microseconds and note that they fired. Main sleeps and
 * computes in turn, so that the poller's owner and sysmon fire them, and starts threads of workers by what it readies.
 * Model: tests/model/stop_outside.pml. */
#include <csp.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "arch/arch.h"
#include "sched/sched.h"
#include "sched/stop.h"

enum { TIMERS = 4, PAUSES = 60 };
static const int64_t period_ns = 7000;

static _Atomic long happened, violations, stops;
static _Atomic bool over;

static void note(struct rt_timer *t, int64_t now_ns)
{
	atomic_fetch_add(&happened, 1);
}

static void pause_a_little(unsigned n)
{
	while (n-- > 0)
		rt_arch_pause();
}

static void *stopper(void *arg)
{
	for (unsigned i = 0; !atomic_load(&over); i++) {
		rt_world_stop();
		long before = atomic_load(&happened);
		pause_a_little(PAUSES);
		if (atomic_load(&happened) != before)
			atomic_fetch_add(&violations, 1);
		rt_world_start();
		atomic_fetch_add(&stops, 1);
		pause_a_little(i % 97);
	}
	return NULL;
}

static void tick(void *arg)
{
	atomic_fetch_add(&happened, 1);
}

int main(int argc, char **argv)
{
	int64_t end_ns = csp_now_ns() + (argc > 1 ? atol(argv[1]) : 2000) * CSP_MILLISECOND;
	struct rt_timer timers[TIMERS] = { 0 };
	pthread_t thread;

	csp_yield();
	for (int i = 0; i < TIMERS; i++) {
		timers[i].fire = note;
		timers[i].period_ns = period_ns + 1000 * i;
		rt_timer_start(&timers[i], rt_now_ns() + period_ns);
	}
	pthread_create(&thread, NULL, stopper, NULL);
	while (csp_now_ns() < end_ns) {
		int64_t turn_ns = csp_now_ns() + CSP_MILLISECOND;
		csp_sleep(CSP_MILLISECOND);
		while (csp_now_ns() < turn_ns + CSP_MILLISECOND)
			csp_go_fn(tick, NULL, NULL);
	}
	atomic_store(&over, true);
	pthread_join(thread, NULL);
	for (int i = 0; i < TIMERS; i++)
		rt_timer_stop(&timers[i]);
	printf("%ld stops, %ld ticks, in %ld stops something happened\n", atomic_load(&stops), atomic_load(&happened), atomic_load(&violations));
	return atomic_load(&violations) || atomic_load(&stops) == 0 ? 1 : 0;
}

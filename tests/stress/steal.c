/* The run queue alone (runtime/sched/runq.c): an owner that pushes, pops and lets its ring overflow, thieves that move halves of it into rings of
 * their own and steal from each other, one that takes single goroutines as sysmon does, and the owner's runnext. Every goroutine (here: a
 * number) must be had exactly once. Model: tests/model/steal.pml, runnext.pml.
 *   steal [MILLISECONDS] [broken]     broken: the owner takes without compare-and-swap; then goroutines are had twice, which shows that the
 *                                     test can fail */
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "arch/arch.h"
#include "g.h"
#include "os/quick.h"
#include "sched/runq.h"

enum { THIEVES = 3, BATCH = 4096, SPINS_MAX = 10000000 };

static struct rt_runq rings[1 + THIEVES];
static _Atomic uint8_t had[BATCH];              /* how often, in this round */
static _Atomic uint32_t n_had, round_number, n_resting;
static _Atomic long stolen, overflown;
static _Atomic bool over;
static bool broken;

/* Not an address of anything: nothing here looks into a goroutine but the queue of the overflow, which has its own. */
static struct rt_g *const base = (struct rt_g *)64;
static struct rt_g *g_of(uint32_t i) { return base + i; }

static void have(struct rt_g *g)
{
	atomic_fetch_add_explicit(&had[g - base], 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&n_had, 1, memory_order_relaxed);
}

/* Waits for others, who may need this processor. */
static void relax(uint64_t spins)
{
	if (spins % 64 == 63)
		sched_yield();
	else
		rt_arch_pause();
}

static uint64_t next_random(uint64_t *x)
{
	*x ^= *x << 13;
	*x ^= *x >> 7;
	return *x ^= *x << 17;
}

static struct rt_g *owner_pop(struct rt_runq *q)
{
	if (!broken)
		return rt_runq_pop_to_move(q);
	uint32_t head = atomic_load(&q->head);
	if (head == atomic_load(&q->tail))
		return NULL;
	struct rt_g *g = atomic_load(&q->ring[head % RT_RUNQ_SIZE]);
	atomic_store(&q->head, head + 1);
	return g;
}

/* As rt_enqueue does. */
static void ready(struct rt_runq *q, struct rt_g *g)
{
	if (!atomic_load_explicit(&q->runnext, memory_order_relaxed)) {
		atomic_store_explicit(&q->runnext, g, memory_order_release);
		return;
	}
	g = rt_runnext_exchange(q, g);
	if (!g || rt_runq_push(q, g))
		return;
	for (int i = 0; i < RT_RUNQ_SIZE / 2; i++) {
		struct rt_g *old = owner_pop(q);
		if (!old)
			break;
		have(old);
	}
	have(g);
	atomic_fetch_add_explicit(&overflown, 1, memory_order_relaxed);
}

static void run_own(struct rt_runq *q, uint32_t n)
{
	for (struct rt_g *g; n-- > 0 && (g = owner_pop(q)); )
		have(g);
}

static void play_thief(unsigned me, uint64_t *x)
{
	struct rt_runq *q = &rings[me], *victim = &rings[next_random(x) % (1 + THIEVES)];
	struct rt_g *g;

	if (victim == q)
		return;
	if (me == THIEVES) {
		g = rt_runq_take(victim);
	} else {
		g = rt_runq_steal(q, victim);
		if (g)
			atomic_fetch_add_explicit(&stolen, 1, memory_order_relaxed);
	}
	if (!g)
		return;
	have(g);
	/* Some stay for the others to steal; but a thief's ring is empty when it steals. */
	for (uint64_t n = next_random(x) % 64; n > 0; n--)
		rt_arch_pause();
	run_own(q, UINT32_MAX);
}

static void *thief(void *arg)
{
	unsigned me = (unsigned)(uintptr_t)arg;
	uint64_t x = me * UINT64_C(0x9E3779B97F4A7C15);
	uint32_t round = 0;

	for (uint64_t spins = 0; !atomic_load(&over); spins++) {
		if (atomic_load(&round_number) == round) {
			relax(spins);
			continue;
		}
		round = atomic_load(&round_number);
		for (uint64_t tries = 1; atomic_load_explicit(&n_had, memory_order_relaxed) < BATCH && !atomic_load(&over); tries++) {
			play_thief(me, &x);
			if (tries % 1024 == 0)
				sched_yield();
		}
		atomic_fetch_add(&n_resting, 1);
	}
	return NULL;
}

/* Returns how many were not had exactly once. */
static long play_round(uint64_t *x)
{
	struct rt_runq *q = &rings[0];
	long wrong = 0;

	for (uint32_t i = 0; i < BATCH; i++)
		atomic_store_explicit(&had[i], 0, memory_order_relaxed);
	atomic_store(&n_had, 0);
	atomic_store(&n_resting, 0);
	atomic_fetch_add(&round_number, 1);
	for (uint32_t i = 0; i < BATCH; ) {
		for (uint64_t n = next_random(x) % (next_random(x) % 8 ? 8 : 600); n > 0 && i < BATCH; n--)
			ready(q, g_of(i++));
		run_own(q, (uint32_t)(next_random(x) % 8));
		if (next_random(x) % 16 == 0)
			sched_yield();
		struct rt_g *g = atomic_load(&q->runnext) && next_random(x) % 2 ? rt_runnext_exchange(q, NULL) : NULL;
		if (g)
			have(g);
	}
	for (struct rt_g *g; (g = rt_runq_take(q)); )
		have(g);
	/* What thieves have in hand they finish; one that has lost a goroutine would never see the end. */
	for (uint64_t spins = 0; atomic_load(&n_had) < BATCH && spins < SPINS_MAX; spins++)
		relax(spins);
	atomic_store(&n_had, BATCH);
	for (uint64_t spins = 0; atomic_load(&n_resting) < THIEVES; spins++)
		relax(spins);
	for (uint32_t i = 0; i < BATCH; i++)
		wrong += atomic_load(&had[i]) != 1;
	return wrong;
}

int main(int argc, char **argv)
{
	int64_t end_ns = rt_now_ns() + (argc > 1 ? atol(argv[1]) : 2000) * INT64_C(1000000);
	pthread_t threads[THIEVES];
	uint64_t x = 88172645463325252u;
	long wrong = 0, rounds = 0;

	broken = argc > 2 && strcmp(argv[2], "broken") == 0;
	if (broken && sysconf(_SC_NPROCESSORS_ONLN) < 2)
		return 77;                      /* one processor hardly ever changes threads between two instructions */
	rt_quick_init();
	for (unsigned i = 0; i < THIEVES; i++)
		pthread_create(&threads[i], NULL, thief, (void *)(uintptr_t)(i + 1));
	for (; rt_now_ns() < end_ns && !wrong; rounds++)
		wrong = play_round(&x);
	atomic_store(&over, true);
	for (unsigned i = 0; i < THIEVES; i++)
		pthread_join(threads[i], NULL);
	printf("%ld rounds of %d, %ld steals, %ld overflows, %ld had not exactly once\n", rounds, BATCH, atomic_load(&stolen), atomic_load(&overflown), wrong);
	if (broken)
		return wrong == 0;
	return wrong != 0 || atomic_load(&stolen) == 0 || atomic_load(&overflown) == 0;
}

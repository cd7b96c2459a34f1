/* Litmus for the submit/idle protocol of sched/worker.c: a submitter and a worker that goes idle, many thousands of times. The rule: either the
 * submitter sees the worker gone (and wakes it) or the worker sees the push (and does not sleep). Run with argument `unfenced` it
 * leaves the two fences out and counts how often the rule is broken; on x86 that is often within a second, which shows that the test
 * can fail. */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { ROUNDS_MAX = 2000000 };
static const int64_t budget_ns = 1500000000;

static bool fenced = true;
static _Alignas(64) _Atomic uint32_t queue;     /* 1: an entry lies there */
static _Alignas(64) _Atomic uint32_t running;   /* 1: the worker is awake */
static _Alignas(64) _Atomic uint32_t go_round;  /* the round that may begin; UINT32_MAX: no more */
static _Alignas(64) _Atomic uint32_t done_idle;
static bool worker_stays;

static uint32_t await(_Atomic uint32_t *word, uint32_t round)
{
	uint32_t seen;

	for (int spins = 0; (seen = atomic_load_explicit(word, memory_order_acquire)) < round; spins++)
		if (spins > 2000)
			sched_yield();
	return seen;
}

static void *worker(void *arg)
{
	for (uint32_t r = 1; await(&go_round, r) != UINT32_MAX; r++) {
		atomic_store_explicit(&running, 0, memory_order_relaxed);
		if (fenced)
			atomic_thread_fence(memory_order_seq_cst);
		worker_stays = atomic_load_explicit(&queue, memory_order_relaxed);
		atomic_store_explicit(&done_idle, r, memory_order_release);
	}
	return NULL;
}

/* Returns true if neither saw the other. */
static bool submit(uint32_t round)
{
	atomic_store(&queue, 0);
	atomic_store(&running, 1);
	atomic_store_explicit(&go_round, round, memory_order_release);
	for (volatile uint32_t i = round % 64; i > 0; i--)      /* the worker needs a moment to see the round: try all offsets */
		;
	atomic_store_explicit(&queue, 1, memory_order_relaxed);
	if (fenced)
		atomic_thread_fence(memory_order_seq_cst);
	bool submitter_wakes = !atomic_load_explicit(&running, memory_order_relaxed);
	await(&done_idle, round);
	return !submitter_wakes && !worker_stays;
}

static int64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * INT64_C(1000000000) + ts.tv_nsec;
}

int main(int argc, char **argv)
{
	int64_t end_ns = now_ns() + budget_ns;
	pthread_t thread;
	uint32_t r = 0;
	long lost = 0;

	fenced = argc < 2 || strcmp(argv[1], "unfenced") != 0;
	pthread_create(&thread, NULL, worker, NULL);
	while (r < ROUNDS_MAX && (r % 1024 || now_ns() < end_ns))
		lost += submit(++r);
	atomic_store(&go_round, UINT32_MAX);
	pthread_join(thread, NULL);
	printf("%ld of %u wake-ups lost\n", lost, r);
	return fenced && lost ? 1 : 0;
}

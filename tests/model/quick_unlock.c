/* Litmus for runtime/os/quick.c: whoever marks a held word and passes the barrier, and then still sees it held, must not have been overlooked by
 * the holder's quick unlock.
 *   holder: word = 1 · quick = rt_quick_unlock(word)        waiter: word |= MARK · barrier · seen = word
 *   forbidden: quick and (seen & 1)
 * With the argument "broken" there is no barrier; then the forbidden outcome is to be seen, or the litmus shows nothing here: skipped (a machine
 * that never runs the two at once). */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "os/quick.h"

enum { ROUNDS = 60000, BARRIERS = 4000, MARK = 0x400 };

static uint32_t word __attribute__((aligned(64)));
static _Atomic int holder_at __attribute__((aligned(64))), waiter_at;
static bool quick[ROUNDS];
static uint32_t seen[ROUNDS];
static int rounds = BARRIERS;            /* fewer than end quick unlocking */

static void meet(_Atomic int *mine, _Atomic int *other, int round)
{
	atomic_store(mine, round);
	for (int spins = 1; atomic_load(other) < round; spins++)
		if (spins % 20000 == 0)
			sched_yield();
}

static void delay(unsigned n)
{
	while (n-- > 0)
		__asm__ volatile("");
}

static void stay_on(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	sched_setaffinity(0, sizeof set, &set);
}

static void *hold(void *arg)
{
	stay_on(1);
	for (int i = 0; i < rounds; i++) {
		__atomic_store_n(&word, 1, __ATOMIC_SEQ_CST);
		meet(&holder_at, &waiter_at, 2 * i + 1);
		delay((unsigned)i * 7919u % 509);
		quick[i] = rt_quick_unlock(&word);
		meet(&holder_at, &waiter_at, 2 * i + 2);
	}
	return arg;
}

int main(int argc, char **argv)
{
	bool broken = argc > 1 && strcmp(argv[1], "broken") == 0;
	int forbidden = 0, quickly = 0, marked = 0;
	pthread_t thread;

	if (broken)
		rounds = ROUNDS;
	rt_quick_init();
	if (!rt_quick_in_use() || sysconf(_SC_NPROCESSORS_ONLN) < 2) {
		puts("quick_unlock: not in use here");
		return 77;
	}
	if (pthread_create(&thread, NULL, hold, NULL) != 0)
		return 1;
	stay_on(0);
	for (int i = 0; i < rounds; i++) {
		meet(&waiter_at, &holder_at, 2 * i + 1);
		delay((unsigned)i * 104729u % 503);
		__atomic_fetch_or(&word, MARK, __ATOMIC_SEQ_CST);
		if (!broken && !rt_quick_barrier())
			return 1;
		seen[i] = __atomic_load_n(&word, __ATOMIC_SEQ_CST);
		meet(&waiter_at, &holder_at, 2 * i + 2);
	}
	pthread_join(thread, NULL);
	for (int i = 0; i < rounds; i++) {
		quickly += quick[i];
		marked += !quick[i];
		forbidden += quick[i] && (seen[i] & 1);
	}
	printf("quick_unlock: %d quick, %d saw the mark, %d forbidden\n", quickly, marked, forbidden);
	if (broken)
		return forbidden == 0 ? 77 : 0;
	return forbidden != 0;
}

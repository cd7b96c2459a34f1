/* The first contention for a mutex changes how it is unlocked (runtime/os/quick.c): a wake-up lost in that moment leaves a goroutine parked on a
 * free lock, and the program ends with "all goroutines are asleep". Two goroutines go through many fresh mutexes in step, so that the
 * one arrives while the other holds, or is about to release, the same lock. More of them than the runtime marks one by one. */
#include <csp.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "../lib/expect.h"

enum { MUTEXES = 5000 };

static csp_mutex *mutexes;
static long per_mutex[MUTEXES];
static _Atomic int arrived[2];

static void walk(int me, csp_waitgroup *wg)
{
	unsigned random = 12345u + (unsigned)me;

	for (int i = 0; i < MUTEXES; i++) {
		atomic_store(&arrived[me], i + 1);
		for (int spins = 1; atomic_load(&arrived[!me]) < i + 1; spins++)
			if (spins % 100 == 0)
				csp_yield();
		random = random * 1103515245u + 12345u;
		for (unsigned pause = random >> 16 & 63; pause > 0; pause--)
			__asm__ volatile("");
		for (int k = 0; k < 3; k++) {
			csp_mutex_lock(&mutexes[i]);
			per_mutex[i]++;
			if (i % 50 == 0)
				csp_yield();    /* contention on one worker too */
			csp_mutex_unlock(&mutexes[i]);
		}
	}
	csp_wg_done(wg);
}

int main(void)
{
	csp_waitgroup wg = { 0 };
	int wrong = 0;

	mutexes = calloc(MUTEXES, sizeof *mutexes);
	EXPECT(mutexes != NULL);
	csp_wg_add(&wg, 2);
	csp_go(walk, 0, &wg);
	csp_go(walk, 1, &wg);
	csp_wg_wait(&wg);
	for (int i = 0; i < MUTEXES; i++)
		wrong += per_mutex[i] != 6 || mutexes[i].owner_ != 0 || (mutexes[i].state_ & ~0x400u) != 0;
	EXPECT_EQ(wrong, 0);
	free(mutexes);
	return 0;
}

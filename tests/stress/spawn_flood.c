/* A million goroutines are started in one loop and waited for, ten times: the watcher takes queues away from the spawner meanwhile, and
 * must neither lose one nor let a worker that goes idle in that moment call it a deadlock (that was one run in three).
 * usage: stress-spawn-flood [ROUNDS] [GOROUTINES] */
#include <csp.h>

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

static csp_waitgroup done;
static _Atomic long ran;

static void count(void)
{
	atomic_fetch_add(&ran, 1);
	csp_wg_done(&done);
}

int main(int argc, char **argv)
{
	long rounds = argc > 1 ? atol(argv[1]) : 10, n = argc > 2 ? atol(argv[2]) : 1000000;

	for (long r = 0; r < rounds; r++) {
		csp_wg_add(&done, n);
		for (long i = 0; i < n; i++)
			csp_go(count);
		csp_wg_wait(&done);
		if (atomic_load(&ran) != n * (r + 1)) {
			fprintf(stderr, "round %ld: %ld ran\n", r, atomic_load(&ran));
			return 1;
		}
	}
	return 0;
}

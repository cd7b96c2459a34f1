/* An uncontended lock and unlock, ns of CPU: alone, and by a goroutine that holds another lock meanwhile. Best of several rounds. */
#include <csp.h>
#include <stdio.h>
#include <time.h>

enum { ROUNDS = 9, PAIRS = 20000 };

static csp_mutex m, held;

/* Of the thread: nobody else runs, so it stays the same one. */
static int64_t cpu_now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return t.tv_sec * 1000000000 + t.tv_nsec;
}

static double pair_ns(void)
{
	double best = 1e9;

	for (int r = 0; r < ROUNDS; r++) {
		int64_t t = cpu_now_ns();
		for (int i = 0; i < PAIRS; i++) {
			csp_mutex_lock(&m);
			csp_mutex_unlock(&m);
		}
		double ns = (double)(cpu_now_ns() - t) / PAIRS;
		best = ns < best ? ns : best;
	}
	return best;
}

int main(void)
{
	double alone = pair_ns();
	csp_mutex_lock(&held);
	double nested = pair_ns();
	csp_mutex_unlock(&held);
	printf("%.1f %.1f\n", alone, nested);
	return 0;
}

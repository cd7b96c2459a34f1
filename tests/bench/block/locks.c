/* An uncontended lock and unlock, ns: alone, and by a goroutine that holds another lock meanwhile. Best of several rounds. */
#include <csp.h>
#include <stdio.h>

enum { ROUNDS = 9, PAIRS = 400000 };

static csp_mutex m, held;

static double pair_ns(void)
{
	double best = 1e9;

	for (int r = 0; r < ROUNDS; r++) {
		int64_t t = csp_now_ns();
		for (int i = 0; i < PAIRS; i++) {
			csp_mutex_lock(&m);
			csp_mutex_unlock(&m);
		}
		double ns = (double)(csp_now_ns() - t) / PAIRS;
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

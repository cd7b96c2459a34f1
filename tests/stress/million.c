/* Many goroutines parked at once, on a default system (vm.max_map_count 65530): create, park, wake, end; twice, so that the second
 * round runs on recycled stacks. Argument: how many (a million is about 4.3 GB). Prints time and memory per goroutine. */
#include <csp.h>
#include <stdio.h>
#include <stdlib.h>

static csp_waitgroup parked, ended;

static long rss_bytes(void)
{
	long pages = 0, rss = 0;
	FILE *f = fopen("/proc/self/statm", "r");

	if (!f || fscanf(f, "%ld %ld", &pages, &rss) != 2)
		rss = 0;
	if (f)
		fclose(f);
	return rss * 4096;
}

static void wait_at(csp_recv_chan(char) gate)
{
	csp_wg_done(&parked);
	csp_chan_recv(gate);
	csp_wg_done(&ended);
}

int main(int argc, char **argv)
{
	int n = argc > 1 ? atoi(argv[1]) : 200000;
	long before = rss_bytes();

	for (int round = 0; round < 2; round++) {
		csp_chan(char) gate = csp_make_chan(char);
		int64_t t0 = csp_now_ns();
		csp_wg_add(&parked, n);
		csp_wg_add(&ended, n);
		for (int i = 0; i < n; i++)
			csp_go(wait_at, gate);
		csp_wg_wait(&parked);
		int64_t t1 = csp_now_ns();
		long each = (rss_bytes() - before) / n;
		csp_chan_close(gate);
		csp_wg_wait(&ended);
		int64_t t2 = csp_now_ns();
		printf("%d goroutines: start %lld ns, wake %lld ns, %ld bytes each\n", n, (long long)(t1 - t0) / n, (long long)(t2 - t1) / n, each);
		if (round == 0 && each > 5000 && !getenv("CSP_TEST_SANITIZED"))
			return 1;
		csp_chan_free(gate);
	}
	while (csp_num_goroutines() > 1)
		csp_yield();
	return 0;
}

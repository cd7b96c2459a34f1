/* N goroutines blocked for ever, and what judging them costs: `judge dead N` (nobody can reach what they wait for) or `judge live N` (main can).
 * Prints milliseconds of the first check, which writes the verdicts, and of a second one. */
#define CSP_SHORT_NAMES
#include <csp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void wait_for_ever(recv_chan(int) c)
{
	chan_recv(c);
}

static int start(int n, csp_chan(int) *keep)
{
	for (int i = 0; i < n; i++) {
		csp_chan(int) c = make_chan(int);
		go(wait_for_ever, c);
		if (keep)
			keep[i] = c;
	}
	return n;
}

static double check_ms(int *n)
{
	int64_t t = csp_now_ns();
	*n = csp_leak_check();
	return (double)(csp_now_ns() - t) / 1e6;
}

int main(int argc, char **argv)
{
	int n = argc > 2 ? atoi(argv[2]) : 100000, found, again;
	csp_chan(int) *keep = argc > 1 && strcmp(argv[1], "live") == 0 ? malloc((size_t)n * sizeof *keep) : NULL;

	start(n, keep);
	csp_sleep(200 * CSP_MILLISECOND);
	double first = check_ms(&found), second = check_ms(&again);
	printf("%s %d: %.1f ms, again %.1f ms, found %d\n", keep ? "live" : "dead", n, first, second, again);
	fflush(stdout);
	_Exit(0);
}

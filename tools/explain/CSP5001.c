#include <csp.h>

static int deep(int n)
{
	volatile char frame[4096];
	frame[n % 4096] = 1;
	return n == 0 ? 0 : deep(n - 1) + frame[n % 4096];
}

static void run(csp_chan(int) out) { csp_chan_send(out, deep(4000)); }

int main(void)
{
	csp_chan(int) out = csp_make_chan(int);
#ifdef MENDED
	csp_go_options big = { .stack_bytes = 64 << 20 };
	csp_go_opt(&big, run, out);
#else
	csp_go(run, out);
#endif
	return csp_chan_recv(out) != 4000;
}

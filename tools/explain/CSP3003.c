#include <csp.h>

static csp_chan(int) orders;            /* a global: whoever knows it could still send */

static void take(csp_waitgroup *ended)
{
	(void)csp_chan_recv(orders);
	csp_wg_done(ended);
}

static void __attribute__((noinline)) open_shop(csp_waitgroup *ended)
{
	orders = csp_make_chan(int);
	csp_wg_add(ended, 1);
	csp_go(take, ended);
}

int main(void)
{
	csp_waitgroup ended = { 0 };

	open_shop(&ended);
#ifndef MENDED
	for (int i = 0; i < 3; i++) {   /* meanwhile nobody else has the channel at hand */
		csp_sleep(120 * CSP_MILLISECOND);
		csp_leak_check();
	}
#endif
	csp_chan_send(orders, 1);
	csp_wg_wait(&ended);
	return 0;
}

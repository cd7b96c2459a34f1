#include <csp.h>

static void tick(csp_chan(char) quit)
{
	while (csp_select(CSP_ON_RECV(quit), CSP_ON_AFTER(CSP_MILLISECOND)) == 1)
		;
	csp_chan_send(quit, 1);
}

int main(void)
{
	csp_chan(char) quit = csp_make_chan(char);

	csp_go(tick, quit);
	csp_sleep(5 * CSP_MILLISECOND);
#ifdef MENDED
	csp_chan_send(quit, 1);         /* end it, and wait until it has ended */
	(void)csp_chan_recv(quit);
#endif
	return 0;
}

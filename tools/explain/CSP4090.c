#include <csp.h>

static void wait_for(csp_chan(int) c) { (void)csp_chan_recv(c); }

int main(void)
{
	csp_chan(int) c = csp_make_chan(int);

	csp_go(wait_for, c);
	csp_sleep(20 * CSP_MILLISECOND);
#ifdef MENDED
	csp_chan_send(c, 1);            /* nobody waits any more */
#endif
	csp_chan_free(c);
	return 0;
}

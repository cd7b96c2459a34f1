#include <csp.h>

static void ask(csp_chan(int) answer)
{
	csp_sleep(20 * CSP_MILLISECOND);
	csp_chan_send(answer, 42);      /* for ever, if the asker has left */
}

static void asker(void)
{
#ifdef MENDED
	csp_chan(int) answer = csp_make_chan(int, 1);   /* room for the answer, received or not */
#else
	csp_chan(int) answer = csp_make_chan(int);
#endif
	csp_go(ask, answer);
	csp_select(CSP_ON_RECV(answer), CSP_ON_AFTER(CSP_MILLISECOND));
}

int main(void)
{
	asker();
	csp_sleep(400 * CSP_MILLISECOND);
	return 0;
}

#include <csp.h>

int main(void)
{
	csp_chan(int) c = NULL;
#ifdef MENDED
	c = csp_make_chan(int, 1);
	csp_chan_send(c, 1);
#endif
	return csp_chan_recv(c) != 1;   /* from NULL: for ever */
}

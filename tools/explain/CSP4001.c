#include <csp.h>

int main(void)
{
	csp_chan(int) c = csp_make_chan(int, 2);

	csp_chan_send(c, 1);
#ifdef MENDED
	csp_chan_send(c, 2);
	csp_chan_close(c);              /* after the last send, by the sender */
#else
	csp_chan_close(c);
	csp_chan_send(c, 2);
#endif
	return 0;
}

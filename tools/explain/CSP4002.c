#include <csp.h>

int main(void)
{
	csp_chan(int) c = csp_make_chan(int);

	csp_chan_close(c);
#ifndef MENDED
	csp_chan_close(c);
#endif
	return 0;
}

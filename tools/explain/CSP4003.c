#include <csp.h>

int main(void)
{
	csp_chan(int) c = NULL;
#ifdef MENDED
	c = csp_make_chan(int);
#endif
	csp_chan_close(c);
	return 0;
}

#include <csp.h>

int main(void)
{
	csp_waitgroup wg = { 0 };

	csp_wg_add(&wg, 1);
	csp_wg_done(&wg);
#ifndef MENDED
	csp_wg_done(&wg);               /* nothing is left to be done */
#endif
	csp_wg_wait(&wg);
	return 0;
}

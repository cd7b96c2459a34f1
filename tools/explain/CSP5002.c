#include <csp.h>

int main(void)
{
#ifndef MENDED
	for (;;)                        /* cspcheck run --timeout 1s prog.c ends it, with a dump of all goroutines */
		csp_sleep(10 * CSP_MILLISECOND);
#endif
	return 0;
}

#include <csp.h>

int main(void)
{
#ifdef MENDED
	csp_select(CSP_ON_AFTER(CSP_MILLISECOND));
#else
	csp_select();                   /* nothing can end it */
#endif
	return 0;
}

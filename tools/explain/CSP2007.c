#include <csp.h>

static csp_mutex lock;

int main(void)
{
	csp_mutex_lock(&lock);
	csp_mutex_unlock(&lock);
#ifndef MENDED
	csp_mutex_unlock(&lock);        /* nobody holds it */
#endif
	return 0;
}

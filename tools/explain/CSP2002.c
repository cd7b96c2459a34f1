#include <csp.h>

static csp_mutex a, b;

static void one(csp_waitgroup *both)
{
	csp_mutex_lock(&a);
	csp_wg_done(both);
#ifndef MENDED
	csp_wg_wait(both);              /* each has one lock now, and wants the other's */
#endif
	csp_mutex_lock(&b);
	csp_mutex_unlock(&b);
	csp_mutex_unlock(&a);
}

static void other(csp_waitgroup *both)
{
#ifdef MENDED
	csp_mutex *first = &a, *second = &b;    /* the same order everywhere */
#else
	csp_mutex *first = &b, *second = &a;
#endif
	csp_mutex_lock(first);
	csp_wg_done(both);
#ifndef MENDED
	csp_wg_wait(both);
#endif
	csp_mutex_lock(second);
	csp_mutex_unlock(second);
	csp_mutex_unlock(first);
}

int main(void)
{
	csp_waitgroup both = { 0 };

	csp_wg_add(&both, 2);
	csp_go(one, &both);
	csp_go(other, &both);
	csp_wg_wait(&both);
	csp_sleep(50 * CSP_MILLISECOND);
	return 0;
}

#include <csp.h>

static csp_mutex a, b;

static void one(csp_chan(char) done)
{
	csp_mutex_lock(&a);
	csp_mutex_lock(&b);
	csp_mutex_unlock(&b);
	csp_mutex_unlock(&a);
	csp_chan_send(done, 1);
}

static void other(csp_chan(char) done)
{
#ifdef MENDED
	csp_mutex *first = &a, *second = &b;
#else
	csp_mutex *first = &b, *second = &a;    /* in time with the other goroutine: each has one, wants the other */
#endif
	csp_sleep(20 * CSP_MILLISECOND);
	csp_mutex_lock(first);
	csp_mutex_lock(second);
	csp_mutex_unlock(second);
	csp_mutex_unlock(first);
	csp_chan_send(done, 1);
}

int main(void)
{
	csp_chan(char) done = csp_make_chan(char, 2);

	csp_go(one, done);
	csp_go(other, done);
	(void)csp_chan_recv(done);
	(void)csp_chan_recv(done);
	return 0;
}

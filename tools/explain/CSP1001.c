#include <csp.h>

static int hits;
static csp_mutex hits_lock;

static void visit(csp_waitgroup *wg)
{
#ifdef MENDED
	csp_mutex_lock(&hits_lock);
	hits++;
	csp_mutex_unlock(&hits_lock);
#else
	(void)hits_lock;
	hits++;                         /* read, add, write: another goroutine may come between */
#endif
	csp_wg_done(wg);
}

int main(void)
{
	csp_waitgroup wg = { 0 };

	csp_wg_add(&wg, 2);
	csp_go(visit, &wg);
	csp_go(visit, &wg);
	csp_wg_wait(&wg);
	return 0;
}

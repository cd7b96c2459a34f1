#include <csp.h>
#include <stdatomic.h>

static _Atomic int ready;

static void set(csp_waitgroup *wg)
{
	atomic_store(&ready, 1);
	csp_wg_done(wg);
}

int main(void)
{
	csp_waitgroup wg = { 0 };

	csp_wg_add(&wg, 1);
	csp_go(set, &wg);
#ifdef MENDED
	int seen = atomic_load(&ready);
#else
	int seen = *(int *)&ready;      /* a plain read beside an atomic write */
#endif
	csp_wg_wait(&wg);
	return seen > 1;
}

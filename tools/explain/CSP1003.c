#include <csp.h>
#include <stdlib.h>

static void use(int *block, csp_waitgroup *wg)
{
	*block = 1;
	csp_wg_done(wg);
}

int main(void)
{
	csp_waitgroup wg = { 0 };
	int *block = malloc(sizeof *block);

	csp_wg_add(&wg, 1);
	csp_go(use, block, &wg);
#ifdef MENDED
	csp_wg_wait(&wg);               /* free after the last user has said that it is done */
	free(block);
#else
	csp_sleep(20 * CSP_MILLISECOND);/* a pause orders nothing */
	free(block);
	csp_wg_wait(&wg);
#endif
	return 0;
}

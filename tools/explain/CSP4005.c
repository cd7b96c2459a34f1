#include <csp.h>

static csp_waitgroup tasks;

static void task(csp_chan(char) end)
{
#ifndef MENDED
	csp_wg_add(&tasks, 1);          /* too late: Wait may have returned already */
#endif
	csp_wg_done(&tasks);
	(void)csp_chan_recv(end);
}

int main(void)
{
	csp_chan(char) end = csp_make_chan(char);

#ifdef MENDED
	csp_wg_add(&tasks, 1);          /* before the goroutine is started */
#endif
	csp_go(task, end);
	csp_wg_wait(&tasks);
	csp_chan_send(end, 1);
	return 0;
}

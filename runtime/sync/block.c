#include "../csp.h"
#include "../sched/spawn.h"

/* f runs on the goroutine's own stack and thread; only the worker's place is given up meanwhile. */
void csp_block(void (*f)(void *), void *arg)
{
	rt_block_enter();
	f(arg);
	rt_block_exit();
}

/* csp_defer: a stack of records on the goroutine's own stack. A record is taken off before its function runs, so that a function that
 * leaves by csp_exit_goroutine does not run twice. */
#include "../csp.h"
#include "../sched/spawn.h"

static void run_all(struct rt_g *g)
{
	while (g->defers != NULL)
		csp_defer_run_(g->defers);
}

struct csp_defer_frame *csp_defer_push_(struct csp_defer_frame *frame)
{
	struct rt_g *g = rt_self();
	struct csp_defer_frame *former = g->defers;

	if (__atomic_load_n(&rt_run_defers, __ATOMIC_RELAXED) == NULL)
		__atomic_store_n(&rt_run_defers, run_all, __ATOMIC_RELAXED);
	g->defers = frame;
	return former;
}

void csp_defer_run_(struct csp_defer_frame *frame)
{
	rt_self()->defers = frame->next;
	frame->fn(frame->arg);
}

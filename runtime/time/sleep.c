/* csp_sleep and the clock. */
#include "../csp.h"
#include "../g.h"

static bool commit_nothing(struct rt_g *g, void *arg)
{
	return true;
}

int64_t csp_now_ns(void)
{
	return rt_now_ns();
}

void csp_sleep(int64_t ns)
{
	struct rt_g *g = rt_self();
	struct rt_timer t;

	if (ns <= 0) {
		rt_yield();
		return;
	}
	int64_t now = rt_now_ns();
	rt_wait_begin(g, RT_WAIT_SLEEP, NULL);
	rt_deadline_arm(&t, g, ns > INT64_MAX - now ? INT64_MAX - 1 : now + ns);
	rt_park(commit_nothing, NULL);
	rt_deadline_cancel(&t);
}

/* What a program says to the checker by hand. Without an observer each is one predicted branch. */
#include "event.h"

#include "../csp.h"
#include "../g.h"

void csp_race_read(const void *p, size_t bytes)
{
	RT_EVENT(mem, &rt_self()->view, p, bytes, false, __builtin_return_address(0));
}

void csp_race_write(const void *p, size_t bytes)
{
	RT_EVENT(mem, &rt_self()->view, p, bytes, true, __builtin_return_address(0));
}

void csp_race_acquire(const void *p)
{
	RT_EVENT(acquire, &rt_self()->view, p);
}

void csp_race_release(const void *p)
{
	RT_EVENT(release, &rt_self()->view, p);
}

void csp_race_ignore_begin(void)
{
	RT_EVENT(ignore, &rt_self()->view, true);
}

void csp_race_ignore_end(void)
{
	RT_EVENT(ignore, &rt_self()->view, false);
}

void csp_expect_leak(void)
{
	RT_EVENT(expect_leak, &rt_self()->view);
}

int csp_leak_check(void)
{
	if (__builtin_expect(rt_observer == NULL, 1))
		return 0;
	rt_self();
	return rt_observer->leak_check(__builtin_return_address(0));
}

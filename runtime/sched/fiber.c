/* Fibre hooks of ASan and libtsan, found by weak references.
 *
 * libtsan is told apart from our own detector, which answers the same __tsan_* names, by __tsan_get_current_fiber: the detector
 * defines none. Switches carry flag 1 (no synchronisation): the scheduler's order is not an order of the program. A runtime that is itself
 * instrumented is on trial, not the program: there what follows on one thread is ordered, which is what the runtime relies on. */
#include "fiber.h"

#include "sched.h"

__attribute__((weak)) void  __sanitizer_start_switch_fiber(void **fake_stack, const void *bottom, size_t size);
__attribute__((weak)) void  __sanitizer_finish_switch_fiber(void *fake_stack, const void **bottom, size_t *size);
__attribute__((weak)) void  __asan_unpoison_memory_region(const volatile void *p, size_t size);
__attribute__((weak)) void *__tsan_get_current_fiber(void);
__attribute__((weak)) void *__tsan_create_fiber(unsigned flags);
__attribute__((weak)) void  __tsan_destroy_fiber(void *fiber);
__attribute__((weak)) void  __tsan_switch_to_fiber(void *fiber, unsigned flags);

#ifdef __SANITIZE_THREAD__
enum { SWITCH_FLAGS = 0 };
#else
enum { SWITCH_FLAGS = 1 };
#endif

unsigned rt_fiber_tools;

void rt_fiber_init(void)
{
	if (__sanitizer_start_switch_fiber && __sanitizer_finish_switch_fiber && __asan_unpoison_memory_region)
		rt_fiber_tools |= RT_FIBER_ASAN;
	if (__tsan_get_current_fiber && __tsan_create_fiber && __tsan_switch_to_fiber && __tsan_destroy_fiber)
		rt_fiber_tools |= RT_FIBER_LIBTSAN;
}

void rt_fiber_create_slow(struct rt_g *g)
{
	if (rt_fiber_tools & RT_FIBER_LIBTSAN)
		g->fiber = __tsan_create_fiber(0);
}

void rt_fiber_destroy_slow(struct rt_g *g)
{
	/* That of main is its thread's own, which libtsan ends with the thread. */
	if ((rt_fiber_tools & RT_FIBER_LIBTSAN) && g->fiber && g != &rt_main_g)
		__tsan_destroy_fiber(g->fiber);
	g->fiber = NULL;
}

/* Not instrumented: it is left on another fibre than it is entered on, and calls are counted by fibre. */
__attribute__((no_sanitize("thread"))) void rt_fiber_leave_slow(struct rt_m *m, struct rt_g *from, struct rt_g *to, bool from_ends)
{
	uintptr_t lo = to ? to->view.stack_lo : m->stack_lo, hi = to ? to->view.stack_hi : m->stack_hi;

	if (rt_fiber_tools & RT_FIBER_ASAN)
		__sanitizer_start_switch_fiber(from_ends ? NULL : from ? &from->fiber : &m->fiber, (void *)lo, hi - lo);
	if (rt_fiber_tools & RT_FIBER_LIBTSAN) {
		if (from == &rt_main_g && !from->fiber)
			from->fiber = __tsan_get_current_fiber();
		if (!from && !m->fiber)
			m->fiber = __tsan_get_current_fiber();
		if (!to && !m->fiber)
			m->fiber = __tsan_create_fiber(0);
		__tsan_switch_to_fiber(to ? to->fiber : m->fiber, SWITCH_FLAGS);
	}
}

void rt_fiber_arrive_slow(struct rt_m *m, struct rt_g *g)
{
	if (rt_fiber_tools & RT_FIBER_ASAN) {
		__sanitizer_finish_switch_fiber(g ? g->fiber : m->fiber, NULL, NULL);
		if (g)
			g->fiber = NULL;
		else
			m->fiber = NULL;
	}
}

void rt_fiber_unpoison_slow(uintptr_t lo, uintptr_t hi)
{
	if (rt_fiber_tools & RT_FIBER_ASAN)
		__asan_unpoison_memory_region((void *)lo, hi - lo);
}

/* Telling sanitizers and valgrind about stacks, if one of them is there. Every call is one predicted branch otherwise. */
#ifndef CSP_RUNTIME_SCHED_FIBER_H
#define CSP_RUNTIME_SCHED_FIBER_H

#include "../g.h"

struct rt_m;

enum { RT_FIBER_ASAN = 1, RT_FIBER_LIBTSAN = 2 };
extern unsigned rt_fiber_tools;         /* written once by rt_fiber_init */
void rt_fiber_init(void);

void rt_fiber_leave_slow(struct rt_m *m, struct rt_g *from, struct rt_g *to, bool from_ends);
void rt_fiber_arrive_slow(struct rt_m *m, struct rt_g *g);
void rt_fiber_unpoison_slow(uintptr_t lo, uintptr_t hi);
void rt_fiber_create_slow(struct rt_g *g);
void rt_fiber_destroy_slow(struct rt_g *g);

/* Around every switch: leave on the old stack, arrive as the first thing on the new one. NULL stands for the scheduler's context. */
static inline void rt_fiber_leave(struct rt_m *m, struct rt_g *from, struct rt_g *to, bool from_ends)
{
	if (__builtin_expect(rt_fiber_tools != 0, 0))
		rt_fiber_leave_slow(m, from, to, from_ends);
}
static inline void rt_fiber_arrive(struct rt_m *m, struct rt_g *g)
{
	if (__builtin_expect(rt_fiber_tools != 0, 0))
		rt_fiber_arrive_slow(m, g);
}
/* A goroutine that exited without returning left poisoned frames. */
static inline void rt_fiber_unpoison(uintptr_t lo, uintptr_t hi)
{
	if (__builtin_expect(rt_fiber_tools != 0, 0))
		rt_fiber_unpoison_slow(lo, hi);
}
static inline void rt_fiber_create(struct rt_g *g)
{
	if (__builtin_expect(rt_fiber_tools != 0, 0))
		rt_fiber_create_slow(g);
}
static inline void rt_fiber_destroy(struct rt_g *g)
{
	if (__builtin_expect(rt_fiber_tools != 0, 0))
		rt_fiber_destroy_slow(g);
}

#endif

/* Critical sections of a thread as the stopping signal sees them. */
#ifndef CSP_RUNTIME_SCHED_STOP_H
#define CSP_RUNTIME_SCHED_STOP_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* The process ends with what is being dumped; nobody is let go any more. Whoever dies may have taken a lock along (a verdict on a goroutine that
 * parks holds its object's), and one who waits for that lock would never come to rest: so he rests where he waits (lock.c). */
extern _Atomic bool rt_world_ends;
/* Counts as stopped, whatever locks are taken along. */
_Noreturn void rt_rest_for_ever(void);

extern __thread uint32_t rt_locks_held __attribute__((tls_model("initial-exec"), visibility("hidden")));

/* One instruction each, so that neither a signal nor a change of thread can come between the reading and the writing. */
#if defined(__x86_64__)
static inline void rt_critical_enter(void)
{
	void *tmp;
	__asm__ volatile("movq rt_locks_held@gottpoff(%%rip), %0\n\tincl %%fs:(%0)" : "=&r"(tmp) : : "memory", "cc");
}
static inline void rt_critical_leave(void)
{
	void *tmp;
	__asm__ volatile("movq rt_locks_held@gottpoff(%%rip), %0\n\tdecl %%fs:(%0)" : "=&r"(tmp) : : "memory", "cc");
}
#else
/* Called where the thread cannot change; a signal in between leaves the count as it found it. */
static inline uint32_t *rt_critical_word(void)
{
	uint32_t *p = &rt_locks_held;
	__asm__ volatile("" : "+r"(p) : : "memory");
	return p;
}
static inline void rt_critical_enter(void) { ++*rt_critical_word(); }
static inline void rt_critical_leave(void) { --*rt_critical_word(); }
#endif

#endif

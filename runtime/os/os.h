/* All the runtime asks of the kernel besides descriptors (net/). */
#ifndef CSP_RUNTIME_OS_OS_H
#define CSP_RUNTIME_OS_OS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Sleep while *word == expected, at most timeout_ns (-1: for ever). May return early for no reason. */
void rt_os_futex_wait(_Atomic uint32_t *word, uint32_t expected, int64_t timeout_ns);
void rt_os_futex_wake(_Atomic uint32_t *word, int n);

int32_t rt_os_tid(void);
/* Is the calling thread the one the process began with? */
bool rt_os_is_main_thread(void);
int  rt_os_cpus(void);                  /* CPUs this process may use */
/* Threads of this process, not counting the ids given and those whose name is that of a helper of ours. -1 if unknown. */
int  rt_os_foreign_threads(const int32_t *ours, int n_ours);
/* Is thread tid of this process blocked in the kernel (state S or D)? */
bool rt_os_thread_blocked(int32_t tid);

/* Start a detached thread with all signals blocked that the caller has blocked. Returns 0 or a positive errno. Nothing is allocated for it
 * that a process which ends before the thread has run would leave behind; so the thread names itself, first of all. */
int  rt_os_thread(void *(*fn)(void *), void *arg, size_t stack_bytes);
void rt_os_name_thread(const char *name);       /* at most 15 bytes */
/* The calling thread is one of the library's that runs no goroutine; `which` tells it from the others. Its stack is noted, so that the leak
 * check can pass over what lies about there (glibc leaves words of its creator's stack behind). rt_os_service_stacks shows the signal stacks
 * we made as well: what counts there is told by who was stopped on one. */
enum rt_os_service { RT_OS_SYSMON, RT_OS_DUMP, RT_OS_SERVICES };
void rt_os_service_thread(enum rt_os_service which);
void rt_os_service_stacks(void (*visit)(uintptr_t lo, uintptr_t hi, void *arg), void *arg);
/* The calling thread sleeps a lot and runs for microseconds: where the kernel knows of that (6.12), it need not wait for another's slice to end. */
void rt_os_short_slices(void);
/* Give the calling thread a signal stack of its own unless it has one of at least 64 KiB. */
void rt_os_signal_stack(void);

/* Reserve address space, readable and writable, committed on touch, never by huge pages. NULL: refused. */
void *rt_os_reserve(size_t bytes);
void  rt_os_unreserve(void *p, size_t bytes);
/* Make [p, p + bytes) a guard. False if no guard could be afforded. */
bool  rt_os_guard(void *p, size_t bytes);
/* Give the pages back; they read as zero afterwards. */
/* The same for up to RT_OS_PIECES_MAX pieces of `bytes` each; and: have their pages at once instead of by a fault each (a mere hint). */
enum { RT_OS_PIECES_MAX = 32 };
struct rt_os_piece { void *at; };
void  rt_os_guard_many(const struct rt_os_piece *pieces, size_t n, size_t bytes);
void  rt_os_touch_many(const struct rt_os_piece *pieces, size_t n, size_t bytes);
void  rt_os_renew(void *p, size_t bytes);               /* fresh zero pages, by the intercepted call */
void  rt_os_decommit(void *p, size_t bytes);

/* Bounds of the calling thread's stack. */
void  rt_os_thread_stack(uintptr_t *lo, uintptr_t *hi);

#endif

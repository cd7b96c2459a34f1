/* Stacks of goroutines. A stack and its goroutine's control block are one piece of memory: a slot of a slab.
 *
 *   slot:   [ guard | stack, growing down ............ | struct rt_g | colour ]
 *
 * Slabs are reserved address space, committed by touch. The stride of slots is no power of two and the control block is moved
 * down by one of 16 colours, else the hot tops of all stacks share a few cache sets. A slot is virgin (never touched, or
 * given back to the kernel) or warm. Free warm slots are chained through their control blocks: LIFO per worker, a shared list behind it. */
#ifndef CSP_RUNTIME_SCHED_STACK_H
#define CSP_RUNTIME_SCHED_STACK_H

#include "../g.h"

enum { RT_STACK_CACHE = 64 };

struct rt_stack_cache { struct rt_g *first; uint32_t count; };     /* default class only */

/* A slot whose control block is zeroed but for stack bounds, stack_top and stack_class. NULL: no memory. */
struct rt_g *rt_stack_alloc(struct rt_stack_cache *cache /* NULL: none */, size_t stack_bytes);
void         rt_stack_free(struct rt_stack_cache *cache, struct rt_g *g);
size_t       rt_stack_default_bytes(void);
/* Give pages of long unused slots back. Called by sysmon about once a second. */
void         rt_stack_trim(void);
/* Every warm slot's control block, also of finished goroutines (state DEAD). Exact only while the world is stopped. */
void         rt_stack_each(bool (*visit)(struct rt_g *g, void *arg), void *arg);
void         rt_stack_ranges(void (*visit)(uintptr_t lo, uintptr_t hi, void *arg), void *arg);
/* Is addr in the guard of a slot? Sets *g to the goroutine above it. Async-signal-safe. */
bool         rt_stack_guard_hit(uintptr_t addr, struct rt_g **g);

/* Hold all locks of this room over a fork (fork.c). */
void rt_stacks_hold(bool hold);

#endif

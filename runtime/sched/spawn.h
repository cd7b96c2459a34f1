/* Making goroutines, in steps, so that the entry of csp_go can lay its arguments where the new goroutine finds them. */
#ifndef CSP_RUNTIME_SCHED_SPAWN_H
#define CSP_RUNTIME_SCHED_SPAWN_H

#include "../g.h"

/* Allocate a goroutine and its stack. Not runnable yet. stack_bytes 0: the default. NULL: no memory. */
struct rt_g *rt_g_create(size_t stack_bytes, struct rt_g *parent, void *entry_pc, void *go_pc);
/* 16-byte aligned room at the top of the new stack; lives as long as the goroutine. Before rt_g_set_entry. */
void *rt_g_reserve(struct rt_g *g, size_t bytes);
void  rt_g_set_entry(struct rt_g *g, void (*start)(void *frame), void *frame);
/* Event g_go, then runnable. */
void  rt_g_start(struct rt_g *g);
/* Give back a goroutine that was never started. */
void  rt_g_discard(struct rt_g *g);

/* Mark a goroutine that is not started yet: it pins itself to a thread as soon as it runs (csp_go_options.locked). rt_g_start follows. */
void  rt_g_start_locked(struct rt_g *g);

/* Runs the defers of g, innermost first; set by sync/defer.c. Called on g's own stack when it ends by csp_exit_goroutine. */
extern void (*rt_run_defers)(struct rt_g *g);

/* csp_block: between the two, the calling goroutine does not use a worker's place. sched/block.c */
void  rt_block_enter(void);
void  rt_block_exit(void);

#endif

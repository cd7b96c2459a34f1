#include "collect.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "../sched/sched.h"
#include "../sched/walk.h"
#include "depth.h"
#include "out.h"
#include "unwind.h"

static struct rt_dump_block *next_block(struct rt_dump_set *c, uint32_t pcs)
{
	size_t bytes = sizeof(struct rt_dump_block) + pcs * sizeof(void *);
	if (!rt_dump_reserve(&c->mem, &c->cap, c->len + bytes))
		return NULL;
	struct rt_dump_block *b = (struct rt_dump_block *)(void *)(c->mem + c->len);
	memset(b, 0, sizeof *b);
	return b;
}

static bool visit(const struct rt_ginfo *info, void *arg)
{
	struct rt_dump_set *c = arg;
	bool first = c->top != NULL && c->top->g != NULL && info->g == &c->top->g->view;
	if (!first && (c->only_top || (info->system && c->mode < RT_TRACEBACK_SYSTEM)))
		return true;
	struct rt_dump_block *b = next_block(c, RT_DUMP_PCS_MAX);
	if (b == NULL)
		return false;
	b->id = info->id;
	b->parent_id = info->parent_id;
	b->since_ns = info->since_ns;
	b->go_pc = info->g->go_pc;
	b->entry_pc = info->g->entry_pc;
	b->state = (uint8_t)info->state;
	b->wait = (uint8_t)info->wait;
	b->locked = info->locked;
	b->first = first;
	b->stack_bytes = info->g->stack_hi - info->g->stack_lo;
	b->stack_used = rt_depth_of(info->g->stack_lo, info->g->stack_hi);
	memcpy(b->name, ((const struct rt_g *)info->g)->name, sizeof b->name);
	if (info->n_waits == 1 && info->waits[0].kind != RT_OBJ_FD)
		b->obj = info->waits[0].obj;
	if (first) {
		b->state = RT_G_RUNNING;
		b->exact0 = c->top->exact0;
		b->n = (uint32_t)(c->top->n < RT_DUMP_PCS_MAX ? c->top->n : RT_DUMP_PCS_MAX);
		memcpy(b->pcs, c->top->pcs, b->n * sizeof *b->pcs);
	} else {
		const struct rt_g *g = (const struct rt_g *)info->g;
		b->exact0 = true;
		if (info->state == RT_G_WAITING || info->state == RT_G_RUNNABLE)
			b->n = (uint32_t)rt_unwind_parked((struct rt_g *)info->g, b->pcs, RT_DUMP_PCS_MAX);
		else if (g->m != NULL && g->m->stop_context != NULL)
			b->n = (uint32_t)rt_unwind_context(g->m->stop_context, b->pcs, RT_DUMP_PCS_MAX);
		/* What lost its place to another worker (SYSCALL to inspect.h) may block in the kernel or compute. */
		if (b->n > 0 && atomic_load(&g->state) == RT_G_RUNNING)
			b->state = RT_G_RUNNING;
	}
	if (b->state == RT_G_RUNNING && b->exact0 && b->n > 0 && rt_arch_in_syscall((uintptr_t)b->pcs[0]))
		b->state = RT_G_SYSCALL;
	if (b->n == 0) {
		/* Its registers are on a thread that could not be stopped: say at least what it runs. */
		b->pcs[0] = info->pc != 0 ? (void *)info->pc : info->g->entry_pc;
		b->exact0 = true;
		b->n = b->pcs[0] != NULL;
	}
	c->len += sizeof *b + b->n * sizeof *b->pcs;
	c->n++;
	return true;
}

static int by_id(const void *a, const void *b)
{
	const struct rt_dump_block *x = *(struct rt_dump_block *const *)a, *y = *(struct rt_dump_block *const *)b;
	if (x->first != y->first)
		return x->first ? -1 : 1;
	return x->id < y->id ? -1 : x->id > y->id;
}

static void order(struct rt_dump_set *c)
{
	if (c->n == 0)
		return;
	c->blocks = mmap(NULL, c->n * sizeof *c->blocks, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (c->blocks == MAP_FAILED) {
		c->blocks = NULL;
		c->n = 0;
		return;
	}
	size_t at = 0;
	for (size_t i = 0; i < c->n; i++) {
		c->blocks[i] = (struct rt_dump_block *)(void *)(c->mem + at);
		at += sizeof **c->blocks + c->blocks[i]->n * sizeof(void *);
	}
	qsort(c->blocks, c->n, sizeof *c->blocks, by_id);
}

void rt_dump_collect(struct rt_dump_set *c, const struct rt_dump_top *top, bool only_top)
{
	*c = (struct rt_dump_set){ .top = top, .mode = rt_traceback_mode(), .only_top = only_top };
	if (c->mode == RT_TRACEBACK_SINGLE && top != NULL && top->g != NULL)
		c->only_top = true;
	rt_depth_begin();
	rt_inspect_each(visit, c);
	rt_depth_end();

	/* A panic on a thread that is nobody's: its stack is the one that matters. */
	struct rt_dump_block *b;
	if (top != NULL && top->g == NULL && top->n != 0 && (b = next_block(c, RT_DUMP_PCS_MAX)) != NULL) {
		b->first = true;
		b->state = RT_G_RUNNING;
		b->exact0 = top->exact0;
		b->n = (uint32_t)(top->n < RT_DUMP_PCS_MAX ? top->n : RT_DUMP_PCS_MAX);
		memcpy(b->pcs, top->pcs, b->n * sizeof *b->pcs);
		c->len += sizeof *b + b->n * sizeof *b->pcs;
		c->n++;
	}
	order(c);
}

void rt_dump_release(struct rt_dump_set *c)
{
	if (c->blocks != NULL)
		munmap(c->blocks, c->n * sizeof *c->blocks);
	if (c->mem != NULL)
		munmap(c->mem, c->cap);
}

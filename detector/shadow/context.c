/* Interned calling contexts: nodes in an append-only table, found through an open-addressing table of node ids.
 * A node is filled before its id is stored (release) in the index, and never changes; two threads that intern the same pair race by
 * compare-exchange, and the loser's node is left unused. */
#include "context.h"

#include <stdatomic.h>
#include <stddef.h>
#include <unwind.h>

#include "../report/loss.h"
#include "access.h"
#include "arena.h"
#include "self.h"

#define NODES_MAX  (1u << 25)
#define INDEX_SIZE (1u << 26)

struct node { uintptr_t pc; uint32_t parent; };

static struct node *nodes;
static _Atomic uint32_t *index_of;
static _Atomic uint32_t next_node = 1;

void det_ctx_init(void)
{
	nodes = det_reserve((size_t)NODES_MAX * sizeof(*nodes));
	index_of = det_reserve((size_t)INDEX_SIZE * sizeof(*index_of));
}

uint32_t det_ctx_intern(uint32_t parent, uintptr_t pc)
{
	uint64_t h = (pc ^ ((uint64_t)parent << 40 | parent)) * UINT64_C(0x9e3779b97f4a7c15);
	uint32_t mine = 0;

	if (!nodes || !index_of)
		return 0;
	for (uint32_t at = (uint32_t)(h >> 38), probes = 0; probes < 4096; at++, probes++) {
		_Atomic uint32_t *slot = &index_of[at & (INDEX_SIZE - 1)];
		uint32_t id = atomic_load_explicit(slot, memory_order_acquire);

		if (id == 0) {
			if (!mine) {
				if (atomic_load_explicit(&next_node, memory_order_relaxed) >= NODES_MAX - 1024)
					break;
				mine = atomic_fetch_add_explicit(&next_node, 1, memory_order_relaxed);
				nodes[mine] = (struct node){ pc, parent };
			}
			if (atomic_compare_exchange_strong_explicit(slot, &id, mine, memory_order_release, memory_order_acquire))
				return mine;
		}
		if (nodes[id].pc == pc && nodes[id].parent == parent)
			return id;
	}
	det_loss("calling contexts", 1);
	return 0;
}

uint32_t det_ctx_of(struct det_g *g)
{
	struct det_frame *f = g->sp;
	uint32_t ctx;

	while (f > g->frames && f[-1].ctx == 0)
		f--;
	ctx = f > g->frames ? f[-1].ctx : 0;
	for (; f < g->sp; f++)
		f->ctx = ctx = det_ctx_intern(ctx, f->pc);
	return ctx;
}

void det_ctx_expand(uint32_t ctx, struct det_stack *out)
{
	out->n = 0;
	out->exact0 = false;
	while (ctx && out->n < DET_STACK_MAX) {
		out->pc[out->n++] = nodes[ctx].pc;
		ctx = nodes[ctx].parent;
	}
}

struct walk { uintptr_t want; uint32_t n; bool seen; uintptr_t pc[DET_STACK_MAX], slot[DET_STACK_MAX]; };

static _Unwind_Reason_Code on_frame(struct _Unwind_Context *c, void *arg)
{
	struct walk *w = arg;
	uintptr_t pc = _Unwind_GetIP(c);

	w->seen |= pc == w->want;
	if (w->seen && pc) {
		w->slot[w->n] = _Unwind_GetCFA(c) - sizeof(uintptr_t);  /* here the call into the next inner frame left it */
		w->pc[w->n++] = pc;
	}
	return w->n < DET_STACK_MAX ? _URC_NO_REASON : _URC_END_OF_STACK;
}

#if defined(__x86_64__)
/* Code that is not instrumented is unwound, which takes microseconds; a loop that locks and unlocks is unwound once. The same place is asked
 * again with the stack pointer where it was: then all return addresses lie in live memory above it, and if each is where it was, the stack is
 * the same. Thread-local memory is a root of the leak check, and a pointer into a parked stack would keep that stack's goroutine from being
 * proven dead (deadlock/main_waits_while_another_reads): places are kept as distances from the stack pointer, and that inverted. */
#define CACHED_FRAMES 24u
#define CACHE_WAYS    2u
static _Thread_local struct cached {
	uintptr_t not_sp;
	uint32_t  ctx, n;
	uint32_t  above_sp[CACHED_FRAMES];
	uintptr_t pc[CACHED_FRAMES];
} cache[CACHE_WAYS] __attribute__((tls_model("initial-exec")));
static _Thread_local uint32_t next_way __attribute__((tls_model("initial-exec")));

static uint32_t cached_ctx(uintptr_t pc, uintptr_t sp)
{
	for (uint32_t k = 0; k < CACHE_WAYS; k++) {
		const struct cached *c = &cache[k];
		uint32_t i = 0;
		if (c->n == 0 || c->not_sp != ~sp || c->pc[0] != pc)
			continue;
		while (i < c->n && *(const uintptr_t *)(sp + c->above_sp[i]) == c->pc[i])
			i++;
		if (i == c->n)
			return c->ctx;
	}
	return 0;
}

static void remember(const struct walk *w, uint32_t ctx, uintptr_t sp)
{
	struct cached *c = &cache[next_way++ % CACHE_WAYS];
	uint32_t n = 0;

	c->n = 0;
	if (w->n > CACHED_FRAMES)
		return;
	for (uint32_t i = 0; i < w->n; i++) {
		if (w->slot[i] < sp || w->slot[i] - sp > UINT32_MAX || *(const uintptr_t *)w->slot[i] != w->pc[i]) {
			if (i + 1 < w->n)
				return;
			break;                  /* the outermost was called by nobody; what is inside it says which it is */
		}
		c->pc[i] = w->pc[i];
		c->above_sp[i] = (uint32_t)(w->slot[i] - sp);
		n = i + 1;
	}
	c->not_sp = ~sp;
	c->ctx = ctx;
	c->n = n;
}
#else
static uint32_t cached_ctx(uintptr_t pc, uintptr_t sp) { return 0; }
static void remember(const struct walk *w, uint32_t ctx, uintptr_t sp) { }
#endif

uint32_t det_ctx_here(void *pc)
{
	struct det_g *g = det_me();
	struct walk w;
	uint32_t ctx;

	if (g && g->sp > g->frames)
		return det_ctx_intern(det_ctx_of(g), (uintptr_t)pc);
	uintptr_t sp = (uintptr_t)__builtin_frame_address(0);
	if ((ctx = cached_ctx((uintptr_t)pc, sp)) != 0)
		return ctx;
	w.want = (uintptr_t)pc;
	w.n = 0;
	w.seen = false;
	_Unwind_Backtrace(on_frame, &w);
	if (w.n == 0)
		return det_ctx_intern(0, (uintptr_t)pc);
	for (uint32_t i = w.n; i-- > 0;)
		ctx = det_ctx_intern(ctx, w.pc[i]);
	remember(&w, ctx, sp);
	return ctx;
}

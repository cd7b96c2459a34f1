/* Ids of plain accesses come from one block, those of atomics from another, so that a span (self.h) holds plain accesses only and the
 * fast path need not look at kinds. A block belongs to the OS thread, not to the goroutine: a goroutine that moves starts a new span. */
#include "desc.h"

#include <stdatomic.h>

#include "../report/loss.h"
#include "arena.h"
#include "context.h"

#define BLOCK 1024

static struct det_desc *table;
static _Atomic uint32_t next_block = BLOCK;

bool det_desc_init(void)
{
	table = det_reserve((size_t)DET_DESC_MAX * sizeof(*table));
	return table != NULL;
}

const struct det_desc *det_desc_at(uint32_t id) { return &table[id]; }

static uint32_t draw(uint32_t *next, uint32_t *end)
{
	if (*next == *end) {
		uint32_t block = atomic_fetch_add_explicit(&next_block, BLOCK, memory_order_relaxed);

		if (block >= DET_DESC_MAX - BLOCK) {
			atomic_fetch_sub_explicit(&next_block, BLOCK, memory_order_relaxed);
			det_loss("access descriptors", 1);
			return 0;
		}
		*next = block;
		*end = block + BLOCK;
	}
	return (*next)++;
}

uint32_t det_desc_for(struct det_g *g, enum det_kind kind, size_t size, uintptr_t pc)
{
	struct det_thread *t = &det_thread;
	uint32_t frame = det_ctx_of(g), info, id, at;
	bool plain = kind != DET_ATOMIC_READ && kind != DET_ATOMIC_WRITE;

	info = (uint32_t)kind | (uint32_t)(size < (1u << 28) ? size : (1u << 28)) << 3;
	at = (uint32_t)((pc >> 1) ^ (pc >> 5) ^ frame ^ kind) & 15;
	if (g->recent[at].id && g->recent[at].pc == pc && g->recent[at].ctx == frame && g->recent[at].info == info)
		return g->recent[at].id;
	id = plain ? draw(&t->plain_next, &t->plain_end) : draw(&t->atomic_next, &t->atomic_end);
	if (!id)
		return 0;
	table[id] = (struct det_desc){ g->epoch, det_ctx_intern(frame, pc), info };
	g->recent[at].pc = pc;
	g->recent[at].ctx = frame;
	g->recent[at].info = info;
	g->recent[at].id = id;
	g->dirty = true;
	if (plain) {
		if (g->span_len == 0 || id != g->span_base + g->span_len) {
			g->span_base = id;
			g->span_len = 0;
		}
		g->span_len++;
	}
	return id;
}

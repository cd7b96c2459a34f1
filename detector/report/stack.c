#include "stack.h"

#include "../shadow/context.h"

void det_stack_here(struct det_stack *out, void *pc)
{
	det_ctx_expand(det_ctx_here(pc), out);
	out->exact0 = false;
}

void det_stack_parked(struct det_stack *out, const struct rt_door *door, struct rt_gview *g)
{
	out->n = (uint32_t)door->g_stack(g, (void **)out->pc, DET_STACK_MAX);
	out->exact0 = true;             /* the saved context's own pc, not a return address */
	if (out->n > DET_STACK_MAX)
		out->n = DET_STACK_MAX;
}

uint64_t det_stack_hash(const struct det_stack *s)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325);
	for (uint32_t i = 0; s != NULL && i < s->n; i++)
		h = (h ^ s->pc[i]) * UINT64_C(0x9e3779b97f4a7c15), h ^= h >> 29;
	return h;
}

/* Why is a goroutine not proven blocked for ever? From the object it waits for back to the root that reaches it: the words that named each
 * piece of memory first (mark.c notes them when asked to). */
#include "reach.h"

static bool add(struct det_answer *out, struct det_answer_g *g, struct det_step step)
{
	if (out->n_steps >= DET_STEPS_MAX || g->n_steps >= DET_PATH_MAX)
		return false;
	out->steps[out->n_steps++] = step;
	g->n_steps++;
	return true;
}

/* The wait that makes it alive: the first whose object is within reach in some way. */
static uintptr_t object_of(const struct det_member *m)
{
	for (uint32_t k = 0; k < m->n_waits; k++) {
		uintptr_t obj = (uintptr_t)det_reach.waits[m->first_wait + k].obj;
		uint32_t t = obj != 0 ? det_target_of(obj) : UINT32_MAX;
		if (t != UINT32_MAX && det_reach.graph.things[t].reached)
			return obj;
	}
	return 0;
}

void det_path_of(uint32_t node, struct det_answer *out, struct det_answer_g *g)
{
	uintptr_t at = object_of(&det_reach.members[node]);
	struct det_heap_block b;
	struct det_member *m;

	g->first_step = out->n_steps;
	for (uint32_t hops = 0; at != 0 && hops < DET_PATH_MAX; hops++) {
		if (det_heap_find(at, &b) && b.id < det_reach.heap_ids) {
			if (!add(out, g, (struct det_step){ DET_STEP_BLOCK, b.start, at, b.size, 0 }))
				return;
			at = det_reach.block_from != NULL ? det_reach.block_from[b.id] : 0;
		} else if ((m = det_stacks_find(at)) != NULL) {
			enum det_step_kind kind = at >= m->live_lo && at < m->sure_lo ? DET_STEP_DOUBTFUL : DET_STEP_STACK;
			if (!add(out, g, (struct det_step){ kind, m->stack_lo, at, m->stack_hi - m->stack_lo, m->gid }))
				return;
			/* Its own word or register; or the stack of another, kept alive by what that one waits for. */
			uint32_t i = (uint32_t)(m - det_reach.members);
			at = m->from != 0 ? m->from : det_reach.graph.nodes[i].phase != 0 && i != node ? object_of(m) : 0;
		} else {
			add(out, g, (struct det_step){ det_root_is_of_module(at) ? DET_STEP_GLOBAL : DET_STEP_MEMORY, at, at, 0, 0 });
			return;
		}
	}
}

/* The objects that are waited for, each once, however many wait: found by address, and listed with the heap block or the stack they lie in,
 * so that marking that memory tells the graph at once. An object that lies elsewhere (a global, memory we know nothing of) is within
 * anybody's reach. */
#include "reach.h"

#define NONE UINT32_MAX

static uint32_t max_targets;

bool det_targets_init(uint32_t max)
{
	uint32_t size = 64;

	while (size < 2 * (uint64_t)max)
		size *= 2;
	max_targets = max;
	det_reach.hash_mask = size - 1;
	det_reach.target_hash = det_reach_take((size_t)size * sizeof *det_reach.target_hash);
	det_reach.targets = det_reach_take((size_t)max * sizeof *det_reach.targets);
	det_reach.graph.things = det_reach_take((size_t)max * sizeof *det_reach.graph.things);
	return det_reach.given_up == NULL;
}

static uint32_t slot_of(uintptr_t addr)
{
	uint32_t i = (uint32_t)((addr * UINT64_C(0x9e3779b97f4a7c15)) >> 32) & det_reach.hash_mask;

	while (det_reach.target_hash[i] != 0 && det_reach.targets[det_reach.target_hash[i] - 1].addr != addr)
		i = (i + 1) & det_reach.hash_mask;
	return i;
}

uint32_t det_target_of(uintptr_t addr)
{
	uint32_t i = slot_of(addr);

	if (det_reach.target_hash[i] != 0)
		return det_reach.target_hash[i] - 1;
	if (det_reach.graph.n_things >= max_targets) {
		det_reach.given_up = "leak check: too many objects waited for";
		return NONE;
	}
	uint32_t t = det_reach.graph.n_things++;
	det_reach.target_hash[i] = t + 1;
	det_reach.targets[t].addr = addr;
	return t;
}

void det_target_place(uint32_t target)
{
	struct det_target *t = &det_reach.targets[target];
	struct det_heap_block b;
	struct det_member *m;

	if (t->placed)
		return;
	t->placed = true;
	if (det_heap_find(t->addr, &b) && b.id < det_reach.heap_ids && t->addr - b.start < b.size) {
		t->next = det_reach.block_targets[b.id];
		det_reach.block_targets[b.id] = target + 1;
		if (det_mark_is_marked(b.id))
			det_graph_set_reached(&det_reach.graph, target);
	} else if ((m = det_stacks_find(t->addr)) != NULL) {
		t->next = m->targets;
		m->targets = target + 1;
		if (m->marked_stack)
			det_graph_set_reached(&det_reach.graph, target);
	} else {
		det_graph_set_reached(&det_reach.graph, target);
	}
}

void det_targets_reached(uint32_t *list)
{
	uint32_t at = *list;

	*list = 0;
	for (; at != 0; at = det_reach.targets[at - 1].next)
		det_graph_set_reached(&det_reach.graph, at - 1);
}

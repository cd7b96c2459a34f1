/* Reachability (P3), on the frozen copy: conservative marking from every root (roots.c, mark.c), joined with the graph of waits (waits.c,
 * graph.c). Everything unknown counts as alive or reachable: a stray word may hide a leak, none is invented. */
#include "reach.h"

#include "../shadow/arena.h"

#define SCRATCH_BYTES (UINT64_C(8) << 30)

struct det_reach det_reach;

bool det_reach_init(void)
{
	det_reach.scratch = det_reserve(SCRATCH_BYTES);
	return det_reach.scratch != NULL && det_mark_init();
}

void *det_reach_take(size_t bytes)
{
	bytes = (bytes + 63) & ~(size_t)63;
	if (det_reach.used + bytes > SCRATCH_BYTES) {
		det_reach.given_up = "leak check: scratch exhausted";
		return det_reach.scratch;
	}
	det_reach.used += bytes;
	return det_reach.scratch + det_reach.used - bytes;
}

/* Heapsort, since qsort may allocate. */
static void sink(uint32_t *a, uint32_t at, uint32_t n, uintptr_t (*key)(uint32_t))
{
	for (uint32_t c; (c = 2 * at + 1) < n; at = c) {
		if (c + 1 < n && key(a[c + 1]) > key(a[c]))
			c++;
		if (key(a[at]) >= key(a[c]))
			return;
		uint32_t t = a[at];
		a[at] = a[c];
		a[c] = t;
	}
}

void det_reach_sort(uint32_t *a, uint32_t n, uintptr_t (*key)(uint32_t))
{
	for (uint32_t i = n / 2; i-- > 0;)
		sink(a, i, n, key);
	for (uint32_t i = n; i-- > 1;) {
		uint32_t t = a[0];
		a[0] = a[i];
		a[i] = t;
		sink(a, 0, i, key);
	}
}

static void enliven(uint32_t i, void *arg)
{
	struct det_member *m = &det_reach.members[i];

	for (uint32_t k = 0; k < m->n_regs; k++)
		det_mark_word(m->regs[k]);
	det_mark_stack(m);
	det_mark_drain();
}

static uint32_t unknown_threads(const struct det_question *q)
{
	return q->n_unknown_threads > 0 ? (uint32_t)q->n_unknown_threads : 0;
}

static void write_answer(struct det_answer *out)
{
	struct rt_sources sources;
	bool quiet = !det_reach.question->self || det_reach.question->main_ended;

	det_block_door->sources(&sources);
	quiet = quiet && sources.timer_funcs == 0 && sources.timer_chans_awaited == 0 && unknown_threads(det_reach.question) == 0;
	for (uint32_t i = 0; i < det_reach.graph.n_nodes; i++)
		quiet = quiet && !det_reach.members[i].active;
	out->quiet = quiet;
	out->unknown_threads = unknown_threads(det_reach.question) != 0;
	for (uint32_t i = 0; i < det_reach.graph.n_nodes; i++) {
		const struct det_member *m = &det_reach.members[i];
		const struct det_node *n = &det_reach.graph.nodes[i];
		bool dead = !n->alive || (quiet && det_reach.question->main_ended && !m->active);
		out->g[out->n++] = (struct det_answer_g){ .view = m->view, .gid = m->gid, .since_ns = m->since_ns, .wait = m->wait, .state = m->state,
			.fate = m->active ? DET_FATE_ACTIVE : dead ? DET_FATE_DEAD : DET_FATE_BLOCKED, .skip = m->skip };
	}
	out->heap_bytes = det_reach.heap_bytes;
	out->root_bytes = det_reach.root_bytes;
}

void det_reach_solve(const struct det_question *q, struct det_answer *out, uint32_t max)
{
	det_reach.question = q;
	det_mark_catch_faults();
	det_reach.heap_ids = det_heap_ids() + 1;
	det_reach.marked = det_reach_take(det_reach.heap_ids / 8 + 8);
	det_reach.stacks_lo = det_reach.heap_lo = UINTPTR_MAX;
	det_reach.graph.reached = det_mark_reached;
	det_reach.graph.enliven = enliven;
	if (det_reach.given_up == NULL)
		det_waits_gather(max);
	if (det_reach.given_up == NULL)
		det_waits_to_terms();
	if (det_reach.given_up == NULL)
		det_roots_find();
	if (det_reach.given_up == NULL) {
		det_roots_mark();
		det_graph_solve(&det_reach.graph);
	}
	if (det_reach.given_up == NULL)
		write_answer(out);
	out->given_up = det_reach.given_up;
}

/* Reachability (P3), on the frozen copy: conservative marking from every root (roots.c, mark.c), joined with the graph of waits (waits.c,
 * graph.c). Everything unknown counts as alive or reachable: a stray word may hide a leak, none is invented. */
#include "reach.h"

#include <time.h>

#include "../shadow/arena.h"

#define SCRATCH_BYTES (UINT64_C(16) << 30)

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

static void mark_all(struct det_range r)
{
	if (r.lo < r.hi)
		det_mark_range(r.lo, r.hi);
}

static void enliven(uint32_t i, void *arg)
{
	struct det_member *m = &det_reach.members[i];

	for (uint32_t k = 0; k < m->n_regs; k++)
		det_mark_word(m->regs[k], 0);
	if (m->roots != 0) {
		mark_all(det_reach.roots[m->roots - 1].vector);
		mark_all(det_reach.roots[m->roots - 1].handler);
	}
	det_mark_stack(m, 0);
	det_mark_drain();
}

/* Nothing can act any more but who asks, and main, whose end was asked for. */
static bool is_quiet(void)
{
	const struct det_question *q = det_reach.question;
	struct rt_sources sources;

	if ((q->self && !q->main_ended) || q->n_unknown_threads > 0)
		return false;
	for (uint32_t i = 0; i < det_reach.graph.n_nodes; i++)
		if (det_reach.members[i].active)
			return false;
	det_block_door->sources(&sources);
	return sources.timer_funcs == 0 && sources.timer_chans_awaited == 0;
}

static enum det_fate fate_of(uint32_t i, bool quiet)
{
	const struct det_member *m = &det_reach.members[i];
	const struct det_node *n = &det_reach.graph.nodes[i];

	if (m->active)
		return DET_FATE_ACTIVE;
	if (!n->alive && !quiet && det_reach.question->n_unknown_threads > 0)
		return DET_FATE_SUSPECT;
	if (!n->alive || (quiet && det_reach.question->main_ended))
		return DET_FATE_DEAD;
	return n->phase != 0 && n->by_term != DET_NO_TERM ? DET_FATE_SUSPECT : DET_FATE_BLOCKED;
}

static void write_answer(struct det_answer *out, uint32_t max)
{
	const struct det_question *q = det_reach.question;

	out->quiet = is_quiet();
	for (uint32_t i = 0; i < det_reach.graph.n_nodes && out->n < max; i++) {
		const struct det_member *m = &det_reach.members[i];
		enum det_fate fate = fate_of(i, out->quiet);
		bool told = fate == DET_FATE_DEAD || (fate == DET_FATE_SUSPECT && m->since_ns < q->suspect_before_ns) || q->main_ended || q->want_all;
		if (m->skip || !told)
			continue;
		struct det_answer_g *g = &out->g[out->n++];
		*g = (struct det_answer_g){ .view = m->view, .gid = m->gid, .since_ns = m->since_ns, .wait = m->wait, .state = m->state, .fate = fate };
		if (fate == DET_FATE_SUSPECT && m->since_ns < q->suspect_before_ns)
			det_path_of(i, out, g);
	}
	out->n_goroutines = det_reach.graph.n_nodes;
	out->heap_bytes = det_reach.heap_bytes;
	out->root_bytes = det_reach.root_bytes;
}

/* Who looks for suspects wants to know what globals alone keep alive, or words in frames of the runtime: they become roots after a first
 * solution. */
static void solve(void)
{
	det_roots_mark_strong();
	if (det_reach.question->suspect_before_ns != 0) {
		det_graph_solve(&det_reach.graph);
		det_reach.graph.phase = 1;
		det_mark_doubtful();
	}
	det_roots_mark_mappings();
	det_graph_solve(&det_reach.graph);
}

static int64_t cpu_now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return t.tv_sec * 1000000000 + t.tv_nsec;
}

void det_reach_solve(const struct det_question *q, struct det_answer *out, uint32_t max)
{
	det_reach.question = q;
	det_mark_catch_faults();
	det_reach.heap_ids = det_heap_ids() + 1;
	det_reach.marked = det_reach_take(det_reach.heap_ids / 8 + 8);
	det_reach.block_targets = det_reach_take((size_t)det_reach.heap_ids * sizeof *det_reach.block_targets);
	if (q->suspect_before_ns != 0)
		det_reach.block_from = det_reach_take((size_t)det_reach.heap_ids * sizeof *det_reach.block_from);
	det_reach.heaps[0] = det_reach.heaps[1] = (struct det_range){ UINTPTR_MAX, UINTPTR_MAX };
	det_reach.graph.enliven = enliven;
	if (det_reach.given_up == NULL)
		det_waits_gather(max);
	out->cpu_ns[0] = cpu_now_ns();
	if (det_reach.given_up == NULL)
		det_waits_to_terms();
	out->cpu_ns[1] = cpu_now_ns();
	if (det_reach.given_up == NULL)
		det_roots_find();
	out->cpu_ns[2] = cpu_now_ns();
	if (det_reach.given_up == NULL)
		solve();
	out->cpu_ns[3] = cpu_now_ns();
	if (det_reach.given_up == NULL)
		write_answer(out, max);
	out->given_up = det_reach.given_up;
}

#include "graph.h"

static void enqueue(struct det_graph *g, uint32_t node, uint32_t term)
{
	struct det_node *n = &g->nodes[node];

	if (n->alive)
		return;
	n->alive = true;
	n->phase = g->phase;
	n->by_term = term;
	g->queue[g->tail++] = node;
}

static void come_true(struct det_graph *g, uint32_t *waiting)
{
	uint32_t at = *waiting;

	*waiting = 0;
	while (at != 0) {
		const struct det_atom *a = &g->atoms[at - 1];
		struct det_term *t = &g->terms[a->term];
		at = a->next;
		if (--t->missing == 0)
			enqueue(g, t->node, a->term);
	}
}

void det_graph_begin_term(struct det_graph *g, uint32_t node)
{
	if (g->n_terms >= g->terms_max) {
		g->full = true;
		return;
	}
	g->terms[g->n_terms] = (struct det_term){ node, 0 };
}

void det_graph_atom(struct det_graph *g, enum det_atom_kind kind, uint32_t what)
{
	uint32_t *list = kind == DET_ATOM_ALIVE ? &g->nodes[what].waiting : kind == DET_ATOM_REACHED ? &g->things[what].waiting : 0;

	if (g->full || g->n_atoms >= g->atoms_max) {
		g->full = true;
		return;
	}
	if ((kind == DET_ATOM_ALIVE && g->nodes[what].alive) || (kind == DET_ATOM_REACHED && g->things[what].reached))
		return;
	g->terms[g->n_terms].missing++;
	if (list == 0)
		return;
	g->atoms[g->n_atoms] = (struct det_atom){ g->n_terms, *list };
	*list = ++g->n_atoms;
}

void det_graph_end_term(struct det_graph *g)
{
	if (g->full)
		return;
	uint32_t t = g->n_terms++;
	if (g->terms[t].missing == 0)
		enqueue(g, g->terms[t].node, t);
}

void det_graph_set_alive(struct det_graph *g, uint32_t node)
{
	enqueue(g, node, DET_NO_TERM);
}

void det_graph_set_reached(struct det_graph *g, uint32_t thing)
{
	struct det_thing *o = &g->things[thing];

	if (o->reached)
		return;
	o->reached = true;
	come_true(g, &o->waiting);
}

void det_graph_solve(struct det_graph *g)
{
	while (g->head < g->tail) {
		uint32_t i = g->queue[g->head++];
		come_true(g, &g->nodes[i].waiting);
		g->enliven(i, g->arg);
	}
}

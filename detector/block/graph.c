#include "graph.h"

static bool atom_holds(const struct det_graph *g, const struct det_atom *a)
{
	return a->kind == DET_ATOM_ALIVE ? g->nodes[a->what].alive : g->reached(a->what, g->arg);
}

static bool term_holds(const struct det_graph *g, const struct det_term *t)
{
	for (uint32_t i = 0; i < t->n; i++)
		if (!atom_holds(g, &g->atoms[t->first + i]))
			return false;
	return true;
}

static bool may_go_on(const struct det_graph *g, const struct det_node *n)
{
	for (uint32_t i = 0; i < n->n; i++)
		if (term_holds(g, &g->terms[n->first + i]))
			return true;
	return false;
}

void det_graph_solve(struct det_graph *g)
{
	/* Every round but the last makes a node alive, so there are at most n_nodes + 1. */
	for (bool changed = true; changed;) {
		changed = false;
		for (uint32_t i = 0; i < g->n_nodes; i++) {
			struct det_node *n = &g->nodes[i];
			if (n->rooted)
				continue;
			n->alive = n->alive || may_go_on(g, n);
			if (!n->alive)
				continue;
			n->rooted = true;
			g->enliven(i, g->arg);
			changed = true;
		}
	}
}

/* The AND/OR fix-point over waits (research: GOLF, extended by owners).
 *
 * A node is a goroutine. A node is alive if it can go on by itself, or if one of its terms holds (OR: any arm of a select ends the wait);
 * a term holds if all of its atoms do (AND: a write lock needs every reader gone). An atom asks for a goroutine to be alive, or for
 * an object to be reachable by somebody alive. Making a node alive makes its stack a root, which may make objects reachable. The least
 * fix-point of that is "may still go on"; what is left out can never be woken. A node with no terms is woken by nobody. */
#ifndef CSP_DETECTOR_BLOCK_GRAPH_H
#define CSP_DETECTOR_BLOCK_GRAPH_H

#include <stdbool.h>
#include <stdint.h>

enum det_atom_kind { DET_ATOM_REACHED, DET_ATOM_ALIVE };

struct det_atom { enum det_atom_kind kind; uintptr_t what; /* an address, or the index of a node */ };
struct det_term { uint32_t first, n; };         /* atoms */

struct det_node {
	bool     alive;                 /* in: goes on by itself. out: may still go on */
	bool     rooted;                /* its stack has been handed to enliven */
	uint32_t first, n;              /* terms */
};

struct det_graph {
	struct det_node *nodes; uint32_t n_nodes;
	struct det_term *terms; uint32_t n_terms;
	struct det_atom *atoms; uint32_t n_atoms;
	bool (*reached)(uintptr_t object, void *arg);
	void (*enliven)(uint32_t node, void *arg);      /* the node's stack is a root from now on: mark from it */
	void *arg;
};

void det_graph_solve(struct det_graph *g);

#endif

/* The AND/OR fix-point over waits (research: GOLF, extended by owners).
 *
 * A node is a goroutine. A node is alive if it can go on by itself, or if one of its terms holds (OR: any arm of a select ends the wait);
 * a term holds if all of its atoms do (AND: a write lock needs every reader gone). An atom asks for a goroutine to be alive, or for
 * an object to be reachable by somebody alive. Making a node alive makes its stack a root, which may make objects reachable. The least
 * fix-point of that is "may still go on"; what is left out can never be woken. A node with no terms is woken by nobody.
 *
 * Each atom is in the list of what it asks for and is visited once, when that comes true; a term counts the atoms it still misses. So
 * the whole is linear in the atoms, and it only ever grows: more roots may be added after a solution, and solving goes on from there. */
#ifndef CSP_DETECTOR_BLOCK_GRAPH_H
#define CSP_DETECTOR_BLOCK_GRAPH_H

#include <stdbool.h>
#include <stdint.h>

#define DET_NO_TERM UINT32_MAX

/* NEVER: asks for somebody who is gone. */
enum det_atom_kind { DET_ATOM_REACHED, DET_ATOM_ALIVE, DET_ATOM_NEVER };

struct det_atom { uint32_t term, next; };       /* next: of those that ask for the same, as index + 1 */
struct det_term { uint32_t node, missing; };

struct det_node {
	bool     alive;                 /* may still go on */
	uint8_t  phase;                 /* of the graph when it became alive */
	uint32_t by_term;               /* the term that made it alive; DET_NO_TERM: it goes on by itself */
	uint32_t waiting;               /* list of atoms */
};

struct det_thing { bool reached; uint32_t waiting; };   /* an object somebody waits for */

struct det_graph {
	struct det_node  *nodes;  uint32_t n_nodes;
	struct det_thing *things; uint32_t n_things;
	struct det_term  *terms;  uint32_t n_terms, terms_max;
	struct det_atom  *atoms;  uint32_t n_atoms, atoms_max;
	uint32_t *queue; uint32_t head, tail;           /* alive nodes whose stack is still to be handed over; one place for each node */
	bool      full;                                 /* terms or atoms left out: no answer */
	uint8_t   phase;
	void    (*enliven)(uint32_t node, void *arg);   /* the node's stack is a root from now on: mark from it */
	void     *arg;
};

/* Building: all terms before the first solve. A term without atoms holds at once. */
void det_graph_begin_term(struct det_graph *g, uint32_t node);
void det_graph_atom(struct det_graph *g, enum det_atom_kind kind, uint32_t what);       /* thing, or node */
void det_graph_end_term(struct det_graph *g);

void det_graph_set_alive(struct det_graph *g, uint32_t node);   /* it goes on by itself */
void det_graph_set_reached(struct det_graph *g, uint32_t thing);
void det_graph_solve(struct det_graph *g);

#endif

/* The AND/OR fix-point of detector/block/graph.h over a table of small graphs.
 *
 * Goroutine i owns a stack that, once alive, makes the objects in holds[i] reachable (a bit per object). A wait is written as terms
 * separated by '|', each a row of atoms: a digit is an object to be reached, a letter a goroutine to be alive. "!" goes on by itself. */
#include <stdio.h>
#include <string.h>

#include "../../../detector/block/graph.h"

#define MAX 8

struct row { const char *name; const char *waits[MAX]; unsigned holds[MAX]; unsigned globals; const char *alive; };

static const struct row rows[] = {
	{ "nobody else: dead", { "0" }, { 1 }, 0, "-" },
	{ "a global channel keeps alive", { "0" }, { 0 }, 1, "A" },
	{ "a runner that holds the channel keeps alive", { "!", "0" }, { 1 }, 0, "AB" },
	{ "two that hold each other's channels only: both dead", { "0", "1" }, { 2, 1 }, 0, "--" },
	{ "alive in a chain", { "!", "0", "1" }, { 1, 2 }, 0, "ABC" },
	{ "the chain in the other order", { "1", "0", "!" }, { 0, 2, 1 }, 0, "ABC" },
	{ "select: one live arm is enough", { "!", "0|1" }, { 2 }, 0, "AB" },
	{ "select: both arms dead", { "!", "0|1" }, { 4 }, 0, "A-" },
	{ "no terms (nil channel): dead, whatever is global", { "" }, { 0 }, ~0u, "-" },
	{ "mutex: owner alive and lock reachable", { "!", "0A" }, { 1 }, 0, "AB" },
	{ "mutex: owner alive but has lost the lock", { "!", "0A" }, { 0 }, 0, "A-" },
	{ "mutex: owner dead although the lock is global", { "1", "0A" }, { 0 }, 1, "--" },
	{ "owner cycle on global locks", { "0B", "1A" }, { 0 }, 3, "--" },
	{ "owner chain to a runner", { "!", "0A", "1B" }, { 0 }, 3, "ABC" },
	{ "write lock: all readers alive", { "!", "!", "0AB" }, { 0 }, 1, "ABC" },
	{ "write lock: one dead reader is enough", { "!", "1", "0AB" }, { 0 }, 1, "A--" },
	{ "read lock behind a dead queued writer", { "2", "0A", "B" }, { 0 }, 1, "---" },
};

static const struct row *now;
static unsigned reachable;

static bool reached(uintptr_t object, void *arg) { return (reachable >> object & 1) != 0; }
static void enliven(uint32_t i, void *arg) { reachable |= now->holds[i]; }

static bool passes(const struct row *row)
{
	struct det_node nodes[MAX] = { 0 };
	struct det_term terms[64];
	struct det_atom atoms[64];
	struct det_graph g = { .nodes = nodes, .terms = terms, .atoms = atoms, .reached = reached, .enliven = enliven };
	char got[MAX + 1] = "";

	now = row;
	reachable = row->globals;
	for (; g.n_nodes < MAX && row->waits[g.n_nodes] != NULL; g.n_nodes++) {
		struct det_node *n = &nodes[g.n_nodes];
		const char *w = row->waits[g.n_nodes];
		n->first = g.n_terms;
		n->alive = *w == '!';
		if (*w == '!' || *w == 0)
			continue;
		terms[g.n_terms] = (struct det_term){ .first = g.n_atoms };
		for (;; w++) {
			if (*w == '|' || *w == 0) {
				g.n_terms++;
				n->n++;
				if (*w == 0)
					break;
				terms[g.n_terms] = (struct det_term){ .first = g.n_atoms };
				continue;
			}
			bool letter = *w >= 'A';
			atoms[g.n_atoms++] = (struct det_atom){ letter ? DET_ATOM_ALIVE : DET_ATOM_REACHED, (uintptr_t)(*w - (letter ? 'A' : '0')) };
			terms[g.n_terms].n++;
		}
	}
	det_graph_solve(&g);
	for (uint32_t i = 0; i < g.n_nodes; i++)
		got[i] = nodes[i].alive ? (char)('A' + i) : '-';
	if (strcmp(got, row->alive) == 0)
		return true;
	printf("%s: alive %s, expected %s\n", row->name, got, row->alive);
	return false;
}

int main(void)
{
	unsigned failed = 0, n = sizeof rows / sizeof rows[0];

	for (unsigned i = 0; i < n; i++)
		failed += !passes(&rows[i]);
	printf("%u of %u graphs as expected\n", n - failed, n);
	return failed != 0;
}

/* The AND/OR fix-point of detector/block/graph.h over a table of small graphs.
 *
 * Goroutine i owns a stack that, once alive, makes the objects in holds[i] reachable (a bit per object). A wait is written as terms
 * separated by '|', each a row of atoms: a digit is an object to be reached, a letter a goroutine to be alive, '-' one who has ended. "!" goes
 * on by itself. */
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
	{ "cond: signalled, but the mutex is held by a dead one", { "!", "2", "0B" }, { 1 }, 0, "A--" },
	{ "cond: signalled, the mutex can be had", { "!", "!", "0B" }, { 1 }, 0, "ABC" },
	{ "the owner has finished", { "!", "0-" }, { 1 }, 0, "A-" },
	{ "the same object twice in one wait", { "!", "0|0" }, { 1 }, 0, "AB" },
	{ "read lock behind a dead queued writer", { "2", "0A", "B" }, { 0 }, 1, "---" },
};

static const struct row *now;
static struct det_graph graph;

static void reach(unsigned objects)
{
	for (uint32_t i = 0; i < MAX; i++)
		if ((objects >> i & 1) != 0)
			det_graph_set_reached(&graph, i);
}

static void enliven(uint32_t i, void *arg) { reach(now->holds[i]); }

static void add_terms(uint32_t node, const char *w)
{
	if (*w == '!')
		det_graph_set_alive(&graph, node);
	if (*w == '!' || *w == 0)
		return;
	det_graph_begin_term(&graph, node);
	for (; *w != 0; w++) {
		if (*w == '|') {
			det_graph_end_term(&graph);
			det_graph_begin_term(&graph, node);
		} else if (*w == '-') {
			det_graph_atom(&graph, DET_ATOM_NEVER, 0);
		} else {
			det_graph_atom(&graph, *w >= 'A' ? DET_ATOM_ALIVE : DET_ATOM_REACHED, (uint32_t)(*w - (*w >= 'A' ? 'A' : '0')));
		}
	}
	det_graph_end_term(&graph);
}

/* Globals before the terms are built, or after a first solution: the answer is the same. */
static bool passes(const struct row *row, bool globals_late)
{
	struct det_node nodes[MAX] = { 0 };
	struct det_thing things[MAX] = { 0 };
	struct det_term terms[64];
	struct det_atom atoms[64];
	uint32_t queue[MAX];
	char got[MAX + 1] = "";

	graph = (struct det_graph){ .nodes = nodes, .things = things, .n_things = MAX, .terms = terms, .terms_max = 64, .atoms = atoms,
		.atoms_max = 64, .queue = queue, .enliven = enliven };
	now = row;
	while (graph.n_nodes < MAX && row->waits[graph.n_nodes] != NULL)
		graph.n_nodes++;
	if (!globals_late)
		reach(row->globals);
	for (uint32_t i = 0; i < graph.n_nodes; i++)
		add_terms(i, row->waits[i]);
	det_graph_solve(&graph);
	graph.phase = 1;
	reach(row->globals);
	det_graph_solve(&graph);
	bool phases = true;
	for (uint32_t i = 0; i < graph.n_nodes; i++) {
		got[i] = nodes[i].alive ? (char)('A' + i) : '-';
		phases &= !nodes[i].alive || row->globals != 0 || nodes[i].phase == 0;
	}
	if (strcmp(got, row->alive) == 0 && phases && !graph.full)
		return true;
	printf("%s: alive %s, expected %s%s\n", row->name, got, row->alive, phases ? "" : "; alive by globals that are none");
	return false;
}

int main(void)
{
	unsigned failed = 0, n = sizeof rows / sizeof rows[0];

	for (unsigned i = 0; i < n; i++)
		failed += !passes(&rows[i], false) || !passes(&rows[i], true);
	printf("%u of %u graphs as expected\n", n - failed, n);
	return failed != 0;
}

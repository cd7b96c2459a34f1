/* The wait-for graph for graphviz: goroutines are boxes, objects ellipses, a hold is a dashed edge from the object to its holder. What lies on
 * a cycle is red. */
#include <stdlib.h>
#include <string.h>

#include "finding/names.h"
#include "format/format.h"

static void
quoted(FILE *to, const char *s)
{
	for (; *s; s++)
		if (*s == '"' || *s == '\\')
			fprintf(to, "\\%c", *s);
		else if (*s == '\n')
			fputs("\\n", to);
		else
			fputc(*s, to);
}

static void
node(FILE *to, bool is_object, uint64_t id)
{
	fprintf(to, is_object ? "o%lx" : "g%lu", (unsigned long)id);
}

/* Is `from` reached from `at`? Graphs are small; `seen` has a mark per edge. */
static bool
leads_to(const struct finding *f, bool at_object, uint64_t at, bool to_object, uint64_t to, bool *seen)
{
	for (uint32_t i = 0; i < f->n_edges; i++) {
		const struct edge *e = &f->edges[i];
		if (seen[i] || e->from_is_object != at_object || e->from != at)
			continue;
		seen[i] = true;
		if ((e->to_is_object == to_object && e->to == to) || leads_to(f, e->to_is_object, e->to, to_object, to, seen))
			return true;
	}
	return false;
}

static bool
on_cycle(const struct finding *f, const struct edge *e)
{
	bool *seen = calloc(f->n_edges + 1, sizeof(*seen));
	bool yes = seen && f->n_edges < 4096 && leads_to(f, e->to_is_object, e->to, e->from_is_object, e->from, seen);

	free(seen);
	return yes;
}

static void
label(FILE *to, void (*write)(FILE *to, const struct finding *f, uint64_t id), const struct finding *f, uint64_t id)
{
	char *text = NULL;
	size_t n = 0;
	FILE *m = open_memstream(&text, &n);

	if (!m)
		return;
	write(m, f, id);
	fclose(m);
	quoted(to, text);
	free(text);
}

void
dot_finding(FILE *to, const struct view *v, const struct finding *f)
{
	(void)v;
	fprintf(to, "digraph finding_%.12s {\n\tlabel=\"CSP%u ", f->fingerprint, f->rule);
	quoted(to, f->title);
	fprintf(to, "\";\n\tlabelloc=t;\n\tnode [fontname=\"sans-serif\"];\n\tedge [fontname=\"sans-serif\"];\n");
	for (uint32_t i = 0; i < f->n_goroutines; i++) {
		const struct goroutine *g = &f->goroutines[i];
		fprintf(to, "\tg%lu [shape=box, label=\"", (unsigned long)g->gid);
		label(to, name_goroutine, f, g->gid);
		if (g->entry) {
			fputs("\\n", to);
			quoted(to, g->entry);
		}
		fputs("\\n", to);
		quoted(to, g->state);
		fprintf(to, "\"%s];\n", !strcmp(g->state, "finished") ? ", style=dotted" : "");
	}
	for (uint32_t i = 0; i < f->n_objects; i++) {
		fprintf(to, "\to%lx [shape=ellipse, label=\"", (unsigned long)f->objects[i].addr);
		label(to, name_object, f, f->objects[i].addr);
		fprintf(to, "\"];\n");
	}
	for (uint32_t i = 0; i < f->n_edges; i++) {
		const struct edge *e = &f->edges[i];
		fputc('\t', to);
		node(to, e->from_is_object, e->from);
		fputs(" -> ", to);
		node(to, e->to_is_object, e->to);
		fputs(" [label=\"", to);
		quoted(to, e->label);
		if (e->stack.n) {
			fputs("\\n", to);
			name_site(to, &e->stack);
		}
		fprintf(to, "\"%s%s];\n", e->from_is_object ? ", style=dashed" : "", on_cycle(f, e) ? ", color=red" : "");
	}
	fprintf(to, "}\n");
}

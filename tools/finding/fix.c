/* What mends a mistake of this shape. The rule's own hint where the shape tells nothing more. */
#include <stdlib.h>
#include <string.h>

#include "detector/report/finding.h"
#include "finding/names.h"
#include "finding/rules.h"

static bool
has_edge(const struct finding *f, const char *label)
{
	for (uint32_t i = 0; i < f->n_edges; i++)
		if (!strcmp(f->edges[i].label, label))
			return true;
	return false;
}

static const struct part *
first_blocked(const struct finding *f)
{
	for (uint32_t i = 0; i < f->n_parts; i++)
		if (!strcmp(f->parts[i].role, "blocked"))
			return &f->parts[i];
	return NULL;
}

static const struct object *
object_of(const struct finding *f, const struct part *p)
{
	return p && p->n_objects ? finding_object(f, p->objects[0].addr) : NULL;
}

/* Does a blocked goroutine hold a lock while it waits for a channel? */
static bool
channel_under_lock(const struct finding *f)
{
	for (uint32_t i = 0; i < f->n_parts; i++) {
		if (strcmp(f->parts[i].role, "blocked") || (strncmp(f->parts[i].op, "chan ", 5) && strncmp(f->parts[i].op, "select", 6)))
			continue;
		for (uint32_t k = 0; k < f->n_edges; k++)
			if (f->edges[k].from_is_object && !f->edges[k].to_is_object && f->edges[k].to == f->parts[i].gid && strstr(f->edges[k].label, "held by"))
				return true;
	}
	return false;
}

static void
lock_names(FILE *to, const struct finding *f)
{
	unsigned n = 0;

	for (uint32_t i = 0; i < f->n_objects; i++)
		if (f->objects[i].name && !strcmp(f->objects[i].kind, "mutex"))
			n++;
	if (n < 2) {
		fprintf(to, "the locks");
		return;
	}
	for (uint32_t i = 0, k = 0; i < f->n_objects; i++)
		if (f->objects[i].name && !strcmp(f->objects[i].kind, "mutex"))
			fprintf(to, "%s`%s`", k++ == 0 ? "" : k == n ? " and " : ", ", f->objects[i].name);
}

static bool
fix_wait(FILE *to, const struct finding *f, const struct part *p)
{
	const struct object *o = object_of(f, p);

	if (channel_under_lock(f))
		fprintf(to, "unlock before the channel operation: its partner needs the lock");
	else if (!strcmp(p->op, "chan send") && o && o->cap == 0)
		fprintf(to, "give the channel room for the value (capacity 1), so that the sender never waits for a receiver that left; or send in a select with a quit or context case");
	else if (!strcmp(p->op, "chan send"))
		fprintf(to, "let the receiver drain the channel until it is closed, or send in a select with a quit or context case");
	else if (!strcmp(p->op, "chan receive"))
		fprintf(to, "the sender closes the channel after its last value; or receive in a select with a quit or context case");
	else if (!strcmp(p->op, "select"))
		fprintf(to, "add a case that ends the wait: the context's done channel, or a quit channel that is closed by whoever gives up");
	else if (strstr(p->op, "WaitGroup"))
		fprintf(to, "every add needs its done on every path: csp_defer(csp_wg_done, &wg), or csp_wg_go");
	else if (strstr(p->op, "Cond"))
		fprintf(to, "signal (or broadcast) after the condition changed, and wait in a loop that tests it");
	else if (strstr(p->op, "Mutex"))
		fprintf(to, "unlock on every path, also the early returns (csp_defer)");
	else
		return false;
	return true;
}

void
name_fix(FILE *to, const struct finding *f)
{
	const struct part *p = first_blocked(f);

	if (f->rule == DET_DEADLOCK_PARTIAL && f->cause && strstr(f->cause, "has finished"))
		fprintf(to, "unlock on every path, also the early returns (csp_defer)");
	else if (f->rule == DET_DEADLOCK_PARTIAL && has_edge(f, "queued writer ahead"))
		fprintf(to, "do not take the read lock again while holding it: a writer that queues between the two stops both");
	else if (f->rule == DET_DEADLOCK_PARTIAL && f->proof && !strcmp(f->proof, "P1")) {
		fprintf(to, "take ");
		lock_names(to, f);
		fprintf(to, " in one order everywhere, or never hold one while taking another");
	} else if ((rule_find(f->rule)->kind != RULE_LEAK && f->rule != DET_DEADLOCK && f->rule != DET_DEADLOCK_PARTIAL) || !p || !fix_wait(to, f, p)) {
		fprintf(to, "%s", rule_find(f->rule)->hint);
	}
}

/* Predicted orders of locks (CSP2005), one sentence for each goroutine: what it locks, and where it had locked what it holds then. */
#include "format/order.h"

#include <string.h>

#include "detector/report/finding.h"
#include "format/text.h"

static void
say_place(FILE *to, const struct view *v, const struct stack *s)
{
	const struct frame *top = NULL;

	if (finding_user_frames(s, false, &top, 1) == 0)
		return;
	if (top->file)
		fprintf(to, " at %s:%u", text_short_path(top->file, v->source_root), top->line);
	else
		fprintf(to, " in %s", finding_func(top));
}

static void
say_object(FILE *to, const struct finding *f, const struct part *p)
{
	uint64_t addr = p->n_objects ? p->objects[0].addr : 0;

	for (uint32_t i = 0; i < f->n_objects; i++)
		if (f->objects[i].addr == addr && f->objects[i].name) {
			fprintf(to, "%s", f->objects[i].name);
			return;
		}
	fprintf(to, "%s 0x%lx", p->n_objects ? p->objects[0].kind : "a lock", (unsigned long)addr);
}

void
human_orders(FILE *to, const struct view *v, const struct finding *f)
{
	for (uint32_t i = 0; i < f->n_parts; i++) {
		const struct part *p = &f->parts[i];
		bool wants = !strcmp(p->role, "wants"), writes = !strcmp(p->role, "writes");

		if (!wants && !writes)
			continue;
		fprintf(to, "  goroutine %lu %s ", (unsigned long)p->gid, writes ? "locks for writing" : !strcmp(p->op, "read lock") ? "read-locks" : "locks");
		say_object(to, f, p);
		say_place(to, v, &p->stack);
		if (wants && i + 1 < f->n_parts && !strcmp(f->parts[i + 1].role, "holds")) {
			const struct part *h = &f->parts[i + 1];
			fprintf(to, " while it holds ");
			say_object(to, f, h);
			fprintf(to, " (%s", !strcmp(h->op, "read lock") ? "read-locked" : "locked");
			say_place(to, v, &h->stack);
			fputc(')', to);
		} else if (writes) {
			fprintf(to, ", and shuts later readers out while it waits");
		}
		fputc('\n', to);
	}
}

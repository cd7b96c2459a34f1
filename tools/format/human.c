/* The default: for a person at a terminal. Two spaces of indent per level, never wider than what it quotes. */
#include "format/format.h"

#include <string.h>

#include "detector/report/finding.h"
#include "finding/rules.h"

#define RED    "\033[1;31m"
#define YELLOW "\033[33m"
#define BOLD   "\033[1m"
#define DIM    "\033[2m"

static const char *
on(const struct view *v, const char *code)
{
	return v->colour ? code : "";
}

static const char *
off(const struct view *v)
{
	return v->colour ? "\033[0m" : "";
}

static void
snippet(FILE *to, const struct view *v, const struct frame *f)
{
	char text[512];
	uint32_t from = f->line > 1 ? f->line - 1 : f->line;

	if (f->line == 0)
		return;
	for (uint32_t line = from; line <= f->line + 1; line++) {
		if (!format_source_line(f, line, text, sizeof(text)))
			continue;
		if (line == f->line)
			fprintf(to, "      %s>%s %4u | %s%s%s\n", on(v, RED), off(v), line, on(v, BOLD), text, off(v));
		else
			fprintf(to, "        %4u | %s\n", line, text);
	}
}

static void
stack(FILE *to, const struct view *v, const struct stack *s, bool with_source)
{
	const struct frame *frames[DET_STACK_MAX * 4];
	uint32_t n = finding_user_frames(s, v->all_frames, frames, DET_STACK_MAX * 4);

	if (n == 0)
		fprintf(to, "    (no stack)\n");
	for (uint32_t i = 0; i < n; i++) {
		const struct frame *f = frames[i];
		fprintf(to, "    #%-2u %s%s%s", i, on(v, BOLD), finding_func(f), off(v));
		if (f->file)
			fprintf(to, " %s:%u", text_short_path(f->file, v->source_root), f->line);
		else
			fprintf(to, " in %s+0x%lx", finding_basename(f->module), (unsigned long)f->pc_off);
		fprintf(to, "%s\n", f->inlined ? " (inlined)" : "");
		if (i == 0 && with_source)
			snippet(to, v, f);
	}
}

static const struct goroutine *
goroutine_of(const struct finding *f, uint64_t gid)
{
	for (uint32_t i = 0; i < f->n_goroutines; i++)
		if (f->goroutines[i].gid == gid)
			return &f->goroutines[i];
	return NULL;
}

static void
who(FILE *to, const struct finding *f, uint64_t gid)
{
	const struct goroutine *g = goroutine_of(f, gid);

	if (gid == 0)
		fprintf(to, "a thread outside the runtime");
	else
		fprintf(to, "goroutine %lu", (unsigned long)gid);
	if (g && *g->name)
		fprintf(to, " \"%s\"", g->name);
	else if (gid == 1)
		fprintf(to, " (main)");
}

static void
duration(FILE *to, int64_t ns)
{
	if (ns >= 1000000000)
		fprintf(to, "%.1f s", (double)ns / 1e9);
	else
		fprintf(to, "%.1f ms", (double)ns / 1e6);
}

static void
part(FILE *to, const struct view *v, const struct finding *f, const struct part *p)
{
	bool access = rule_find(f->rule)->kind == RULE_RACE && p->size;

	fprintf(to, "\n  %s", on(v, YELLOW));
	if (access)
		fprintf(to, "%s%s of %lu byte%s at 0x%lx by ", !strncmp(p->role, "previous", 8) ? "previous " : "", p->op, (unsigned long)p->size,
			p->size == 1 ? "" : "s", (unsigned long)p->addr);
	else if (!strcmp(p->role, "blocked"))
		fprintf(to, "blocked in %s: ", p->op);
	else
		fprintf(to, "%s%s%s by ", p->role, *p->op && strcmp(p->op, p->role) ? ", " : "", strcmp(p->op, p->role) ? p->op : "");
	who(to, f, p->gid);
	const struct goroutine *g = goroutine_of(f, p->gid);
	if (g && g->blocked_ns > 0 && !access) {
		fprintf(to, " for ");
		duration(to, g->blocked_ns);
	}
	fprintf(to, "%s\n", off(v));
	stack(to, v, &p->stack, true);
	for (uint32_t i = 0; i < p->n_objects; i++)
		fprintf(to, "    %s %s 0x%lx\n", access ? "holding" : "on", p->objects[i].kind, (unsigned long)p->objects[i].addr);
	if (p->note)
		fprintf(to, "    %s\n", p->note);
}

static bool
is_channel(const struct object *o)
{
	return !strcmp(o->kind, "chan");
}

static void
object(FILE *to, const struct view *v, const struct finding *f, const struct object *o)
{
	bool global = !strcmp(o->kind, "global");

	fprintf(to, "\n  %s", on(v, YELLOW));
	if (global && o->name)
		fprintf(to, "global variable %s", o->name);
	else if (!strcmp(o->kind, "heap"))
		fprintf(to, "heap block");
	else if (!strcmp(o->kind, "stack"))
		fprintf(to, "on the stack of goroutine %lu", (unsigned long)o->gid);
	else
		fprintf(to, "%s%s%s", is_channel(o) ? "channel" : o->kind, o->name ? " " : "", o->name ? o->name : "");
	fprintf(to, " at 0x%lx", (unsigned long)o->addr);
	if (is_channel(o))
		fprintf(to, ", capacity %lu, holding %lu%s", (unsigned long)o->cap, (unsigned long)o->len, o->closed ? ", closed" : "");
	else if (o->size)
		fprintf(to, ", %lu byte%s", (unsigned long)o->size, o->size == 1 ? "" : "s");
	if (o->created.n) {
		fprintf(to, ", %s by ", !strcmp(o->kind, "heap") ? "allocated" : "created");
		who(to, f, o->gid);
	}
	fprintf(to, "%s\n", off(v));
	if (o->created.n)
		stack(to, v, &o->created, false);
	if (o->closed_at.n) {
		fprintf(to, "  closed:\n");
		stack(to, v, &o->closed_at, true);
	}
}

static void
goroutine(FILE *to, const struct view *v, const struct finding *f, const struct goroutine *g)
{
	if (g->gid <= 1)
		return;
	fprintf(to, "\n  %s", on(v, YELLOW));
	who(to, f, g->gid);
	if (g->entry)
		fprintf(to, " running %s", g->entry);
	if (*g->state)
		fprintf(to, " [%s]", g->state);
	if (g->created.n && g->parent)
		fprintf(to, ", started by goroutine %lu:", (unsigned long)g->parent);
	fprintf(to, "%s\n", off(v));
	if (g->created.n)
		stack(to, v, &g->created, false);
}

static void
edge_end(FILE *to, const struct finding *f, bool is_object, uint64_t id)
{
	if (!is_object) {
		fprintf(to, "goroutine %lu", (unsigned long)id);
		return;
	}
	for (uint32_t i = 0; i < f->n_objects; i++)
		if (f->objects[i].addr == id) {
			fprintf(to, "%s %s%s0x%lx", f->objects[i].kind, f->objects[i].name ? f->objects[i].name : "", f->objects[i].name ? " " : "", (unsigned long)id);
			return;
		}
	fprintf(to, "0x%lx", (unsigned long)id);
}

static const char *
suppression_kind(const struct finding *f)
{
	switch (rule_find(f->rule)->kind) {
	case RULE_RACE: return "race";
	case RULE_LEAK: return "leak";
	case RULE_DEADLOCK: return "deadlock";
	default: return NULL;
	}
}

static void
footer(FILE *to, const struct view *v, const struct finding *f)
{
	const struct frame *top = NULL;
	const char *kind = suppression_kind(f);

	for (uint32_t i = 0; i < f->n_parts && !top; i++)
		finding_user_frames(&f->parts[i].stack, false, &top, 1);
	fprintf(to, "\n  %shint:        %s\n", on(v, DIM), rule_find(f->rule)->hint);
	if (f->proof)
		fprintf(to, "  proof:       %s\n", f->proof);
	fprintf(to, "  fingerprint: %s\n", f->fingerprint);
	if (kind && top && top->func)
		fprintf(to, "  suppress:    %s:%s\n", kind, top->func);
	else
		fprintf(to, "  suppress:    fp:%s\n", f->fingerprint);
	if (f->occurrences > 1)
		fprintf(to, "  repeats:     %lu times in this run\n", (unsigned long)f->occurrences);
	if (f->sessions > 1)
		fprintf(to, "  history:     seen in %lu runs%s%s\n", (unsigned long)f->sessions, *f->first_seen ? ", first " : "", f->first_seen);
	if (f->issue_id)
		fprintf(to, "  again:       cspcheck report show %lld\n", (long long)f->issue_id);
	fprintf(to, "%s", off(v));
}

void
human_finding(FILE *to, const struct view *v, const struct finding *f)
{
	const struct rule *r = rule_find(f->rule);

	fprintf(to, "%s%sCSP%u%s%s %s%s\n", on(v, f->gate ? RED : BOLD), f->gate ? "" : "note: ", f->rule, off(v), on(v, BOLD), f->title, off(v));
	fprintf(to, "  %s\n", f->cause && *f->cause ? f->cause : r->cause);
	for (uint32_t i = 0; i < f->n_parts; i++)
		part(to, v, f, &f->parts[i]);
	for (uint32_t i = 0; i < f->n_objects; i++)
		object(to, v, f, &f->objects[i]);
	for (uint32_t i = 0; i < f->n_goroutines; i++)
		goroutine(to, v, f, &f->goroutines[i]);
	if (f->n_edges)
		fprintf(to, "\n  %swho waits for whom%s\n", on(v, YELLOW), off(v));
	for (uint32_t i = 0; i < f->n_edges; i++) {
		fprintf(to, "    ");
		edge_end(to, f, f->edges[i].from_is_object, f->edges[i].from);
		fprintf(to, " %s ", f->edges[i].label);
		edge_end(to, f, f->edges[i].to_is_object, f->edges[i].to);
		fputc('\n', to);
	}
	footer(to, v, f);
	fputc('\n', to);
}

void
human_list(FILE *to, const struct view *v, const struct issue *issues, long n)
{
	for (long i = 0; i < n; i++) {
		const struct issue *x = &issues[i];
		fprintf(to, "%s%4lld%s  %sCSP%u%s  %-2s  %s", on(v, BOLD), (long long)x->id, off(v), on(v, x->gate ? RED : DIM), x->rule, off(v),
			x->proof ? x->proof : "-", x->title);
		if (*x->site)
			fprintf(to, "  %s%s%s", on(v, DIM), text_short_path(x->site, v->source_root), off(v));
		if (rule_find(x->rule)->kind == RULE_LEAK)
			fprintf(to, "  %lu goroutine%s", (unsigned long)x->occurrences, x->occurrences == 1 ? "" : "s");
		else if (x->occurrences > 1)
			fprintf(to, "  %lu times", (unsigned long)x->occurrences);
		fprintf(to, "  in %lu run%s, last %s\n", (unsigned long)x->sessions, x->sessions == 1 ? "" : "s", x->last_seen);
	}
	if (n == 0)
		fprintf(to, "nothing found so far\n");
}

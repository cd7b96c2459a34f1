/* The default: for a person at a terminal. Two spaces of indent per level, never wider than what it quotes. */
#include "format/format.h"
#include "format/order.h"

#include <stdlib.h>
#include <string.h>

#include "detector/report/finding.h"
#include "filter/suppress.h"
#include "finding/names.h"
#include "finding/rules.h"

#define RED    "\033[1;31m"
#define YELLOW "\033[33m"
#define BOLD   "\033[1m"
#define DIM    "\033[2m"
#define MANY   12

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

static void
who(FILE *to, const struct finding *f, uint64_t gid)
{
	name_goroutine(to, f, gid);
}

/* A sentence or two, broken at the width of the terminal (80 without one); later lines are indented by `hang` more. */
static void
paragraph(FILE *to, const struct view *v, unsigned indent, unsigned hang, const char *text)
{
	unsigned width = v->width >= 40 ? v->width : 80, at = indent;

	fprintf(to, "%*s", (int)indent, "");
	while (*text) {
		size_t n = strcspn(text, " ");
		fprintf(to, "%.*s", (int)n, text);
		at += (unsigned)n;
		text += n;
		if (!*text)
			break;
		while (text[1] == ' ' && at < indent + hang) { /* a label's own padding */
			fputc(*text++, to);
			at++;
		}
		text++;
		if (at + 1 + strcspn(text, " ") <= width) {
			fputc(' ', to);
			at++;
		} else {
			fprintf(to, "\n%*s", (int)(indent + hang), "");
			at = indent + hang;
		}
	}
	fputc('\n', to);
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
	else if (!strcmp(p->role, "holder"))
		fprintf(to, "%s by ", !strncmp(p->op, "read", 4) ? "locked for reading" : "locked");
	else
		fprintf(to, "%s by ", *p->op && !strstr(p->role, p->op) ? p->op : p->role);
	who(to, f, p->gid);
	const struct goroutine *g = finding_goroutine(f, p->gid);
	if (g && g->blocked_ns > 0 && !strcmp(p->role, "blocked")) {
		fprintf(to, " for ");
		duration(to, g->blocked_ns);
	}
	fprintf(to, "%s\n", off(v));
	stack(to, v, &p->stack, true);
	for (uint32_t i = 0; i < p->n_objects && access; i++) {
		fprintf(to, "    holding ");
		name_object(to, f, p->objects[i].addr);
		fputc('\n', to);
	}
	if (p->note && (!f->cause || strcmp(p->note, f->cause)))
		paragraph(to, v, 4, 2, p->note);
}

/* The site of a lock that is held, or of a close, is part of a finding already: then it is not shown again with the object. */
static bool
is_told(const struct finding *f, const struct stack *s)
{
	const struct frame *a, *b;

	if (!finding_user_frames(s, false, &a, 1))
		return true;
	for (uint32_t i = 0; i < f->n_parts; i++)
		if (finding_user_frames(&f->parts[i].stack, false, &b, 1) && a->pc_off == b->pc_off && a->line == b->line)
			return true;
	return false;
}

static void
object(FILE *to, const struct view *v, const struct finding *f, const struct object *o)
{
	bool channel = !strcmp(o->kind, "chan");

	fprintf(to, "\n  %s", on(v, YELLOW));
	if (o->name)
		fprintf(to, "%s `%s`", name_kind(o->kind), o->name);
	else if (!strcmp(o->kind, "stack"))
		fprintf(to, "memory on the stack of goroutine %lu", (unsigned long)o->gid);
	else
		fprintf(to, "%s%s", name_kind(o->kind), o->created.n && !channel && strcmp(o->kind, "heap") ? " in a heap block" :
			!o->created.n && o->gid && !channel && strcmp(o->kind, "heap") ? " on the stack of " : "");
	if (!o->name && !o->created.n && o->gid && !channel && strcmp(o->kind, "heap") && strcmp(o->kind, "stack"))
		who(to, f, o->gid);
	if (!channel && o->size && !(rule_find(f->rule)->kind != RULE_RACE && o->name))
		fprintf(to, " of %lu byte%s", (unsigned long)o->size, o->size == 1 ? "" : "s");
	fprintf(to, " at 0x%lx", (unsigned long)o->addr);
	if (channel)
		fprintf(to, ", capacity %lu, holding %lu%s", (unsigned long)o->cap, (unsigned long)o->len, o->closed ? ", closed" : "");
	if (o->created.n) {
		fprintf(to, ", %s by ", channel ? "made" : "allocated");
		who(to, f, o->gid);
	}
	fprintf(to, "%s\n", off(v));
	if (o->created.n)
		stack(to, v, &o->created, false);
	if (o->closed_at.n && !is_told(f, &o->closed_at)) {
		fprintf(to, "  %sclosed at%s\n", on(v, YELLOW), off(v));
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

struct lines { FILE *to; const struct view *v; unsigned n; };

static void
say(const char *sentence, void *arg)
{
	struct lines *l = arg;

	if (l->n++ == 0)
		fprintf(l->to, "\n  %swho waits for whom%s\n", on(l->v, YELLOW), off(l->v));
	if (l->n <= MANY || l->v->all_frames)
		paragraph(l->to, l->v, 4, 2, sentence);
}

static void
row(FILE *to, const struct view *v, const char *name, void (*write)(FILE *to, const struct finding *f), const struct finding *f)
{
	char *text = NULL, label[24];
	size_t n = 0;
	FILE *m = open_memstream(&text, &n);

	if (!m)
		return;
	snprintf(label, sizeof(label), "%s:", name);
	fprintf(m, "%-13s", label);
	write(m, f);
	fclose(m);
	paragraph(to, v, 2, 13, text);
	free(text);
}

static const char *
proof_words(const char *proof)
{
	static const char *const words[][2] = {
		{ "P0", "structural: no schedule can end this wait" }, { "P1", "by owners alone: whoever could unlock waits, too" },
		{ "P2", "by quiescence: nothing is left that could act" }, { "P3", "by reachability: nobody alive can reach what it waits for" },
		{ "S1", "suspected: only the root named keeps it from being proven" }, { "S2", "predicted from this run; nothing has hung yet" },
		{ "L", "none: it was merely alive at the end" }
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (!strcmp(words[i][0], proof))
			return words[i][1];
	return "";
}

static void
write_proof(FILE *to, const struct finding *f)
{
	fprintf(to, "%s, %s", f->proof, proof_words(f->proof));
}

static void
footer(FILE *to, const struct view *v, const struct finding *f)
{
	fprintf(to, "\n%s", on(v, DIM));
	row(to, v, "fix", name_fix, f);
	if (f->proof)
		row(to, v, "proof", write_proof, f);
	fprintf(to, "  explained:   cspcheck explain CSP%u\n", f->rule);
	fprintf(to, "  suppress:    ");
	suppress_rule(to, f);
	fprintf(to, "\n  fingerprint: %s\n", f->fingerprint);
	if (f->occurrences > 1)
		fprintf(to, rule_find(f->rule)->kind == RULE_LEAK ? "  goroutines:  %lu like this in this run\n" : "  repeats:     %lu times in this run\n", (unsigned long)f->occurrences);
	if (f->sessions > 1)
		fprintf(to, "  history:     seen in %lu runs%s%s\n", (unsigned long)f->sessions, *f->first_seen ? ", first " : "", f->first_seen);
	if (v->rerun && *v->rerun)
		fprintf(to, "  run again:   %s\n", v->rerun);
	if (f->issue_id)
		fprintf(to, "  show again:  cspcheck report show %lld\n", (long long)f->issue_id);
	fprintf(to, "%s", off(v));
}

/* Long lists (a thousand goroutines asleep) are cut unless everything is asked for. */
static uint32_t
shown(FILE *to, const struct view *v, uint32_t n, uint32_t i, const char *what)
{
	if (v->all_frames || n <= MANY || i < MANY)
		return 1;
	if (i == MANY)
		fprintf(to, "\n  … and %u more %s (-v shows all)\n", n - MANY, what);
	return 0;
}

void
human_finding(FILE *to, const struct view *v, const struct finding *f)
{
	const struct rule *r = rule_find(f->rule);
	struct lines lines = { to, v, 0 };

	bool predicted = f->proof && !strcmp(f->proof, "S2");

	fprintf(to, "%s%sCSP%u%s%s %s%s\n", on(v, f->gate ? RED : BOLD), f->gate ? "" : predicted ? "predicted: " : "note: ", f->rule, off(v), on(v, BOLD), f->title, off(v));
	paragraph(to, v, 2, 0, f->cause && *f->cause && strcmp(f->cause, f->title) ? f->cause : r->cause);
	if (f->rule == DET_LOCK_ORDER)
		human_orders(to, v, f);
	else
		name_waits(f, say, &lines);
	if (lines.n > MANY && !v->all_frames)
		fprintf(to, "    … and %u more (-v shows all)\n", lines.n - MANY);
	for (uint32_t i = 0; i < f->n_parts; i++)
		if (shown(to, v, f->n_parts, i, "parties"))
			part(to, v, f, &f->parts[i]);
	for (uint32_t i = 0; i < f->n_objects; i++)
		if (shown(to, v, f->n_objects, i, "objects"))
			object(to, v, f, &f->objects[i]);
	for (uint32_t i = 0; i < f->n_goroutines; i++)
		if (shown(to, v, f->n_goroutines, i, "goroutines"))
			goroutine(to, v, f, &f->goroutines[i]);
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

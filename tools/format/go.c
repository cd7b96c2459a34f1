/* Go's texts, so that what reads `go run -race` and goroutine dumps reads ours. The race report is byte-compatible with LLVM's
 * SANITIZER_GO printer. */
#include "format/format.h"

#include <string.h>

#include "detector/report/finding.h"
#include "finding/rules.h"

#define RULE_LINE "=================="

static void
race_stack(FILE *to, const struct view *v, const struct stack *s)
{
	const struct frame *frames[DET_STACK_MAX * 4];
	uint32_t n = finding_user_frames(s, v->all_frames, frames, DET_STACK_MAX * 4);

	if (n == 0)
		fprintf(to, "  ?()\n      ?:0 +0x0\n");
	for (uint32_t i = 0; i < n; i++)
		fprintf(to, "  %s.%s()\n      %s:%u +0x%lx\n", strncmp(finding_basename(frames[i]->module), "lib", 3) ? "main" : finding_basename(frames[i]->module),
			finding_func(frames[i]), frames[i]->file ? frames[i]->file : "??", frames[i]->line, (unsigned long)frames[i]->func_off);
}

static void
race_who(FILE *to, uint64_t gid)
{
	if (gid == 1)
		fprintf(to, "main goroutine");
	else
		fprintf(to, "goroutine %lu", (unsigned long)gid);
}

static bool
is_write(const struct part *p)
{
	return strstr(p->op, "write") || strstr(p->op, "free");
}

static void
race(FILE *to, const struct view *v, const struct finding *f)
{
	fprintf(to, RULE_LINE "\nWARNING: DATA RACE\n");
	for (uint32_t i = 0; i < f->n_parts && i < 2; i++) {
		const struct part *p = &f->parts[i];
		const char *op = i == 0 ? (is_write(p) ? "Write" : "Read") : (is_write(p) ? "Previous write" : "Previous read");
		fprintf(to, "%s%s at 0x%012lx by ", i ? "\n" : "", op, (unsigned long)p->addr);
		race_who(to, p->gid);
		fprintf(to, ":\n");
		race_stack(to, v, &p->stack);
	}
	for (uint32_t i = 0; i < f->n_goroutines; i++) {
		const struct goroutine *g = &f->goroutines[i];
		if (g->gid <= 1)
			continue;
		fprintf(to, "\nGoroutine %lu (%s) created at:\n", (unsigned long)g->gid, !strcmp(g->state, "finished") ? "finished" : "running");
		race_stack(to, v, &g->created);
	}
	fprintf(to, RULE_LINE "\n");
}

/* Only .c, .go and .s names are understood by the readers of dumps; the rest becomes ??:0. */
static void
dump_place(FILE *to, const struct frame *f)
{
	size_t n = f->file ? strlen(f->file) : 0;
	bool known = n > 2 && (!strcmp(f->file + n - 2, ".c") || !strcmp(f->file + n - 2, ".s"));

	fprintf(to, "\t%s:%u", known ? f->file : "??", known ? f->line : 0);
	if (f->func_off)
		fprintf(to, " +0x%lx", (unsigned long)f->func_off);
	fputc('\n', to);
}

static void
dump_name(FILE *to, const struct frame *f)
{
	const char *module = finding_basename(f->module), *func = finding_func(f);
	int n = (int)strcspn(module, ".");

	if (strncmp(module, "lib", 3))
		fprintf(to, "main.");
	else
		fprintf(to, "%.*s.", n, module);
	fprintf(to, "%.*s", (int)strcspn(func, "(%"), func);
}

static void
dump_goroutine(FILE *to, const struct view *v, const struct part *p, const struct goroutine *g)
{
	const struct frame *frames[DET_STACK_MAX * 4];
	uint32_t n = finding_user_frames(&p->stack, v->all_frames, frames, DET_STACK_MAX * 4);
	int64_t minutes = g && g->blocked_ns > 0 ? g->blocked_ns / INT64_C(60000000000) : 0;

	fprintf(to, "\ngoroutine %lu [%s", (unsigned long)p->gid, !strcmp(p->role, "blocked") && *p->op ? p->op : g && *g->state ? g->state : "running");
	if (minutes)
		fprintf(to, ", %ld minutes", (long)minutes);
	fprintf(to, "]:\n");
	if (n == 0)
		fprintf(to, "main.?()\n\t??:0\n");
	for (uint32_t i = 0; i < n; i++) {
		dump_name(to, frames[i]);
		fprintf(to, "(%s)\n", frames[i]->inlined ? "..." : "");
		dump_place(to, frames[i]);
	}
	if (g && g->created.n && finding_user_frames(&g->created, false, frames, 1)) {
		fprintf(to, "created by ");
		dump_name(to, frames[0]);
		if (g->parent)
			fprintf(to, " in goroutine %lu", (unsigned long)g->parent);
		fputc('\n', to);
		dump_place(to, frames[0]);
	}
}

static const char *
fatal_text(const struct finding *f)
{
	switch (f->rule) {
	case DET_DEADLOCK: return "fatal error: all goroutines are asleep - deadlock!";
	case DET_SEND_ON_CLOSED: return "panic: send on closed channel";
	case DET_DOUBLE_CLOSE: return "panic: close of closed channel";
	case DET_CLOSE_NIL: return "panic: close of nil channel";
	case DET_WG_NEGATIVE: return "panic: sync: negative WaitGroup counter";
	case DET_BAD_UNLOCK: return "fatal error: sync: unlock of unlocked mutex";
	default: return NULL;
	}
}

void
go_finding(FILE *to, const struct view *v, const struct finding *f)
{
	if (rule_find(f->rule)->kind == RULE_RACE) {
		race(to, v, f);
		return;
	}
	if (fatal_text(f))
		fprintf(to, "%s\n", fatal_text(f));
	else
		fprintf(to, "%s: %s (CSP%u)\n", f->gate ? "fatal error" : "note", f->title, f->rule);
	for (uint32_t i = 0; i < f->n_parts; i++) {
		const struct goroutine *g = NULL;
		for (uint32_t k = 0; k < f->n_goroutines; k++)
			if (f->goroutines[k].gid == f->parts[i].gid)
				g = &f->goroutines[k];
		dump_goroutine(to, v, &f->parts[i], g);
	}
	fputc('\n', to);
}

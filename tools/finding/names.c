#include "finding/names.h"

#include <stdlib.h>
#include <string.h>

const struct object *
finding_object(const struct finding *f, uint64_t addr)
{
	for (uint32_t i = 0; i < f->n_objects; i++)
		if (f->objects[i].addr == addr)
			return &f->objects[i];
	return NULL;
}

const struct goroutine *
finding_goroutine(const struct finding *f, uint64_t gid)
{
	for (uint32_t i = 0; i < f->n_goroutines; i++)
		if (f->goroutines[i].gid == gid)
			return &f->goroutines[i];
	return NULL;
}

const char *
name_kind(const char *kind)
{
	static const char *const words[][2] = { { "chan", "channel" }, { "rwmutex", "read-write mutex" }, { "waitgroup", "wait group" }, { "cond", "condition variable" },
	                                        { "sema", "semaphore" }, { "fd", "descriptor" }, { "heap", "heap block" }, { "global", "global variable" } };

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (!strcmp(words[i][0], kind))
			return words[i][1];
	return kind;
}

bool
name_site(FILE *to, const struct stack *s)
{
	const struct frame *top;

	if (!finding_user_frames(s, false, &top, 1) || s->n == 0)
		return false;
	if (top->file)
		fprintf(to, "%s:%u", finding_basename(top->file), top->line);
	else
		fprintf(to, "%s+0x%lx", finding_basename(top->module), (unsigned long)top->pc_off);
	return true;
}

void
name_object(FILE *to, const struct finding *f, uint64_t addr)
{
	const struct object *o = finding_object(f, addr);

	if (!o) {
		fprintf(to, "0x%lx", (unsigned long)addr);
	} else if (o->name) {
		fprintf(to, "`%s`", o->name);
	} else if (!strcmp(o->kind, "fd")) {
		fprintf(to, "descriptor %lu", (unsigned long)addr);
	} else {
		fprintf(to, "the %s", name_kind(o->kind));
		if (o->created.n && !strcmp(o->kind, "chan")) {
			fprintf(to, " made at ");
			name_site(to, &o->created);
		} else if (o->created.n) {
			if (strcmp(o->kind, "heap"))
				fprintf(to, " in a heap block");
			fprintf(to, " of %lu bytes allocated at ", (unsigned long)o->size);
			name_site(to, &o->created);
		} else if (o->gid && strcmp(o->kind, "chan")) {
			fprintf(to, " on the stack of goroutine %lu", (unsigned long)o->gid);
		} else {
			fprintf(to, " 0x%lx", (unsigned long)addr);
		}
	}
}

void
name_goroutine(FILE *to, const struct finding *f, uint64_t gid)
{
	const struct goroutine *g = finding_goroutine(f, gid);

	if (gid == 0)
		fprintf(to, "a thread outside the runtime");
	else
		fprintf(to, "goroutine %lu", (unsigned long)gid);
	if (g && *g->name)
		fprintf(to, " \"%s\"", g->name);
	else if (gid == 1)
		fprintf(to, " (main)");
}

/* --- the wait-for graph in words --------------------------------------------------------------------------------------------- */

static bool
is_hold(const struct edge *e)
{
	return e->from_is_object && !e->to_is_object && (!strcmp(e->label, "held by") || !strcmp(e->label, "read-held by"));
}

static void
say_holds(FILE *to, const struct finding *f, uint64_t gid)
{
	unsigned n = 0;

	for (uint32_t i = 0; i < f->n_edges; i++) {
		const struct edge *e = &f->edges[i];
		if (!is_hold(e) || e->to != gid)
			continue;
		fputs(n++ ? ", " : !strcmp(e->label, "held by") ? " holds " : " holds for reading ", to);
		name_object(to, f, e->from);
		if (e->stack.n) {
			fputs(" (locked at ", to);
			name_site(to, &e->stack);
			fputc(')', to);
		}
	}
	if (n)
		fputs(" and", to);
}

/* Who has the object, or could do what is waited for: words before and behind its name. */
static const char *const other_words[][3] = {
	{ "held by", "held by ", "" },
	{ "read-held by", "held for reading by ", "" },
	{ "queued writer ahead", "behind the writer ", "" },
	{ "could have been sent to by", "to which ", " could have sent" },
	{ "could have been received from by", "from which ", " could have received" },
	{ "was sent to by", "to which ", " sent before" },
	{ "was received from by", "from which ", " received before" }
};

static void
say_others(FILE *to, const struct finding *f, const struct edge *wait)
{
	unsigned n = 0;

	for (uint32_t i = 0; i < f->n_edges; i++) {
		const struct edge *e = &f->edges[i];
		const char *before = e->label, *behind = "";
		if (!e->from_is_object || e->to_is_object || e->from != wait->to)
			continue;
		for (size_t k = 0; k < sizeof(other_words) / sizeof(other_words[0]); k++)
			if (!strcmp(e->label, other_words[k][0])) {
				before = other_words[k][1];
				behind = other_words[k][2];
			}
		fprintf(to, "%s%s", n++ ? " and " : ", ", before);
		const struct goroutine *g = finding_goroutine(f, e->to);
		if (e->to == wait->from)
			fputs("itself", to);
		else
			name_goroutine(to, f, e->to);
		if (e->to != wait->from && g && !strcmp(g->state, "finished"))
			fputs(", which has finished,", to);
		fputs(behind, to);
	}
}

static void
say_waits(const struct finding *f, uint64_t gid, void (*say)(const char *, void *), void *arg)
{
	char *text = NULL;
	size_t size = 0;
	const struct edge *first = NULL;

	FILE *to = open_memstream(&text, &size);
	if (!to)
		return;
	name_goroutine(to, f, gid);
	say_holds(to, f, gid);
	for (uint32_t i = 0; i < f->n_edges; i++) {
		const struct edge *e = &f->edges[i];
		if (e->from_is_object || e->from != gid || !e->to_is_object)
			continue;
		if (!first || strcmp(first->label, e->label))
			fprintf(to, "%s%s ", first ? "; or " : " ", e->label);
		else
			fprintf(to, "; or %s", strstr(e->label, "from") ? "from " : strstr(e->label, " to") ? "to " : "");
		first = first ? first : e;
		name_object(to, f, e->to);
		say_others(to, f, e);
	}
	fclose(to);
	if (first)
		say(text, arg);
	free(text);
}

void
name_waits(const struct finding *f, void (*say)(const char *, void *), void *arg)
{
	for (uint32_t i = 0; i < f->n_edges; i++) {
		const struct edge *e = &f->edges[i];
		bool told = e->from_is_object || !e->to_is_object;
		for (uint32_t k = 0; k < i && !told; k++)
			told = !f->edges[k].from_is_object && f->edges[k].from == e->from;
		if (!told)
			say_waits(f, e->from, say, arg);
	}
	for (uint32_t i = 0; i < f->n_edges; i++) { /* the way from a root to what is waited for */
		const struct edge *e = &f->edges[i];
		char *text = NULL;
		size_t size = 0;
		if (!e->from_is_object || !e->to_is_object)
			continue;
		FILE *to = open_memstream(&text, &size);
		if (!to)
			return;
		name_object(to, f, e->from);
		fprintf(to, " %s ", *e->label ? e->label : "points to");
		name_object(to, f, e->to);
		fclose(to);
		say(text, arg);
		free(text);
	}
}

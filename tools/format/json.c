#include "format/format.h"

#include "finding/rules.h"

static json_t *
address(uint64_t a)
{
	char s[24];
	snprintf(s, sizeof(s), "0x%lx", (unsigned long)a);
	return json_string(s);
}

static json_t *
stack(const struct view *v, const struct stack *s)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < s->n; i++) {
		const struct frame *f = &s->frame[i];
		json_array_append_new(list, json_pack("{ss? ss? si ss? so sb sb}", "function", f->func, "file", f->file ? text_short_path(f->file, v->source_root) : NULL,
			"line", (int)f->line, "module", f->module, "offset", address(f->pc_off), "inlined", f->inlined, "internal", f->internal));
	}
	return list;
}

static json_t *
parts(const struct view *v, const struct finding *f)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < f->n_parts; i++) {
		const struct part *p = &f->parts[i];
		json_t *objects = json_array();
		for (uint32_t k = 0; k < p->n_objects; k++)
			json_array_append_new(objects, json_pack("{ss so}", "kind", p->objects[k].kind, "address", address(p->objects[k].addr)));
		json_array_append_new(list, json_pack("{ss ss sI so sI ss? so so}", "role", p->role, "op", p->op, "goroutine", (json_int_t)p->gid,
			"address", address(p->addr), "size", (json_int_t)p->size, "note", p->note, "objects", objects, "stack", stack(v, &p->stack)));
	}
	return list;
}

static json_t *
goroutines(const struct view *v, const struct finding *f)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < f->n_goroutines; i++) {
		const struct goroutine *g = &f->goroutines[i];
		json_array_append_new(list, json_pack("{sI sI ss ss ss? so so}", "id", (json_int_t)g->gid, "parent", (json_int_t)g->parent, "name", g->name,
			"state", g->state, "entry", g->entry, "blocked_ns", g->blocked_ns < 0 ? json_null() : json_integer(g->blocked_ns),
			"created_at", stack(v, &g->created)));
	}
	return list;
}

static json_t *
objects(const struct view *v, const struct finding *f)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < f->n_objects; i++) {
		const struct object *o = &f->objects[i];
		json_array_append_new(list, json_pack("{ss ss? so sI sI sI sI sb so so}", "kind", o->kind, "name", o->name, "address", address(o->addr),
			"size", (json_int_t)o->size, "goroutine", (json_int_t)o->gid, "capacity", (json_int_t)o->cap, "length", (json_int_t)o->len, "closed", o->closed,
			"created_at", stack(v, &o->created), "closed_at", stack(v, &o->closed_at)));
	}
	return list;
}

static json_t *
edges(const struct view *v, const struct finding *f)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < f->n_edges; i++) {
		const struct edge *e = &f->edges[i];
		json_array_append_new(list, json_pack("{s{ss so} s{ss so} ss so}",
			"from", "kind", e->from_is_object ? "object" : "goroutine", "id", e->from_is_object ? address(e->from) : json_integer((json_int_t)e->from),
			"to", "kind", e->to_is_object ? "object" : "goroutine", "id", e->to_is_object ? address(e->to) : json_integer((json_int_t)e->to),
			"label", e->label, "stack", stack(v, &e->stack)));
	}
	return list;
}

static json_t *
rule_name(uint32_t rule)
{
	return json_sprintf("CSP%u", rule);
}

json_t *
json_finding(const struct view *v, const struct finding *f)
{
	const struct rule *r = rule_find(f->rule);

	return json_pack("{so so ss ss ss ss? sb ss ss sI sI si so so so so}",
		"id", f->issue_id ? json_integer(f->issue_id) : json_null(), "rule", rule_name(f->rule), "kind", rule_kind_name(r->kind, 1), "title", f->title,
		"cause", f->cause && *f->cause ? f->cause : r->cause, "proof", f->proof, "gate", f->gate, "fingerprint", f->fingerprint,
		"site", text_short_path(f->site, v->source_root), "occurrences", (json_int_t)f->occurrences, "at_ns", (json_int_t)f->at_ns, "pid", f->pid,
		"parts", parts(v, f), "goroutines", goroutines(v, f), "objects", objects(v, f), "edges", edges(v, f));
}

json_t *
json_issue(const struct issue *i)
{
	return json_pack("{sI so ss ss ss ss? sb ss ss ss sI sI}", "id", (json_int_t)i->id, "rule", rule_name(i->rule), "kind", rule_kind_name(rule_find(i->rule)->kind, 1),
		"title", i->title, "site", i->site, "proof", i->proof, "gate", i->gate, "fingerprint", i->fp, "first_seen", i->first_seen, "last_seen", i->last_seen,
		"occurrences", (json_int_t)i->occurrences, "sessions", (json_int_t)i->sessions);
}

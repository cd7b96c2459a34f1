#include "draft.h"

#include <stdarg.h>
#include <stdio.h>

#include "../abi/heap.h"
#include "../hb/goroutines.h"
#include "../report/lock.h"
#include "../report/loss.h"
#include "../report/record.h"
#include "../shadow/arena.h"
#include "../shadow/context.h"
#include "../shadow/self.h"
#include "table.h"

#define GOROUTINES 768u
#define OBJECTS    768u
#define EDGES      2048u
#define STACKS     2048u
#define TEXT_BYTES 16384u

struct draft {
	const struct rt_door *door;
	struct det_part      parts[DET_DRAFT_PARTS];    uint32_t n_parts;
	struct det_goroutine goroutines[GOROUTINES];    uint32_t n_goroutines;
	struct det_object    objects[OBJECTS];          uint32_t n_objects;
	struct det_edge      edges[EDGES];              uint32_t n_edges;
	struct det_stack     stacks[STACKS];            uint32_t n_stacks;
	char                 text[TEXT_BYTES];          uint32_t text_used;
	char                 names[GOROUTINES][32];
	bool                 full;
};

static struct det_lock lock;
static struct draft *d;                 /* guarded by lock */
static struct det_stack spare;

void det_draft_after_fork(void) { det_lock_reset(&lock); }

void det_draft_begin(const struct rt_door *door)
{
	det_lock(&lock);
	if (d == NULL)
		d = det_reserve(sizeof *d);
	if (d == NULL)
		return;
	d->door = door;
	d->n_parts = d->n_goroutines = d->n_objects = d->n_edges = d->n_stacks = d->text_used = 0;
	d->full = false;
}

struct det_stack *det_draft_stack(void)
{
	struct det_stack *s = &spare;

	if (d != NULL && d->n_stacks < STACKS)
		s = &d->stacks[d->n_stacks++];
	s->n = 0;
	s->exact0 = false;
	return s;
}

struct det_stack *det_draft_ctx(uint32_t ctx)
{
	if (ctx == 0)
		return NULL;
	struct det_stack *s = det_draft_stack();
	det_ctx_expand(ctx, s);
	return s;
}

struct det_stack *det_draft_parked(struct rt_gview *g)
{
	struct det_stack *s = det_draft_stack();
	det_stack_parked(s, d->door, g);
	return s;
}

const char *det_draft_text(const char *format, ...)
{
	va_list args;

	if (d == NULL || d->text_used >= TEXT_BYTES - 1)
		return "";
	char *at = d->text + d->text_used;
	va_start(args, format);
	int n = vsnprintf(at, TEXT_BYTES - d->text_used, format, args);
	va_end(args);
	d->text_used += n < 0 ? 0 : (uint32_t)n + 1;
	return n < 0 ? "" : at;
}

const char *det_kind_text(enum rt_obj_kind kind)
{
	static const char *const texts[] = { "unknown", "chan", "mutex", "rwmutex", "waitgroup", "cond", "once", "sema", "timer", "fd" };
	return (unsigned)kind < sizeof texts / sizeof texts[0] ? texts[kind] : "unknown";
}

struct det_part *det_draft_part(const char *role, const char *op, uint64_t gid, const struct det_stack *stack)
{
	if (d == NULL || d->n_parts >= DET_DRAFT_PARTS) {
		if (d != NULL)
			d->full = true;
		return NULL;
	}
	struct det_part *p = &d->parts[d->n_parts++];
	*p = (struct det_part){ .role = role, .op = op, .gid = gid, .stack = stack };
	return p;
}

void det_draft_part_object(struct det_part *p, enum rt_obj_kind kind, uintptr_t addr)
{
	if (p == NULL || p->n_objects >= sizeof p->objects / sizeof p->objects[0])
		return;
	p->objects[p->n_objects] = addr;
	p->object_kinds[p->n_objects++] = det_kind_text(kind);
}

void det_draft_goroutine(uint64_t gid, const char *state, int64_t blocked_ns)
{
	if (d == NULL || gid == 0)
		return;
	for (uint32_t i = 0; i < d->n_goroutines; i++)
		if (d->goroutines[i].gid == gid) {
			if (state != NULL && d->goroutines[i].blocked_ns < 0) {
				d->goroutines[i].state = state;
				d->goroutines[i].blocked_ns = blocked_ns;
			}
			return;
		}
	if (d->n_goroutines >= GOROUTINES) {
		d->full = true;
		return;
	}
	struct det_goroutine *g = &d->goroutines[d->n_goroutines];
	struct det_stack *created = det_draft_stack();
	*g = (struct det_goroutine){ .gid = gid, .name = "", .state = "unknown", .blocked_ns = -1 };
	det_goroutine_lookup(gid, g, created);
	if (g->name != NULL) {                  /* may change under us: keep a copy */
		snprintf(d->names[d->n_goroutines], sizeof d->names[0], "%s", g->name);
		g->name = d->names[d->n_goroutines];
	}
	if (state != NULL) {
		g->state = state;
		g->blocked_ns = blocked_ns;
	}
	d->n_goroutines++;
}

static void fill_channel(struct det_object *o, uintptr_t addr)
{
	struct det_chan c;
	struct rt_objinfo info;

	if (!det_chan_get(addr, &c))
		return;
	o->size = c.bytes;
	o->gid = c.made_by;
	o->created_at = det_draft_ctx(c.made_ctx);
	o->closed_at = det_draft_ctx(c.closed_ctx);
	o->closed = c.closed_ctx != 0;
	o->cap = c.cap;
	d->door->obj_info(RT_OBJ_CHAN, (void *)addr, &info);
	o->len = info.len;
	o->closed |= info.closed;
	det_draft_goroutine(c.made_by, NULL, -1);
}

static void fill_memory(struct det_object *o, uintptr_t addr)
{
	struct det_heap_block b;

	if (!det_heap_find(addr, &b)) {
		o->gid = det_stack_owner(addr);
		return;
	}
	o->size = b.size;
	o->gid = b.gid;
	o->created_at = det_draft_ctx(b.ctx);
}

void det_draft_object(enum rt_obj_kind kind, uintptr_t addr)
{
	if (d == NULL || addr == 0)
		return;
	for (uint32_t i = 0; i < d->n_objects; i++)
		if (d->objects[i].addr == addr)
			return;
	if (d->n_objects >= OBJECTS) {
		d->full = true;
		return;
	}
	struct det_object *o = &d->objects[d->n_objects++];
	*o = (struct det_object){ .kind = det_kind_text(kind), .addr = addr };
	if (kind == RT_OBJ_CHAN)
		fill_channel(o, addr);
	else if (kind != RT_OBJ_FD)
		fill_memory(o, addr);
}

static void edge(struct det_edge e)
{
	if (d == NULL || d->n_edges >= EDGES)
		return;
	for (uint32_t i = 0; i < d->n_edges; i++) {
		const struct det_edge *f = &d->edges[i];
		if (f->from_gid == e.from_gid && f->from_obj == e.from_obj && f->to_gid == e.to_gid && f->to_obj == e.to_obj && f->label == e.label)
			return;
	}
	d->edges[d->n_edges++] = e;
}

void det_draft_edge_to_object(uint64_t from_gid, enum rt_obj_kind kind, uintptr_t obj, const char *label, const struct det_stack *stack)
{
	det_draft_object(kind, obj);
	edge((struct det_edge){ .from_gid = from_gid, .to_obj = obj, .label = label, .stack = stack });
}

void det_draft_edge_to_goroutine(enum rt_obj_kind kind, uintptr_t obj, uint64_t to_gid, const char *label, const struct det_stack *stack)
{
	det_draft_object(kind, obj);
	det_draft_goroutine(to_gid, NULL, -1);
	edge((struct det_edge){ .from_obj = obj, .to_gid = to_gid, .label = label, .stack = stack });
}

void det_draft_memory(const char *kind, uintptr_t addr, size_t bytes, uint64_t gid)
{
	struct det_object *o;

	for (uint32_t i = 0; d != NULL && i < d->n_objects; i++)
		if (d->objects[i].addr == addr)
			return;
	if (d == NULL || d->n_objects >= OBJECTS)
		return;
	o = &d->objects[d->n_objects++];
	*o = (struct det_object){ .kind = kind, .addr = addr, .size = bytes, .gid = gid };
	if (gid == 0)
		fill_memory(o, addr);
}

void det_draft_edge_of_memory(uintptr_t from, uintptr_t to)
{
	edge((struct det_edge){ .from_obj = from, .to_obj = to, .label = "points to" });
}

uint32_t det_draft_emit(enum det_rule rule, const char *proof, bool gate, const char *cause)
{
	return det_draft_emit_keyed(rule, proof, gate, cause, NULL);
}

uint32_t det_draft_emit_keyed(enum det_rule rule, const char *proof, bool gate, const char *cause, uint64_t *key)
{
	uint32_t n = 0;

	if (d != NULL) {
		if (d->full) {
			det_loss("goroutines or objects left out of a report", 1);
			cause = det_draft_text("%s (more are left out here)", cause != NULL ? cause : "");
		}
		struct det_finding f = { .rule = rule, .proof = proof, .gate = gate, .cause = cause, .parts = d->parts, .n_parts = d->n_parts,
			.goroutines = d->goroutines, .n_goroutines = d->n_goroutines, .objects = d->objects, .n_objects = d->n_objects,
			.edges = d->edges, .n_edges = d->n_edges };
		n = det_finding_emit(&f);
		if (key != NULL)
			*key = det_finding_key(&f);
	}
	det_unlock(&lock);
	return n;
}

static const char *wait_label(uint8_t op)
{
	switch (op) {
	case RT_OP_RECV: return "waits to receive from";
	case RT_OP_SEND: return "waits to send to";
	case RT_OP_LOCK: return "waits to lock";
	case RT_OP_RLOCK: return "waits to read-lock";
	case RT_OP_ACQUIRE: return "waits to acquire";
	case RT_OP_READ_FD: return "waits to read";
	case RT_OP_WRITE_FD: return "waits to write";
	default: return "waits for";
	}
}

void det_draft_blocked(const struct rt_ginfo *info)
{
	const char *text = d != NULL ? d->door->wait_text(info->wait) : "";
	int64_t now_ns = d != NULL ? d->door->now_ns() : 0;      /* virtual under a policy, as since_ns */
	struct det_part *p;

	if (d == NULL)
		return;
	det_draft_goroutine(info->id, text, info->since_ns > 0 && now_ns > info->since_ns ? now_ns - info->since_ns : 0);
	p = det_draft_part("blocked", text, info->id, NULL);
	if (p == NULL)
		return;
	p->stack = det_draft_parked(info->g);
	for (uint32_t i = 0; i < info->n_waits && i < RT_INSPECT_WAITS; i++) {
		const struct rt_wait_entry *w = &info->waits[i];
		det_draft_part_object(p, w->kind, (uintptr_t)w->obj);
		det_draft_edge_to_object(info->id, w->kind, (uintptr_t)w->obj, wait_label(w->op), p->stack);
	}
}

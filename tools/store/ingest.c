#include "store/ingest.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "detector/report/finding.h"
#include "finding/rules.h"
#include "format/text.h"
#include "store/stream.h"
#include "symbol/symbol.h"

#define obstack_chunk_alloc malloc
#define obstack_chunk_free  free

/* Bounds on what one record may ask us to keep; the detector writes far less. */
#define PCS_MAX  1024
#define LIST_MAX 100000

struct known_process { struct process pub; struct symbol_table *symbols; };

struct ingest {
	struct stream *stream;
	struct ingest_handler handler;
	struct obstack mem;
	struct process *processes;
};

static const char *
get_text(struct ingest *in, const json_t *o, const char *key, const char *otherwise)
{
	const char *s = json_string_value(json_object_get(o, key));
	return s ? text_clean(s, true, &in->mem) : otherwise;
}

/* Addresses come as "0x…", counts as numbers; both are accepted everywhere. */
static uint64_t
to_u64(const json_t *v)
{
	const char *s = json_string_value(v);
	return s ? strtoull(s, NULL, 0) : (uint64_t)json_integer_value(v);
}

static uint64_t
get_u64(const json_t *o, const char *key)
{
	return to_u64(json_object_get(o, key));
}

static bool
get_bool(const json_t *o, const char *key)
{
	return json_is_true(json_object_get(o, key));
}

static struct stack
get_stack(struct ingest *in, struct known_process *p, const json_t *o, const char *key, bool exact0)
{
	const json_t *a = json_object_get(o, key);
	size_t n = json_array_size(a);
	uint64_t pcs[PCS_MAX];

	n = n > PCS_MAX ? PCS_MAX : n;
	for (size_t i = 0; i < n; i++)
		pcs[i] = to_u64(json_array_get(a, i));
	return symbol_stack(p->symbols, pcs, (uint32_t)n, exact0, &in->mem);
}

/* Array `key` of o, and room for its elements. */
static const json_t *
get_list(struct ingest *in, const json_t *o, const char *key, size_t elem_bytes, uint32_t *n, void *room)
{
	const json_t *a = json_object_get(o, key);
	size_t count = json_array_size(a);
	void *p;

	*n = (uint32_t)(count > LIST_MAX ? LIST_MAX : count);
	p = obstack_alloc(&in->mem, *n * elem_bytes + 1);
	memset(p, 0, *n * elem_bytes);
	memcpy(room, &p, sizeof(p));
	return a;
}

static void
get_parts(struct ingest *in, struct known_process *p, const json_t *o, struct finding *f)
{
	const json_t *list = get_list(in, o, "parts", sizeof(*f->parts), &f->n_parts, &f->parts);

	for (uint32_t i = 0; i < f->n_parts; i++) {
		const json_t *j = json_array_get(list, i);
		struct part *part = &f->parts[i];
		part->role = get_text(in, j, "role", "");
		part->op = get_text(in, j, "op", "");
		part->note = get_text(in, j, "note", NULL);
		if (part->note && !*part->note)
			part->note = NULL;
		part->gid = get_u64(j, "gid");
		part->addr = get_u64(j, "addr");
		part->size = get_u64(j, "size");
		part->stack = get_stack(in, p, j, "pcs", get_bool(j, "exact"));
		const json_t *objects = get_list(in, j, "objects", sizeof(*part->objects), &part->n_objects, &part->objects);
		for (uint32_t k = 0; k < part->n_objects; k++) {
			part->objects[k].addr = get_u64(json_array_get(objects, k), "addr");
			part->objects[k].kind = get_text(in, json_array_get(objects, k), "kind", "unknown");
		}
	}
}

static void
get_goroutines(struct ingest *in, struct known_process *p, const json_t *o, struct finding *f)
{
	const json_t *list = get_list(in, o, "goroutines", sizeof(*f->goroutines), &f->n_goroutines, &f->goroutines);

	for (uint32_t i = 0; i < f->n_goroutines; i++) {
		const json_t *j = json_array_get(list, i), *blocked = json_object_get(j, "blocked_ns");
		struct goroutine *g = &f->goroutines[i];
		g->gid = get_u64(j, "gid");
		g->parent = get_u64(j, "parent");
		g->name = get_text(in, j, "name", "");
		g->state = get_text(in, j, "state", "");
		g->blocked_ns = json_is_integer(blocked) ? json_integer_value(blocked) : -1;
		uint64_t entry = get_u64(j, "entry");
		g->entry = entry ? symbol_function(p->symbols, entry, &in->mem) : NULL;
		g->created = get_stack(in, p, j, "pcs", false);
	}
}

static void
get_objects(struct ingest *in, struct known_process *p, const json_t *o, struct finding *f)
{
	const json_t *list = get_list(in, o, "objects", sizeof(*f->objects), &f->n_objects, &f->objects);

	for (uint32_t i = 0; i < f->n_objects; i++) {
		const json_t *j = json_array_get(list, i);
		struct object *b = &f->objects[i];
		b->kind = get_text(in, j, "kind", "unknown");
		b->addr = get_u64(j, "addr");
		b->size = get_u64(j, "size");
		b->gid = get_u64(j, "gid");
		b->cap = get_u64(j, "cap");
		b->len = get_u64(j, "len");
		b->closed = get_bool(j, "closed");
		b->name = b->addr ? symbol_data(p->symbols, b->addr, &b->size, &in->mem) : NULL;
		b->created = get_stack(in, p, j, "pcs", false);
		b->closed_at = get_stack(in, p, j, "closed_pcs", false);
	}
}

static uint64_t
get_end(const json_t *end, bool *is_object)
{
	const json_t *object = json_object_get(end, "o");
	*is_object = object != NULL;
	return to_u64(object ? object : json_object_get(end, "g"));
}

static void
get_edges(struct ingest *in, struct known_process *p, const json_t *o, struct finding *f)
{
	const json_t *list = get_list(in, o, "edges", sizeof(*f->edges), &f->n_edges, &f->edges);

	for (uint32_t i = 0; i < f->n_edges; i++) {
		const json_t *j = json_array_get(list, i);
		struct edge *e = &f->edges[i];
		e->from = get_end(json_object_get(j, "from"), &e->from_is_object);
		e->to = get_end(json_object_get(j, "to"), &e->to_is_object);
		e->label = get_text(in, j, "label", "");
		e->stack = get_stack(in, p, j, "pcs", false);
	}
}

static void
on_finding(struct ingest *in, struct known_process *p, const json_t *o)
{
	struct finding *f = obstack_alloc(&in->mem, sizeof(*f));

	memset(f, 0, sizeof(*f));
	f->n = (uint32_t)get_u64(o, "n");
	f->rule = (uint32_t)get_u64(o, "rule");
	f->proof = get_text(in, o, "proof", NULL);
	if (f->proof && !*f->proof)
		f->proof = NULL;
	f->gate = get_bool(o, "gate");
	f->at_ns = (int64_t)get_u64(o, "at_ns");
	f->cause = get_text(in, o, "cause", NULL);
	f->pid = p->pub.pid;
	f->occurrences = 1;
	get_objects(in, p, o, f);
	get_parts(in, p, o, f);
	get_goroutines(in, p, o, f);
	get_edges(in, p, o, f);
	finding_derive(f, &in->mem);
	enum rule_kind kind = rule_find(f->rule)->kind;
	p->pub.panic_explained |= f->gate && kind != RULE_RACE && kind != RULE_LEAK;
	in->handler.finding(in->handler.arg, &p->pub, f);
}

static void
on_hello(struct ingest *in, struct known_process *p, const json_t *o)
{
	p->pub.ppid = (int)get_u64(o, "ppid");
	p->pub.procs = (int)get_u64(o, "procs");
	p->pub.exe = get_text(in, o, "exe", "");
	p->pub.seed = get_u64(o, "seed");
	p->pub.has_seed = json_object_get(o, "seed") != NULL;
	p->pub.instrumented = get_bool(o, "instrumented");
	p->pub.start_ns = (int64_t)get_u64(o, "start_ns");
	in->handler.hello(in->handler.arg, &p->pub);
}

static struct known_process *
process_of(struct ingest *in, int pid)
{
	struct process **end = &in->processes;

	for (; *end; end = &(*end)->next)
		if ((*end)->pid == pid)
			return (struct known_process *)*end;
	struct known_process *p = obstack_alloc(&in->mem, sizeof(*p));
	memset(p, 0, sizeof(*p));
	p->pub.pid = pid;
	p->pub.exe = "";
	p->symbols = symbol_table_create();
	*end = &p->pub;
	return p;
}

static void
on_record(void *arg, int pid, const json_t *o)
{
	struct ingest *in = arg;
	const char *t = json_string_value(json_object_get(o, "t"));
	struct known_process *p = process_of(in, pid);

	if (!t || !p->symbols)
		return;
	if (!strcmp(t, "hello")) {
		on_hello(in, p, o);
	} else if (!strcmp(t, "module")) {
		const char *path = json_string_value(json_object_get(o, "path")), *id = json_string_value(json_object_get(o, "build_id"));
		if (path)
			symbol_add_module(p->symbols, path, id ? id : "", get_u64(o, "bias"), get_u64(o, "lo"), get_u64(o, "hi"));
	} else if (!strcmp(t, "finding")) {
		on_finding(in, p, o);
	} else if (!strcmp(t, "again")) {
		in->handler.again(in->handler.arg, &p->pub, (uint32_t)get_u64(o, "n"), get_u64(o, "count"));
	} else if (!strcmp(t, "loss")) {
		p->pub.loss_what = get_text(in, o, "what", "");
		p->pub.loss_count += get_u64(o, "count");
	} else if (!strcmp(t, "panic")) {
		p->pub.panic = get_text(in, o, "text", "");
	} else if (!strcmp(t, "bye")) {
		p->pub.said_bye = true;
		p->pub.goroutines = get_u64(o, "goroutines_started");
	}
}

struct ingest *
ingest_open(const char *spool_dir, const struct ingest_handler *handler)
{
	struct ingest *in = calloc(1, sizeof(*in));

	if (!in)
		return NULL;
	in->handler = *handler;
	obstack_init(&in->mem);
	in->stream = stream_open(spool_dir);
	return in;
}

void
ingest_close(struct ingest *in)
{
	if (!in)
		return;
	for (struct process *p = in->processes; p; p = p->next)
		symbol_table_destroy(((struct known_process *)p)->symbols);
	stream_close(in->stream);
	obstack_free(&in->mem, NULL);
	free(in);
}

void
ingest_poll(struct ingest *in)
{
	if (in->stream)
		stream_poll(in->stream, on_record, in);
}

struct process *
ingest_processes(const struct ingest *in)
{
	return in->processes;
}

unsigned
ingest_damaged(const struct ingest *in)
{
	return in->stream ? stream_damaged(in->stream) : 0;
}

struct obstack *
ingest_memory(struct ingest *in)
{
	return &in->mem;
}

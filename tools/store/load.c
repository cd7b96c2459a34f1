/* Rows become findings again. */
#include "store/store.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "format/text.h"

#define obstack_chunk_alloc malloc
#define obstack_chunk_free  free

#define SOURCE_BYTES_MAX (1u << 20)

static const char *
text(sqlite3_stmt *q, int col, struct obstack *mem)
{
	const char *s = (const char *)sqlite3_column_text(q, col);
	return s ? obstack_copy0(mem, s, sqlite3_column_bytes(q, col)) : NULL;
}

static const char *
text_or_empty(sqlite3_stmt *q, int col, struct obstack *mem)
{
	const char *s = text(q, col, mem);
	return s ? s : "";
}

static uint64_t
number(sqlite3_stmt *q, int col)
{
	return (uint64_t)sqlite3_column_int64(q, col);
}

static bool
next(sqlite3_stmt *q)
{
	return q && sqlite3_step(q) == SQLITE_ROW;
}

static const char *
unpack(sqlite3_stmt *q, int col, struct obstack *mem)
{
	const void *blob = sqlite3_column_blob(q, col);
	size_t n = (size_t)sqlite3_column_bytes(q, col);
	unsigned long long size = blob ? ZSTD_getFrameContentSize(blob, n) : 0;

	if (!blob || size > SOURCE_BYTES_MAX) /* also what zstd returns for "unknown" */
		return NULL;
	char *s = obstack_alloc(mem, size + 1);
	size_t got = ZSTD_decompress(s, size, blob, n);
	if (ZSTD_isError(got))
		return NULL;
	s[got] = '\0';
	return s;
}

static struct stack
load_stack(struct store *s, uint64_t id, struct obstack *mem)
{
	sqlite3_stmt *q = store_query(s, "SELECT m.path, m.build_id, f.pc_off, f.func_off, f.inline_depth, f.inlined, f.internal, f.func, file.path, f.line, "
		"CASE WHEN f.internal THEN NULL ELSE file.content END, st.depth FROM stack st JOIN stack_frame sf ON sf.stack_id = st.id JOIN frame f ON f.id = sf.frame_id "
		"LEFT JOIN module m ON m.id = f.module_id LEFT JOIN file ON file.id = f.file_id WHERE st.id = ? ORDER BY sf.idx", "i", (int64_t)id);
	struct stack out = { 0 };

	while (next(q)) {
		uint32_t depth = (uint32_t)number(q, 11);
		if (!out.frame) {
			out.frame = obstack_alloc(mem, depth * sizeof(*out.frame));
			memset(out.frame, 0, depth * sizeof(*out.frame));
		}
		if (out.n == depth)
			break;
		struct frame *f = &out.frame[out.n++];
		f->module = text(q, 0, mem);
		f->build_id = text_or_empty(q, 1, mem);
		f->pc_off = number(q, 2);
		f->func_off = number(q, 3);
		f->inline_depth = (uint32_t)number(q, 4);
		f->inlined = number(q, 5);
		f->internal = number(q, 6);
		f->func = text(q, 7, mem);
		f->file = text(q, 8, mem);
		f->line = (uint32_t)number(q, 9);
		f->source = unpack(q, 10, mem);
	}
	sqlite3_finalize(q);
	return out;
}

static void *
room(struct store *s, const char *sql, int64_t report, size_t bytes, uint32_t *n, struct obstack *mem)
{
	sqlite3_stmt *q = store_query(s, sql, "i", report);
	void *p;

	*n = next(q) ? (uint32_t)number(q, 0) : 0;
	sqlite3_finalize(q);
	p = obstack_alloc(mem, *n * bytes + 1);
	memset(p, 0, *n * bytes);
	return p;
}

static void
load_part_objects(struct part *p, const char *text_json, struct obstack *mem)
{
	json_t *list = text_json ? json_loads(text_json, 0, NULL) : NULL;

	p->n_objects = (uint32_t)json_array_size(list);
	p->objects = obstack_alloc(mem, p->n_objects * sizeof(*p->objects) + 1);
	for (uint32_t i = 0; i < p->n_objects; i++) {
		const json_t *o = json_array_get(list, i);
		const char *kind = json_string_value(json_object_get(o, "kind"));
		p->objects[i].addr = (uint64_t)json_integer_value(json_object_get(o, "addr"));
		p->objects[i].kind = obstack_copy0(mem, kind ? kind : "unknown", (int)strlen(kind ? kind : "unknown"));
	}
	json_decref(list);
}

static void
load_parts(struct store *s, int64_t report, struct finding *f, struct obstack *mem)
{
	sqlite3_stmt *q = store_query(s, "SELECT role, op, gid, addr, size, stack_id, note, objects FROM report_part WHERE report_id = ? ORDER BY ord", "i", report);

	f->parts = room(s, "SELECT count(*) FROM report_part WHERE report_id = ?", report, sizeof(*f->parts), &f->n_parts, mem);
	for (uint32_t i = 0; i < f->n_parts && next(q); i++) {
		struct part *p = &f->parts[i];
		p->role = text(q, 0, mem);
		p->op = text(q, 1, mem);
		p->gid = number(q, 2);
		p->addr = number(q, 3);
		p->size = number(q, 4);
		p->stack = load_stack(s, number(q, 5), mem);
		p->note = text(q, 6, mem);
		load_part_objects(p, (const char *)sqlite3_column_text(q, 7), mem);
	}
	sqlite3_finalize(q);
}

static void
load_goroutines(struct store *s, int64_t report, struct finding *f, struct obstack *mem)
{
	sqlite3_stmt *q = store_query(s, "SELECT gid, parent_gid, name, state, entry, blocked_ns, created_stack FROM goroutine WHERE report_id = ? ORDER BY ord", "i", report);

	f->goroutines = room(s, "SELECT count(*) FROM goroutine WHERE report_id = ?", report, sizeof(*f->goroutines), &f->n_goroutines, mem);
	for (uint32_t i = 0; i < f->n_goroutines && next(q); i++) {
		struct goroutine *g = &f->goroutines[i];
		g->gid = number(q, 0);
		g->parent = number(q, 1);
		g->name = text(q, 2, mem);
		g->state = text(q, 3, mem);
		g->entry = text(q, 4, mem);
		g->blocked_ns = sqlite3_column_int64(q, 5);
		g->created = load_stack(s, number(q, 6), mem);
	}
	sqlite3_finalize(q);
}

static void
load_objects(struct store *s, int64_t report, struct finding *f, struct obstack *mem)
{
	sqlite3_stmt *q = store_query(s, "SELECT kind, name, addr, size, gid, cap, len, closed, created_stack, closed_stack FROM object WHERE report_id = ? ORDER BY ord", "i", report);

	f->objects = room(s, "SELECT count(*) FROM object WHERE report_id = ?", report, sizeof(*f->objects), &f->n_objects, mem);
	for (uint32_t i = 0; i < f->n_objects && next(q); i++) {
		struct object *o = &f->objects[i];
		o->kind = text(q, 0, mem);
		o->name = text(q, 1, mem);
		o->addr = number(q, 2);
		o->size = number(q, 3);
		o->gid = number(q, 4);
		o->cap = number(q, 5);
		o->len = number(q, 6);
		o->closed = number(q, 7);
		o->created = load_stack(s, number(q, 8), mem);
		o->closed_at = load_stack(s, number(q, 9), mem);
	}
	sqlite3_finalize(q);
}

static void
load_edges(struct store *s, int64_t report, struct finding *f, struct obstack *mem)
{
	sqlite3_stmt *q = store_query(s, "SELECT from_kind, from_id, to_kind, to_id, label, stack_id FROM wait_edge WHERE report_id = ? ORDER BY ord", "i", report);

	f->edges = room(s, "SELECT count(*) FROM wait_edge WHERE report_id = ?", report, sizeof(*f->edges), &f->n_edges, mem);
	for (uint32_t i = 0; i < f->n_edges && next(q); i++) {
		struct edge *e = &f->edges[i];
		e->from_is_object = !strcmp((const char *)sqlite3_column_text(q, 0), "object");
		e->from = number(q, 1);
		e->to_is_object = !strcmp((const char *)sqlite3_column_text(q, 2), "object");
		e->to = number(q, 3);
		e->label = text(q, 4, mem);
		e->stack = load_stack(s, number(q, 5), mem);
	}
	sqlite3_finalize(q);
}

struct finding *
store_load(struct store *s, int64_t issue, struct obstack *mem)
{
	sqlite3_stmt *q = store_query(s, "SELECT r.id, r.seq, r.at_ns, r.proof, r.gate, r.cause, r.occurrences, run.pid, i.rule, i.fp, i.title, i.site, "
		"strftime('%Y-%m-%d %H:%M:%S', s.started_ns / 1000000000, 'unixepoch'), "
		"(SELECT count(DISTINCT run2.session_id) FROM report r2 JOIN run run2 ON run2.id = r2.run_id WHERE r2.issue_id = i.id) "
		"FROM issue i JOIN report r ON r.issue_id = i.id JOIN run ON run.id = r.run_id JOIN session s ON s.id = i.first_session WHERE i.id = ? ORDER BY r.id DESC LIMIT 1", "i", issue);
	struct finding *f = NULL;
	int64_t report = 0;

	if (next(q)) {
		f = obstack_alloc(mem, sizeof(*f));
		memset(f, 0, sizeof(*f));
		report = sqlite3_column_int64(q, 0);
		f->n = (uint32_t)number(q, 1);
		f->at_ns = sqlite3_column_int64(q, 2);
		f->proof = text(q, 3, mem);
		f->gate = number(q, 4);
		f->cause = text(q, 5, mem);
		f->occurrences = number(q, 6);
		f->pid = (int)number(q, 7);
		f->rule = (uint32_t)number(q, 8);
		snprintf(f->fingerprint, sizeof(f->fingerprint), "%s", (const char *)sqlite3_column_text(q, 9));
		f->title = text(q, 10, mem);
		f->site = text(q, 11, mem);
		f->first_seen = text_or_empty(q, 12, mem);
		f->sessions = number(q, 13);
		f->issue_id = issue;
	}
	sqlite3_finalize(q);
	if (f) {
		load_parts(s, report, f, mem);
		load_goroutines(s, report, f, mem);
		load_objects(s, report, f, mem);
		load_edges(s, report, f, mem);
	}
	return f;
}

static int64_t
one_number(struct store *s, const char *sql)
{
	sqlite3_stmt *q = store_query(s, sql, "");
	int64_t v = next(q) ? sqlite3_column_int64(q, 0) : 0;

	sqlite3_finalize(q);
	return v;
}

int64_t
store_newest_session(struct store *s)
{
	return one_number(s, "SELECT max(id) FROM session");
}

int64_t
store_sessions(struct store *s)
{
	return one_number(s, "SELECT count(*) FROM session");
}

static long
list(struct store *s, int64_t session, unsigned kinds, struct obstack *mem, struct issue **out)
{
	sqlite3_stmt *q = store_query(s, "SELECT i.id, i.rule, i.fp, i.title, i.site, max(r.proof), "
		"strftime('%Y-%m-%d %H:%M:%S', a.started_ns / 1000000000, 'unixepoch'), strftime('%Y-%m-%d %H:%M:%S', b.started_ns / 1000000000, 'unixepoch'), "
		"sum(r.occurrences), count(DISTINCT run.session_id), max(r.gate), i.last_session FROM issue i JOIN report r ON r.issue_id = i.id JOIN run ON run.id = r.run_id "
		"JOIN session a ON a.id = i.first_session JOIN session b ON b.id = i.last_session WHERE ?1 = 0 OR run.session_id = ?1 GROUP BY i.id ORDER BY i.id", "i", session);
	struct obstack rows;
	long n = 0;

	if (!q)
		return -1;
	obstack_init(&rows);
	while (next(q)) {
		struct issue i = { .id = sqlite3_column_int64(q, 0), .rule = (uint32_t)number(q, 1) };
		if (kinds && !(kinds & 1u << rule_find(i.rule)->kind))
			continue;
		i.fp = text(q, 2, mem);
		i.title = text(q, 3, mem);
		i.site = text(q, 4, mem);
		i.proof = text(q, 5, mem);
		i.first_seen = text_or_empty(q, 6, mem);
		i.last_seen = text_or_empty(q, 7, mem);
		i.occurrences = number(q, 8);
		i.sessions = number(q, 9);
		i.gate = number(q, 10);
		i.last_session = sqlite3_column_int64(q, 11);
		obstack_grow(&rows, &i, sizeof(i));
		n++;
	}
	sqlite3_finalize(q);
	*out = obstack_copy(mem, obstack_base(&rows), (int)((size_t)n * sizeof(**out)));
	obstack_free(&rows, NULL);
	return n;
}

long
store_list(struct store *s, unsigned kinds, struct obstack *mem, struct issue **out)
{
	return list(s, 0, kinds, mem, out);
}

long
store_list_session(struct store *s, int64_t session, struct obstack *mem, struct issue **out)
{
	return list(s, session, 0, mem, out);
}

static int64_t
number_of(struct store *s, const char *sql, int64_t argument)
{
	sqlite3_stmt *q = store_query(s, sql, "i", argument);
	int64_t v = next(q) ? sqlite3_column_int64(q, 0) : 0;

	sqlite3_finalize(q);
	return v;
}

bool
store_has_session(struct store *s, int64_t session)
{
	return number_of(s, "SELECT count(*) FROM session WHERE id = ?", session) != 0;
}

int64_t
store_nth_session(struct store *s, int64_t back)
{
	return number_of(s, "SELECT id FROM session ORDER BY id DESC LIMIT 1 OFFSET ?", back);
}

int64_t
store_find(struct store *s, const char *id)
{
	size_t digits = strspn(id, "0123456789"), hex = strspn(id, "0123456789abcdef"), n = strlen(id);
	sqlite3_stmt *q;
	int64_t found = 0;

	if (n && digits == n && n < 19) {
		q = store_query(s, "SELECT id FROM issue WHERE id = ?", "i", (int64_t)strtoll(id, NULL, 10));
		found = next(q) ? sqlite3_column_int64(q, 0) : 0;
		sqlite3_finalize(q);
	}
	if (!found && n >= 4 && hex == n) {
		q = store_query(s, "SELECT id FROM issue WHERE fp LIKE ? || '%'", "s", id);
		found = next(q) ? sqlite3_column_int64(q, 0) : 0;
		if (next(q))
			found = 0;
		sqlite3_finalize(q);
	}
	return found;
}

const char *
store_rerun(struct store *s, const char *id, struct obstack *mem)
{
	sqlite3_stmt *q = store_query(s, "SELECT session.argv, run.seed FROM report r JOIN run ON run.id = r.run_id JOIN session ON session.id = run.session_id "
		"WHERE r.issue_id = ? ORDER BY r.id DESC LIMIT 1", "i", store_find(s, id));
	json_t *list = next(q) ? json_loads((const char *)sqlite3_column_text(q, 0), 0, NULL) : NULL;
	uint64_t seed = list ? number(q, 1) : 0;
	char *argv[256], *text = NULL;
	size_t n = json_array_size(list);

	sqlite3_finalize(q);
	if (n > 0 && n < sizeof(argv) / sizeof(argv[0])) {
		for (size_t i = 0; i < n; i++)
			argv[i] = (char *)json_string_value(json_array_get(list, i));
		if (argv[0] && !strcmp(argv[0], "cspcheck run"))
			text = text_rerun((int)n, argv, seed);
	}
	const char *copy = text ? obstack_copy0(mem, text, (int)strlen(text)) : NULL;
	free(text);
	json_decref(list);
	return copy;
}

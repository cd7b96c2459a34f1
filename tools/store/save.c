/* A finding becomes rows: issue (by fingerprint), report, and below it parts, goroutines, objects, edges; stacks and frames are shared. */
#include "store/store.h"

#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uthash.h>
#include <xxhash.h>
#include <zstd.h>

#define SOURCE_BYTES_MAX (1u << 20)

struct store_file { char *path; int64_t id; UT_hash_handle hh; };

int
store_files_forget(struct store *s)
{
	struct store_file *f, *next;

	HASH_ITER(hh, s->files, f, next) {
		HASH_DEL(s->files, f);
		free(f->path);
		free(f);
	}
	return 0;
}

/* First column of the first row, -1 if there is none. */
static int64_t
one(sqlite3_stmt *q)
{
	int64_t v = q && sqlite3_step(q) == SQLITE_ROW ? sqlite3_column_int64(q, 0) : -1;
	sqlite3_finalize(q);
	return v;
}

static char *
read_source(const char *path, size_t *n)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	char *text = NULL;

	*n = 0;
	if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size <= SOURCE_BYTES_MAX && (text = malloc((size_t)st.st_size + 1))) {
		ssize_t got = read(fd, text, (size_t)st.st_size);
		*n = got > 0 ? (size_t)got : 0;
	}
	if (fd >= 0)
		close(fd);
	return text;
}

static int64_t
insert_file(struct store *s, const char *path, bool with_text)
{
	size_t n = 0, packed = 0;
	char hash[17] = "", *text = with_text ? read_source(path, &n) : NULL;
	void *blob = NULL;

	if (text) {
		snprintf(hash, sizeof(hash), "%016lx", (unsigned long)XXH3_64bits(text, n));
		blob = malloc(ZSTD_compressBound(n));
		packed = blob ? ZSTD_compress(blob, ZSTD_compressBound(n), text, n, 3) : 0;
	}
	int64_t id = one(store_query(s, "SELECT id FROM file WHERE path = ? AND hash = ?", "ss", path, hash));
	if (id < 0)
		id = store_run(s, "INSERT INTO file (path, hash, content) VALUES (?, ?, ?)", "ssb", path, hash,
			blob && !ZSTD_isError(packed) ? blob : NULL, packed);
	free(blob);
	free(text);
	return id;
}

static int64_t
save_file(struct store *s, const struct frame *f)
{
	struct store_file *known;

	HASH_FIND_STR(s->files, f->file, known);
	if (known)
		return known->id;
	int64_t id = insert_file(s, f->file, !f->internal);
	if (id > 0 && (known = calloc(1, sizeof(*known)))) {
		known->path = strdup(f->file);
		known->id = id;
		HASH_ADD_KEYPTR(hh, s->files, known->path, strlen(known->path), known);
	}
	return id;
}

static int64_t
save_module(struct store *s, const struct frame *f)
{
	int64_t id = one(store_query(s, "SELECT id FROM module WHERE path = ? AND build_id = ?", "ss", f->module, f->build_id));
	return id > 0 ? id : store_run(s, "INSERT INTO module (path, build_id) VALUES (?, ?)", "ss", f->module, f->build_id);
}

static int64_t
save_frame(struct store *s, const struct frame *f)
{
	int64_t module = f->module ? save_module(s, f) : 0, file = f->file ? save_file(s, f) : 0;

	if (module < 0 || file < 0)
		return -1;
	int64_t id = one(store_query(s, "SELECT id FROM frame WHERE ifnull(module_id, 0) = ? AND pc_off = ? AND inline_depth = ? AND ifnull(func, '') = ? "
		"AND ifnull(file_id, 0) = ? AND line = ?", "iiisii", module, (int64_t)f->pc_off, (int64_t)f->inline_depth, f->func ? f->func : "", file, (int64_t)f->line));
	if (id > 0)
		return id;
	return store_run(s, "INSERT INTO frame (module_id, pc_off, inline_depth, func, func_off, file_id, line, inlined, internal) "
		"VALUES (nullif(?, 0), ?, ?, ?, ?, nullif(?, 0), ?, ?, ?)", "iiisiiiii", module, (int64_t)f->pc_off, (int64_t)f->inline_depth, f->func,
		(int64_t)f->func_off, file, (int64_t)f->line, (int64_t)f->inlined, (int64_t)f->internal);
}

static int64_t
save_stack(struct store *s, const struct stack *st)
{
	XXH3_state_t *h = XXH3_createState();
	char hash[33];
	int64_t *frames = calloc(st->n + 1, sizeof(*frames)), id = -1;

	if (!h || !frames)
		goto out;
	XXH3_128bits_reset(h);
	for (uint32_t i = 0; i < st->n; i++) {
		frames[i] = save_frame(s, &st->frame[i]);
		if (frames[i] < 0)
			goto out;
		XXH3_128bits_update(h, &frames[i], sizeof(frames[i]));
	}
	XXH128_hash_t v = XXH3_128bits_digest(h);
	snprintf(hash, sizeof(hash), "%016lx%016lx", (unsigned long)v.high64, (unsigned long)v.low64);
	id = one(store_query(s, "SELECT id FROM stack WHERE hash = ?", "s", hash));
	if (id > 0)
		goto out;
	id = store_run(s, "INSERT INTO stack (hash, depth) VALUES (?, ?)", "si", hash, (int64_t)st->n);
	for (uint32_t i = 0; i < st->n && id > 0; i++)
		if (store_run(s, "INSERT INTO stack_frame (stack_id, idx, frame_id) VALUES (?, ?, ?)", "iii", id, (int64_t)i, frames[i]) < 0)
			id = -1;
out:
	XXH3_freeState(h);
	free(frames);
	return id;
}

static int
save_part(struct store *s, int64_t report, uint32_t ord, const struct part *p)
{
	int64_t stack = save_stack(s, &p->stack);
	json_t *list = json_array();
	char *objects;

	for (uint32_t i = 0; i < p->n_objects; i++)
		json_array_append_new(list, json_pack("{sIss}", "addr", (json_int_t)p->objects[i].addr, "kind", p->objects[i].kind));
	objects = json_dumps(list, JSON_COMPACT);
	json_decref(list);
	int64_t done = stack < 0 ? -1 : store_run(s, "INSERT INTO report_part (report_id, ord, role, op, gid, addr, size, stack_id, note, objects) "
		"VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", "iissiiiiss", report, (int64_t)ord, p->role, p->op, (int64_t)p->gid, (int64_t)p->addr, (int64_t)p->size,
		stack, p->note, p->n_objects ? objects : NULL);
	free(objects);
	return done < 0 ? -1 : 0;
}

static int
save_goroutine(struct store *s, int64_t report, uint32_t ord, const struct goroutine *g)
{
	int64_t stack = save_stack(s, &g->created);

	return stack < 0 || store_run(s, "INSERT INTO goroutine (report_id, ord, gid, parent_gid, name, state, entry, blocked_ns, created_stack) "
		"VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", "iiiisssii", report, (int64_t)ord, (int64_t)g->gid, (int64_t)g->parent, g->name, g->state, g->entry,
		g->blocked_ns, stack) < 0 ? -1 : 0;
}

static int
save_object(struct store *s, int64_t report, uint32_t ord, const struct object *o)
{
	int64_t created = save_stack(s, &o->created), closed = save_stack(s, &o->closed_at);

	return created < 0 || closed < 0 || store_run(s, "INSERT INTO object (report_id, ord, kind, name, addr, size, gid, cap, len, closed, created_stack, closed_stack) "
		"VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", "iissiiiiiiii", report, (int64_t)ord, o->kind, o->name, (int64_t)o->addr, (int64_t)o->size,
		(int64_t)o->gid, (int64_t)o->cap, (int64_t)o->len, (int64_t)o->closed, created, closed) < 0 ? -1 : 0;
}

static int
save_edge(struct store *s, int64_t report, uint32_t ord, const struct edge *e)
{
	int64_t stack = save_stack(s, &e->stack);

	return stack < 0 || store_run(s, "INSERT INTO wait_edge (report_id, ord, from_kind, from_id, to_kind, to_id, label, stack_id) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
		"iisisisi", report, (int64_t)ord, e->from_is_object ? "object" : "goroutine", (int64_t)e->from, e->to_is_object ? "object" : "goroutine",
		(int64_t)e->to, e->label, stack) < 0 ? -1 : 0;
}

static int
save_report(struct store *s, const struct process *p, const struct finding *f)
{
	int bad = 0;
	int64_t id = store_run(s, "INSERT INTO report (issue_id, run_id, seq, at_ns, proof, gate, cause, occurrences) VALUES (?, ?, ?, ?, ?, ?, ?, ?)", "iiiisisi",
		f->issue_id, p->run_id, (int64_t)f->n, f->at_ns, f->proof, (int64_t)f->gate, f->cause, (int64_t)f->occurrences);

	if (id < 0)
		return -1;
	for (uint32_t i = 0; i < f->n_parts && !bad; i++)
		bad = save_part(s, id, i, &f->parts[i]);
	for (uint32_t i = 0; i < f->n_goroutines && !bad; i++)
		bad = save_goroutine(s, id, i, &f->goroutines[i]);
	for (uint32_t i = 0; i < f->n_objects && !bad; i++)
		bad = save_object(s, id, i, &f->objects[i]);
	for (uint32_t i = 0; i < f->n_edges && !bad; i++)
		bad = save_edge(s, id, i, &f->edges[i]);
	return bad;
}

int
store_save_finding(struct store *s, const struct process *p, struct finding *f)
{
	if (store_transaction(s) < 0)
		return -1;
	f->issue_id = one(store_query(s, "INSERT INTO issue (fp, fp_version, rule, kind, title, site, first_session, last_session) VALUES (?, 1, ?, ?, ?, ?, ?, ?) "
		"ON CONFLICT (fp) DO UPDATE SET title = excluded.title, site = excluded.site, last_session = excluded.last_session RETURNING id", "sisssii",
		f->fingerprint, (int64_t)f->rule, rule_kind_name(rule_find(f->rule)->kind, 1), f->title, f->site, s->session, s->session));
	if (store_finish(s, f->issue_id < 0 ? -1 : save_report(s, p, f)) < 0) {
		f->issue_id = 0;
		return -1;
	}
	f->sessions = (uint64_t)one(store_query(s, "SELECT count(DISTINCT run.session_id) FROM report JOIN run ON run.id = report.run_id WHERE issue_id = ?", "i", f->issue_id));
	return 0;
}

int
store_set_occurrences(struct store *s, const struct process *p, const struct finding *f)
{
	return store_run(s, "UPDATE report SET occurrences = ? WHERE issue_id = ? AND run_id = ? AND seq = ?", "iiii", (int64_t)f->occurrences, f->issue_id,
		p->run_id, (int64_t)f->n) < 0 ? -1 : 0;
}

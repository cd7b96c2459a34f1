/* Emission of findings: numbering, repeats, the record, and the line on stderr of a program that runs without `cspcheck`.
 *
 * Two findings are the same in one process if the rule and every party's role and stack are the same, in whatever order the parties
 * come (a race is seen from either side). For goroutines that never end the creation stack counts too: one cluster per blocking site
 * and creator. The table is guarded by `lock`, which is taken before the lock of the record stream. */
#include "finding.h"

#include <string.h>
#include <stdio.h>
#include <unistd.h>

#include "lock.h"
#include "loss.h"
#include "record.h"
#include "stack.h"
#include "stream.h"

#define KNOWN 8192u                     /* distinct findings per process; power of two */
#define AGAIN_NS INT64_C(1000000000)

struct known {
	uint64_t key;                   /* 0: free */
	uint32_t n;
	uint64_t repeats_unwritten;
	int64_t  written_ns;
};

static struct det_lock lock;
static struct known    known[KNOWN];
static uint32_t        n_findings;
static struct { const char *what; uint64_t count; } losses_written[64];

static uint64_t text_hash(const char *s)
{
	uint64_t h = 7;
	while (s != NULL && *s != 0)
		h = h * 131 + (uint8_t)*s++;
	return h;
}

uint64_t det_finding_key(const struct det_finding *f)
{
	uint64_t key = (uint64_t)f->rule * UINT64_C(0xff51afd7ed558ccd);

	for (uint32_t i = 0; i < f->n_parts && f->rule != DET_ALIVE_AT_EXIT; i++) {
		/* Which of two racing accesses came second says nothing about the bug. */
		uint64_t role = f->rule < 2000 ? 0 : text_hash(f->parts[i].role);
		key += (det_stack_hash(f->parts[i].stack) ^ role) * UINT64_C(0xc4ceb9fe1a85ec53);
	}
	if (f->rule >= 3000 && f->rule < 4000 && f->n_goroutines > 0)
		key += det_stack_hash(f->goroutines[0].created_at) * 31 + f->goroutines[0].entry_pc;
	return key | 1;
}

static struct known *find(uint64_t key)
{
	for (uint32_t i = 0; i < KNOWN; i++) {
		struct known *k = &known[(key / 2 + i) % KNOWN];
		if (k->key == key || k->key == 0)
			return k;
	}
	return NULL;
}

/* --- the record -------------------------------------------------------------------------------------------------------- */

static void put_part(const struct det_part *p)
{
	det_record_open(NULL, '{');
	det_record_str("role", p->role);
	det_record_str("op", p->op);
	det_record_u64("gid", p->gid);
	det_record_addr("addr", p->addr);
	det_record_u64("size", p->size);
	det_record_pcs("pcs", p->stack);
	det_record_bool("exact", p->stack != NULL && p->stack->exact0);
	det_record_str("note", p->note);
	det_record_open("objects", '[');
	for (uint32_t i = 0; i < p->n_objects && i < sizeof p->objects / sizeof p->objects[0]; i++) {
		det_record_open(NULL, '{');
		det_record_addr("addr", p->objects[i]);
		det_record_str("kind", p->object_kinds[i]);
		det_record_close();
	}
	det_record_close();
	det_record_close();
}

static void put_goroutine(const struct det_goroutine *g)
{
	det_record_open(NULL, '{');
	det_record_u64("gid", g->gid);
	det_record_u64("parent", g->parent_gid);
	det_record_str("name", g->name);
	det_record_str("state", g->state);
	det_record_i64("blocked_ns", g->blocked_ns);
	det_record_addr("entry", g->entry_pc);
	det_record_pcs("pcs", g->created_at);
	det_record_close();
}

static void put_object(const struct det_object *o)
{
	det_record_open(NULL, '{');
	det_record_str("kind", o->kind);
	det_record_addr("addr", o->addr);
	det_record_u64("size", o->size);
	det_record_u64("gid", o->gid);
	det_record_pcs("pcs", o->created_at);
	det_record_pcs("closed_pcs", o->closed_at);
	det_record_u64("cap", o->cap);
	det_record_u64("len", o->len);
	det_record_bool("closed", o->closed);
	det_record_close();
}

static void put_end(const char *key, uint64_t gid, uintptr_t obj)
{
	det_record_open(key, '{');
	if (gid != 0)
		det_record_u64("g", gid);
	else
		det_record_addr("o", obj);
	det_record_close();
}

static void put_edge(const struct det_edge *e)
{
	det_record_open(NULL, '{');
	put_end("from", e->from_gid, e->from_obj);
	put_end("to", e->to_gid, e->to_obj);
	det_record_str("label", e->label);
	det_record_pcs("pcs", e->stack);
	det_record_close();
}

static void put_finding(const struct det_finding *f, uint32_t n)
{
	det_record_u64("n", n);
	det_record_u64("rule", f->rule);
	if (f->proof != NULL)
		det_record_str("proof", f->proof);
	else
		det_record_null("proof");
	det_record_bool("gate", f->gate);
	det_record_i64("at_ns", det_now_ns());
	det_record_str("cause", f->cause);
	det_record_open("parts", '[');
	for (uint32_t i = 0; i < f->n_parts; i++)
		put_part(&f->parts[i]);
	det_record_close();
	det_record_open("goroutines", '[');
	for (uint32_t i = 0; i < f->n_goroutines; i++)
		put_goroutine(&f->goroutines[i]);
	det_record_close();
	det_record_open("objects", '[');
	for (uint32_t i = 0; i < f->n_objects; i++)
		put_object(&f->objects[i]);
	det_record_close();
	det_record_open("edges", '[');
	for (uint32_t i = 0; i < f->n_edges; i++)
		put_edge(&f->edges[i]);
	det_record_close();
}

/* --- without a stream: one line, raw addresses --------------------------------------------------------------------------- */

static const char *rule_text(enum det_rule rule)
{
	switch (rule) {
	case DET_RACE: return "data race";
	case DET_RACE_ATOMIC: return "race of an atomic and a plain access";
	case DET_RACE_FREE: return "race with free";
	case DET_DEADLOCK: return "deadlock: all goroutines are asleep";
	case DET_DEADLOCK_PARTIAL: return "deadlock of some goroutines";
	case DET_NIL_CHAN: return "operation on a nil channel";
	case DET_EMPTY_SELECT: return "select without cases";
	case DET_LOCK_ORDER: return "lock order";
	case DET_SELF_LOCK: return "lock taken twice by its holder";
	case DET_BAD_UNLOCK: return "bad unlock";
	case DET_LEAK: return "goroutine leaked";
	case DET_ALIVE_AT_EXIT: return "goroutine alive at exit";
	case DET_BLOCKED_LONG: return "goroutine blocked for long";
	case DET_SEND_ON_CLOSED: return "send on closed channel";
	case DET_DOUBLE_CLOSE: return "close of closed channel";
	case DET_CLOSE_NIL: return "close of nil channel";
	case DET_WG_NEGATIVE: return "negative wait group counter";
	case DET_WG_REUSE: return "wait group reused";
	case DET_PANIC: return "panic";
	case DET_STACK_OVERFLOW: return "stack overflow";
	case DET_TIMEOUT: return "timeout";
	}
	return "finding";
}

static void print_line(const struct det_finding *f)
{
	char line[2048];
	size_t at = 0, room = sizeof line - 1;
#define ADD(...) (at += (size_t)snprintf(line + at, room - at, __VA_ARGS__), at = at < room ? at : room - 1)
	ADD("cspcheck: CSP%d %s%s%s: %s", f->rule, rule_text(f->rule), f->proof != NULL ? ", proof " : "", f->proof != NULL ? f->proof : "",
		f->cause != NULL ? f->cause : "");
	for (uint32_t i = 0; i < f->n_parts && i < 4; i++) {
		const struct det_part *p = &f->parts[i];
		ADD("; %s %s, goroutine %llu at", p->role, p->op != NULL ? p->op : "", (unsigned long long)p->gid);
		for (uint32_t k = 0; p->stack != NULL && k < p->stack->n && k < 6; k++)
			ADD(" 0x%lx", (unsigned long)p->stack->pc[k]);
	}
#undef ADD
	line[at++] = '\n';
	for (size_t done = 0; done < at;) {
		ssize_t n = write(STDERR_FILENO, line + done, at - done);
		if (n <= 0)
			break;
		done += (size_t)n;
	}
}

static void write_again(struct known *k, int64_t now_ns)
{
	if (det_record_begin("again")) {
		det_record_u64("n", k->n);
		det_record_u64("count", k->repeats_unwritten);
		det_record_end();
	}
	k->repeats_unwritten = 0;
	k->written_ns = now_ns;
}

static void repeat_locked(struct known *k, uint64_t count)
{
	int64_t now_ns = det_now_ns();

	k->repeats_unwritten += count;
	if (now_ns - k->written_ns >= AGAIN_NS)
		write_again(k, now_ns);
}

void det_finding_repeat(uint64_t key, uint64_t count)
{
	det_lock(&lock);
	struct known *k = find(key);
	if (k != NULL && k->key == key)
		repeat_locked(k, count);
	det_unlock(&lock);
}

uint32_t det_finding_emit(const struct det_finding *f)
{
	uint64_t key = det_finding_key(f);
	uint32_t n = 0;

	det_lock(&lock);
	struct known *k = find(key);
	if (k != NULL && k->key == key) {
		repeat_locked(k, 1);
	} else {
		n = ++n_findings;
		if (k != NULL)
			*k = (struct known){ .key = key, .n = n, .written_ns = det_now_ns() };
		else
			det_loss("finding table full: repeats are not recognised", 1);
		if (det_record_begin("finding")) {
			put_finding(f, n);
			det_record_end();
		} else {
			print_line(f);
		}
	}
	det_unlock(&lock);
	return n;
}

/* --- the rest of the stream (stream.h) ------------------------------------------------------------------------------------ */

void det_stream_panic(const char *text)
{
	if (det_record_begin("panic")) {
		det_record_str("text", text);
		det_record_end();
	}
}

static void write_loss(const char *what, uint64_t count, void *arg)
{
	for (unsigned i = 0; i < sizeof losses_written / sizeof losses_written[0]; i++) {
		if (losses_written[i].what == NULL)
			losses_written[i].what = what;
		if (losses_written[i].what != what)
			continue;
		if (count > losses_written[i].count && det_record_begin("loss")) {
			det_record_str("what", what);
			det_record_u64("count", count - losses_written[i].count);
			det_record_end();
		}
		losses_written[i].count = count;
		return;
	}
}

static void flush_locked(void)
{
	for (uint32_t i = 0; i < KNOWN; i++)
		if (known[i].repeats_unwritten != 0)
			write_again(&known[i], 0);
	det_loss_each(write_loss, NULL);
}

void det_stream_flush(void)
{
	det_lock(&lock);
	flush_locked();
	det_unlock(&lock);
}

bool det_stream_is_open(void) { return det_record_stream_is_open(); }

void det_stream_bye(uint64_t started, uint64_t alive)
{
	det_lock(&lock);
	flush_locked();
	if (det_record_begin("bye")) {
		det_record_i64("at_ns", det_now_ns());
		det_record_u64("goroutines_started", started);
		det_record_u64("goroutines_alive", alive);
		det_record_u64("findings", n_findings);
		det_record_end();
	}
	det_unlock(&lock);
}

static void leave_to_parent(const char *what, uint64_t count, void *arg)
{
	for (unsigned i = 0; i < sizeof losses_written / sizeof losses_written[0]; i++) {
		if (losses_written[i].what != NULL && losses_written[i].what != what)
			continue;
		losses_written[i].what = what;
		losses_written[i].count = count;
		return;
	}
}

void det_stream_fork(int phase)
{
	if (phase == 0) {
		det_lock(&lock);
		det_record_fork(phase);
		return;
	}
	det_record_fork(phase);
	if (phase == 1) {
		det_unlock(&lock);
		return;
	}
	/* The child's stream is its own: what the parent found and counted is the parent's to tell. */
	memset(known, 0, sizeof known);
	det_loss_each(leave_to_parent, NULL);
	n_findings = 0;
	det_lock_reset(&lock);
}

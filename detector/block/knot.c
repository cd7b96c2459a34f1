/* Proofs that need no memory scan: P0 (structural) and P1 (owner knots), at the moment a goroutine parks.
 *
 * For locks with owners "who can end this wait" is known exactly:
 *   mutex, once     its owner
 *   write lock      the writer inside and every reader inside (AND: one that never leaves is enough)
 *   read lock       the writer inside; else the writer that is queued ahead, through that writer's own AND (writers are preferred)
 * All of these are conjunctions, so a goroutine is dead exactly if some chain of "needs" from it comes back to itself, or ends at a
 * goroutine that has finished, or has a verdict already. A goroutine that waits for anything else ends the chain: it may go on.
 *
 * Why the tables are exact enough. A hold is entered after the lock is taken and removed before it is released; members of a knot are
 * all parked, hence have entered what they hold. `wants` is set under walk_lock before the walk and cleared under it when the
 * goroutine is made ready: of the last two members to park, the second sees both. A waiter already woken that has not yet taken the lock is not in
 * a knot (it wants nothing). It may park again: then it walks again. For the same reason being made ready refutes no verdict on a
 * lock wait (someone else may have taken the lock first); taking the lock does. So it is with a cond, whose mutex comes after the signal.
 * Locks that are handed over (their owner is "anybody") have no owner edges. */
#include "block.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <unwind.h>

#include "../order/order.h"
#include "../report/lock.h"
#include "../report/loss.h"
#include "../report/record.h"
#include "../report/stream.h"
#include "../shadow/context.h"
#include "draft.h"

#define CHAIN_MAX   256
#define HOLDERS_MAX 64

const struct rt_door *det_block_door;
struct det_block_options det_block_options;

static struct det_lock walk_lock;
static uint32_t walk_number;            /* guarded by walk_lock */
static _Atomic uint32_t n_wanting;      /* rows with `wants` */
static _Atomic uint32_t n_convicted;

void det_block_attach(const struct rt_door *door, const struct det_block_options *options)
{
	det_block_options = *options;
	det_block_door = det_table_init() ? door : NULL;
}

void det_block_knot_fork(int phase)
{
	if (phase == 0) {
		det_lock(&walk_lock);
	} else if (phase == 1) {
		det_unlock(&walk_lock);
	} else {
		det_lock_reset(&walk_lock);
		det_table_after_fork();
		det_draft_after_fork();
	}
}

/* --- what they want ------------------------------------------------------------------------------------------------------- */

/* Goroutines queued for a write lock, by hash of the lock: whoever wants to read asks for them. Guarded by walk_lock. */
#define WRITER_LISTS 1024u
static struct det_bg *writers[WRITER_LISTS];

static struct det_bg **writers_of(uintptr_t lock) { return &writers[(lock * UINT64_C(0x9e3779b97f4a7c15) >> 32) % WRITER_LISTS]; }

static bool is_queued_writer(const struct det_bg *b) { return b->wants_kind == RT_OBJ_RWMUTEX && b->wants_op == RT_OP_LOCK; }

static void set_wants_locked(struct det_bg *b, const struct rt_wait_entry *w, uint32_t ctx)
{
	b->wants = (uintptr_t)w->obj;
	b->wants_kind = w->kind;
	b->wants_op = w->op;
	b->wants_ctx = ctx;
	atomic_fetch_add_explicit(&n_wanting, 1, memory_order_relaxed);
	if (is_queued_writer(b)) {
		b->next_writer = *writers_of(b->wants);
		*writers_of(b->wants) = b;
	}
}

static void clear_wants_locked(struct det_bg *b)
{
	if (b->wants == 0)
		return;
	if (is_queued_writer(b)) {
		struct det_bg **at = writers_of(b->wants);
		while (*at != b)
			at = &(*at)->next_writer;
		*at = b->next_writer;
	}
	b->wants = 0;
	atomic_fetch_sub_explicit(&n_wanting, 1, memory_order_relaxed);
}

/* --- verdicts are sticky, and can be refuted ------------------------------------------------------------------------------ */

static _Noreturn void refuted(uint64_t gid)
{
	char line[200];
	int n = snprintf(line, sizeof line, "cspcheck: internal error: goroutine %llu was proven blocked for ever and has been made ready (please report)\n",
		(unsigned long long)gid);

	if (det_record_begin("loss")) {
		det_record_str("what", "trap: a goroutine proven blocked for ever was made ready");
		det_record_u64("count", 1);
		det_record_end();
	}
	if (write(STDERR_FILENO, line, (size_t)n) < 0)
		abort();
	abort();
}

static bool has_verdict(uint64_t gid)
{
	struct det_bg *b = atomic_load_explicit(&n_convicted, memory_order_relaxed) != 0 ? det_bg_of(gid, false) : NULL;
	return b != NULL && atomic_load(&b->verdict) != DET_PROOF_NONE;
}

bool det_block_convicted(uint64_t gid) { return has_verdict(gid); }

bool det_block_suspected(uint64_t gid)
{
	struct det_bg *b = det_bg_of(gid, true);
	return b != NULL && atomic_exchange(&b->suspected, true);
}

void det_block_convict(uint64_t gid, struct rt_gview *view, enum det_proof proof)
{
	struct det_bg *b = det_bg_of(gid, true);
	struct rt_ginfo info;

	if (b == NULL)
		return;
	b->view = view;
	b->waits_cond = det_block_door->g_info(view, &info) && info.wait == RT_WAIT_COND;
	atomic_store(&b->verdict, (uint8_t)proof);
	atomic_fetch_add(&n_convicted, 1);
}

void det_block_ready(struct rt_gview *waker, struct rt_gview *g)
{
	if (atomic_load_explicit(&n_wanting, memory_order_relaxed) == 0 && atomic_load_explicit(&n_convicted, memory_order_relaxed) == 0)
		return;
	struct det_bg *b = det_bg_of(g->id, false);
	if (b == NULL)
		return;
	det_lock(&walk_lock);
	bool lock_wait = b->wants != 0, cond_wait = b->waits_cond;
	b->waits_cond = false;
	clear_wants_locked(b);
	det_unlock(&walk_lock);
	if (!lock_wait && !cond_wait && atomic_load(&b->verdict) != DET_PROOF_NONE && !det_block_dying())
		refuted(g->id);
}

static void wants_nothing(uint64_t gid)
{
	struct det_bg *b = det_bg_of(gid, false);

	if (b == NULL || b->wants == 0)
		return;
	det_lock(&walk_lock);
	clear_wants_locked(b);
	det_unlock(&walk_lock);
}

/* --- holds ---------------------------------------------------------------------------------------------------------------- */

static void took(struct rt_gview *g, void *obj, enum rt_obj_kind kind, bool write, uint32_t ctx)
{
	if (det_block_door == NULL || g == NULL)
		return;
	if (has_verdict(g->id) && !det_block_dying())
		refuted(g->id);
	if (atomic_load_explicit(&n_wanting, memory_order_relaxed) != 0)
		wants_nothing(g->id);           /* a park that was undone, no ready came */
	det_hold_add((uintptr_t)obj, (uint8_t)kind, g->id, write, ctx);
	if (kind != RT_OBJ_ONCE)
		det_order_took(g->det, (uintptr_t)obj, kind, write, false, ctx);
}

static bool handed_over(enum rt_obj_kind kind, void *obj)
{
	struct rt_objinfo info = { 0 };

	if (kind != RT_OBJ_ONCE)
		det_block_door->obj_info(kind, obj, &info);
	return info.handover;
}

void det_block_mutex_lock(struct rt_gview *g, void *m, void *pc)
{
	if (det_block_door != NULL && !handed_over(RT_OBJ_MUTEX, m))
		took(g, m, RT_OBJ_MUTEX, true, det_ctx_here(pc));
}

static void released(struct rt_gview *g, void *obj, bool write)
{
	if (det_block_door != NULL && g != NULL)
		det_hold_remove((uintptr_t)obj, g->id, write);
}

void det_block_mutex_unlock(struct rt_gview *g, void *m) { released(g, m, true); }

void det_block_rw_lock(struct rt_gview *g, void *rw, bool writer, void *pc)
{
	if (det_block_door != NULL && !handed_over(RT_OBJ_RWMUTEX, rw))
		took(g, rw, RT_OBJ_RWMUTEX, writer, det_ctx_here(pc));
}

/* Readers are owners, too (the proofs above rest on it); the runtime keeps only their number, so who gives back another's read lock is told
 * here. Hand-over locks are in no table. */
void det_block_rw_unlock(struct rt_gview *g, void *rw, bool writer, void *pc)
{
	static const char text[] = "sync: RUnlock of RWMutex read-locked by another goroutine";

	if (det_block_door != NULL && g != NULL && !writer && !det_block_dying() && det_hold_is_anothers((uintptr_t)rw, g->id, false)) {
		det_block_misuse(g, RT_MISUSE_UNLOCK_FOREIGN, rw, text, pc);
		det_block_door->fatal(text);
	}
	released(g, rw, writer);
}

void det_block_once_begin(struct rt_gview *g, void *o) { took(g, o, RT_OBJ_ONCE, true, 0); }

void det_block_once_done(struct rt_gview *g, void *o)
{
	if (det_block_door != NULL && g != NULL)
		det_hold_remove((uintptr_t)o, g->id, true);
}

/* --- the walk -------------------------------------------------------------------------------------------------------------- */

/* One goroutine that is needed, by which lock. */
struct need { struct det_bg *who; struct det_hold hold; bool queued_writer; };

struct chain {
	struct det_bg *g[CHAIN_MAX];
	struct need    by[CHAIN_MAX];   /* g[i] needs by[i].who == g[i + 1] */
	uint32_t       n;
	bool           finished;        /* the last one needed has finished */
};

/* Whom g needs, all of them, for its wait. */
static uint32_t needs_of(const struct det_bg *g, struct need *out, uint32_t max)
{
	struct det_hold holds[HOLDERS_MAX];
	uint32_t n = 0, n_holds = det_hold_list(g->wants, holds, HOLDERS_MAX);
	bool reader = g->wants_op == RT_OP_RLOCK, writer_inside = false;

	for (uint32_t i = 0; i < n_holds && n < max; i++) {
		writer_inside |= holds[i].write;
		struct det_bg *who = reader && !holds[i].write ? NULL : det_bg_of(holds[i].gid, false);
		if (who != NULL)
			out[n++] = (struct need){ who, holds[i], false };
	}
	if (reader && !writer_inside && n < max) {
		struct det_bg *w = *writers_of(g->wants);
		while (w != NULL && (w->wants != g->wants || w == g))
			w = w->next_writer;
		if (w != NULL)
			out[n++] = (struct need){ w, { .lock = g->wants, .gid = w->gid, .kind = RT_OBJ_RWMUTEX, .ctx = w->wants_ctx }, true };
	}
	return n;
}

/* Depth first from c->g[c->n - 1]. True: c is a chain to a goroutine on the chain (its last need), or to one that has finished. */
static bool find_dead_end(struct chain *c)
{
	struct det_bg *g = c->g[c->n - 1];
	struct need needs[HOLDERS_MAX];

	g->walk = walk_number;
	if (g->wants == 0 || c->n >= CHAIN_MAX)
		return false;
	uint32_t n = needs_of(g, needs, HOLDERS_MAX);
	for (uint32_t i = 0; i < n; i++) {
		c->by[c->n - 1] = needs[i];
		if (needs[i].who->ended) {
			c->finished = true;
			return true;
		}
		for (uint32_t k = 0; k < c->n; k++)
			if (c->g[k] == needs[i].who)
				return true;
		if (needs[i].who->walk == walk_number)
			continue;
		c->g[c->n++] = needs[i].who;
		if (find_dead_end(c))
			return true;
		c->n--;
	}
	return false;
}

/* --- reports ---------------------------------------------------------------------------------------------------------------- */

static const char *want_text(const struct det_bg *b)
{
	enum rt_wait wait = b->wants_kind == RT_OBJ_MUTEX ? RT_WAIT_MUTEX : b->wants_kind == RT_OBJ_ONCE ? RT_WAIT_ONCE :
		b->wants_op == RT_OP_RLOCK ? RT_WAIT_RW_RLOCK : RT_WAIT_RW_LOCK;
	return det_block_door->wait_text(wait);
}

static void draft_link(const struct det_bg *g, const struct need *need)
{
	struct det_stack *wanted = det_draft_ctx(g->wants_ctx), *held = det_draft_ctx(need->hold.ctx);
	struct det_part *p = det_draft_part("blocked", want_text(g), g->gid, wanted);

	det_draft_goroutine(g->gid, want_text(g), 0);
	det_draft_part_object(p, g->wants_kind, g->wants);
	det_draft_edge_to_object(g->gid, g->wants_kind, g->wants, g->wants_op == RT_OP_RLOCK ? "waits to read-lock" : "waits to lock", wanted);
	const char *label = need->queued_writer ? "queued writer ahead" : need->hold.write ? "held by" : "read-held by";
	det_draft_edge_to_goroutine(g->wants_kind, g->wants, need->who->gid, label, held);
	if (need->queued_writer)
		return;
	p = det_draft_part("holder", need->hold.write ? "lock" : "read lock", need->who->gid, held);
	det_draft_part_object(p, g->wants_kind, g->wants);
}

/* from: index of the first member of the cycle. Returns whether the program is to end. */
static bool report_chain(const struct chain *c, uint32_t from)
{
	uint32_t members = c->n - from;
	bool self = !c->finished && members == 1;
	const struct det_bg *last = c->g[c->n - 1];
	const char *cause;

	det_draft_begin(det_block_door);
	for (uint32_t i = from; i < c->n; i++)
		draft_link(c->g[i], &c->by[i]);
	if (c->finished)
		cause = det_draft_text("goroutine %llu waits for a lock whose holder, goroutine %llu, has finished without unlocking it",
			(unsigned long long)last->gid, (unsigned long long)c->by[c->n - 1].who->gid);
	else if (self)
		cause = det_draft_text("goroutine %llu waits for a lock that it holds itself", (unsigned long long)last->gid);
	else
		cause = det_draft_text("%u goroutines wait for locks held by each other", members);
	det_draft_emit(self ? DET_SELF_LOCK : DET_DEADLOCK_PARTIAL, self || c->finished ? "P0" : "P1", true, cause);
	return det_block_options.deadlock == DET_DEADLOCK_FATAL && (!c->finished || last->gid == 1);
}

/* g, parked for a lock, has just been entered: is it dead now? Called with walk_lock held; returns without. */
static void judge(struct det_bg *g)
{
	static struct chain c;          /* guarded by walk_lock */
	char text[100];

	walk_number++;
	c.n = 1;
	c.g[0] = g;
	c.finished = false;
	if (!find_dead_end(&c)) {
		det_unlock(&walk_lock);
		return;
	}
	uint32_t from = 0;
	struct det_bg *again = c.by[c.n - 1].who;
	while (!c.finished && c.g[from] != again)
		from++;
	bool known = false;
	for (uint32_t i = c.finished ? c.n - 1 : from; i < c.n; i++)
		known |= atomic_load(&c.g[i]->verdict) != DET_PROOF_NONE;
	bool fatal = !known && report_chain(&c, c.finished ? c.n - 1 : from);
	for (uint32_t i = 0; i < c.n; i++) {
		if (atomic_load(&c.g[i]->verdict) == DET_PROOF_NONE) {
			atomic_store(&c.g[i]->verdict, c.finished ? DET_PROOF_P0 : DET_PROOF_P1);
			atomic_fetch_add(&n_convicted, 1);
		}
		fatal |= c.g[i]->gid == 1 && det_block_options.deadlock == DET_DEADLOCK_FATAL;
	}
	snprintf(text, sizeof text, "goroutines are deadlocked: %u in a cycle", c.finished ? 1 : c.n - from);
	det_unlock(&walk_lock);
	if (fatal)
		det_block_die(text);
}

/* --- a goroutine ends ------------------------------------------------------------------------------------------------------- */

struct stuck { const struct det_hold *holds; uint32_t n; struct det_bg *found; };

static bool waits_for_one_of(struct det_bg *b, void *arg)
{
	struct stuck *s = arg;

	for (uint32_t i = 0; i < s->n && s->found == NULL; i++)
		if (b->wants == s->holds[i].lock && atomic_load(&b->verdict) == DET_PROOF_NONE && (s->holds[i].write || b->wants_op != RT_OP_RLOCK))
			s->found = b;
	return s->found == NULL;
}

/* A lock that g still holds is never given back. Who parks for it from now on sees that in its own walk; who waits already is judged here. */
void det_block_end(struct rt_gview *g)
{
	struct det_bg *b = det_block_door != NULL ? det_bg_of(g->id, false) : NULL;
	struct det_hold holds[HOLDERS_MAX];

	if (b == NULL)
		return;
	det_lock(&walk_lock);
	b->view = NULL;
	b->ended = true;
	if (atomic_load(&b->n_holds) == 0) {
		det_bg_drop(g->id);
		det_unlock(&walk_lock);
		return;
	}
	struct stuck s = { .holds = holds, .n = det_hold_of(g->id, holds, HOLDERS_MAX) };
	for (struct det_bg *last = NULL;; last = s.found) {
		s.found = NULL;
		if (atomic_load_explicit(&n_wanting, memory_order_relaxed) != 0)
			det_bg_each(waits_for_one_of, &s);
		if (s.found == NULL || s.found == last)
			break;
		judge(s.found);
		det_lock(&walk_lock);
	}
	det_unlock(&walk_lock);
}

/* --- parks ------------------------------------------------------------------------------------------------------------------ */

static _Unwind_Reason_Code on_frame(struct _Unwind_Context *u, void *arg)
{
	struct det_stack *s = arg;
	uintptr_t pc = _Unwind_GetIP(u);

	if (pc != 0)
		s->pc[s->n++] = pc;
	return pc != 0 && s->n < DET_STACK_MAX ? _URC_NO_REASON : _URC_END_OF_STACK;
}

/* The whole stack of the goroutine that is about to park, our own and the runtime's frames included. */
static uint32_t current_ctx(void)
{
	struct det_stack s = { 0 };
	uint32_t ctx = 0;

	_Unwind_Backtrace(on_frame, &s);
	for (uint32_t i = s.n; i-- > 0;)
		ctx = det_ctx_intern(ctx, s.pc[i]);
	return ctx;
}

static void report_structural(struct rt_gview *g, enum det_rule rule, const char *op, const char *cause)
{
	if (det_block_options.deadlock == DET_DEADLOCK_OFF)
		return;
	uint32_t ctx = current_ctx();
	det_draft_begin(det_block_door);
	det_draft_part("blocked", op, g->id, det_draft_ctx(ctx));
	det_draft_goroutine(g->id, op, 0);
	det_draft_emit(rule, "P0", true, cause);
	det_block_convict(g->id, g, DET_PROOF_P0);
}

static void wants_lock(struct rt_gview *g, const struct rt_wait_entry *w)
{
	if (det_block_options.deadlock == DET_DEADLOCK_OFF || handed_over(w->kind, w->obj))
		return;
	struct det_bg *b = det_bg_of(g->id, true);
	if (b == NULL)
		return;
	uint32_t ctx = current_ctx();
	det_lock(&walk_lock);
	clear_wants_locked(b);
	b->view = g;
	set_wants_locked(b, w, ctx);
	judge(b);
}

void det_block_park(struct rt_gview *g)
{
	struct rt_ginfo info;

	if (det_block_door == NULL || det_block_dying() || !det_block_door->g_info(g, &info) || info.system)
		return;
	switch (info.wait) {
	case RT_WAIT_CHAN_RECV_NIL:
	case RT_WAIT_CHAN_SEND_NIL:
		report_structural(g, DET_NIL_CHAN, det_block_door->wait_text(info.wait), "an operation on a nil channel blocks for ever");
		break;
	case RT_WAIT_SELECT_NO_CASES:
		report_structural(g, DET_EMPTY_SELECT, det_block_door->wait_text(info.wait), "a select without cases blocks for ever");
		break;
	case RT_WAIT_SELECT:
		if (info.n_waits == 0 && !info.has_deadline)
			report_structural(g, DET_NIL_CHAN, det_block_door->wait_text(info.wait), "a select whose channels are all nil blocks for ever");
		break;
	case RT_WAIT_MUTEX:
	case RT_WAIT_RW_RLOCK:
	case RT_WAIT_RW_LOCK:
	case RT_WAIT_ONCE:
		if (info.n_waits > 0)
			wants_lock(g, &info.waits[0]);
		break;
	default:
		break;
	}
}

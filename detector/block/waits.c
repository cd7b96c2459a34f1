/* Goroutines and their waits on the frozen copy (reach.h), and what each wait asks for as terms of the graph. */
#include "reach.h"

#include "../abi/start.h"

#define RED_ZONE  128u
#define TCB_BYTES 2304u                 /* of glibc's struct pthread on x86-64; a smaller one would be followed by more of the same mapping */

static bool count_one(const struct rt_ginfo *info, void *arg)
{
	++*(uint32_t *)arg;
	return true;
}

static bool goes_on_by_itself(const struct rt_ginfo *info)
{
	struct rt_objinfo o;

	if (info->state != RT_G_WAITING || info->system || info->foreign || info->has_deadline || info->n_waits > RT_INSPECT_WAITS)
		return true;
	switch (info->wait) {
	case RT_WAIT_CHAN_RECV_NIL: case RT_WAIT_CHAN_SEND_NIL: case RT_WAIT_SELECT_NO_CASES:
		return false;
	case RT_WAIT_CHAN_RECV: case RT_WAIT_CHAN_SEND: case RT_WAIT_SELECT: case RT_WAIT_MUTEX: case RT_WAIT_RW_RLOCK: case RT_WAIT_RW_LOCK:
	case RT_WAIT_WAITGROUP: case RT_WAIT_COND: case RT_WAIT_ONCE: case RT_WAIT_SEMA:
		break;
	default:
		return true;
	}
	if (info->n_waits == 0)
		return info->wait != RT_WAIT_SELECT;
	for (uint32_t i = 0; i < info->n_waits; i++) {
		const struct rt_wait_entry *w = &info->waits[i];
		if (w->kind == RT_OBJ_NONE || w->kind == RT_OBJ_TIMER || w->kind == RT_OBJ_FD)
			return true;
		if (w->kind != RT_OBJ_CHAN)
			continue;
		det_block_door->obj_info(RT_OBJ_CHAN, w->obj, &o);
		if (o.is_timer_chan)
			return true;
	}
	return false;
}

/* Where the frames of the program end on main's own stack. Above them glibc's start routine keeps a jump buffer that its thread control
 * block names, and the kernel put arguments and environment, which the loader and libc name. All this is memory any code may get at, an
 * ordinary root; were it part of the goroutine's stack, that stack would always be pointed to, and main never be found unreachable. A
 * cleanup handler of the program makes the block name a lower frame: then more is a root, and less is proved. */
static uintptr_t frames_end(uintptr_t lo, uintptr_t hi)
{
	const uintptr_t *word = (const uintptr_t *)det_main_tcb;

	for (uint32_t i = 0; word != NULL && i < TCB_BYTES / sizeof *word; i++)
		if (word[i] >= lo && word[i] < hi)
			hi = word[i];
	return hi & ~(uintptr_t)7;
}

static bool note_goroutine(const struct rt_ginfo *info, void *arg)
{
	uint32_t max = *(const uint32_t *)arg;
	struct det_member *m = &det_reach.members[det_reach.graph.n_nodes];
	struct det_node *n = &det_reach.graph.nodes[det_reach.graph.n_nodes];
	struct det_bg *b = det_bg_any() ? det_bg_of(info->id, false) : NULL;
	enum det_proof verdict = b != NULL ? atomic_load(&b->verdict) : DET_PROOF_NONE;

	if (det_reach.graph.n_nodes >= max)
		return false;
	*m = (struct det_member){ .view = info->g, .gid = info->id, .since_ns = info->since_ns, .stack_lo = info->g->stack_lo, .stack_hi = info->g->stack_hi,
		.regs = info->regs, .n_regs = info->n_regs, .state = (uint8_t)info->state, .wait = (uint8_t)info->wait, .system = info->system,
		.foreign = info->foreign, .self = info->g == det_reach.question->self };
	bool ended = det_reach.question->main_ended && info->id == 1;
	m->skip = m->system || m->foreign || m->self || ended || verdict != DET_PROOF_NONE || (b != NULL && atomic_load(&b->expect_leak));
	m->live_lo = m->self ? det_reach.question->self_sp : info->sp != 0 ? info->sp - RED_ZONE : m->stack_lo;
	if (m->live_lo < m->stack_lo || m->live_lo > m->stack_hi)
		m->live_lo = m->stack_lo;
	if (info->id == 1)
		m->stack_hi = frames_end(m->live_lo, m->stack_hi);
	/* A plain thread's stack is an ordinary mapping, a root as a whole. */
	if (m->foreign)
		m->stack_lo = m->stack_hi = m->live_lo = 0;
	n->alive = verdict == DET_PROOF_NONE && !ended && goes_on_by_itself(info);
	if (ended)
		m->live_lo = m->stack_hi;
	m->active = n->alive && !m->self && !m->system && !(m->foreign && info->state == RT_G_WAITING);
	m->first_wait = det_reach.n_waits;
	for (uint32_t i = 0; info->state == RT_G_WAITING && i < info->n_waits && i < RT_INSPECT_WAITS; i++, m->n_waits++)
		det_reach.waits[det_reach.n_waits++] = info->waits[i];
	if (m->stack_hi != 0) {
		det_reach.stacks_lo = m->stack_lo < det_reach.stacks_lo ? m->stack_lo : det_reach.stacks_lo;
		det_reach.stacks_hi = m->stack_hi > det_reach.stacks_hi ? m->stack_hi : det_reach.stacks_hi;
	}
	det_reach.graph.n_nodes++;
	return true;
}

static bool count_waits(const struct rt_ginfo *info, void *arg)
{
	*(uint64_t *)arg += info->n_waits < RT_INSPECT_WAITS ? info->n_waits : RT_INSPECT_WAITS;
	return true;
}

static bool node_of(uint64_t gid, uint32_t *out)
{
	uint32_t lo = 0, hi = det_reach.graph.n_nodes;

	while (lo < hi) {                       /* the first that is not below */
		uint32_t mid = lo + (hi - lo) / 2;
		if (det_reach.members[det_reach.by_gid[mid]].gid < gid)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo == det_reach.graph.n_nodes || det_reach.members[det_reach.by_gid[lo]].gid != gid)
		return false;
	*out = det_reach.by_gid[lo];
	return true;
}

/* --- waits into terms (research table 7.4) ------------------------------------------------------------------------------------------- */

static void begin_term(void) { det_reach.graph.terms[det_reach.graph.n_terms] = (struct det_term){ .first = det_reach.graph.n_atoms }; }

static void atom(enum det_atom_kind kind, uintptr_t what)
{
	det_reach.graph.atoms[det_reach.graph.n_atoms++] = (struct det_atom){ kind, what };
	det_reach.graph.terms[det_reach.graph.n_terms].n++;
}

static void end_term(struct det_node *n)
{
	det_reach.graph.n_terms++;
	n->n++;
}

/* A goroutine that must go on: if it has ended, nobody will do its part (an atom that never holds). */
static void atom_alive(uint64_t gid)
{
	uint32_t i;

	if (node_of(gid, &i))
		atom(DET_ATOM_ALIVE, i);
	else
		atom(DET_ATOM_REACHED, 0);
}

static void write_lock_term(struct det_node *n, const struct rt_wait_entry *w, const struct rt_objinfo *o)
{
	struct det_hold holds[DET_READERS_MAX];
	uint32_t n_holds = det_hold_list((uintptr_t)w->obj, holds, DET_READERS_MAX);
	int64_t n_known = 0;

	for (uint32_t i = 0; i < n_holds; i++)
		n_known += holds[i].count;
	begin_term();
	atom(DET_ATOM_REACHED, (uintptr_t)w->obj);
	/* The readers are known exactly if we know as many as are counted. */
	if (o->owner_id != 0)
		atom_alive(o->owner_id);
	else if (!o->handover && n_holds < DET_READERS_MAX && n_known == o->counter)
		for (uint32_t i = 0; i < n_holds; i++)
			atom_alive(holds[i].gid);
	end_term(n);
}

static void read_lock_terms(struct det_node *n, const struct rt_wait_entry *w, const struct rt_objinfo *o)
{
	bool queued = false;

	if (o->owner_id == 0 && o->writer_waiting)
		for (uint32_t i = 0; i < det_reach.graph.n_nodes; i++) {        /* any writer queued on it may be the one ahead */
			const struct det_member *m = &det_reach.members[i];
			const struct rt_wait_entry *v = &det_reach.waits[m->first_wait];
			if (m->wait != RT_WAIT_RW_LOCK || m->n_waits == 0 || v->obj != w->obj)
				continue;
			queued = true;
			begin_term();
			atom(DET_ATOM_ALIVE, i);
			end_term(n);
			break;                  /* one that is alive makes all alive: they wait for the same readers */
		}
	if (queued)
		return;
	begin_term();
	atom(DET_ATOM_REACHED, (uintptr_t)w->obj);
	if (o->owner_id != 0)
		atom_alive(o->owner_id);
	end_term(n);
}

static void add_terms(struct det_node *n, const struct rt_wait_entry *w)
{
	struct rt_objinfo o = { 0 };

	if (w->kind == RT_OBJ_MUTEX || w->kind == RT_OBJ_RWMUTEX || w->kind == RT_OBJ_ONCE)
		det_block_door->obj_info(w->kind, w->obj, &o);
	if (w->kind == RT_OBJ_RWMUTEX && w->op == RT_OP_LOCK) {
		write_lock_term(n, w, &o);
	} else if (w->kind == RT_OBJ_RWMUTEX && w->op == RT_OP_RLOCK) {
		read_lock_terms(n, w, &o);
	} else {
		begin_term();
		if (w->kind != RT_OBJ_ONCE || o.owner_id == 0)
			atom(DET_ATOM_REACHED, (uintptr_t)w->obj);
		if (o.owner_id != 0 && !o.handover)
			atom_alive(o.owner_id);
		end_term(n);
	}
}

void det_waits_to_terms(void)
{
	for (uint32_t i = 0; i < det_reach.graph.n_nodes && det_reach.given_up == NULL; i++) {
		struct det_member *m = &det_reach.members[i];
		struct det_node *n = &det_reach.graph.nodes[i];
		n->first = det_reach.graph.n_terms;
		if (n->alive || m->live_lo == m->stack_hi || (m->skip && !m->self && det_block_convicted(m->gid)))
			continue;
		for (uint32_t k = 0; k < m->n_waits; k++)
			add_terms(n, &det_reach.waits[m->first_wait + k]);
	}
}

static uintptr_t stack_key(uint32_t i) { return det_reach.members[i].stack_lo; }
static uintptr_t gid_key(uint32_t i) { return det_reach.members[i].gid; }

void det_waits_gather(uint32_t max)
{
	uint32_t n = 0;
	uint64_t n_waits = 0;

	det_block_door->g_each(count_one, &n);
	det_block_door->g_each(count_waits, &n_waits);
	n = n < max ? n : max;
	det_reach.members = det_reach_take((n + 1) * sizeof *det_reach.members);
	det_reach.by_stack = det_reach_take((n + 1) * sizeof *det_reach.by_stack);
	det_reach.by_gid = det_reach_take((n + 1) * sizeof *det_reach.by_gid);
	det_reach.graph.nodes = det_reach_take((n + 1) * sizeof *det_reach.graph.nodes);
	det_reach.waits = det_reach_take((n_waits + 1) * sizeof *det_reach.waits);
	det_reach.graph.terms = det_reach_take((n_waits + 1) * sizeof *det_reach.graph.terms);
	det_reach.graph.atoms = det_reach_take((n_waits + 1) * (DET_READERS_MAX + 2) * sizeof *det_reach.graph.atoms);
	if (det_reach.given_up != NULL)
		return;
	det_block_door->g_each(note_goroutine, &n);
	for (uint32_t i = 0; i < det_reach.graph.n_nodes; i++)
		det_reach.by_stack[i] = det_reach.by_gid[i] = i;
	det_reach_sort(det_reach.by_stack, det_reach.graph.n_nodes, stack_key);
	det_reach_sort(det_reach.by_gid, det_reach.graph.n_nodes, gid_key);
}

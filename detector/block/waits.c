/* Goroutines and their waits on the frozen copy (reach.h), and what each wait asks for as terms of the graph. */
#include "reach.h"

#include "../abi/start.h"

#define RED_ZONE  128u
#define AHEAD     32u
#define WAITS_MAX (UINT32_C(1) << 25)
#define TCB_BYTES 2304u                 /* of glibc's struct pthread on x86-64; a smaller one would be followed by more of the same mapping */

/* Channels that an armed timer will send on. A stopped timer is only its channel. */
static uintptr_t *armed_hash;
static uint32_t   n_armed, armed_mask;

static uint32_t armed_slot(uintptr_t chan)
{
	uint32_t i = (uint32_t)((chan * UINT64_C(0x9e3779b97f4a7c15)) >> 32) & armed_mask;

	while (armed_hash[i] != 0 && armed_hash[i] != chan)
		i = (i + 1) & armed_mask;
	return i;
}

static bool is_armed(uintptr_t chan) { return n_armed != 0 && armed_hash[armed_slot(chan)] == chan; }
static void count_armed(void *chan, void *arg) { n_armed++; }
static void note_armed(void *chan, void *arg) { armed_hash[armed_slot((uintptr_t)chan)] = (uintptr_t)chan; }

static void gather_armed(void)
{
	n_armed = 0;
	det_block_door->timer_chans(count_armed, NULL);
	armed_mask = 63;
	while (armed_mask < 2 * n_armed)
		armed_mask = armed_mask * 2 + 1;
	armed_hash = det_reach_take(((size_t)armed_mask + 1) * sizeof *armed_hash);
	if (det_reach.given_up == NULL)
		det_block_door->timer_chans(note_armed, NULL);
}

static bool goes_on_by_itself(const struct rt_ginfo *info, const struct rt_wait_entry *waits, uint32_t n_waits)
{
	if (info->state != RT_G_WAITING || info->system || info->foreign || info->has_deadline)
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
	if (n_waits == 0)
		return info->wait != RT_WAIT_SELECT;
	for (uint32_t i = 0; i < n_waits; i++) {
		if (waits[i].kind == RT_OBJ_NONE || waits[i].kind == RT_OBJ_TIMER || waits[i].kind == RT_OBJ_FD)
			return true;
		if (waits[i].kind == RT_OBJ_CHAN && is_armed((uintptr_t)waits[i].obj))
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

static uint32_t n_writers;              /* that wait for a write lock */

/* Its wait set behind those noted before; the array's end is beyond what a process can hold. */
static void note_waits(struct det_member *m, const struct rt_ginfo *info)
{
	m->first_wait = det_reach.n_waits;
	if (info->state != RT_G_WAITING)
		return;
	if (det_reach.n_waits + info->n_waits > WAITS_MAX) {
		det_reach.given_up = "leak check: too many waits";
		return;
	}
	if (info->n_waits > RT_INSPECT_WAITS)
		m->n_waits = det_block_door->g_waits(info->g, &det_reach.waits[m->first_wait], info->n_waits);
	else
		for (; m->n_waits < info->n_waits; m->n_waits++)
			det_reach.waits[m->first_wait + m->n_waits] = info->waits[m->n_waits];
	det_reach.n_waits += m->n_waits;
}

static void note_signal_roots(struct det_member *m, const struct rt_ginfo *info)
{
	m->regs = info->regs;
	m->n_regs = info->n_regs;
	if (info->vector_lo == info->vector_hi && info->handler_lo == info->handler_hi)
		return;
	det_reach.roots[det_reach.n_roots] = (struct det_signal_roots){ { info->vector_lo, info->vector_hi }, { info->handler_lo, info->handler_hi } };
	m->roots = ++det_reach.n_roots;
}

/* Where the program's own frames begin on a parked stack. */
static void note_program_frames(struct det_member *m, const struct rt_ginfo *info)
{
	uintptr_t pc = info->pc, fp = info->bp;

	if (m->foreign || m->self || info->state != RT_G_WAITING || info->sp == 0 || m->live_lo >= m->stack_hi)
		return;
	m->bp = info->bp;
	for (uintptr_t last = info->sp; pc >= det_reach.runtime_lo && pc < det_reach.runtime_hi; fp = ((const uintptr_t *)fp)[0]) {
		if (fp < last || fp + 2 * sizeof(uintptr_t) > m->stack_hi || fp % sizeof(uintptr_t) != 0) {
			m->sure_lo = 0;         /* a frame without a frame pointer: all of it counts */
			return;
		}
		pc = ((const uintptr_t *)fp)[1];
		last = fp + 1;
		m->sure_lo = fp + 2 * sizeof(uintptr_t);
	}
}

static bool note_goroutine(const struct rt_ginfo *info, void *arg)
{
	uint32_t max = *(const uint32_t *)arg, at = det_reach.graph.n_nodes;
	struct det_member *m = &det_reach.members[at];
	struct det_bg *b = det_bg_any() ? det_bg_of(info->id, false) : NULL;
	enum det_proof verdict = b != NULL ? atomic_load(&b->verdict) : DET_PROOF_NONE;

	if (at >= max) {
		det_reach.given_up = "leak check: too many goroutines";
		return false;
	}
	m->view = info->g;
	m->gid = info->id;
	m->since_ns = info->since_ns;
	m->stack_lo = info->g->stack_lo;
	m->stack_hi = info->g->stack_hi;
	m->state = (uint8_t)info->state;
	m->wait = (uint8_t)info->wait;
	m->system = info->system;
	m->foreign = info->foreign;
	m->self = info->g == det_reach.question->self;
	bool ended = det_reach.question->main_ended && info->id == 1;
	m->skip = m->system || m->foreign || m->self || ended || verdict != DET_PROOF_NONE || (b != NULL && atomic_load(&b->expect_leak));
	/* Below the stack pointer of one that has switched away, nothing counts; below that of one caught in the middle, the red zone. */
	m->live_lo = m->self ? det_reach.question->self_sp : info->sp != 0 ? info->sp - (info->regs != NULL ? RED_ZONE : 0) : m->stack_lo;
	if (m->live_lo < m->stack_lo || m->live_lo > m->stack_hi)
		m->live_lo = m->stack_lo;
	if (info->id == 1)
		m->stack_hi = frames_end(m->live_lo, m->stack_hi);
	/* A plain thread's stack is an ordinary mapping, a root as a whole. */
	if (m->foreign)
		m->stack_lo = m->stack_hi = m->live_lo = 0;
	if (ended)
		m->live_lo = m->stack_hi;
	if (det_reach.question->suspect_before_ns != 0)
		note_program_frames(m, info);
	note_waits(m, info);
	n_writers += info->state == RT_G_WAITING && info->wait == RT_WAIT_RW_LOCK;
	note_signal_roots(m, info);
	bool alive = verdict == DET_PROOF_NONE && !ended && goes_on_by_itself(info, &det_reach.waits[m->first_wait], m->n_waits);
	m->active = alive && !m->self && !m->system && !(m->foreign && info->state == RT_G_WAITING);
	/* A wait that is proven for ever asks nothing more; nor does what is left of main. */
	m->settled = alive || ended || verdict != DET_PROOF_NONE;
	if (alive)
		det_graph_set_alive(&det_reach.graph, at);
	det_reach.graph.n_nodes++;
	return det_reach.given_up == NULL;
}

/* By number, for the owners of locks. Made when the first is asked for. */
static uint32_t *gid_hash, gid_mask;

static void make_gid_hash(void)
{
	gid_mask = 63;
	while (gid_mask < 2 * det_reach.graph.n_nodes)
		gid_mask = gid_mask * 2 + 1;
	gid_hash = det_reach_take(((size_t)gid_mask + 1) * sizeof *gid_hash);
	for (uint32_t i = 0; i < det_reach.graph.n_nodes && det_reach.given_up == NULL; i++) {
		uint32_t at = (uint32_t)(det_reach.members[i].gid * UINT64_C(0x9e3779b97f4a7c15) >> 32) & gid_mask;
		while (gid_hash[at] != 0)
			at = (at + 1) & gid_mask;
		gid_hash[at] = i + 1;
	}
}

static bool node_of(uint64_t gid, uint32_t *out)
{
	if (gid_hash == NULL)
		make_gid_hash();
	uint32_t at = (uint32_t)(gid * UINT64_C(0x9e3779b97f4a7c15) >> 32) & gid_mask;
	while (gid_hash[at] != 0 && det_reach.members[gid_hash[at] - 1].gid != gid)
		at = (at + 1) & gid_mask;
	*out = gid_hash[at] - 1;
	return gid_hash[at] != 0;
}

/* --- waits into terms (research table 7.4) ------------------------------------------------------------------------------------------- */

static void begin_term(uint32_t node) { det_graph_begin_term(&det_reach.graph, node); }
static void end_term(void) { det_graph_end_term(&det_reach.graph); }

static void atom_reached(uintptr_t obj)
{
	uint32_t t = obj != 0 ? det_target_of(obj) : UINT32_MAX;

	if (t != UINT32_MAX)
		det_target_place(t);
	det_graph_atom(&det_reach.graph, t != UINT32_MAX ? DET_ATOM_REACHED : DET_ATOM_NEVER, t);
}

/* A goroutine that must go on: if it has ended, nobody will do its part. */
static void atom_alive(uint64_t gid)
{
	uint32_t i = 0;
	bool there = node_of(gid, &i);

	det_graph_atom(&det_reach.graph, there ? DET_ATOM_ALIVE : DET_ATOM_NEVER, i);
}

static void write_lock_term(uint32_t node, const struct rt_wait_entry *w, const struct rt_objinfo *o)
{
	struct det_hold holds[DET_READERS_MAX];
	uint32_t n_holds = det_hold_list((uintptr_t)w->obj, holds, DET_READERS_MAX);
	int64_t n_known = 0;

	for (uint32_t i = 0; i < n_holds; i++)
		n_known += holds[i].count;
	begin_term(node);
	atom_reached((uintptr_t)w->obj);
	/* The readers are known exactly if we know as many as are counted. */
	if (o->owner_id != 0)
		atom_alive(o->owner_id);
	else if (!o->handover && n_holds < DET_READERS_MAX && n_known == o->counter)
		for (uint32_t i = 0; i < n_holds; i++)
			atom_alive(holds[i].gid);
	end_term();
}

/* Behind a queued writer, any of them: one that is alive makes all alive, they wait for the same readers. */
static void read_lock_term(uint32_t node, const struct rt_wait_entry *w, const struct rt_objinfo *o)
{
	uint32_t t = o->owner_id == 0 && o->writer_waiting ? det_target_of((uintptr_t)w->obj) : UINT32_MAX;

	begin_term(node);
	if (t != UINT32_MAX && det_reach.targets[t].writer != 0) {
		det_graph_atom(&det_reach.graph, DET_ATOM_ALIVE, det_reach.targets[t].writer - 1);
	} else {
		atom_reached((uintptr_t)w->obj);
		if (o->owner_id != 0)
			atom_alive(o->owner_id);
	}
	end_term();
}

/* An owner of a lock ends the wait by unlocking, which takes that he goes on and that somebody can reach the lock: he himself now or, when he
 * is handed the address, later. (That he has lost it while others alive have not proves nothing: they may hand it to him.) */
static void owned_term(uint32_t node, const struct rt_wait_entry *w, const struct rt_objinfo *o, bool reached)
{
	begin_term(node);
	if (reached)
		atom_reached((uintptr_t)w->obj);
	if (o->owner_id != 0 && !o->handover)
		atom_alive(o->owner_id);
	end_term();
}

static void add_terms(uint32_t node, const struct rt_wait_entry *w)
{
	struct rt_objinfo o = { 0 };

	switch (w->kind) {
	case RT_OBJ_RWMUTEX:
		det_block_door->obj_info(w->kind, w->obj, &o);
		if (w->op == RT_OP_LOCK)
			write_lock_term(node, w, &o);
		else
			read_lock_term(node, w, &o);
		break;
	case RT_OBJ_MUTEX: case RT_OBJ_ONCE:
		det_block_door->obj_info(w->kind, w->obj, &o);
		owned_term(node, w, &o, w->kind == RT_OBJ_MUTEX || o.owner_id == 0);
		break;
	case RT_OBJ_COND:                       /* a signal, and then the mutex: who owns it must go on */
		if (w->with != NULL)
			det_block_door->obj_info(RT_OBJ_MUTEX, w->with, &o);
		owned_term(node, w, &o, true);
		break;
	default:                                /* anybody with a reference */
		owned_term(node, w, &o, true);
		break;
	}
}

/* Readers ask for a writer ahead of them: all writers are noted first. */
static void note_writers(void)
{
	for (uint32_t i = 0; i < det_reach.graph.n_nodes && det_reach.given_up == NULL; i++) {
		const struct det_member *m = &det_reach.members[i];
		if (m->wait != RT_WAIT_RW_LOCK || m->n_waits == 0)
			continue;
		uint32_t t = det_target_of((uintptr_t)det_reach.waits[m->first_wait].obj);
		if (t != UINT32_MAX)
			det_reach.targets[t].writer = i + 1;
	}
}

/* Looking for the block of an object is several cache misses: those of the next goroutines are begun together. */
static void fetch_ahead(uint32_t first)
{
	for (int step = 0; step < 2; step++)
		for (uint32_t i = first; i < first + AHEAD && i < det_reach.graph.n_nodes; i++)
			if (det_reach.members[i].n_waits != 0)
				det_heap_prefetch((uintptr_t)det_reach.waits[det_reach.members[i].first_wait].obj, step);
}

void det_waits_to_terms(void)
{
	if (n_writers != 0)
		note_writers();
	for (uint32_t i = 0; i < det_reach.graph.n_nodes && det_reach.given_up == NULL; i++) {
		const struct det_member *m = &det_reach.members[i];
		if (i % AHEAD == 0)
			fetch_ahead(i);
		for (uint32_t k = 0; k < m->n_waits && !m->settled; k++)
			add_terms(i, &det_reach.waits[m->first_wait + k]);
	}
	if (det_reach.graph.full)
		det_reach.given_up = "leak check: too many waits";
}

void det_waits_gather(uint32_t max)
{
	struct det_graph *g = &det_reach.graph;

	/* As much as could be needed: what is not touched costs nothing. */
	det_reach.members = det_reach_take(((size_t)max + 1) * sizeof *det_reach.members);
	g->nodes = det_reach_take(((size_t)max + 1) * sizeof *g->nodes);
	g->queue = det_reach_take(((size_t)max + 1) * sizeof *g->queue);
	det_reach.roots = det_reach_take(((size_t)max + 1) * sizeof *det_reach.roots);
	det_reach.waits = det_reach_take(WAITS_MAX * sizeof *det_reach.waits);
	g->terms = det_reach_take((g->terms_max = WAITS_MAX) * sizeof *g->terms);
	g->atoms = det_reach_take((g->atoms_max = 2 * WAITS_MAX) * sizeof *g->atoms);
	gid_hash = NULL;
	n_writers = 0;
	gather_armed();
	if (det_reach.given_up == NULL)
		det_block_door->g_each(note_goroutine, &max);
	if (det_reach.given_up == NULL)
		det_stacks_index();
	if (det_reach.given_up == NULL)
		det_targets_init(det_reach.n_waits);
}

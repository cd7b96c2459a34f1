/* Findings of a check, and verdicts.
 *
 * A hundred thousand goroutines leaked by one line are one finding. So the first of them is looked at closely, stack unwound and all, and
 * the others are recognised: started at the same place, the same wait, as much stack in use, and the same return addresses at the same
 * places of the stack. Only what cannot be told so is unwound again. */
#include "verdict.h"

#include "../explore/explore.h"
#include "../hb/goroutines.h"
#include "../report/loss.h"
#include "../report/record.h"
#include "../shadow/self.h"
#include "draft.h"

static bool same_wait(const struct det_answer_g *a, struct rt_ginfo *info)
{
	return det_block_door->g_info(a->view, info) && info->id == a->gid && info->state == RT_G_WAITING && info->since_ns == a->since_ns &&
		(uint8_t)info->wait == a->wait;
}

static const char *object_of(const struct rt_ginfo *info)
{
	return info->n_waits > 1 ? "any of the channels" : info->n_waits == 1 && info->waits[0].kind == RT_OBJ_CHAN ? "the channel" :
		info->wait == RT_WAIT_WAITGROUP ? "the wait group" : info->wait == RT_WAIT_COND ? "the condition variable" :
		info->wait == RT_WAIT_SEMA ? "the semaphore" : "the lock";
}

/* Who used the other side of the channels it waits for: could have served it once. */
static void draft_candidates(const struct rt_ginfo *info)
{
	struct det_chan c;

	for (uint32_t i = 0; i < info->n_waits && i < RT_INSPECT_WAITS; i++) {
		const struct rt_wait_entry *w = &info->waits[i];
		if (w->kind != RT_OBJ_CHAN || !det_chan_get((uintptr_t)w->obj, &c))
			continue;
		const uint64_t *others = w->op == RT_OP_RECV ? c.senders : c.receivers;
		bool any = false;
		for (int k = 0; k < DET_USERS && others[k] != 0; k++) {
			any |= others[k] != info->id;
			if (others[k] != info->id)
				det_draft_edge_to_goroutine(RT_OBJ_CHAN, c.addr, others[k], w->op == RT_OP_RECV ? "could have been sent to by" : "could have been received from by", NULL);
		}
		if (!any && c.made_by != 0 && c.made_by != info->id)
			det_draft_edge_to_goroutine(RT_OBJ_CHAN, c.addr, c.made_by, w->op == RT_OP_RECV ? "could have been sent to by" : "could have been received from by", NULL);
	}
}

static void draft_owners(const struct rt_ginfo *info)
{
	struct det_hold holds[16];

	for (uint32_t i = 0; i < info->n_waits && i < RT_INSPECT_WAITS; i++) {
		uint32_t n = det_hold_list((uintptr_t)info->waits[i].obj, holds, 16);
		for (uint32_t k = 0; k < n; k++)
			det_draft_edge_to_goroutine(info->waits[i].kind, (uintptr_t)info->waits[i].obj, holds[k].gid, "held by", det_draft_ctx(holds[k].ctx));
	}
}

/* *key: of the finding, for the others of the cluster. */
static void report_dead(const struct rt_ginfo *info, bool quiet, uint64_t *key)
{
	const char *cause;

	det_draft_begin(det_block_door);
	det_draft_blocked(info);
	draft_candidates(info);
	draft_owners(info);
	if (quiet)
		cause = det_draft_text("blocked in %s for ever: the program ends and nothing is left that could wake it", det_block_door->wait_text(info->wait));
	else
		cause = det_draft_text("blocked in %s for ever: nobody alive can reach %s", det_block_door->wait_text(info->wait), object_of(info));
	/* A leak elsewhere; but the main goroutine's own end is a deadlock. */
	det_draft_emit_keyed(info->id == 1 ? DET_DEADLOCK_PARTIAL : DET_LEAK, quiet ? "P2" : "P3", true, cause, key);
}

/* --- clusters ----------------------------------------------------------------------------------------------------------------- */

#define CLUSTERS  256u
#define SLOTS_MAX 24u
#define AHEAD     32u
#define VIEW_BYTES 384u                /* of a control block, about: the runtime keeps the rest of it behind the view */

struct cluster {
	uint64_t  finding;              /* key of it */
	uint64_t  more;                 /* members after the first that are not written yet */
	uintptr_t entry_pc, pc;
	uint64_t  depth;                /* bytes of stack in use */
	uint32_t  created_ctx;
	uint8_t   wait;
	uint32_t  n_slots;
	struct { uint32_t from_top; uintptr_t pc; } slots[SLOTS_MAX];
};

static struct cluster clusters[CLUSTERS];       /* guarded by the check's lock */
static uint32_t n_clusters;

static uint32_t created_ctx(uint64_t gid)
{
	const struct det_row *row = det_row_of_gid(gid);
	return row != NULL ? row->created_ctx : 0;
}

static bool is_of_cluster(const struct cluster *c, const struct rt_ginfo *info, uint32_t ctx)
{
	uintptr_t top = info->g->stack_hi;

	if (c->pc != info->pc || c->depth != top - info->sp || c->entry_pc != (uintptr_t)info->g->entry_pc || c->created_ctx != ctx || c->wait != info->wait)
		return false;
	for (uint32_t i = 0; i < c->n_slots; i++)
		if (*(const uintptr_t *)(top - c->slots[i].from_top) != c->slots[i].pc)
			return false;
	return true;
}

/* Where the return addresses lie: in the order of the frames, each the first word above the one before that has the value. */
static void add_cluster(const struct rt_ginfo *info, uint64_t finding)
{
	void *pcs[SLOTS_MAX + 2];
	uintptr_t at = info->sp, top = info->g->stack_hi;

	if (n_clusters >= CLUSTERS || info->sp == 0 || info->id == 1)
		return;
	size_t n = det_block_door->g_stack(info->g, pcs, SLOTS_MAX + 2);
	if (n < 2 || n > SLOTS_MAX)
		return;
	struct cluster *c = &clusters[n_clusters];
	*c = (struct cluster){ .finding = finding, .entry_pc = (uintptr_t)info->g->entry_pc, .pc = info->pc, .depth = top - info->sp,
		.created_ctx = created_ctx(info->id), .wait = (uint8_t)info->wait };
	for (size_t i = 1; i < n; i++) {
		while (at < top && *(const uintptr_t *)at != (uintptr_t)pcs[i])
			at += sizeof(uintptr_t);
		if (at >= top)                  /* the outermost has been called by nobody */
			break;
		c->slots[c->n_slots].from_top = (uint32_t)(top - at);
		c->slots[c->n_slots++].pc = (uintptr_t)pcs[i];
		at += sizeof(uintptr_t);
	}
	n_clusters += c->n_slots + 2 >= n;
}

/* The last one that matched is tried first: goroutines of one line are started in a row. */
static struct cluster *cluster_of(const struct rt_ginfo *info)
{
	static uint32_t last;

	if (n_clusters == 0 || info->sp == 0 || info->id == 1)
		return NULL;
	uint32_t ctx = created_ctx(info->id);
	for (uint32_t k = 0; k < n_clusters; k++) {
		uint32_t i = last + k < n_clusters ? last + k : last + k - n_clusters;
		if (is_of_cluster(&clusters[i], info, ctx)) {
			last = i;
			return &clusters[i];
		}
	}
	return NULL;
}

/* What the next ones need is far apart in memory: all of it is fetched together. */
static void fetch_ahead(const struct det_answer *a, uint32_t first)
{
	for (uint32_t i = first; i < first + AHEAD && i < a->n; i++)
		for (size_t at = 0; at < VIEW_BYTES; at += 64)
			__builtin_prefetch((const char *)a->g[i].view + at);
}

int det_verdict_convict(const struct det_answer *a, bool *main_dead)
{
	struct rt_ginfo info;
	int n = 0;

	n_clusters = 0;
	for (uint32_t i = 0; i < a->n; i++) {
		const struct det_answer_g *g = &a->g[i];
		struct cluster *c;
		uint64_t key;
		if (i % AHEAD == 0)
			fetch_ahead(a, i);
		if (g->fate != DET_FATE_DEAD)
			continue;
		if (!same_wait(g, &info)) {
			det_loss("leak check: a goroutine thought dead has moved", 1);
			continue;
		}
		if ((c = cluster_of(&info)) != NULL) {
			c->more++;
		} else {
			report_dead(&info, a->quiet, &key);
			add_cluster(&info, key);
		}
		det_block_convict(info.id, info.g, a->quiet ? DET_PROOF_P2 : DET_PROOF_P3);
		*main_dead |= g->gid == 1;
		n++;
	}
	for (uint32_t i = 0; i < n_clusters; i++)
		if (clusters[i].more != 0)
			det_finding_repeat(clusters[i].finding, clusters[i].more);
	return n;
}

/* --- notes ------------------------------------------------------------------------------------------------------------------ */

/* What is alive at the end: a note for each creation site. */
static void report_alive(const struct det_answer_g *g)
{
	struct rt_ginfo info;
	const char *cause = "has not finished when the program ended";
	bool parked = same_wait(g, &info);

	if (!parked && (!det_block_door->g_info(g->view, &info) || info.id != g->gid))
		return;                         /* has finished meanwhile */
	if (det_explore_rules() && !parked && info.state == RT_G_RUNNABLE)
		return;
	det_draft_begin(det_block_door);
	if (parked && info.wait != RT_WAIT_NONE) {
		det_draft_blocked(&info);
		for (uint32_t i = 0; i < info.n_waits && i < RT_INSPECT_WAITS; i++)
			if (info.waits[i].kind == RT_OBJ_FD)
				cause = det_draft_text("still waits for descriptor %d to become %s when the program ended", (int)(intptr_t)info.waits[i].obj,
					info.waits[i].op == RT_OP_WRITE_FD ? "writable" : "readable");
	} else {
		const char *state = info.state == RT_G_RUNNABLE ? "runnable" : info.state == RT_G_SYSCALL ? "syscall" : "running";
		det_draft_part("alive", state, g->gid, NULL);
		det_draft_goroutine(g->gid, state, -1);
	}
	det_draft_emit(DET_ALIVE_AT_EXIT, "L", false, cause);
}

void det_verdict_alive(const struct det_answer *a)
{
	for (uint32_t i = 0; i < a->n; i++)
		if (a->g[i].fate != DET_FATE_DEAD)
			report_alive(&a->g[i]);
}

static const char *step_text(const struct det_step *s, bool first)
{
	switch (s->kind) {
	case DET_STEP_BLOCK:
		return det_draft_text("%s%llu bytes at 0x%llx", first ? "what it waits for, in a heap block of " : "a heap block of ", (unsigned long long)s->bytes,
			(unsigned long long)s->base);
	case DET_STEP_STACK:
		return det_draft_text("%sthe stack of goroutine %llu", first ? "what it waits for, on " : "", (unsigned long long)s->gid);
	case DET_STEP_DOUBTFUL:
		return det_draft_text("a word that may be stale on the stack of goroutine %llu", (unsigned long long)s->gid);
	case DET_STEP_GLOBAL:
		return det_draft_text("%s 0x%llx", first ? "what it waits for, the global at" : "the global at", (unsigned long long)s->at);
	default:
		return det_draft_text("%s 0x%llx", first ? "what it waits for, in memory at" : "memory at", (unsigned long long)s->at);
	}
}

static uintptr_t name_of(const struct det_step *s) { return s->kind >= DET_STEP_GLOBAL ? s->at : s->base; }

/* The way from the root to the object, as edges between pieces of memory. */
static const char *draft_path(const struct det_answer *a, const struct det_answer_g *g)
{
	static const char *const kinds[] = { [DET_STEP_BLOCK] = "heap", [DET_STEP_STACK] = "stack", [DET_STEP_DOUBTFUL] = "stack", [DET_STEP_GLOBAL] = "global", [DET_STEP_MEMORY] = "memory" };
	const struct det_step *steps = &a->steps[g->first_step];
	const char *path = "";

	for (uint32_t i = g->n_steps; i-- > 0;) {
		uintptr_t named = name_of(&steps[i]);
		det_draft_memory(kinds[steps[i].kind], named, steps[i].bytes, steps[i].gid);
		path = det_draft_text("%s%s%s", path, *path != 0 ? " -> " : "", step_text(&steps[i], i == 0));
		if (i > 0)
			det_draft_edge_of_memory(named, name_of(&steps[i - 1]));
	}
	return path;
}

void det_verdict_suspects(const struct det_answer *a)
{
	struct rt_ginfo info;

	for (uint32_t i = 0; i < a->n; i++) {
		const struct det_answer_g *g = &a->g[i];
		const char *cause;
		if (g->fate != DET_FATE_SUSPECT || !same_wait(g, &info) || det_block_suspected(info.id))
			continue;
		det_draft_begin(det_block_door);
		det_draft_blocked(&info);
		draft_candidates(&info);
		draft_owners(&info);
		if (g->n_steps == 0)
			cause = "nobody alive that is known can reach what it waits for, but a thread that never used the library may: its registers are unknown";
		else
			cause = det_draft_text("no stack of a goroutine that may go on leads to what it waits for, only: %s", draft_path(a, g));
		det_draft_emit(DET_BLOCKED_LONG, "S1", false, cause);
	}
}

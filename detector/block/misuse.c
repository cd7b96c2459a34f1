/* Misuse of the API, seen by the primitives themselves, and the end of the program by a fatal error: what is found is written before the
 * runtime prints Go's text, dumps and exits with status 2. The process leaves by _exit then, so `bye` is written here. */
#include "block.h"

#include <string.h>

#include "../abi/heap.h"
#include "../hb/goroutines.h"
#include "../report/loss.h"
#include "../report/stream.h"
#include "../shadow/context.h"
#include "draft.h"
#include "sites.h"

static _Atomic bool dying;

bool det_block_dying(void) { return atomic_load_explicit(&dying, memory_order_relaxed); }

static void say_goodbye(void)
{
	uint64_t started, ended;
	det_goroutine_counts(&started, &ended);
	det_stream_bye(started, started - ended);
}

_Noreturn void det_block_die(const char *text)
{
	atomic_store(&dying, true);
	det_stream_panic(text);
	say_goodbye();
	det_block_door->fatal(text);
	__builtin_trap();
}

/* --- misuse ---------------------------------------------------------------------------------------------------------------- */

static const struct rule { enum det_rule rule; const char *role, *op; enum rt_obj_kind kind; } rules[] = {
	[RT_MISUSE_SEND_ON_CLOSED] = { DET_SEND_ON_CLOSED, "send", "send", RT_OBJ_CHAN },
	[RT_MISUSE_CLOSE_CLOSED] = { DET_DOUBLE_CLOSE, "close", "close", RT_OBJ_CHAN },
	[RT_MISUSE_CLOSE_NIL] = { DET_CLOSE_NIL, "close", "close", RT_OBJ_NONE },
	[RT_MISUSE_WG_NEGATIVE] = { DET_WG_NEGATIVE, "add", "add", RT_OBJ_WAITGROUP },
	[RT_MISUSE_WG_REUSED] = { DET_WG_REUSE, "wait", "wait", RT_OBJ_WAITGROUP },
	[RT_MISUSE_WG_ADD_WITH_WAIT] = { DET_WG_REUSE, "add", "add", RT_OBJ_WAITGROUP },
	[RT_MISUSE_UNLOCK_UNLOCKED] = { DET_BAD_UNLOCK, "unlock", "unlock", RT_OBJ_MUTEX },
	[RT_MISUSE_UNLOCK_FOREIGN] = { DET_BAD_UNLOCK, "unlock", "unlock", RT_OBJ_MUTEX },
	[RT_MISUSE_RUNLOCK_UNLOCKED] = { DET_BAD_UNLOCK, "unlock", "read unlock", RT_OBJ_RWMUTEX },
	[RT_MISUSE_COND_WITHOUT_LOCK] = { DET_BAD_UNLOCK, "wait", "cond wait", RT_OBJ_MUTEX },
	[RT_MISUSE_FREE_WITH_WAITERS] = { DET_PANIC, "free", "free", RT_OBJ_CHAN },
	[RT_MISUSE_STACK_OVERFLOW] = { DET_STACK_OVERFLOW, "overflow", "stack overflow", RT_OBJ_NONE },
	[RT_MISUSE_USER_PANIC] = { DET_PANIC, "panic", "panic", RT_OBJ_NONE },
};

static void draft_previous_close(uintptr_t ch)
{
	struct det_chan c;

	if (!det_chan_get(ch, &c) || c.closed_ctx == 0)
		return;
	struct det_part *p = det_draft_part("previous close", "close", c.closed_by, det_draft_ctx(c.closed_ctx));
	det_draft_part_object(p, RT_OBJ_CHAN, ch);
	det_draft_goroutine(c.closed_by, NULL, -1);
}

static void draft_holders(uintptr_t lock, enum rt_obj_kind kind)
{
	struct det_hold holds[16];
	uint32_t n = det_hold_list(lock, holds, 16);

	for (uint32_t i = 0; i < n; i++) {
		struct det_part *p = det_draft_part("holder", holds[i].write ? "lock" : "read lock", holds[i].gid, det_draft_ctx(holds[i].ctx));
		det_draft_part_object(p, kind, lock);
		det_draft_edge_to_goroutine(kind, lock, holds[i].gid, "held by", det_draft_ctx(holds[i].ctx));
	}
}

static void draft_site(const char *role, const char *op, enum rt_obj_kind kind, uintptr_t addr, enum det_site_op which)
{
	struct det_site s = det_site_of(addr, which);

	if (s.gid == 0)
		return;
	det_draft_part_object(det_draft_part(role, op, s.gid, det_draft_ctx(s.ctx)), kind, addr);
	det_draft_goroutine(s.gid, NULL, -1);
}

/* The other side of the mistake: what was done to the object before. */
static void draft_other_sites(enum rt_misuse what, enum rt_obj_kind kind, uintptr_t addr)
{
	struct det_hold holder;

	switch (what) {
	case RT_MISUSE_SEND_ON_CLOSED:
	case RT_MISUSE_CLOSE_CLOSED:
		draft_previous_close(addr);
		break;
	case RT_MISUSE_WG_NEGATIVE:
		draft_site("previous add", "add", kind, addr, det_site_of(addr, DET_SITE_ADD).gid != 0 ? DET_SITE_ADD : DET_SITE_RAISE);
		draft_site("previous done", "done", kind, addr, DET_SITE_DONE);
		break;
	case RT_MISUSE_WG_ADD_WITH_WAIT:
		draft_site("wait", "wait", kind, addr, DET_SITE_WAIT);
		break;
	case RT_MISUSE_WG_REUSED:
		draft_site("add", "add", kind, addr, DET_SITE_RAISE);
		break;
	case RT_MISUSE_UNLOCK_UNLOCKED:
	case RT_MISUSE_UNLOCK_FOREIGN:
	case RT_MISUSE_RUNLOCK_UNLOCKED:
	case RT_MISUSE_COND_WITHOUT_LOCK:
		draft_holders(addr, kind);
		if (det_hold_list(addr, &holder, 1) == 0)
			draft_site("previous unlock", what == RT_MISUSE_RUNLOCK_UNLOCKED ? "read unlock" : "unlock", kind, addr,
				what == RT_MISUSE_RUNLOCK_UNLOCKED ? DET_SITE_RUNLOCK : DET_SITE_UNLOCK);
		break;
	default:
		break;
	}
}

/* Who waits on a channel that is being freed. Found with the world stopped; described after, since a stopped thread may hold our locks. */
struct waiters { uintptr_t obj; uint32_t n; struct { struct rt_gview *view; uint64_t gid; } g[8]; };

static bool find_waiter(const struct rt_ginfo *info, void *arg)
{
	struct waiters *w = arg;

	for (uint32_t i = 0; info->state == RT_G_WAITING && i < info->n_waits && i < RT_INSPECT_WAITS; i++)
		if ((uintptr_t)info->waits[i].obj == w->obj && w->n < sizeof w->g / sizeof w->g[0]) {
			w->g[w->n].view = info->g;
			w->g[w->n++].gid = info->id;
			break;
		}
	return true;
}

static void draft_waiters(const struct waiters *w)
{
	struct rt_ginfo info;

	for (uint32_t i = 0; i < w->n; i++)
		if (det_block_door->g_info(w->g[i].view, &info) && info.id == w->g[i].gid && info.state == RT_G_WAITING)
			det_draft_blocked(&info);
}

/* The event names the lock by address only; its text says which kind. */
static enum rt_obj_kind lock_kind(const struct rule *r, const char *text)
{
	if (r->kind == RT_OBJ_MUTEX && text != NULL && strstr(text, "RWMutex") != NULL)
		return RT_OBJ_RWMUTEX;
	return r->kind;
}

void det_block_misuse(struct rt_gview *g, enum rt_misuse what, void *obj, const char *text, void *pc)
{
	const struct rule *r = (unsigned)what < sizeof rules / sizeof rules[0] ? &rules[what] : &rules[RT_MISUSE_USER_PANIC];
	uint64_t gid = g != NULL ? g->id : 0;
	uintptr_t addr = (uintptr_t)obj;
	enum rt_obj_kind kind = lock_kind(r, text);

	if (det_block_door == NULL || atomic_exchange(&dying, true))
		return;
	struct waiters waiters = { .obj = addr };
	if (what == RT_MISUSE_FREE_WITH_WAITERS)
		det_block_look(find_waiter, &waiters);
	det_draft_begin(det_block_door);
	struct det_stack *here = det_draft_stack();
	if (what == RT_MISUSE_STACK_OVERFLOW) { /* on the signal stack: the frames below are the handler's */
		here->pc[0] = (uintptr_t)pc;
		here->n = pc != NULL;
		here->exact0 = true;
	} else {
		det_stack_here(here, pc);
	}
	struct det_part *p = det_draft_part(r->role, r->op, gid, here);
	if (p != NULL)
		p->note = text;
	det_draft_goroutine(gid, "running", -1);
	if (addr != 0 && kind != RT_OBJ_NONE) {
		det_draft_part_object(p, kind, addr);
		det_draft_object(kind, addr);
		draft_other_sites(what, kind, addr);
		draft_waiters(&waiters);
	}
	det_draft_emit(r->rule, NULL, true, text);
	det_stream_panic(text);
	say_goodbye();
}

void det_block_fatal(const char *text)
{
	if (det_block_door == NULL || atomic_exchange(&dying, true))
		return;                         /* our own verdict, or a misuse already told */
	det_draft_begin(det_block_door);
	struct rt_gview *self = det_block_door->self();
	struct det_stack *here = det_draft_stack();
	det_stack_here(here, __builtin_return_address(0));
	struct det_part *p = det_draft_part("panic", "panic", self != NULL ? self->id : 0, here);
	if (p != NULL)
		p->note = text;
	if (self != NULL)
		det_draft_goroutine(self->id, "running", -1);
	det_draft_emit(DET_PANIC, NULL, true, text);
	det_stream_panic(text);
	say_goodbye();
}

/* --- P2: all asleep ---------------------------------------------------------------------------------------------------------- */

struct asleep { uint32_t n, proven; };

static bool draft_asleep(const struct rt_ginfo *info, void *arg)
{
	struct asleep *a = arg;

	if (info->system || info->state != RT_G_WAITING)
		return true;
	const struct det_bg *b = det_bg_of(info->id, false);
	a->n++;
	a->proven += b != NULL && atomic_load(&b->verdict) != DET_PROOF_NONE;
	det_draft_blocked(info);
	if (info->wait == RT_WAIT_MUTEX || info->wait == RT_WAIT_RW_LOCK || info->wait == RT_WAIT_RW_RLOCK || info->wait == RT_WAIT_ONCE)
		for (uint32_t i = 0; i < info->n_waits && i < RT_INSPECT_WAITS; i++)
			draft_holders((uintptr_t)info->waits[i].obj, info->waits[i].kind);
	return true;
}

static bool draft_users(const struct rt_ginfo *info, void *arg)
{
	struct det_chan c;

	for (uint32_t i = 0; !info->system && i < info->n_waits && i < RT_INSPECT_WAITS; i++) {
		const struct rt_wait_entry *w = &info->waits[i];
		if (w->kind != RT_OBJ_CHAN || !det_chan_get((uintptr_t)w->obj, &c))
			continue;
		const uint64_t *others = w->op == RT_OP_RECV ? c.senders : c.receivers;
		for (int k = 0; k < DET_USERS && others[k] != 0; k++)
			if (others[k] != info->id)
				det_draft_edge_to_goroutine(RT_OBJ_CHAN, c.addr, others[k], w->op == RT_OP_RECV ? "was sent to by" : "was received from by", NULL);
	}
	return true;
}

void det_block_deadlock(void)
{
	struct asleep a = { 0 };

	if (det_block_door == NULL || atomic_exchange(&dying, true))
		return;
	det_draft_begin(det_block_door);
	det_block_door->g_each(draft_asleep, &a);
	det_block_door->g_each(draft_users, NULL);
	/* Nothing to add where each of them has its finding already: a nil channel in main is one mistake, not two. */
	if (a.n != a.proven || a.n == 0) {
		const char *cause = det_draft_text("all goroutines are asleep: %u blocked, and nothing is left that could wake %s", a.n, a.n == 1 ? "it" : "one");
		det_draft_emit(DET_DEADLOCK, "P2", true, cause);
	}
	det_stream_panic("all goroutines are asleep - deadlock!");
	say_goodbye();
}

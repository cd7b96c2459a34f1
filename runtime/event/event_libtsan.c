/* The observer when the compilers' own thread sanitizer is in the process: it is told, by __tsan_acquire and __tsan_release on the
 * addresses of our objects, the orders that our primitives promise. That makes libtsan a second opinion on our programs: tests/libtsan runs the fixtures
 * under it, the clean ones and the races. (libtsan reuses the identity of a fibre that has ended, and then sees no race with it.)
 *
 * libtsan acts on the current fibre only. For a parked peer we step onto its fibre and back, which is right because the peer left
 * it before the object's lock was released to us. A foreign thread keeps its own for good, even asleep: its clock goes through the
 * address of view.det, both ways, and it takes the mail when it goes on (g_switch).
 *
 * Weaker than our own detector, never stricter: a slot of a buffered channel accumulates instead of being replaced (libtsan exports no
 * such operation), so do unlock and close; elements without size share one slot; and send against close is no race here.
 * Goroutine stacks are made new for libtsan when they are used again (sched/stack.c), not by an edge, which would hide races. */
#include "event_libtsan.h"

#include <stdlib.h>

#include "../csp.h"
#include "../chan/chan.h"
#include "../g.h"
#include "../sched/fiber.h"

__attribute__((weak)) void  __tsan_acquire(void *addr);
__attribute__((weak)) void  __tsan_release(void *addr);
__attribute__((weak)) void  __tsan_read_range(void *addr, long bytes);
__attribute__((weak)) void  __tsan_write_range(void *addr, long bytes);
__attribute__((weak)) void *__tsan_get_current_fiber(void);
__attribute__((weak)) void  __tsan_switch_to_fiber(void *fiber, unsigned flags);

enum { SWITCH_WITHOUT_ORDER = 1, TAKE = 1, GIVE = 2 };

static struct rt_g *g_of(struct rt_gview *view) { return (struct rt_g *)view; }

/* Orders of pipes and connections are keyed by hashes (net/edge.c), which libtsan would take for addresses. */
static const void *address_of(const void *sync)
{
	static char stand_ins[1 << 16];
	uintptr_t key = (uintptr_t)sync;

	return key >> 47 ? &stand_ins[(key ^ key >> 16 ^ key >> 32 ^ key >> 48) & 0xfff8] : sync;
}

static void here(const void *sync, unsigned what)
{
	sync = address_of(sync);
	if (what & TAKE)
		__tsan_acquire((void *)(uintptr_t)sync);
	if (what & GIVE)
		__tsan_release((void *)(uintptr_t)sync);
}

static void act(struct rt_gview *view, const void *sync, unsigned what)
{
	struct rt_g *self = rt_self_or_null();

	if (!view || g_of(view) == self) {
		here(sync, what);
	} else if (g_of(view)->foreign) {
		here(&view->det, TAKE);
		here(sync, what);
		here(&view->det, GIVE);
	} else {
		void *own = __tsan_get_current_fiber();
		__tsan_switch_to_fiber(g_of(view)->fiber, SWITCH_WITHOUT_ORDER);
		here(sync, what);
		__tsan_switch_to_fiber(own, SWITCH_WITHOUT_ORDER);
	}
}

/* --- goroutines: the go statement's edge is __tsan_create_fiber's (sched/fiber.c) ------------------------------------------ */

static void g_go(struct rt_gview *parent, struct rt_gview *child, void *pc) {}
static void g_end(struct rt_gview *g) {}
static void g_stack_free(uintptr_t lo, uintptr_t hi) {}
static void g_ready(struct rt_gview *waker, struct rt_gview *g) {}
static void g_foreign(struct rt_gview *g, bool attached) {}

static void g_switch(struct rt_gview *to)
{
	if (to && g_of(to)->foreign)
		here(&to->det, TAKE);
}

static void g_park(struct rt_gview *g)
{
	if (g_of(g)->foreign)
		here(&g->det, GIVE);
}

/* --- channels ------------------------------------------------------------------------------------------------------------ */

static void chan_make(struct rt_gview *g, void *ch, size_t header_bytes, size_t total_bytes, size_t elem_bytes, uint64_t cap, void *pc) {}
static void chan_free(struct rt_gview *g, void *ch, void *pc) {}
static void chan_op(struct rt_gview *g, void *ch, bool is_send, void *pc) {}

static void chan_slot(struct rt_gview *g, void *p, uint64_t slot, bool is_send)
{
	struct csp_chan *ch = p;

	act(g, ch->elem_bytes ? (void *)(ch->buffer + slot * ch->elem_bytes) : &ch->cap, TAKE | GIVE);
}

static void chan_pair(struct rt_gview *sender, struct rt_gview *receiver, void *ch)
{
	/* Addresses of this pair alone: earlier pairs of an unbuffered channel are no order for later ones. Freeing them forgets them. */
	char *sync = calloc(2, 8);

	if (!sync)
		return;
	act(sender, sync, GIVE);
	act(receiver, sync + 8, GIVE);
	act(sender, sync + 8, TAKE);
	act(receiver, sync, TAKE);
	free(sync);
}

static void chan_close(struct rt_gview *g, void *ch, void *pc) { act(g, &((struct csp_chan *)ch)->closed, GIVE); }
static void chan_recv_closed(struct rt_gview *g, void *ch) { act(g, &((struct csp_chan *)ch)->closed, TAKE); }

static void mem(struct rt_gview *g, const void *p, size_t bytes, bool is_write, void *pc)
{
	if (is_write)
		__tsan_write_range((void *)(uintptr_t)p, bytes);
	else
		__tsan_read_range((void *)(uintptr_t)p, bytes);
}

/* --- locks and waits --------------------------------------------------------------------------------------------------- */

static void mutex_lock(struct rt_gview *g, void *m, void *pc) { act(g, m, TAKE); }
static void mutex_unlock(struct rt_gview *g, void *m, void *pc) { act(g, m, GIVE); }

/* Readers are not ordered among themselves: what they release goes to an address of which only writers take. */
static void *readers_of(void *rw) { return &((csp_rwmutex *)rw)->readers_; }

static void rw_lock(struct rt_gview *g, void *rw, bool writer, void *pc)
{
	act(g, rw, TAKE);
	if (writer)
		act(g, readers_of(rw), TAKE);
}

static void rw_unlock(struct rt_gview *g, void *rw, bool writer, void *pc) { act(g, writer ? rw : readers_of(rw), GIVE); }

static void wg_add(struct rt_gview *g, void *wg, int64_t delta, int64_t counter_after, void *pc)
{
	if (delta < 0)
		act(g, wg, GIVE);
}

static void wg_wait(struct rt_gview *g, void *wg, bool first_waiter, void *pc) {}
static void wg_waited(struct rt_gview *g, void *wg) { act(g, wg, TAKE); }
static void once_begin(struct rt_gview *g, void *o) {}
static void once_done(struct rt_gview *g, void *o) { act(g, o, GIVE); }
static void once_seen(struct rt_gview *g, void *o) { act(g, o, TAKE); }
static void cond_signal(struct rt_gview *g, void *c, bool broadcast, void *pc) { act(g, c, GIVE); }
static void cond_waited(struct rt_gview *g, void *c) { act(g, c, TAKE); }
static void sema(struct rt_gview *g, void *s, bool is_release, void *pc) { act(g, s, is_release ? GIVE : TAKE); }
static void release(struct rt_gview *g, const void *sync) { act(g, sync, GIVE); }
static void acquire(struct rt_gview *g, const void *sync) { act(g, sync, TAKE); }
static void sync_forget(const void *sync, size_t bytes) {}      /* libtsan's free() forgets */

/* --- what libtsan has no use for --------------------------------------------------------------------------------------- */

static void forked(int phase) {}
static void misuse(struct rt_gview *g, enum rt_misuse what, void *obj, const char *text, void *pc) {}
static void deadlock(void) {}
static void fatal(const char *text) {}
static void ignore(struct rt_gview *g, bool begin) {}
static void expect_leak(struct rt_gview *g) {}
static int leak_check(void *pc) { return 0; }
static void verdicts(void (*say)(const char *line, void *arg), void *arg) { }
static void lock_tried(struct rt_gview *g, void *lock) {}
static void g_name(struct rt_gview *g, const char *name) {}

static const struct rt_observer observer = {
	.abi = RT_EVENT_ABI,
	.g_go = g_go, .g_switch = g_switch, .g_end = g_end, .g_stack_free = g_stack_free, .g_park = g_park, .g_ready = g_ready, .g_foreign = g_foreign,
	.chan_make = chan_make, .chan_free = chan_free, .chan_op = chan_op, .chan_slot = chan_slot, .chan_pair = chan_pair,
	.chan_close = chan_close, .chan_recv_closed = chan_recv_closed,
	.mem = mem,
	.lock_tried = lock_tried, .mutex_lock = mutex_lock, .mutex_unlock = mutex_unlock, .rw_lock = rw_lock, .rw_unlock = rw_unlock,
	.wg_add = wg_add, .wg_wait = wg_wait, .wg_waited = wg_waited,
	.once_begin = once_begin, .once_done = once_done, .once_seen = once_seen,
	.cond_signal = cond_signal, .cond_waited = cond_waited, .sema = sema,
	.release = release, .acquire = acquire, .sync_forget = sync_forget,
	.fork = forked, .misuse = misuse, .deadlock = deadlock, .fatal = fatal, .ignore = ignore, .expect_leak = expect_leak,
	.leak_check = leak_check, .verdicts = verdicts, .g_name = g_name,
};

const struct rt_observer *rt_libtsan_observer(void)
{
	bool complete = __tsan_acquire && __tsan_release && __tsan_read_range && __tsan_write_range;

	return (rt_fiber_tools & RT_FIBER_LIBTSAN) && complete ? &observer : NULL;
}

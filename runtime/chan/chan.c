/* Channels.
 *
 * Invariants, under ch->lock, not counting waiters of a select that another waker has won (g->fired):
 *   - senders and receivers are not both non-empty (except for one select that waits in both);
 *   - len > 0 implies that no receiver waits; len < cap implies that no sender waits;
 *   - once closed, nobody waits.
 * Life of a send: a receiver is parked: the value goes straight into its frame (direct handoff); else there is room: into the
 * buffer; else the sender parks with a pointer to its value, and the receiver that comes takes it from there.
 *
 * Direct handoff is the only store into another goroutine's stack. Safe because we hold ch->lock and have taken w off the queue,
 * winning w->g->fired if it is contended (rt_waitq_pop), so nobody else can ready that g before us.
 * Unlock first, ready second: once readied it may run elsewhere at once and free ch, so ch is dead to us below.
 *
 * Slots: operation k on a buffer of cap elements passes through slot k mod cap, also if the value is handed over directly; so both indices
 * advance then. The Go memory model's "receive k before send k + cap completes" hangs on it (events chan_slot).
 * After golang/go runtime/chan.go. */
#include "../csp.h"
#include "chan.h"

#include <stdlib.h>

#include "../arch/arch.h"
#include "copy.h"

static unsigned char *slot(struct csp_chan *ch, uint32_t index) { return ch->buffer + (size_t)index * ch->elem_bytes; }
static uint32_t next_index(const struct csp_chan *ch, uint32_t index) { return index + 1 == ch->cap ? 0 : index + 1; }

/* --- waiting ---------------------------------------------------------------------------------------------------------- */

static bool commit_nothing(struct rt_g *g, void *arg) { return true; }

void rt_park_forever(enum rt_wait why)
{
	struct rt_g *g = rt_self();

	rt_wait_begin(g, why, NULL);
	rt_park(commit_nothing, NULL);
	rt_throw("chan: woken though nothing can wake it");
}

/* --- transfer, lock held ---------------------------------------------------------------------------------------------- */

static struct rt_g *wake(struct rt_waiter *w, bool ok)
{
	w->ok = ok;
	w->g->wake = w;
	return w->g;
}

static void set_len(struct csp_chan *ch, uint32_t len) { __atomic_store_n(&ch->len, len, __ATOMIC_RELEASE); }

enum rt_chan_outcome rt_chan_send_locked(struct csp_chan *ch, struct rt_g *g, const void *elem, struct rt_g **ready)
{
	struct rt_waiter *receiver;

	*ready = NULL;
	if (ch->closed)
		return RT_CHAN_CLOSED;

	receiver = rt_waitq_pop(&ch->receivers);
	if (receiver != NULL) {
		if (ch->cap == 0) {
			RT_EVENT(chan_pair, &g->view, &receiver->g->view, ch);
		} else {
			RT_EVENT(chan_slot, &g->view, ch, ch->send_at, true);
			RT_EVENT(chan_slot, &receiver->g->view, ch, ch->send_at, false);
			ch->send_at = ch->recv_at = next_index(ch, ch->send_at);
		}
		if (receiver->elem != NULL)
			rt_copy(receiver->elem, elem, ch->elem_bytes);
		*ready = wake(receiver, true);
		return RT_CHAN_DONE;
	}
	if (ch->len < ch->cap) {
		RT_EVENT(chan_slot, &g->view, ch, ch->send_at, true);
		rt_copy(slot(ch, ch->send_at), elem, ch->elem_bytes);
		ch->send_at = next_index(ch, ch->send_at);
		set_len(ch, ch->len + 1);
		return RT_CHAN_DONE;
	}
	return RT_CHAN_WOULD_BLOCK;
}

static void recv_from_buffer(struct csp_chan *ch, struct rt_g *g, void *elem, struct rt_g **ready)
{
	uint32_t at = ch->recv_at;
	struct rt_waiter *sender = rt_waitq_pop(&ch->senders);

	if (elem != NULL)
		rt_copy(elem, slot(ch, at), ch->elem_bytes);
	if (ch->timer != NULL)
		RT_EVENT(acquire, &g->view, ch->timer);
	else
		RT_EVENT(chan_slot, &g->view, ch, at, false);
	ch->recv_at = next_index(ch, at);
	if (sender == NULL) {
		set_len(ch, ch->len - 1);
		return;
	}
	/* The buffer is full, so the slot just emptied is the one behind the last: the parked sender's value goes there. */
	RT_EVENT(chan_slot, &sender->g->view, ch, at, true);
	rt_copy(slot(ch, at), sender->elem, ch->elem_bytes);
	ch->send_at = ch->recv_at;
	*ready = wake(sender, true);
}

enum rt_chan_outcome rt_chan_recv_locked(struct csp_chan *ch, struct rt_g *g, void *elem, struct rt_g **ready)
{
	struct rt_waiter *sender;

	*ready = NULL;
	if (ch->len > 0) {
		recv_from_buffer(ch, g, elem, ready);
		return RT_CHAN_DONE;
	}
	if (ch->closed) {
		RT_EVENT(chan_recv_closed, &g->view, ch);
		if (elem != NULL)
			rt_zero(elem, ch->elem_bytes);
		return RT_CHAN_CLOSED;
	}
	sender = rt_waitq_pop(&ch->senders);
	if (sender == NULL)
		return RT_CHAN_WOULD_BLOCK;
	RT_EVENT(chan_pair, &sender->g->view, &g->view, ch);
	if (elem != NULL)
		rt_copy(elem, sender->elem, ch->elem_bytes);
	*ready = wake(sender, true);
	return RT_CHAN_DONE;
}

/* --- send, receive, close --------------------------------------------------------------------------------------------- */

void rt_chan_panic_closed(void *ch, void *pc)
{
	rt_panic(RT_MISUSE_SEND_ON_CLOSED, ch, "send on closed channel", pc);
}

static inline void touched(struct rt_g *g, const struct csp_chan *ch, const void *elem, bool is_write, void *pc)
{
	if (__builtin_expect(rt_observer != NULL, 0) && elem != NULL && ch->elem_bytes > 0)
		rt_observer->mem(&g->view, elem, ch->elem_bytes, is_write, pc);
}

/* ch->lock is held. Returns false only if !may_park and nobody took the value. */
static inline bool chan_send_locked(struct csp_chan *ch, struct rt_g *g, const void *elem, bool may_park, void *pc)
{
	struct rt_g *ready;

	switch (rt_chan_send_locked(ch, g, elem, &ready)) {
	case RT_CHAN_DONE:
		rt_unlock(&ch->lock);
		if (ready != NULL)
			rt_ready(ready);
		return true;
	case RT_CHAN_CLOSED:
		rt_unlock(&ch->lock);
		rt_chan_panic_closed(ch, pc);
	case RT_CHAN_WOULD_BLOCK:
		break;
	}
	if (!may_park) {
		rt_unlock(&ch->lock);
		return false;
	}

	struct rt_waiter w = { .g = g, .obj = ch, .elem = (void *)(uintptr_t)elem, .kind = RT_OBJ_CHAN, .op = RT_OP_SEND };
	rt_wait_begin(g, RT_WAIT_CHAN_SEND, &w);
	rt_waitq_push(&ch->senders, &w);
	rt_park(rt_commit_unlock, &ch->lock);
	if (!w.ok)
		rt_chan_panic_closed(ch, pc);
	return true;
}

static inline bool chan_send(struct csp_chan *ch, const void *elem, bool may_park, void *pc)
{
	struct rt_g *g = rt_self();

	if (ch == NULL) {
		if (!may_park)
			return false;
		rt_park_forever(RT_WAIT_CHAN_SEND_NIL);
	}
	RT_POINT(may_park ? RT_AT_SEND : RT_AT_TRY_SEND, ch);
	RT_EVENT(chan_op, &g->view, ch, true, pc);
	if (!may_park && rt_chan_send_blocks(ch))
		return false;
	touched(g, ch, elem, false, pc);
	rt_lock(&ch->lock);
	return chan_send_locked(ch, g, elem, may_park, pc);
}

/* ch->lock is held. */
static inline enum rt_chan_outcome chan_recv_locked(struct csp_chan *ch, struct rt_g *g, void *elem, bool may_park, void *pc)
{
	struct rt_g *ready;
	size_t elem_bytes = ch->elem_bytes;
	enum rt_chan_outcome outcome = rt_chan_recv_locked(ch, g, elem, &ready);

	if (outcome == RT_CHAN_WOULD_BLOCK && may_park) {
		struct rt_waiter w = { .g = g, .obj = ch, .elem = elem, .kind = RT_OBJ_CHAN, .op = RT_OP_RECV };
		rt_wait_begin(g, RT_WAIT_CHAN_RECV, &w);
		rt_waitq_push(&ch->receivers, &w);
		rt_park(rt_commit_unlock, &ch->lock);   /* ch may be gone on return: whoever closed it may have freed it */
		outcome = w.ok ? RT_CHAN_DONE : RT_CHAN_CLOSED;
		if (outcome == RT_CHAN_CLOSED && elem != NULL)
			rt_zero(elem, elem_bytes);
	} else {
		rt_unlock(&ch->lock);
		if (ready != NULL)
			rt_ready(ready);
	}
	if (__builtin_expect(rt_observer != NULL, 0) && outcome != RT_CHAN_WOULD_BLOCK && elem != NULL && elem_bytes > 0)
		rt_observer->mem(&g->view, elem, elem_bytes, true, pc);
	return outcome;
}

static inline enum rt_chan_outcome chan_recv(struct csp_chan *ch, void *elem, bool may_park, void *pc)
{
	struct rt_g *g = rt_self();

	if (ch == NULL) {
		if (!may_park)
			return RT_CHAN_WOULD_BLOCK;
		rt_park_forever(RT_WAIT_CHAN_RECV_NIL);
	}
	RT_POINT(may_park ? RT_AT_RECV : RT_AT_TRY_RECV, ch);
	RT_EVENT(chan_op, &g->view, ch, false, pc);
	if (!may_park && rt_chan_recv_blocks(ch))
		return RT_CHAN_WOULD_BLOCK;
	rt_lock(&ch->lock);
	return chan_recv_locked(ch, g, elem, may_park, pc);
}

/* --- the usual cases -----------------------------------------------------------------------------------------------------
 * Without an observer, on a thread the runtime knows, the lock free: a value into or out of the buffer while nobody waits, or over to one
 * partner that does. What else there is, is called at the very end, so nothing is saved; but not jumped to, for a dump wants the public
 * function's frame. */
#define KEEP_FRAME() __asm__ volatile("")

static __attribute__((noinline)) void send_rest(struct csp_chan *ch, const void *elem, void *pc, bool locked)
{
	if (locked)
		chan_send_locked(ch, rt_self(), elem, true, pc);
	else
		chan_send(ch, elem, true, pc);
}

static __attribute__((noinline)) enum rt_chan_outcome recv_rest(struct csp_chan *ch, void *elem, void *pc, bool locked)
{
	return locked ? chan_recv_locked(ch, rt_self(), elem, true, pc) : chan_recv(ch, elem, true, pc);
}

static __attribute__((noinline)) bool try_send_full(struct csp_chan *ch, const void *elem, void *pc) { return chan_send(ch, elem, false, pc); }
static __attribute__((noinline)) bool try_recv_full(struct csp_chan *ch, void *elem, void *pc)
{
	return chan_recv(ch, elem, false, pc) == RT_CHAN_DONE;
}

static inline bool lock_usual(struct csp_chan *ch)
{
	return __builtin_expect(rt_observer == NULL && ch != NULL && rt_m_self() != NULL && rt_lock_quick(&ch->lock), 1);
}

/* ch->lock is held, and released if the value was given. */
static inline bool give_usual_locked(struct csp_chan *ch, const void *elem)
{
	struct rt_waiter *receiver = rt_waitq_pop_quick(&ch->receivers);

	if (receiver != NULL) {
		if (ch->cap != 0)
			ch->send_at = ch->recv_at = next_index(ch, ch->send_at);
		if (receiver->elem != NULL)
			rt_copy(receiver->elem, elem, ch->elem_bytes);
		struct rt_g *g = wake(receiver, true);
		rt_unlock(&ch->lock);
		rt_ready(g);
		return true;
	}
	if (ch->receivers.first != NULL || ch->len == ch->cap || ch->closed)
		return false;
	rt_copy(slot(ch, ch->send_at), elem, ch->elem_bytes);
	ch->send_at = next_index(ch, ch->send_at);
	set_len(ch, ch->len + 1);
	rt_unlock(&ch->lock);
	return true;
}

/* ch->lock is held, and released if the value was taken. */
static inline bool take_usual_locked(struct csp_chan *ch, void *elem)
{
	struct rt_waiter *sender = ch->cap == 0 ? rt_waitq_pop_quick(&ch->senders) : NULL;

	if (sender != NULL) {
		if (elem != NULL)
			rt_copy(elem, sender->elem, ch->elem_bytes);
		struct rt_g *g = wake(sender, true);
		rt_unlock(&ch->lock);
		rt_ready(g);
		return true;
	}
	if (ch->len == 0 || ch->senders.first != NULL)
		return false;
	if (elem != NULL)
		rt_copy(elem, slot(ch, ch->recv_at), ch->elem_bytes);
	ch->recv_at = next_index(ch, ch->recv_at);
	set_len(ch, ch->len - 1);
	rt_unlock(&ch->lock);
	return true;
}

/* One call for all the rest: a dump groups goroutines by where they wait. */
CSP_API void csp_chan_send_(struct csp_chan *ch, const void *elem)
{
	RT_PROBE(chan_send, ch, true);
	bool locked = lock_usual(ch);

	if (locked && give_usual_locked(ch, elem))
		return;
	send_rest(ch, elem, __builtin_return_address(0), locked);
	KEEP_FRAME();
}

CSP_API void csp_chan_recv_(struct csp_chan *ch, void *elem)
{
	RT_PROBE(chan_recv, ch, true);
	bool locked = lock_usual(ch);

	if (locked && take_usual_locked(ch, elem))
		return;
	recv_rest(ch, elem, __builtin_return_address(0), locked);
	KEEP_FRAME();
}

CSP_API bool csp_chan_recv_ok_(struct csp_chan *ch, void *elem)
{
	RT_PROBE(chan_recv, ch, true);
	bool locked = lock_usual(ch);

	return (locked && take_usual_locked(ch, elem)) || recv_rest(ch, elem, __builtin_return_address(0), locked) == RT_CHAN_DONE;
}

/* A look, and no more, if nothing is to be had. */
CSP_API bool csp_chan_try_send_(struct csp_chan *ch, const void *elem)
{
	RT_PROBE(chan_send, ch, false);
	if (rt_observer == NULL && rt_m_self() != NULL && ch != NULL && rt_chan_send_blocks(ch))
		return false;
	bool sent = try_send_full(ch, elem, __builtin_return_address(0));
	KEEP_FRAME();
	return sent;
}

CSP_API bool csp_chan_try_recv_(struct csp_chan *ch, void *elem)
{
	RT_PROBE(chan_recv, ch, false);
	if (rt_observer == NULL && rt_m_self() != NULL && ch != NULL && rt_chan_recv_blocks(ch))
		return false;
	bool received = try_recv_full(ch, elem, __builtin_return_address(0));
	KEEP_FRAME();
	return received;
}

/* Dequeue q's waiters into chain, except foreign threads (returned). From both ends: of many, all are out of the cache, and each tells only
 * where its neighbour is; so two are fetched at a time. */
static struct rt_g *wake_all_locked(struct rt_waitq *q, struct rt_chain *chain)
{
	struct rt_chain tail = { 0 };
	struct rt_g *foreign = NULL;
	struct rt_waiter *w;

	for (bool at_end = false; (w = at_end ? q->last : q->first) != NULL; at_end = !at_end) {
		if (w->contended && !rt_fire(w->g)) {
			rt_waitq_remove(q, w);
			continue;
		}
		if (at_end)
			rt_waitq_remove(q, w);
		else
			rt_waitq_take_first_(q, w);
		struct rt_g *g = wake(w, false);
		if (__builtin_expect(g->foreign, 0)) {
			g->sched_next = foreign;
			foreign = g;
		} else if (at_end) {
			rt_chain_prepend(&tail, g);
		} else {
			rt_chain_append(chain, g);
		}
	}
	rt_chain_join(chain, &tail);
	return foreign;
}

static void close_quick(struct csp_chan *ch)
{
	struct rt_chain chain = { 0 };
	struct rt_g *receivers = wake_all_locked(&ch->receivers, &chain), *senders = wake_all_locked(&ch->senders, &chain);

	rt_unlock(&ch->lock);
	rt_ready_list(receivers);
	rt_ready_list(senders);
	if (chain.n > 0)
		rt_ready_chain(&chain);
}

CSP_API void csp_chan_close_(struct csp_chan *ch)
{
	void *pc = __builtin_return_address(0);
	struct rt_g *g = rt_self(), *woken = NULL, **tail = &woken;
	struct rt_waiter *w;

	if (ch == NULL)
		rt_panic(RT_MISUSE_CLOSE_NIL, NULL, "close of nil channel", pc);
	RT_POINT(RT_AT_CLOSE, ch);
	rt_lock(&ch->lock);
	if (ch->closed) {
		rt_unlock(&ch->lock);
		rt_panic(RT_MISUSE_CLOSE_CLOSED, ch, "close of closed channel", pc);
	}
	RT_EVENT(chan_close, &g->view, ch, pc);
	RT_PROBE(chan_close, ch, g->view.id);
	atomic_store_explicit(&ch->closed, true, memory_order_release);
	if (rt_observer == NULL && rt_policy == NULL) {
		close_quick(ch);
		return;
	}
	while ((w = rt_waitq_pop(&ch->receivers)) != NULL) {
		RT_EVENT(chan_recv_closed, &w->g->view, ch);
		*tail = wake(w, false);
		tail = &w->g->sched_next;
	}
	while ((w = rt_waitq_pop(&ch->senders)) != NULL) {      /* they will panic */
		*tail = wake(w, false);
		tail = &w->g->sched_next;
	}
	*tail = NULL;
	rt_unlock(&ch->lock);
	if (woken != NULL)
		rt_ready_list(woken);
}

/* --- life ------------------------------------------------------------------------------------------------------------- */

struct csp_chan *rt_chan_new(size_t elem_bytes, uint32_t cap, void *pc)
{
	size_t total = sizeof(struct csp_chan) + (size_t)cap * elem_bytes;
	struct csp_chan *ch = malloc(total);    /* the program's allocator, as its owner is the program */

	if (ch == NULL)
		return NULL;
	*ch = (struct csp_chan){ .elem_bytes = elem_bytes, .cap = cap, .refs = 1 };
	RT_EVENT(chan_make, &rt_self()->view, ch, sizeof *ch, total, elem_bytes, cap, pc);
	RT_PROBE(chan_make, ch, elem_bytes, cap);
	return ch;
}

CSP_API struct csp_chan *csp_chan_make_(size_t elem_bytes, int64_t cap)
{
	void *pc = __builtin_return_address(0);

	(void)rt_self();                        /* the first use of the library may be this */
	if (elem_bytes > 65536)
		rt_panic(RT_MISUSE_USER_PANIC, NULL, "makechan: invalid channel element type", pc);
	if (cap < 0 || cap > INT32_MAX)
		rt_panic(RT_MISUSE_USER_PANIC, NULL, "makechan: size out of range", pc);
	struct csp_chan *ch = rt_chan_new(elem_bytes, (uint32_t)cap, pc);
	if (ch == NULL)
		rt_fatal(-1, NULL, "makechan: out of memory", pc);
	return ch;
}

static void destroy(struct csp_chan *ch, struct rt_g *g, void *pc)
{
	rt_lock(&ch->lock);
	bool waited_for = rt_chan_has_live_waiter(&ch->senders) || rt_chan_has_live_waiter(&ch->receivers);
	rt_unlock(&ch->lock);
	if (waited_for)
		rt_fatal(RT_MISUSE_FREE_WITH_WAITERS, ch, "free of channel with waiting goroutines", pc);
	RT_EVENT(chan_free, &g->view, ch, pc);
	RT_PROBE(chan_free, ch);
	RT_EVENT(sync_forget, ch, sizeof *ch);  /* refs, and the timer's edge */
	free(ch);
}

CSP_API void csp_chan_free_(struct csp_chan *ch)
{
	if (ch != NULL)
		destroy(ch, rt_self(), __builtin_return_address(0));
}

CSP_API struct csp_chan *csp_chan_ref_(struct csp_chan *ch)
{
	if (ch != NULL)
		atomic_fetch_add_explicit(&ch->refs, 1, memory_order_relaxed);  /* the caller has one: nobody frees meanwhile */
	return ch;
}

/* Whatever a former holder did with ch happened before its free: release pairs with acquire on refs, for the observer too. */
CSP_API void csp_chan_unref_(struct csp_chan *ch)
{
	void *pc = __builtin_return_address(0);

	if (ch == NULL)
		return;
	struct rt_g *g = rt_self();
	RT_EVENT(release, &g->view, &ch->refs);
	if (atomic_fetch_sub_explicit(&ch->refs, 1, memory_order_acq_rel) != 1)
		return;
	RT_EVENT(acquire, &g->view, &ch->refs);
	destroy(ch, g, pc);
}

/* A timer's channel passes for unbuffered, as in Go 1.23: what lies in it may be withdrawn by stop and reset. */
CSP_API size_t csp_chan_len_(struct csp_chan *ch)
{
	return ch == NULL || ch->timer != NULL ? 0 : __atomic_load_n(&ch->len, __ATOMIC_ACQUIRE);
}

CSP_API size_t csp_chan_cap_(struct csp_chan *ch)
{
	return ch == NULL || ch->timer != NULL ? 0 : ch->cap;
}

/* --- for timers, contexts, inspection --------------------------------------------------------------------------------- */

bool rt_chan_try_send_from_timer(struct csp_chan *ch, const void *elem, const void *timer)
{
	rt_lock(&ch->lock);
	struct rt_waiter *receiver = ch->closed ? NULL : rt_waitq_pop(&ch->receivers);
	if (receiver != NULL) {
		RT_EVENT(acquire, &receiver->g->view, timer);
		if (receiver->elem != NULL)
			rt_copy(receiver->elem, elem, ch->elem_bytes);
		struct rt_g *g = wake(receiver, true);
		rt_unlock(&ch->lock);
		rt_ready(g);
		return true;
	}
	bool room = !ch->closed && ch->len < ch->cap;
	if (room) {
		rt_copy(slot(ch, ch->send_at), elem, ch->elem_bytes);
		ch->send_at = next_index(ch, ch->send_at);
		set_len(ch, ch->len + 1);
	}
	rt_unlock(&ch->lock);
	return room;
}

bool rt_chan_drain(struct csp_chan *ch)
{
	rt_lock(&ch->lock);
	bool any = ch->len > 0;
	ch->recv_at = ch->send_at;
	set_len(ch, 0);
	rt_unlock(&ch->lock);
	return any;
}

void rt_chan_info(void *obj, struct rt_objinfo *out)
{
	const struct csp_chan *ch = obj;

	out->kind = RT_OBJ_CHAN;
	out->cap = ch->cap;
	out->len = ch->len;
	out->elem_bytes = ch->elem_bytes;
	out->closed = ch->closed;
}

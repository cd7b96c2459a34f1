/* A channel as the rest of the runtime sees it. Protocol: chan.c. */
#ifndef CSP_RUNTIME_CHAN_CHAN_H
#define CSP_RUNTIME_CHAN_CHAN_H

#include "../g.h"

struct csp_chan {
	/* Constant after creation. */
	size_t   elem_bytes;
	uint32_t cap;                   /* elements; 0 means rendezvous */
	/* Guarded by lock. Rank CHAN; only select holds several at once, in address order. */
	struct rt_lock  lock;
	uint32_t        len, send_at, recv_at;  /* len is also read without the lock: csp_chan_len, "not ready" peeks */
	struct rt_waitq senders, receivers;     /* .first also read without the lock by the peeks */
	/* Written under lock; read without it by the peeks, which tolerate a stale "not ready". */
	_Atomic bool    closed;
	/* The timer that fills this channel; NULL for a channel of the program. Written under lock, before the first value. */
	const void     *timer;
	/* References; the last csp_chan_unref frees. */
	_Atomic uint32_t refs;
	unsigned char   buffer[];       /* cap elements; copied bytewise, so unaligned is fine */
};

enum rt_chan_outcome { RT_CHAN_WOULD_BLOCK, RT_CHAN_DONE, RT_CHAN_CLOSED };

/* Send or receive for g if that is possible now; the lock is held. On RT_CHAN_DONE *ready is a goroutine to be made runnable once
 * the locks are released, or NULL. RT_CHAN_CLOSED of a receive has zeroed elem; elem may be NULL for a receive.
 * The events that order memory are emitted here. */
enum rt_chan_outcome rt_chan_send_locked(struct csp_chan *ch, struct rt_g *g, const void *elem, struct rt_g **ready);
enum rt_chan_outcome rt_chan_recv_locked(struct csp_chan *ch, struct rt_g *g, void *elem, struct rt_g **ready);

/* --- would it block? With the lock: waiters that another waker has won count as none. --- */

static inline bool rt_chan_has_live_waiter(const struct rt_waitq *q)
{
	for (const struct rt_waiter *w = q->first; w != NULL; w = w->next)
		if (!w->contended || atomic_load_explicit(&w->g->fired, memory_order_relaxed) == 0)
			return true;
	return false;
}

static inline bool rt_chan_send_blocks_locked(const struct csp_chan *ch)
{
	return !ch->closed && ch->len == ch->cap && !rt_chan_has_live_waiter(&ch->receivers);
}

static inline bool rt_chan_recv_blocks_locked(const struct csp_chan *ch)
{
	return ch->len == 0 && !ch->closed && !rt_chan_has_live_waiter(&ch->senders);
}

/* Without the lock: was true at some moment of the call. A channel is never reopened: open when looked at second means that it was open at
 * the first look too. */
static inline bool rt_chan_send_blocks(struct csp_chan *ch)
{
	if (ch->cap == 0 ? __atomic_load_n(&ch->receivers.first, __ATOMIC_ACQUIRE) != NULL
	                 : __atomic_load_n(&ch->len, __ATOMIC_ACQUIRE) != ch->cap)
		return false;
	return !atomic_load_explicit(&ch->closed, memory_order_acquire);
}

static inline bool rt_chan_recv_blocks(struct csp_chan *ch)
{
	if (ch->cap == 0 ? __atomic_load_n(&ch->senders.first, __ATOMIC_ACQUIRE) != NULL
	                 : __atomic_load_n(&ch->len, __ATOMIC_ACQUIRE) != 0)
		return false;
	return !atomic_load_explicit(&ch->closed, memory_order_acquire);
}

_Noreturn void rt_chan_panic_closed(void *ch, void *pc);        /* send on closed channel */
_Noreturn void rt_park_forever(enum rt_wait why);

/* --- for timers and contexts --- */

/* One reference; NULL: no memory. */
struct csp_chan *rt_chan_new(size_t elem_bytes, uint32_t cap, void *pc);
/* Never parks; false: nobody took it. Whoever receives the value acquires the clock of address `timer`. Any thread, no goroutine needed. */
bool rt_chan_try_send_from_timer(struct csp_chan *ch, const void *elem, const void *timer);
/* Drop what is in the buffer (a timer that is reset). Returns whether something was. */
bool rt_chan_drain(struct csp_chan *ch);

/* For obj_info. */
void rt_chan_info(void *ch, struct rt_objinfo *out);

#endif

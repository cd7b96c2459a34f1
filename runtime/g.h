/* The goroutine as every room inside the runtime sees it, and the few calls rooms may make on the scheduler. */
#ifndef CSP_RUNTIME_G_H
#define CSP_RUNTIME_G_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "event/event.h"
#include "event/probe.h"
#include "sched/inspect.h"
#include "sched/lock.h"
#include "sched/policy.h"

struct rt_g;
struct rt_m;

/* One entry of a wait set: g waits for `obj` to allow `op`. Lives on the waiting goroutine's stack (pages of a parked stack stay
 * mapped). A select has one per case; everything else exactly one.
 * Guarded by the lock of the queue it is in, except next_in_set, which its g sets before it queues the first entry. */
struct rt_waiter {
	struct rt_waiter *next, *prev;          /* in the object's queue */
	struct rt_waiter *next_in_set;          /* other entries of the same wait */
	struct rt_g      *g;
	void             *obj;
	void             *elem;                 /* channel: where the value is, or goes (may be NULL for a receive). Cond: its mutex */
	uint8_t           kind, op;             /* enum rt_obj_kind, enum rt_wait_op */
	uint16_t          case_index;
	bool              contended;            /* more than one waker may try (select, deadline): the winner is who sets g->fired */
	bool              queued;
	bool              ok;                   /* written by the waker: a value was transferred (false: closed) */
	uint32_t          ticket;               /* for the room's own use */
};

/* Doubly linked FIFO of waiters; guarded by the owner's lock. */
struct rt_waitq { struct rt_waiter *first, *last; };
struct rt_g {
	struct rt_gview view;                   /* first member; see event.h */

	/* Saved context, valid while not running. */
	void *sp;

	/* Who may move it: the holder of the queue it is in, or the waker that dequeued its waiter. */
	_Atomic uint32_t state;                 /* enum rt_gstate */
	struct rt_g     *sched_next;            /* run queues and lists of ready goroutines */
	struct rt_g     *ahead;                 /* some places further in such a list, or stale: to be fetched early, nothing else */

	/* The present wait. Written by g before it parks; wakers write `wake`, `param`. */
	enum rt_wait      wait;
	struct rt_waiter *waits;                /* the wait set */
	_Atomic uint32_t  fired;                /* 0 → 1 by the waker that wins; only for contended waits. Reset by rt_wait_begin */
	struct rt_waiter *wake;                 /* the entry that fired, NULL if the deadline did */
	intptr_t          wake_code;            /* for the room's own use (poller: events or -errno) */
	bool              has_deadline;
	int64_t           since_ns;

	/* Written by g itself. */
	int       saved_errno;
	char      name[32];
	bool      system, foreign, locked;
	struct csp_defer_frame *defers;         /* csp_defer records, run by csp_exit_goroutine */
	void     *fiber;                        /* libtsan fibre or ASan fake stack */
	void     *entry_frame;                  /* private to sched */
	struct rt_m *m;                         /* running on it; NULL otherwise */
	struct rt_g *all_next, *all_prev;       /* table of all goroutines; guarded by the table's lock */
	void     *room[1];                      /* time/heap.c: a deadline to be armed */

	/* Sched's own. */
	void    (*start)(void *frame);          /* the body; entry_frame is its argument */
	struct rt_m *lock_m;                    /* the thread it is pinned to (locked) */
	void     *stack_top;                    /* next rt_g_reserve ends here */
	_Atomic uint32_t futex;                 /* foreign: 1 when made ready */
	uint32_t  lock_depth;                   /* csp_lock_thread nests */
	uint8_t   stack_class;                  /* sched/stack.c */
	bool      main_stack;                   /* goroutine 1: the process's own stack, never recycled */

	/* Under a policy (policy.c); the worker thread's own. */
	bool      behind;                       /* no alternative while others stand before it */
	uint8_t   at, last_at, same;            /* enum rt_point: what it will do next; did at its last point; how often in a row */
	void     *at_obj;
	uint64_t  path;
	uint32_t  n_children, n_timers;         /* started; armed */
};

/* The running goroutine. Attaches a foreign thread and initialises the runtime on first use. Never NULL. Not cached by compilers
 * (asm), so it is right after a switch. */
struct rt_g *rt_self(void);
struct rt_g *rt_self_or_null(void);

/* --- scheduling: sched/ ---------------------------------------------------------------------------------------------- */

/* Park the calling goroutine. Called with the lock(s) of the object held and the waiters queued; calls the observer's g_park, switches
 * away, and only then, when the registers are saved, runs commit(g, arg) on the other side, which releases the lock(s). If commit
 * returns false the park is undone and g goes on at once. On return g->wake tells who woke it; thread-local addresses are stale. */
void rt_park(bool (*commit)(struct rt_g *g, void *arg), void *arg);
bool rt_commit_unlock(struct rt_g *g, void *lock);      /* a ready-made commit: rt_unlock((struct rt_lock *)lock) */

/* Make a parked g runnable (it has been dequeued, or its fired won, by the caller). Calls the observer's g_ready. After it g may run
 * at once and destroy what it waited for: unlock first, ready second. Callable from any thread. */
void rt_ready(struct rt_g *g);
void rt_ready_list(struct rt_g *list);                  /* chained by sched_next */

/* Many that were woken together (no observer, no policy, nobody foreign): made runnable while they are at hand, then queued in one piece. */
enum { RT_AHEAD = 8 };
struct rt_chain { struct rt_g *first, *last, *recent[RT_AHEAD]; uint32_t n; };
static inline void rt_chain_append(struct rt_chain *c, struct rt_g *g)
{
	struct rt_g **recent = &c->recent[c->n++ % RT_AHEAD];

	atomic_store_explicit(&g->state, RT_G_RUNNABLE, memory_order_relaxed);
	g->sched_next = NULL;
	if (c->last)
		c->last->sched_next = g;
	else
		c->first = g;
	c->last = g;
	if (*recent)
		(*recent)->ahead = g;
	*recent = g;
}
static inline void rt_chain_prepend(struct rt_chain *c, struct rt_g *g)
{
	struct rt_g **recent = &c->recent[c->n++ % RT_AHEAD];

	atomic_store_explicit(&g->state, RT_G_RUNNABLE, memory_order_relaxed);
	g->sched_next = c->first;
	g->ahead = *recent;
	*recent = g;
	c->first = g;
	if (!c->last)
		c->last = g;
}
static inline void rt_chain_join(struct rt_chain *c, const struct rt_chain *tail)
{
	if (!tail->n)
		return;
	if (c->last)
		c->last->sched_next = tail->first;
	else
		c->first = tail->first;
	c->last = tail->last;
	c->n += tail->n;
}
void rt_ready_chain(const struct rt_chain *c);

void rt_yield(void);

/* Win the right to wake a contended waiter: true for exactly one caller per wait. */
static inline bool rt_fire(struct rt_g *g)
{
	uint32_t zero = 0;
	return atomic_compare_exchange_strong_explicit(&g->fired, &zero, 1, memory_order_acq_rel, memory_order_acquire);
}

#include "sched/waitq.h"

/* Start a goroutine that runs fn(arg), owned by the runtime if system. Used by timers' callbacks, context, net. Returns 0 or -errno. */
int rt_go(void (*fn)(void *), void *arg, bool system, void *pc);

/* --- time: time/ ------------------------------------------------------------------------------------------------------ */

/* A timer of the runtime. fire runs on a scheduler stack with no lock held; it may ready goroutines and must not park. */
struct rt_timer {
	int64_t  when_ns;                       /* monotonic; set by rt_timer_start */
	int64_t  period_ns;                     /* 0: once */
	void   (*fire)(struct rt_timer *t, int64_t now_ns);
	void    *arg;
	struct rt_g *sleeper;                   /* the goroutine whose wait this ends, or NULL */
	void    *chan;                          /* the channel it sends on, or NULL */
	bool     is_func;                       /* has a user callback (room func/func_arg) */
	void    *func, *func_arg;
	uint32_t heap_id;                       /* time/heap.c */
	uint64_t path;                          /* who its function's goroutine is, under a policy */
	_Atomic uint32_t state;
};
int64_t rt_now_ns(void);
void rt_timer_start(struct rt_timer *t, int64_t when_ns);       /* not started or stopped before */
bool rt_timer_stop(struct rt_timer *t);                         /* true: it will not fire (any more); false: it has fired or is firing */

/* Arm t to end the wait of the calling goroutine at deadline_ns: fires by rt_fire(g) + rt_ready(g) with g->wake == NULL. The room calls
 * it after rt_wait_begin and before rt_park (waiters contended), and rt_deadline_cancel after. */
void rt_deadline_arm(struct rt_timer *t, struct rt_g *g, int64_t deadline_ns);
void rt_deadline_cancel(struct rt_timer *t);    /* on return t is no longer referenced */

/* --- failure: dump/ --------------------------------------------------------------------------------------------------- */

/* Go's "panic: text" + "\n\ngoroutine N [running]:…", exit 2. With the misuse event first. */
_Noreturn void rt_panic(enum rt_misuse what, void *obj, const char *text, void *pc);
/* Go's "fatal error: text" + dump of all goroutines (running one first), exit 2. With the misuse event first if what >= 0. */
_Noreturn void rt_fatal(int what, void *obj, const char *text, void *pc);
/* The system refuses what the runtime cannot do without: "fatal error: libcsprt: text", the reason, the stack of the caller, exit 2. The
 * caller may hold locks of the runtime, and the runtime need not be initialised. */
_Noreturn void rt_refused(const char *text, int err);
/* An invariant of ours broke: static text, no allocation, abort. */
_Noreturn void rt_throw(const char *text);

#endif

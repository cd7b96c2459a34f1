/* What an observer is told.
 *
 * Every transition of the runtime that orders memory or blocks a goroutine is one call through this table. Without an
 * observer the cost is one predictable branch on rt_observer (RT_EVENT below). The detector includes this header, inspect.h
 * and policy.h, and nothing else of the runtime; it reaches the runtime through the rt_door handed to cspcheck_attach(), never
 * by symbol, so that the same libcspcheck.so watches programs linked with libcsprt.so and with libcsprt.a.
 *
 * Protocol shared by all events:
 *   - `g` is the goroutine the event is about. It is the calling goroutine except where "parked peer" is said: then the caller
 *     holds the lock of the object and has won the right to wake that g, which cannot run until the caller readies it, so the
 *     observer may change that g's state.
 *   - Events that publish (send, unlock, done, close, …) are called BEFORE the transition is visible to others; events that
 *     learn (receive, lock, wait returned) AFTER it. For one object all events are totally ordered by the object's own lock,
 *     or, on a lock-free fast path, by release-event → atomic release → atomic acquire → acquire-event.
 *   - `pc` is the return address into the caller of the public function. Full stacks are the observer's affair.
 *   - An observer never parks, never calls the public API, and may be called on a goroutine's stack (at least 16 KiB are left)
 *     with spin locks of the runtime held.
 * Happens-before rules: Go memory model (2022); design.md section 4. */
#ifndef CSP_RUNTIME_EVENT_EVENT_H
#define CSP_RUNTIME_EVENT_EVENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RT_EVENT_ABI 5u

/* The part of a goroutine an observer may see; the first member of struct rt_g (g.h). */
struct rt_gview {
	uint64_t  id;                   /* 1 is main; never reused */
	void     *det;                  /* the observer's own; zero when the goroutine is created */
	uint64_t  parent_id;            /* 0 for goroutine 1 */
	uintptr_t stack_lo, stack_hi;   /* usable stack [lo, hi); main: the thread's stack as far as known */
	void     *entry_pc;             /* the function started */
	void     *go_pc;                /* return address of the go statement that started it */
};

/* Why a goroutine waits; texts are Go's (rt_wait_text in inspect.h). */
enum rt_wait {
	RT_WAIT_NONE, RT_WAIT_CHAN_RECV, RT_WAIT_CHAN_SEND, RT_WAIT_CHAN_RECV_NIL, RT_WAIT_CHAN_SEND_NIL,
	RT_WAIT_SELECT, RT_WAIT_SELECT_NO_CASES, RT_WAIT_SLEEP, RT_WAIT_MUTEX, RT_WAIT_RW_RLOCK, RT_WAIT_RW_LOCK,
	RT_WAIT_WAITGROUP, RT_WAIT_COND, RT_WAIT_ONCE, RT_WAIT_SEMA, RT_WAIT_IO, RT_WAIT_BLOCK /* csp_block */,
	RT_WAIT_N_
};

enum rt_obj_kind {
	RT_OBJ_NONE, RT_OBJ_CHAN, RT_OBJ_MUTEX, RT_OBJ_RWMUTEX, RT_OBJ_WAITGROUP, RT_OBJ_COND, RT_OBJ_ONCE, RT_OBJ_SEMA,
	RT_OBJ_TIMER, RT_OBJ_FD /* address = (void *)(intptr_t)fd */
};

/* API misuse that the primitives themselves see. The event comes first, then Go's panic or fatal text (exit status 2). */
enum rt_misuse {
	RT_MISUSE_SEND_ON_CLOSED, RT_MISUSE_CLOSE_CLOSED, RT_MISUSE_CLOSE_NIL,
	RT_MISUSE_WG_NEGATIVE, RT_MISUSE_WG_REUSED, RT_MISUSE_WG_ADD_WITH_WAIT,
	RT_MISUSE_UNLOCK_UNLOCKED, RT_MISUSE_UNLOCK_FOREIGN, RT_MISUSE_RUNLOCK_UNLOCKED,
	RT_MISUSE_COND_WITHOUT_LOCK, RT_MISUSE_FREE_WITH_WAITERS, RT_MISUSE_STACK_OVERFLOW, RT_MISUSE_USER_PANIC
};

struct rt_observer {
	uint32_t abi;                                   /* RT_EVENT_ABI */

	/* --- goroutines --- */
	void (*g_go)(struct rt_gview *parent, struct rt_gview *child, void *pc);  /* before child can run. parent NULL: goroutine 1, or a foreign thread without identity */
	void (*g_switch)(struct rt_gview *to);          /* this OS thread runs `to` from now on; NULL: the scheduler. Called by the thread itself */
	void (*g_end)(struct rt_gview *g);              /* on g's stack, its last words; g_switch follows */
	void (*g_stack_free)(uintptr_t lo, uintptr_t hi);  /* a finished goroutine's stack range may be reused from now on */
	void (*g_park)(struct rt_gview *g);             /* wait set complete and queued (inspect shows it); the object's lock is still held, so no ready can come before */
	void (*g_ready)(struct rt_gview *waker, struct rt_gview *g);  /* before g becomes runnable; waker NULL: timer, poller or foreign thread */
	void (*g_foreign)(struct rt_gview *g, bool attached);  /* a pthread that is no worker got (or lost) an identity of its own */

	/* --- channels; called with the channel's lock held unless said otherwise --- */
	void (*chan_make)(struct rt_gview *g, void *ch, size_t header_bytes, size_t total_bytes, size_t elem_bytes, uint64_t cap, void *pc);  /* no lock */
	void (*chan_free)(struct rt_gview *g, void *ch, void *pc);      /* no lock; ch is unusable after it */
	void (*chan_op)(struct rt_gview *g, void *ch, bool is_send, void *pc);  /* no lock; an attempt begins: counts as READ of the channel itself (races with close) */
	void (*chan_slot)(struct rt_gview *g, void *ch, uint64_t slot, bool is_send);  /* cap > 0: g's send or receive passes through buffer index slot.
	                                                 * Clock rule: {t = S; S = C_g; C_g = join(C_g, t)}. g may be the parked peer (a blocked sender whose value enters the buffer, a blocked
	                                                 * receiver served through it: first the sender's call, then the receiver's, on the same slot). */
	void (*chan_pair)(struct rt_gview *sender, struct rt_gview *receiver, void *ch);  /* cap == 0 rendezvous: each joins the other; one of the two is a parked peer */
	void (*chan_close)(struct rt_gview *g, void *ch, void *pc);     /* release into the close clock; counts as WRITE of the channel itself */
	void (*chan_recv_closed)(struct rt_gview *g, void *ch);         /* receive that returns because of close: acquire the close clock (g may be parked peer) */

	/* --- memory touched by the runtime for the program --- */
	void (*mem)(struct rt_gview *g, const void *p, size_t bytes, bool is_write, void *pc);  /* no lock: before a send reads the element; after a receive has stored it; CSP_READ/CSP_WRITE */

	/* --- locks --- */
	void (*mutex_lock)(struct rt_gview *g, void *m, void *pc);      /* g holds m now (also try_lock that succeeded) */
	void (*mutex_unlock)(struct rt_gview *g, void *m, void *pc);    /* about to release. Release is a store, not a join. g need not be the owner in hand-over mode */
	void (*lock_tried)(struct rt_gview *g, void *lock);             /* the lock event of g that follows came from a try: it would not have waited */
	void (*rw_lock)(struct rt_gview *g, void *rw, bool writer, void *pc);
	void (*rw_unlock)(struct rt_gview *g, void *rw, bool writer, void *pc);

	/* --- wait group, once, cond, semaphore --- */
	void (*wg_add)(struct rt_gview *g, void *wg, int64_t delta, int64_t counter_after, void *pc);  /* negative delta: release-join. Before it is visible */
	void (*wg_wait)(struct rt_gview *g, void *wg, bool first_waiter, void *pc);  /* Wait is called, also if it will return at once (misuse bookkeeping only) */
	void (*wg_waited)(struct rt_gview *g, void *wg);                /* Wait returns: acquire */
	void (*once_begin)(struct rt_gview *g, void *o);                /* g runs the function */
	void (*once_done)(struct rt_gview *g, void *o);                 /* function returned: release, before visible */
	void (*once_seen)(struct rt_gview *g, void *o);                 /* Do returns without having run it: acquire */
	void (*cond_signal)(struct rt_gview *g, void *c, bool broadcast, void *pc);  /* release-join */
	void (*cond_waited)(struct rt_gview *g, void *c);               /* wait returned, before its mutex is taken again: acquire */
	void (*sema)(struct rt_gview *g, void *s, bool is_release, void *pc);  /* release: join; acquire: after it succeeded */

	/* --- generic edges: timers, netpoll, context, CSP_ACQUIRE/CSP_RELEASE --- */
	void (*release)(struct rt_gview *g, const void *sync);          /* join C_g into the clock of address `sync` */
	void (*acquire)(struct rt_gview *g, const void *sync);          /* join the clock of `sync` into C_g; g may be a parked peer */
	void (*sync_forget)(const void *sync, size_t bytes);            /* the runtime frees or reuses these sync addresses */

	/* --- the program as a whole --- */
	void (*started)(void);                                          /* the runtime is up, before main, on its thread; only where the environment had it come up so early. May be NULL */
	void (*fork)(int phase);                                        /* 0 before, 1 parent after, 2 child after */
	void (*misuse)(struct rt_gview *g, enum rt_misuse what, void *obj, const char *text, void *pc);
	void (*deadlock)(void);                                         /* all goroutines are asleep (P2); the world is stopped; fatal error follows */
	void (*fatal)(const char *text);                                /* any other fatal error or panic, before its text is printed */
	void (*ignore)(struct rt_gview *g, bool begin);                 /* csp_race_ignore_begin/end; nest */
	void (*expect_leak)(struct rt_gview *g);                        /* csp_expect_leak: the calling goroutine is meant to stay */
	int  (*leak_check)(void *pc);                                   /* csp_leak_check: number of goroutines proven leaked so far */
	/* A thread of the runtime's own, the world going: judge now, and say a line for each goroutine that can never go on (none: nothing is said). */
	void (*verdicts)(void (*say)(const char *line, void *arg), void *arg);
	void (*g_name)(struct rt_gview *g, const char *name);           /* csp_set_name; name lives in g */
};

/* NULL without a detector. Written once, before the first goroutine is started. */
#if !defined(RT_NO_OBSERVER) || defined(RT_OBSERVER_WRITER)
extern const struct rt_observer *rt_observer __attribute__((visibility("hidden")));
#else   /* for one measurement only, tests/bench/run --bare: what would it cost if nobody could watch? */
static const struct rt_observer *const rt_observer = NULL;
#endif

#define RT_EVENT(name, ...) \
	do { if (__builtin_expect(rt_observer != NULL, 0)) rt_observer->name(__VA_ARGS__); } while (0)

struct rt_door;

/* Defined by the detector. The runtime finds it by a weak reference, or, if the program is linked statically with the runtime and
 * $CSPCHECK_SPOOL is set, by dlsym. Called once while the runtime initialises, on the thread that becomes goroutine 1, before
 * that goroutine's g_go. Returns the observer, or NULL to stay away. */
typedef const struct rt_observer *(*rt_attach_fn)(const struct rt_door *door);
const struct rt_observer *cspcheck_attach(const struct rt_door *door);

#endif

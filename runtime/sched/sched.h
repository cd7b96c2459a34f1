/* Private to sched: workers, run queues, the scheduler's state.
 *
 * A worker (struct rt_m) is an OS thread with a run queue of its own. There is no separate P: run queues can be stolen from by
 * anyone, so a worker that is stuck in a system call has nothing to hand over but its place among the running ones, which is
 * one count (n_running <= maxprocs). More threads exist than maxprocs when some are stuck. */
#ifndef CSP_RUNTIME_SCHED_SCHED_H
#define CSP_RUNTIME_SCHED_SCHED_H

#include "../arch/arch.h"
#include "../g.h"
#include "policy.h"
#include "runq.h"
#include "stack.h"

/* Reasons to leave the fast path of a park or yield; bits of rt_m.flags. */
enum {
	RT_M_STOP   = 1,        /* the world is being stopped; set and cleared by the stopper */
	RT_M_STUCK  = 2,        /* sysmon (or csp_block) gave this worker's place away; cleared by the worker, who may have to idle */
	RT_M_LOCKED = 4,        /* runs a goroutine pinned to it; set and cleared by the worker */
	RT_M_POLICY = 8,        /* rt_policy owns every pick */
};

enum { RT_MS_MAX = 4096, RT_GLOBAL_POLL_TICKS = 61, RT_RUNNEXT_BUDGET = 64 };

struct rt_m {
	/* Owned by the thread. */
	struct rt_g *g;                                 /* running; NULL on the scheduler's stack. Written by the thread alone; sysmon and stop look */
	int         *errno_at;                          /* the thread's; constant. A compiler may keep its own address of it over a switch */
	void        *sched_sp;                          /* its scheduler context while a goroutine runs */
	bool       (*after)(struct rt_g *g, void *arg); /* to run on the other side of a switch */
	struct rt_g *after_g;
	void        *after_arg;
	_Atomic uint32_t flags;
	_Atomic uint32_t tick;                          /* goroutines run; written by the thread, read by sysmon */
	uint32_t     streak;                            /* consecutive picks of runnext */
	uint32_t     marked_unlocks;                    /* sync/lockword.c */
	uint32_t     wakes_to_skip;                     /* pushes that wake nobody; worker.c */
	uint32_t     woken_tick;
	int64_t      woken_ns, sought_ns;               /* awake since; of that, looking for work */
	struct rt_g *pending;                           /* picked on the fast path, needs the slow one */
	bool         foreign;                           /* stand-in of a thread that is no worker */
	_Atomic bool resting;                           /* idle or pinned without its goroutine: what it readies goes to the global queue */
	_Atomic bool outside;                           /* idle, but turns timers and events into ready goroutines; written by the thread (stop.c) */
	uint64_t     rng;
	uint64_t     next_id, last_id;                  /* a batch of goroutine ids */
	_Atomic int64_t n_started, n_ended;             /* goroutines, for csp_num_goroutines */
	struct rt_stack_cache stacks;

	struct rt_runq runq;

	/* Written under rt_sched.lock. */
	_Atomic bool idle;                              /* in the idle list; cleared by who takes it off, who has counted it as running */
	struct rt_m *idle_next;
	bool         spinning;                          /* the thread's own, but for the worker that takes it off the list */
	/* Pinned thread waiting for its goroutine: set by the worker that picked it. */
	struct rt_g *locked_g;
	_Atomic(struct rt_g *) handoff;
	_Atomic uint32_t wake;                          /* futex: 1 = look again */

	/* sysmon's notes. */
	uint32_t     seen_tick;
	int64_t      seen_since_ns;
	bool         seen_blocked;

	/* Inspection and stopping. */
	_Atomic int32_t tid;
	_Atomic uint32_t stopped;                       /* 1: at rest until world_start */
	void        *stop_context;                      /* ucontext_t if stopped by the signal */
	uintptr_t    stack_lo, stack_hi;                /* scheduler stack (ASan needs it) */
	void        *fiber;                             /* of the scheduler context */
	struct rt_m *foreign_next, *foreign_prev;       /* guarded by rt_foreign_lock */
	struct rt_g  foreign_g;
};

struct rt_sched {
	struct rt_lock lock;
	struct rt_m   *idle;                    /* the owner of the poller last */
	_Atomic int32_t n_workers;              /* threads that have entered their loop */
	_Atomic int32_t n_idle, n_running, n_spinning;
	_Atomic int32_t n_pinned_waiting;       /* pinned threads whose goroutine is parked */
	struct rt_gqueue global;                /* runnable; guarded by lock */
	_Atomic uint32_t n_global;

	_Atomic int32_t maxprocs;
	_Atomic uint32_t n_ms;
	struct rt_m   *_Atomic ms[RT_MS_MAX];
	_Atomic int32_t n_starting;             /* threads being created */
	_Atomic(struct rt_m *) poller;          /* who blocks in rt_poll */
	_Atomic uint32_t n_held;                /* idle workers that will be back there soon */

	_Atomic uint32_t external_busy;         /* sysmon or the poller is turning timers and events into ready goroutines */
	_Atomic uint32_t n_foreign_running;     /* attached foreign threads outside a park */
	_Atomic uint64_t next_id;
	_Atomic int64_t n_past_started;         /* goroutines started less ended, by foreign threads that are gone */
	_Atomic bool     main_exited;           /* goroutine 1 called csp_exit_goroutine */
	_Atomic uint32_t stop;                  /* the world is stopped or stopping; futex of the stopped */
	_Atomic bool     dying;                 /* deadlock found: nobody leaves idleness any more */
	bool             had_goroutines;
};
extern struct rt_sched rt_sched;
extern struct rt_g rt_main_g;

/* init.c */
void rt_init(void);
bool rt_ready_to_run(void);             /* the runtime is initialised */

/* m.c */
struct rt_m *rt_m_new(void);            /* a record in the table; NULL when full or out of memory */
bool rt_m_start_thread(void);           /* a new worker, which counts as running and spinning already; false: refused */
extern _Atomic int rt_m_refused;        /* why the last attempt failed; 0: it did not. sysmon makes another */

void rt_ms_hold(bool hold);             /* fork.c */

/* worker.c */
void rt_worker_loop(struct rt_m *m) __attribute__((noreturn));
struct rt_arrival rt_worker_context(struct rt_m *m, void *arg);
void rt_wake_for(struct rt_m *m);       /* m, the caller's, pushed onto its ring what it may get through itself */
void rt_wake_one(void);                 /* after publishing work: get another worker going if that is worth it */
bool rt_any_queue_nonempty(void);
void rt_global_push(struct rt_g *list); /* chained by sched_next */
void rt_global_splice(const struct rt_chain *c);
/* Run timers that are due and take what the poller has; for callers that are not running workers. */
void rt_external_work(void);

/* park.c */
void rt_run_after(struct rt_m *m);
void rt_switch_to(struct rt_m *m, struct rt_g *from, struct rt_g *to, bool from_ends);
/* What comes before the switch from `from`, which has ended, to `to`; the switch itself is arch's. */
struct rt_arrival rt_leave_for_good(struct rt_m *m, struct rt_g *from, struct rt_g *to);
void rt_enqueue(struct rt_g *g);        /* RUNNABLE; onto the caller's queue, or the global one */
struct rt_g *rt_pick_local(struct rt_m *m);
/* If nothing but a runnext waits on m, the caller's worker: let it run, and take its place. */
bool rt_yield_to_next(struct rt_m *m);

/* spawn.c */
struct rt_arrival rt_g_body(struct rt_m *m, void *arg);
void rt_g_init(struct rt_g *g, struct rt_g *parent, void *entry_pc, void *go_pc);

/* foreign.c */
struct rt_m *rt_foreign_attach(void);
void rt_foreign_park(struct rt_m *m, bool (*commit)(struct rt_g *, void *), void *arg);
void rt_foreign_hold(bool hold);                        /* fork.c */
void rt_foreign_forget_others_locked(struct rt_m *self);
void rt_foreign_each(bool (*visit)(struct rt_m *m, void *arg), void *arg);

/* deadlock.c: the caller is about to sleep and holds rt_sched.lock. True: everything is asleep for ever. */
bool rt_is_deadlock_locked(void);
void rt_deadlock(void) __attribute__((noreturn));
void rt_deadlock_check(void);           /* for who stops being a source of wake-ups */
int64_t rt_deadlock_recheck_ns(void);   /* how soon the poller should look again; -1: no need */

int32_t rt_thread_ids(int32_t *tids, int32_t max);

/* stop.c */
void rt_stop_here(struct rt_m *m);      /* rest until the world starts again */
void rt_stop_init(void);
void rt_world_stop(void);
void rt_world_start(void);
bool rt_stop_try_hold(void);            /* fork.c */
void rt_stop_release(void);

/* sysmon.c */
void rt_sysmon_start(void);
void rt_sysmon_poke(void);              /* somebody runs again, or a timer is due earlier */
extern _Atomic bool rt_sysmon_deep;     /* sysmon sleeps until poked */
void rt_sysmon_hurry(void);             /* a goroutine was started that another worker could run soon */
extern _Atomic bool rt_sysmon_slow;     /* sysmon makes long pauses */
extern _Atomic bool rt_sysmon_busy;     /* sysmon is not to be counted as resting (stop.c) */

int32_t rt_sysmon_tid(void);            /* 0: not running yet */
void rt_give_away(struct rt_m *m);      /* m's place is free: others may run what is queued there */

/* fork.c */
void rt_fork_init(void);

static inline uint64_t rt_random(struct rt_m *m)
{
	uint64_t x = m->rng;            /* xorshift64*: Vigna 2016 */

	x ^= x >> 12;
	x ^= x << 25;
	x ^= x >> 27;
	m->rng = x;
	return x * 0x2545F4914F6CDD1Dull;
}

#endif

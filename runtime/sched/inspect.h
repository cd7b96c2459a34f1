/* Read-only walk of goroutines and the objects they wait for, and the few services an observer needs from the runtime.
 * All of it is reached through struct rt_door (see event.h), so nothing here is a link-time dependency.
 * Sources of truth: g.h and the rooms of the objects. */
#ifndef CSP_RUNTIME_SCHED_INSPECT_H
#define CSP_RUNTIME_SCHED_INSPECT_H

#include "../event/event.h"
#include "policy.h"

enum rt_gstate { RT_G_DEAD, RT_G_RUNNABLE, RT_G_RUNNING, RT_G_WAITING, RT_G_SYSCALL /* csp_block or handed off by sysmon */ };

enum rt_wait_op { RT_OP_RECV, RT_OP_SEND, RT_OP_LOCK, RT_OP_RLOCK, RT_OP_WAIT, RT_OP_ACQUIRE, RT_OP_TIMER, RT_OP_READ_FD, RT_OP_WRITE_FD };

/* with: of a cond, the mutex that is taken after the signal; else NULL. */
struct rt_wait_entry { void *obj, *with; uint8_t kind /* rt_obj_kind */; uint8_t op /* rt_wait_op */; };

struct rt_ginfo {
	struct rt_gview *g;
	uint64_t id, parent_id;
	const char *name;               /* "" if none */
	enum rt_gstate state;
	enum rt_wait   wait;            /* valid if state is WAITING */
	int64_t  since_ns;              /* csp_now_ns() at which it began to wait; 0 unknown (only kept with an observer) */
	bool     has_deadline;          /* a timer of its own will end the wait (sleep, select with CSP_ON_AFTER, deadline) */
	bool     system;                /* belongs to the runtime (timer callbacks …): never a leak */
	bool     foreign;               /* stands for a pthread that is no worker */
	bool     locked;                /* csp_lock_thread */
	uint32_t n_waits;               /* entries of the wait set; may exceed RT_INSPECT_WAITS */
#define RT_INSPECT_WAITS 32
	struct rt_wait_entry waits[RT_INSPECT_WAITS];
	/* Saved machine context; valid if not RUNNING. The callee-saved registers lie in [sp, sp + 64). */
	uintptr_t sp, pc, bp;
	/* A goroutine that world_stop caught in user code: sp, pc, bp are valid although it is RUNNING, and these are its general registers
	 * (roots for a scan). NULL otherwise. */
	const uintptr_t *regs;
	uint32_t n_regs;
	/* Its floating-point and vector registers as the kernel saved them, and, if it was caught in a signal handler on a signal stack of the
	 * runtime's, the live part of that stack. Empty ranges otherwise. */
	uintptr_t vector_lo, vector_hi;
	uintptr_t handler_lo, handler_hi;
};

struct rt_objinfo {
	enum rt_obj_kind kind;
	uint64_t cap, len;              /* channel */
	size_t   elem_bytes;
	bool     closed;
	uint64_t owner_id;              /* mutex, write-held rwmutex, running once; 0 = none or unknown */
	int64_t  counter;               /* wait group counter; rwmutex: number of readers; semaphore: permits */
	bool     handover;              /* mutex that anyone may unlock */
	bool     writer_waiting;        /* rwmutex */
	bool     is_timer_chan;         /* the runtime's own timer sends on this channel and is armed */
	int64_t  timer_when_ns;
};

/* What could still act. Exact while the world is stopped. */
struct rt_sources {
	uint32_t runnable, running, syscall; /* goroutines */
	uint32_t sleepers;              /* goroutines with has_deadline */
	uint32_t timer_funcs;           /* armed timers with a callback */
	uint32_t timer_chans_awaited;   /* armed timers or tickers whose channel has a waiting receiver */
	uint32_t pollers;               /* goroutines waiting for a descriptor */
	uint32_t foreign;               /* attached foreign threads */
};

struct rt_door {
	uint32_t abi;                   /* RT_EVENT_ABI */
	/* Stop every worker at its next scheduling point, or, if it runs user code, by a signal whose handler parks the thread until
	 * world_start. Returns when all have stopped. Not from a goroutine's critical section of the runtime. Callable from any thread,
	 * also from atexit; nesting is an error. The caller's own goroutine (if any) goes on. */
	void (*world_stop)(void);
	void (*world_start)(void);
	/* Visit all goroutines that are not dead. Exact only while the world is stopped, or from within the event `deadlock`. */
	void (*g_each)(bool (*visit)(const struct rt_ginfo *info, void *arg), void *arg);
	bool (*g_info)(struct rt_gview *g, struct rt_ginfo *out);   /* one goroutine; false if dead */
	void (*obj_info)(enum rt_obj_kind kind, void *obj, struct rt_objinfo *out);
	void (*sources)(struct rt_sources *out);
	/* The stack of a goroutine that is not running, innermost first, runtime frames included. Returns the number of pcs. */
	size_t (*g_stack)(struct rt_gview *g, void **pcs, size_t max);
	struct rt_gview *(*self)(void); /* calling goroutine or NULL */
	/* Print "fatal error: text", a blank line and the dump of all goroutines, exit 2. Does not return. */
	void (*fatal)(const char *text);
	const char *(*wait_text)(enum rt_wait wait);    /* Go's words: "chan receive", "sync.Mutex.Lock", … */
	/* Address ranges that hold the runtime's own data (goroutine stacks slabs, g tables, wait tables): visit each. A conservative
	 * scan neither scans them nor takes them as roots. */
	void (*own_ranges)(void (*visit)(uintptr_t lo, uintptr_t hi, void *arg), void *arg);
	/* Armed timers with a callback, for roots: visit (callback, argument). World stopped. */
	void (*timer_roots)(void (*visit)(void *fn, void *arg_of_fn, void *arg), void *arg);
	/* Armed timers that send on a channel. World stopped. */
	void (*timer_chans)(void (*visit)(void *chan, void *arg), void *arg);
	/* The whole wait set of a parked goroutine, for those with more entries than rt_ginfo shows. Returns how many were written. */
	uint32_t (*g_waits)(struct rt_gview *g, struct rt_wait_entry *out, uint32_t max);
	int32_t (*thread_ids)(int32_t *tids, int32_t max);  /* OS threads that belong to the runtime (workers, sysmon) */
	int32_t (*threads_starting)(void);      /* workers created whose number thread_ids does not tell yet */
	int64_t (*now_ns)(void);
	/* Who owns the choices of this run (policy.h): to be set while the observer is being attached. A point before an operation of the program
	 * that the runtime does not see (atomics). */
	int  (*policy_set)(const struct rt_policy *policy);
	void (*point)(enum rt_point at, const void *obj);
};

#endif

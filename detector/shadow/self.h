/* Who acts: the detector's state of a goroutine, or of a thread that runs outside any goroutine.
 *
 * Guarded by nobody: only the goroutine itself touches its det_g, or the peer that has won the right to wake it (event.h). det_self is
 * the one running on this OS thread; NULL before the thread's first event and while a worker is in the scheduler.
 *
 * `busy` is set while this thread is inside the detector with locks held. A signal handler that interrupts it there finds it set and
 * is not checked (counted as a loss); without it the handler could wait for a lock of its own thread. */
#ifndef CSP_DETECTOR_SHADOW_SELF_H
#define CSP_DETECTOR_SHADOW_SELF_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../clock/clock.h"
#include "../../runtime/event/event.h"

/* One instrumented function that has been entered and not left. */
struct det_frame {
	uintptr_t pc;                   /* where it returns to */
	uint32_t  ctx;                  /* interned id of the stack up to here; 0: not computed yet */
	uint32_t  sp;                   /* its stack pointer >> 4, low bits: frames below a longjmp's target are dropped */
};
#define DET_FRAMES 32768                /* deeper frames are counted, not kept */

/* What is known for the whole run; never freed. */
struct det_row {
	uint64_t  gid, parent_gid;
	uintptr_t entry_pc, go_pc;
	uint32_t  created_ctx;
	_Atomic uint32_t finished;
	char      name[32];
};

/* The second clock of a goroutine (order/must.h): happens-before without the edges of locks. */
struct det_must {
	det_epoch epoch;                /* slot 0: no event yet */
	det_clock clock;
	uint32_t  n_out, n_in;          /* releases and acquires so far */
	bool      dirty;
};

struct det_g {
	/* The present span: descriptors [span_base, span_base + span_len) are plain accesses of this g in its present epoch. */
	uint32_t span_base, span_len;
	struct det_frame *sp;           /* the next free frame */

	det_epoch epoch;
	det_clock clock;                /* without its own slot */
	bool      dirty;                /* something was accessed or acquired since the last release */
	uint32_t  ignore;               /* csp_race_ignore nesting */
	struct det_frame *frames;       /* DET_FRAMES of them */
	uint32_t  frames_over;          /* entered beyond DET_FRAMES */
	uint32_t  stack_index;          /* of frames, to give back */
	uint32_t  row;

	struct det_must must;
	struct det_holder *holds;       /* the locks it holds (order/held.c); NULL: none */
	uint64_t order_memo[4];         /* dependencies told in this span of must-order */
	bool lock_tried;                /* the lock event that follows comes from a try */
	bool next_lock_guards_condition;        /* a wait on one has just returned */
	uintptr_t released_last;        /* the lock it gave back last, for signals sent after that */

	/* C11 fences: what relaxed loads have read, and what relaxed stores will publish. */
	struct det_snap pending_acquire, release_fence;
	struct det_snap must_pending_acquire, must_release_fence;

	uintptr_t stack_lo, stack_hi;
	struct rt_gview *view;          /* NULL for a plain thread */
	uint32_t  next_free;

	struct { uintptr_t pc; uint32_t ctx, info, id; } recent[16];    /* descriptors drawn in this epoch */
};

struct det_thread {
	struct det_g *own;              /* this thread outside goroutines */
	bool          busy;
	uint32_t      plain_next, plain_end;    /* private blocks of descriptor ids */
	uint32_t      atomic_next, atomic_end;
	uintptr_t     tls_lo, tls_hi;   /* this thread's static thread-local block */
	bool          tls_known;
	struct det_holder *spare;       /* an unused record of held locks */
};

extern _Thread_local struct det_g *det_self __attribute__((visibility("hidden"), tls_model("initial-exec")));
extern _Thread_local struct det_thread det_thread __attribute__((visibility("hidden"), tls_model("initial-exec")));

/* The acting det_g; creates the thread's own on first use. NULL while the detector is off. */
struct det_g *det_self_slow(void);
static inline struct det_g *det_me(void)
{
	struct det_g *g = det_self;

	return __builtin_expect(g != NULL, 1) ? g : det_self_slow();
}

static inline bool det_enter(void)
{
	if (__builtin_expect(det_thread.busy, 0))
		return false;
	det_thread.busy = true;
	atomic_signal_fence(memory_order_seq_cst);
	return true;
}

static inline void det_leave(void)
{
	atomic_signal_fence(memory_order_seq_cst);
	det_thread.busy = false;
}

/* --- life cycle --- */

bool det_self_init(void);
struct det_g *det_g_create(uint64_t gid, const struct det_g *parent_or_null);   /* knows nothing yet */
void det_g_finish(struct det_g *g);             /* its row stays */
struct det_row *det_row_of_slot(uint32_t slot);
struct det_row *det_row_of_gid(uint64_t gid);
struct det_row *det_row_at(uint32_t row);
uint32_t det_rows(void);
void det_row_rename(uint32_t row, uint64_t gid);        /* a thread becomes a goroutine */
static inline struct det_row *det_row_of(const struct det_g *g) { return det_row_at(g->row); }

/* Whose stack addr lies in; 0: nobody's that is known. For reports: walks all. */
uint64_t det_stack_owner(uintptr_t addr);

/* --- order --- */

/* What g knew at its epoch e: true if e happened before g's present. */
static inline bool det_knows(const struct det_g *g, det_epoch e)
{
	return e.slot == g->epoch.slot || det_clock_get(g->clock, e.slot) >= e.time;
}

/* End g's epoch and leave what it knows in *out (a reference the caller owns). */
void det_release(struct det_g *g, struct det_snap *out);
/* The same, joined into or stored over *s. */
void det_release_join(struct det_g *g, struct det_snap *s);
void det_release_store(struct det_g *g, struct det_snap *s);
void det_acquire(struct det_g *g, const struct det_snap *s);

/* False: the detector answers nothing (before init, after fork of a threaded process, after a failed init). */
extern bool det_races_off __attribute__((visibility("hidden")));    /* CSPCHECK_RACE=off: order is kept, accesses are not */
extern _Atomic bool det_on __attribute__((visibility("hidden")));

#endif

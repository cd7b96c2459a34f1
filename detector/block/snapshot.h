/* Who can still go on? Answered on a frozen copy of the process: a child made by a bare clone, which owns a copy of all memory and no
 * other thread, marks from every root and solves the graph; the program runs on meanwhile. "Blocked for ever" is stable, so what is
 * true of the copy stays true. The child allocates nothing from malloc, takes no lock that a stopped thread may hold, answers
 * through shared memory and leaves by _exit. */
#ifndef CSP_DETECTOR_BLOCK_SNAPSHOT_H
#define CSP_DETECTOR_BLOCK_SNAPSHOT_H

#include "block.h"

enum det_fate {
	DET_FATE_DEAD,                  /* proven: nobody alive can wake it */
	DET_FATE_SUSPECT,               /* would be, but for a root that need not mean anything (S1) */
	DET_FATE_BLOCKED,               /* waits, may be woken by somebody alive */
	DET_FATE_ACTIVE                 /* runs, sleeps, waits for a descriptor … */
};

struct det_answer_g {
	struct rt_gview *view;
	uint64_t gid;
	int64_t  since_ns;              /* of its wait: tells whether it has run since */
	uint32_t first_step;            /* suspects: why it is no proof, from the object outwards; no steps: unknown threads */
	uint8_t  n_steps;
	uint8_t  fate, wait, state;     /* det_fate, rt_wait, rt_gstate */
};

enum det_step_kind {
	DET_STEP_BLOCK,                 /* a heap block: base, bytes; at: the word in it that leads on (the object itself in the first step) */
	DET_STEP_STACK,                 /* of goroutine gid */
	DET_STEP_DOUBTFUL,              /* the same, but only a word in a frame of the runtime, which may be left from a frame before */
	DET_STEP_GLOBAL,                /* a word of a module's data */
	DET_STEP_MEMORY                 /* a word of other memory that the program may write */
};
struct det_step { enum det_step_kind kind; uintptr_t base, at; uint64_t bytes, gid; };
#define DET_STEPS_MAX 4096u             /* of an answer */
#define DET_PATH_MAX  16u               /* of one goroutine */

struct det_answer {
	_Atomic uint32_t done;          /* futex. 1: the child finished its work; anything else: no answer */
	bool     quiet;                 /* nothing left that could act: the dead are dead without any look at memory (P2) */
	const char *given_up;           /* why there is no answer, or NULL */
	uint64_t heap_bytes, root_bytes;        /* marked */
	uint32_t n_goroutines;          /* looked at */
	int64_t  pause_ns, judged_ns;   /* the world stood still; from the stop to the answer */
	int64_t  cpu_ns[4];             /* of the copy: gathering, terms, roots, marking and solving */
	uint32_t n_steps;
	struct det_step steps[DET_STEPS_MAX];
	uint32_t n;
	struct det_answer_g g[];        /* the dead and the suspects; when main has ended, or when asked for, all but those with a verdict */
};

struct det_question {
	struct rt_gview *self;          /* who asks, NULL: a thread of the detector */
	uintptr_t self_sp;              /* its frames from here outwards count */
	bool      main_ended;           /* exit was called on goroutine 1, or main returned: its stack is no root any more */
	bool      want_all;
	int32_t   n_unknown_threads;    /* that never told us their registers: what is dead is only suspected */
	int64_t   suspect_before_ns;    /* suspects that wait since before; 0: none are looked for */
};

bool det_snapshot_init(void);
void det_snapshot_after_fork(void);      /* the answer's memory is shared with the parent: get one of our own */
/* Freeze, copy, go on, wait for the child. The world must be running; returns NULL (a loss is counted) if there is no answer. The
 * answer is valid until the next call. One caller at a time. */
const struct det_answer *det_snapshot_ask(const struct det_question *q);
/* The same on the copy: called in the child. */
void det_reach_solve(const struct det_question *q, struct det_answer *out, uint32_t max);
void det_snapshot_finish(void);          /* the last copy is gone when it returns */
bool det_reach_init(void);
void det_reach_prepare(void);            /* before the world is stopped */

#endif

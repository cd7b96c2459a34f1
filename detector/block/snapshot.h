/* Who can still go on? Answered on a frozen copy of the process: a child made by a bare clone, which owns a copy of all memory and no
 * other thread, marks from every root and solves the graph; the program runs on meanwhile. "Blocked for ever" is stable, so what is
 * true of the copy stays true. The child allocates nothing from malloc, takes no lock that a stopped thread may hold, answers
 * through shared memory and leaves by _exit. */
#ifndef CSP_DETECTOR_BLOCK_SNAPSHOT_H
#define CSP_DETECTOR_BLOCK_SNAPSHOT_H

#include "block.h"

enum det_fate {
	DET_FATE_DEAD,                  /* proven: nobody alive can wake it */
	DET_FATE_BLOCKED,               /* waits, may be woken by somebody alive */
	DET_FATE_ACTIVE                 /* runs, sleeps, waits for a descriptor … */
};

struct det_answer_g {
	struct rt_gview *view;
	uint64_t gid;
	int64_t  since_ns;              /* of its wait: tells whether it has run since */
	uint8_t  fate, wait, state;     /* det_fate, rt_wait, rt_gstate */
	bool     skip;                  /* convicted before, expected to stay, or the asking goroutine itself */
};

struct det_answer {
	_Atomic uint32_t done;          /* 1: the child finished its work; anything else: no answer */
	bool     quiet;                 /* nothing left that could act: the dead are dead without any look at memory (P2) */
	bool     unknown_threads;       /* threads that never told us their registers: P3 is not claimed */
	const char *given_up;           /* why there is no answer, or NULL */
	uint64_t heap_bytes, root_bytes;        /* marked */
	uint32_t n;
	struct det_answer_g g[];
};

struct det_question {
	struct rt_gview *self;          /* who asks, NULL: a thread of the detector */
	uintptr_t self_sp;              /* its frames from here outwards count */
	bool      main_ended;           /* exit was called on goroutine 1, or main returned: its stack is no root any more */
	int32_t   n_unknown_threads;
};

bool det_snapshot_init(void);
void det_snapshot_after_fork(void);      /* the answer's memory is shared with the parent: get one of our own */
/* Freeze, copy, go on, wait for the child. The world must be running; returns NULL (a loss is counted) if there is no answer. The
 * answer is valid until the next call. One caller at a time. */
const struct det_answer *det_snapshot_ask(const struct det_question *q);
/* The same on the copy: called in the child. */
void det_reach_solve(const struct det_question *q, struct det_answer *out, uint32_t max);
bool det_reach_init(void);
void det_reach_prepare(void);            /* before the world is stopped */

#endif

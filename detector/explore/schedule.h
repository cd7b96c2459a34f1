/* What one explored run leaves behind: a file in the spool that the checked process maps and writes as it goes, so that it is complete up to
 * the last step however the process ends. The command reads it, and writes one to have a schedule followed (replay).
 *
 *   offset 0                    struct det_schedule
 *   DET_SCHEDULE_GS_AT          struct det_schedule_g [n_goroutines]     in the order of their birth; [0] is main
 *   DET_SCHEDULE_DEVIATIONS_AT  struct det_deviation  [n_deviations]
 *   DET_SCHEDULE_TAPE_AT        struct det_tape_entry [n_tape]           every decision with more than one alternative
 *   DET_SCHEDULE_PREFIX_AT      uint16_t              [n_prefix]         strategy dfs: what those are to be, first
 *
 * The default schedule goes on with the running goroutine as long as it can, then with the one that has been runnable longest; its other
 * choices are the first alternative. A schedule is what it does differently, so it is short, and says the same after unrelated edits: a
 * deviation names who decided by path, which of its decisions it was, and whom it chose by path. */
#ifndef CSP_DETECTOR_EXPLORE_SCHEDULE_H
#define CSP_DETECTOR_EXPLORE_SCHEDULE_H

#include "../../runtime/sched/policy.h"

#define DET_SCHEDULE_MAGIC "CSPSCHD1"
#define DET_SCHEDULE_GS_AT 4096u
#define DET_SCHEDULE_GS_MAX (1u << 20)
#define DET_SCHEDULE_DEVIATIONS_AT (DET_SCHEDULE_GS_AT + DET_SCHEDULE_GS_MAX * 16u)
#define DET_SCHEDULE_DEVIATIONS_MAX (1u << 22)
#define DET_SCHEDULE_TAPE_AT (DET_SCHEDULE_DEVIATIONS_AT + DET_SCHEDULE_DEVIATIONS_MAX * 40u)
#define DET_SCHEDULE_TAPE_MAX (1u << 20)
#define DET_SCHEDULE_PREFIX_AT (DET_SCHEDULE_TAPE_AT + DET_SCHEDULE_TAPE_MAX * 16u)
#define DET_SCHEDULE_BYTES (DET_SCHEDULE_PREFIX_AT + DET_SCHEDULE_TAPE_MAX * 2u)

struct det_schedule {
	char     magic[8];
	uint64_t seed, index;
	uint64_t steps, choices;        /* picks of a goroutine; other choices */
	uint64_t hash;                  /* of all steps and choices so far */
	uint64_t hb_hash;               /* of the happens-before order of the steps, whatever their sequence */
	uint32_t n_goroutines, n_deviations, n_preemptions;
	uint32_t lost_deviations;       /* did not fit: the schedule cannot be written down */
	uint32_t max_runnable, ended;   /* ended: the exit handler ran */
	uint32_t n_tape, n_prefix;      /* n_prefix is the command's */
	uint32_t lost_tape;             /* decisions that did not fit, or had too many alternatives */
	uint32_t n_unfair;              /* picks from which somebody was left out because he had fallen behind */
	uint64_t max_steps;             /* 0: no limit. The run ends there, with was_cut set */
	uint32_t was_cut, unused;
	/* Replay: deviations met; of them, those whose target could not run; 1 + the step of the first of these, and of the first that was met in a
	 * state that was not the recorded one (0: none). */
	uint32_t n_followed, n_infeasible;
	uint64_t infeasible_step, drift_step;
	char     strategy[64];
};

struct det_schedule_g {
	uint64_t path;
	uint32_t parent;                /* index; its own for main */
	uint32_t nth;                   /* of the parent's goroutines, from 1; 0: a timer's */
};

enum { DET_DECIDES_PICK = 255 };        /* kind, else enum rt_choice */

struct det_deviation {
	uint64_t who;                   /* path of the goroutine that ran until then */
	uint64_t target;                /* PICK: the path of the one that runs next; else the index chosen */
	uint64_t step;                  /* picks before */
	uint32_t nth;                   /* of its decisions of this kind, from 1 */
	uint32_t hash;                  /* of the run up to here, upper half */
	uint16_t of;                    /* alternatives */
	uint8_t  kind, at;              /* at: enum rt_point of the target */
	uint32_t unused;
};

struct det_tape_entry {
	uint64_t state;                 /* hash of what happened before, in the order of what depends on each other */
	uint16_t n, chosen, usual;      /* alternatives; the default one */
	uint8_t  kind, unused;
};

_Static_assert(sizeof(struct det_tape_entry) == 16, "layout of the file");
_Static_assert(sizeof(struct det_schedule) <= DET_SCHEDULE_GS_AT, "header fits its page");
_Static_assert(sizeof(struct det_schedule_g) == 16 && sizeof(struct det_deviation) == 40, "layout of the file");

#endif

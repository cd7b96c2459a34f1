/* Deadlocks, leaks, misuse: verdicts with proofs.
 *
 * While the program runs, its locks, channels and parks are noted (table.h) by the events below; each has the signature of the event of
 * that name in struct rt_observer. A goroutine that parks for a lock starts a walk over owner edges (knot.c: P0, P1). The runtime tells
 * when all are asleep (P2). A thread of its own, csp_leak_check and the end of the process ask for reachability (reach.c: P3). */
#ifndef CSP_DETECTOR_BLOCK_BLOCK_H
#define CSP_DETECTOR_BLOCK_BLOCK_H

#include "../../runtime/event/event.h"
#include "../../runtime/sched/inspect.h"
#include "table.h"

enum det_deadlock_mode { DET_DEADLOCK_OFF, DET_DEADLOCK_WARN, DET_DEADLOCK_FATAL };

struct det_block_options {
	enum det_deadlock_mode deadlock;
	bool    leak;
	int64_t leak_interval_ns;       /* 0: only on demand and at exit */
	bool    suspects;               /* report what globals alone keep alive (S1), as notes */
	bool    say_times;              /* of each check, on stderr */
};

extern const struct rt_door *det_block_door __attribute__((visibility("hidden")));
extern struct det_block_options det_block_options __attribute__((visibility("hidden")));

void det_block_attach(const struct rt_door *door, const struct det_block_options *options);

/* knot.c */
void det_block_park(struct rt_gview *g);
void det_block_ready(struct rt_gview *waker, struct rt_gview *g);
void det_block_end(struct rt_gview *g);
void det_block_mutex_lock(struct rt_gview *g, void *m, void *pc);
void det_block_mutex_unlock(struct rt_gview *g, void *m);
void det_block_rw_lock(struct rt_gview *g, void *rw, bool writer, void *pc);
void det_block_rw_unlock(struct rt_gview *g, void *rw, bool writer, void *pc);
void det_block_once_begin(struct rt_gview *g, void *o);
void det_block_once_done(struct rt_gview *g, void *o);
void det_block_knot_fork(int phase);
/* A verdict was reached on the goroutine: from now on it must never be made ready. */
void det_block_convict(uint64_t gid, struct rt_gview *view, enum det_proof proof);
bool det_block_convicted(uint64_t gid);
/* It is suspected from now on; true if it was before, in the same wait or another. */
bool det_block_suspected(uint64_t gid);

/* misuse.c */
void det_block_misuse(struct rt_gview *g, enum rt_misuse what, void *obj, const char *text, void *pc);
void det_block_deadlock(void);
void det_block_fatal(const char *text);
bool det_block_dying(void);             /* a fatal error or panic is under way: no further verdicts */
/* End the program by the runtime's fatal error. */
_Noreturn void det_block_die(const char *text);

/* leak.c */
/* Visit all goroutines with the world stopped. Not with locks of the runtime or of a report held. */
void det_block_look(bool (*visit)(const struct rt_ginfo *info, void *arg), void *arg);
int  det_block_leak_check(void *pc);
void det_block_verdicts(void (*say)(const char *line, void *arg), void *arg);
void det_block_at_exit(void);
void det_block_expect_leak(struct rt_gview *g);
void det_block_leak_attach(void);       /* after det_block_attach */
void det_block_go(void);                /* a goroutine is started: there is something to watch */
void det_block_leak_fork(int phase);

#endif

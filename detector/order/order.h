/* Prediction: locks whose orders can meet, though nobody hung in this run (S2), and locks that a finished goroutine kept.
 *
 * held.c keeps what each goroutine holds and turns a lock taken under others into a dependency; chain.c keeps dependencies and looks
 * for chains of them that close; tell.c writes the finding. Locks that are handed over have no owner and are not told here. */
#ifndef CSP_DETECTOR_ORDER_ORDER_H
#define CSP_DETECTOR_ORDER_ORDER_H

#include "../shadow/self.h"
#include "../../runtime/event/event.h"
#include "../../runtime/sched/inspect.h"

struct det_cycle;
struct det_lockref;
/* Who is told: tell.c, or a test. */
struct det_order_tell {
	void (*cycle)(const struct det_cycle *c);
	void (*kept)(uint64_t gid, const struct det_lockref *lock);
};
void det_order_attach(const struct det_order_tell *tell, bool predict);
/* The findings of tell.c. */
void det_order_attach_findings(const struct rt_door *door, bool predict);

/* Added to the kind of a lock whose waiting writers do not shut readers out (pthread_rwlock_t as a rule). */
#define DET_READERS_FIRST 0x80

/* g holds the lock now. ctx: the whole stack. tried: by an operation that never waits. */
void det_order_took(struct det_g *g, uintptr_t lock, unsigned kind, bool write, bool tried, uint32_t ctx);
/* About to release it. */
void det_order_gives(struct det_g *g, uintptr_t lock, bool write);
/* A condition is signalled: the mutexes held, and the one given back last, guard it. */
void det_order_signals(struct det_g *g);
void det_order_waits_on(struct det_g *g, uintptr_t mutex);              /* this one does */
void det_order_end(struct det_g *g, bool tell);
void det_order_at_exit(void);
void det_order_fork(int phase);

#endif

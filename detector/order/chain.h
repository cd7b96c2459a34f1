/* Inside the room: what is held, dependencies, and chains of them. */
#ifndef CSP_DETECTOR_ORDER_CHAIN_H
#define CSP_DETECTOR_ORDER_CHAIN_H

#include "must.h"
#include "order.h"

#define DET_HELD   8u           /* locks held by one goroutine that are looked at */
#define DET_PASSED 16u
#define DET_CYCLE  6u           /* goroutines of one chain */
#define DET_GUARDS 4u

/* A lock as a goroutine took it. id: the number of the instance, not its address (0: not asked for yet). */
struct det_lockref { uintptr_t addr; uint32_t id, ctx; uint8_t kind; bool write; };

struct det_held {
	struct det_lockref lock;
	det_epoch since;                /* in must-order */
	uint32_t out, in;               /* must releases and acquires of the goroutine before it */
	uint32_t first_number;          /* of the next dependency then */
};

/* A lock that was given back while `depth` of the locks still held were held already. */
struct det_passed { uint32_t id; uint8_t depth; bool write; };

/* Written by the goroutine itself; others read n and held only to look for sections that may enclose a dependency (chain.c). */
struct det_holder {
	uint32_t index;                 /* of this record in its pool */
	_Atomic uint32_t n;
	uint64_t gid;
	struct det_held held[DET_HELD];
	uint32_t over;                  /* held beyond DET_HELD: while there are any, nothing is concluded */
	uint8_t  n_passed;
	bool     passed_over;
	struct det_passed passed[DET_PASSED];
};
void det_holder_each(void (*visit)(const struct det_holder *h, void *arg), void *arg);

/* The number of the lock at addr: another one once its memory was freed, or written by the program, in between. 0: no memory. */
uint32_t det_lock_number(uintptr_t addr);
/* Unlocked by another than who locked it: no owner, so nothing can be concluded from who holds it. */
void det_lock_hand_over(uint32_t id);
bool det_lock_is_handed_over(uint32_t id);

/* One way in which a lock is wanted while others are held. */
struct det_dep {
	uint64_t key;
	struct det_lockref want, held[DET_HELD];        /* held: in the order taken */
	uint32_t n_held, next;
#define DET_INSTANCES 4
	uint32_t instances[DET_INSTANCES], n_instances, turn;   /* the latest, of different goroutines */
};

/* That it happened: who, when in must-order, and what was around it. */
struct det_instance {
	uint32_t dep, pins, number;
	uint64_t gid;
	det_epoch at;
	det_clock clock;
	/* Locks held by another goroutine in sections that this lies inside of, by must-order on both sides. */
	uint32_t n_guards;
	bool     guards_over, passed_over;
	struct { uint32_t id; bool write; } guards[DET_GUARDS];
	uint32_t n_passed;
	struct det_passed passed[DET_PASSED];
};

/* A chain that closes: [i] wants what [i + 1] holds (by held[hold[i]]), the last what the first holds. Where both only read, a
 * writer that queues in between shuts out the second reader: writer[i], else NULL. */
struct det_cycle {
	uint32_t n;
	struct det_instance *of[DET_CYCLE], *writer[DET_CYCLE];
	uint32_t hold[DET_CYCLE];
};

bool det_chain_init(void);
uint32_t det_chain_number(void);        /* of the next dependency */
void det_chain_add(struct det_g *g, const struct det_holder *h, const struct det_lockref *want);
/* g gives back a lock after others may have worked inside that section: mark what did. */
void det_chain_guard(struct det_g *g, struct det_held *section);
void det_chain_settle(void);
void det_chain_fork(int phase);
struct det_dep *det_dep_of(const struct det_instance *i);

extern struct det_order_tell det_order_tell __attribute__((visibility("hidden")));

#endif

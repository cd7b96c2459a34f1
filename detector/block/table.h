/* What the wait-for analyser remembers: goroutines, who holds which lock and since where, channels with their sites and users.
 * All of it in the detector's own memory; every function takes the lock of one table or shard and calls nothing of the runtime. */
#ifndef CSP_DETECTOR_BLOCK_TABLE_H
#define CSP_DETECTOR_BLOCK_TABLE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../../runtime/event/event.h"

enum det_proof { DET_PROOF_NONE, DET_PROOF_P0, DET_PROOF_P1, DET_PROOF_P2, DET_PROOF_P3 };

/* A goroutine that has been noticed: it holds a lock, waits for one, has a verdict, or is expected to stay. Rows of ended goroutines
 * are kept only while they hold a lock. */
struct det_bg {
	uint64_t gid;
	/* Guarded by the walk lock (knot.c). */
	struct rt_gview *view;
	uintptr_t wants;                /* the lock it is parked for; 0: none */
	uint32_t  wants_ctx;            /* where */
	uint8_t   wants_kind, wants_op; /* rt_obj_kind, rt_wait_op */
	bool      ended;
	bool      waits_cond;           /* its verdict is on a cond: set before the verdict */
	uint32_t  walk;                 /* number of the walk that saw it */
	struct det_bg *next_writer;     /* of those that want to write-lock */
	/* Atomic on their own. */
	_Atomic uint8_t  verdict;       /* det_proof; never goes back */
	_Atomic bool     expect_leak, suspected;
	_Atomic uint32_t n_holds;
	uint32_t next;                  /* chain of the shard */
};

bool det_table_init(void);
void det_table_after_fork(void);

/* The row of a goroutine; made if create. NULL: none, or no memory (a loss). Rows move never; ended ones may be reused. */
struct det_bg *det_bg_of(uint64_t gid, bool create);
void det_bg_drop(uint64_t gid);
void det_bg_each(bool (*visit)(struct det_bg *b, void *arg), void *arg);
bool det_bg_any(void);                  /* has any row ever been made? */

/* --- locks --- */
struct det_hold { uintptr_t lock; uint64_t gid; uint32_t ctx, count; bool write; uint8_t kind; uint32_t next; };
void det_hold_add(uintptr_t lock, uint8_t kind, uint64_t gid, bool write, uint32_t ctx);
/* Do others hold the lock in this way, and gid does not? */
bool det_hold_is_anothers(uintptr_t lock, uint64_t gid, bool write);
/* Remove gid's hold; if it has none but others do, one of theirs (handed over). */
void det_hold_remove(uintptr_t lock, uint64_t gid, bool write);
uint32_t det_hold_list(uintptr_t lock, struct det_hold *out, uint32_t max);
/* Locks held by gid (walks the whole table: for reports only). */
uint32_t det_hold_of(uint64_t gid, struct det_hold *out, uint32_t max);

/* --- channels --- */
#define DET_USERS 4
struct det_chan {
	uintptr_t addr;
	size_t    header_bytes, bytes, elem_bytes;
	uint64_t  cap;
	uint64_t  made_by, closed_by;
	uint32_t  made_ctx, closed_ctx; /* closed_ctx 0: open */
	uint64_t  senders[DET_USERS], receivers[DET_USERS];     /* the last distinct users, most recent first; 0: none */
	uint32_t  next;
};
void det_chan_add(uintptr_t addr, size_t header, size_t bytes, size_t elem, uint64_t cap, uint64_t gid, uint32_t ctx);
void det_chan_drop(uintptr_t addr);
bool det_chan_get(uintptr_t addr, struct det_chan *out);
void det_chan_used(uintptr_t addr, uint64_t gid, bool is_send);
void det_chan_closed(uintptr_t addr, uint64_t gid, uint32_t ctx);
void det_chan_each(bool (*visit)(const struct det_chan *c, void *arg), void *arg);

#endif

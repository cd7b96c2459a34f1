/* Where goroutines wait for the objects of this room, so that a mutex in the user's memory is a few words without a pointer: a table
 * hashed by the address of a 32-bit word, as Go's semaroot. Waiters live on the stacks of the goroutines that wait; the table links
 * them, FIFO per address. The table knows addresses, it never reads the object of a waiter it has released: a woken goroutine may
 * free the object at once. */
#ifndef CSP_RUNTIME_SYNC_SEMTABLE_H
#define CSP_RUNTIME_SYNC_SEMTABLE_H

#include "../g.h"

/* What the wait is for, as inspect shows it. */
struct rt_sem_why {
	void         *obj;
	enum rt_wait  wait;
	uint8_t       kind, op;                 /* enum rt_obj_kind, enum rt_wait_op */
	void         *with;                     /* cond: the mutex that is taken after the signal */
};

/* Guarded by the lock of its bucket until it is taken out; then its g's. */
struct rt_sem_waiter {
	struct rt_waiter      w;                /* first member; w.next: the next waiter of the same address */
	const void           *addr;
	struct rt_sem_waiter *chain, *last;     /* in the first waiter of an address: next address of the bucket; the last waiter */
	bool                  granted;          /* the waker has taken the permit for it */
};

struct rt_sem_bucket {
	struct rt_lock        lock;             /* rank SEMTABLE: below CHAN and the poller's; never two at once */
	_Atomic uint32_t      n_waiters;        /* written under lock; read without it by rt_sem_release */
	struct rt_sem_waiter *first;
} __attribute__((aligned(64)));

/* --- counting semaphore on *addr --- */

bool rt_sem_try_acquire(uint32_t *addr);
/* Take one permit, parking until there is one. lifo: ahead of those who wait already. */
void rt_sem_acquire(uint32_t *addr, const struct rt_sem_why *why, bool lifo);
/* Add one permit and wake one waiter. grant: the permit goes to the woken goroutine, nobody can take it before; true is returned if
 * that happened. *addr is not touched once the permit can be taken, except on behalf of a goroutine still waiting. */
bool rt_sem_release(uint32_t *addr, bool grant);

/* --- building blocks for other protocols (wait group, once, cond) --- */

struct rt_sem_bucket *rt_sem_lock(const void *addr);
void                  rt_sem_unlock(struct rt_sem_bucket *bucket);
/* Queue the calling goroutine under addr, unlock the bucket and park. `ticket` is kept in the waiter for rt_sem_take. */
void                  rt_sem_wait_locked(struct rt_sem_bucket *bucket, const void *addr, uint32_t ticket, const struct rt_sem_why *why);
/* Take the waiter of addr with that ticket out of the table; a schedule policy may choose another, whose ticket is then swapped. NULL: not
 * queued. The caller unlocks, then readies the result. */
struct rt_g          *rt_sem_take(struct rt_sem_bucket *bucket, const void *addr, uint32_t ticket);
struct rt_g          *rt_sem_take_all(struct rt_sem_bucket *bucket, const void *addr); /* chained by sched_next, FIFO */

/* The table's own memory, which a conservative scan must leave out. */
void rt_semtable_range(uintptr_t *lo, uintptr_t *hi);

/* Hold all locks of the table over a fork (sched/fork.c). */
void rt_semtable_hold(bool hold);

#endif

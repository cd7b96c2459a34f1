/* Reachability (P3), on the frozen copy: what its parts share. The copy has one thread; nothing here is locked. */
#ifndef CSP_DETECTOR_BLOCK_REACH_H
#define CSP_DETECTOR_BLOCK_REACH_H

#include "../abi/heap.h"
#include "graph.h"
#include "snapshot.h"

#define DET_READERS_MAX 16              /* holders of a read lock that are looked at one by one */

struct det_range { uintptr_t lo, hi; };

/* A goroutine on the copy; parallel to graph.nodes. */
struct det_member {
	struct rt_gview *view;
	uint64_t  gid;
	int64_t   since_ns;
	uintptr_t stack_lo, stack_hi, live_lo;
	const uintptr_t *regs;
	uint32_t  n_regs;
	uint8_t   state, wait;
	bool      system, foreign, self, active, marked_stack, skip;
	uint32_t  first_wait, n_waits;
};

extern struct det_reach {
	unsigned char *scratch; size_t used;
	struct det_range *work; uint64_t n_work;        /* ranges still to be scanned */
	struct det_range *holes; uint32_t n_holes;      /* not roots; sorted */
	struct det_member *members;
	uint32_t      *by_stack, *by_gid;       /* indexes of members, sorted by stack_lo, by gid */
	struct rt_wait_entry *waits; uint32_t n_waits;
	uint64_t      *marked; uint32_t heap_ids;
	uintptr_t      stacks_lo, stacks_hi;    /* hull of goroutine stacks */
	uintptr_t      heap_lo, heap_hi;        /* hull of heap blocks */
	struct det_graph graph;
	const struct det_question *question;
	const char    *given_up;
	uint64_t       heap_bytes, root_bytes;
	uintptr_t      brk_lo, brk_hi;          /* the mapping malloc's main arena lives in */
	bool           known_heap;
	/* Found out before the world is stopped, since the loader's lock is needed. */
	size_t         tls_bytes;
	uintptr_t      own_lo, own_hi;
	uintptr_t      libc_lo, libc_hi;        /* libc's writable data, malloc's main arena in it */
	int            pagemap_fd;
} det_reach __attribute__((visibility("hidden")));

/* reach.c */
void *det_reach_take(size_t bytes);     /* zeroed scratch; when it is used up, given_up is set and the pointer is not to be used */
void det_reach_sort(uint32_t *a, uint32_t n, uintptr_t (*key)(uint32_t));       /* in place, without malloc */

/* mark.c */
bool det_mark_init(void);
void det_mark_catch_faults(void);
void det_mark_range(uintptr_t lo, uintptr_t hi);        /* looked into by the next drain */
void det_mark_word(uintptr_t word);     /* marks what it may point to */
void det_mark_stack(struct det_member *m);
void det_mark_drain(void);
bool det_mark_reached(uintptr_t object, void *arg);     /* for det_graph */
void det_mark_pass_over(uintptr_t lo, uintptr_t hi, void *arg);         /* a block of the runtime's own: never looked into */

/* roots.c: marks from everything that is a root whoever is alive */
void det_roots_find(void);              /* reads the memory map; sets what is no root */
void det_roots_mark(void);

/* waits.c */
void det_waits_gather(uint32_t max);    /* the goroutines of the copy: members and nodes */
void det_waits_to_terms(void);

#endif
